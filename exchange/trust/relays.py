"""What the founders' relays say: nothing about who is who, and everything about whether this is the newest word.

Guarantees: a relay's word never decides which file counts, so that none of them can block, roll back or replace one
(DESIGN.md section 2); it makes a list fresh, or leaves it stale. Each relay is remembered by its own key: one that lies, or was
stolen, spoils its own memory and no other's. A timestamp more than an hour ahead of this clock is refused outright: its version is a clock
reading, and one set to 2^53 would else shut out every honest word after it (reference/trust.md 2.3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tuf.api.metadata import Snapshot, Timestamp

from exchange.trust.contents import RootSays
from exchange.trust.findings import EQUIVOCATION, ROLLED_BACK, Finding
from exchange.trust.rolefile import RoleFile

AHEAD = timedelta(hours=1)
FRESH_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class RelayWord:
    """The newest timestamp of one relay, and the snapshot that it names."""

    timestamp: RoleFile
    snapshot: RoleFile

    @property
    def said(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp.version, UTC)

    @property
    def fresh_until(self) -> datetime:
        """Never longer than a week, whatever it says of itself: a relay is to speak again, or somebody else."""
        return min(self.timestamp.expires, self.snapshot.expires, self.said + FRESH_FOR)

    @property
    def versions(self) -> dict[str, int]:
        """The newest versions that this relay knew, by role."""
        return versions_in(self.snapshot)


def versions_in(snapshot: RoleFile) -> dict[str, int]:
    signed = snapshot.signed
    assert isinstance(signed, Snapshot)  # noqa: S101 - parse_role makes it of the role's type
    return {name.removesuffix(".json"): meta.version for name, meta in signed.meta.items()}


Words = Mapping[str, RelayWord]
"""By the fingerprint of the relay's key."""


def hear(
    before: Words, timestamps: Iterable[RoleFile], snapshots: Iterable[RoleFile], root: RootSays, now: datetime
) -> tuple[dict[str, RelayWord], list[Finding]]:
    """The newest word of each relay. In this order, for each timestamp:

    1. Not more than an hour ahead of the clock. 2. Signed as the root asks. 3. Not older than that relay's last word, and
    not another of the same version. 4. With the snapshot that it names, signed as the root asks. 5. The snapshot keeps
    all that the last one listed, and lowers no version.
    """
    relays = {key.fingerprint for key in root.timestamp.keys.values()}
    words = {relay: word for relay, word in before.items() if relay in relays}
    findings: list[Finding] = []
    by_version: dict[int, list[RoleFile]] = {}
    for snapshot in (*snapshots, *(word.snapshot for word in before.values())):
        by_version.setdefault(snapshot.version, []).append(snapshot)
    whole = {version: root.snapshot.signed(files) for version, files in by_version.items()}
    sober = [timestamp for timestamp in timestamps if timestamp.version <= (now + AHEAD).timestamp()]  # 1
    for timestamp in root.timestamp.signed(sober):  # 2
        for keyid in timestamp.signatures:
            key = root.timestamp.keys[keyid]
            last = words.get(key.fingerprint)
            if last is not None and timestamp.version <= last.timestamp.version:  # 3
                if timestamp.version == last.timestamp.version and timestamp != last.timestamp:
                    findings.append(Finding.of(EQUIVOCATION, (last.timestamp, timestamp), f"relay {key.fingerprint}"))
                continue
            for snapshot in whole.get(_named(timestamp), []):  # 4
                if keyid not in snapshot.signatures:  # another relay's of the same second
                    continue
                if last is not None and _lowers(last.snapshot, snapshot):  # 5
                    findings.append(Finding.of(ROLLED_BACK, (last.snapshot, snapshot), f"relay {key.fingerprint}"))
                    continue
                words[key.fingerprint] = RelayWord(timestamp, snapshot)
                break
    return words, findings


def _named(timestamp: RoleFile) -> int:
    signed = timestamp.signed
    assert isinstance(signed, Timestamp)  # noqa: S101
    return signed.snapshot_meta.version


def _lowers(before: RoleFile, after: RoleFile) -> bool:
    """A role that a snapshot no longer lists breaks every client that knew it (reference/trust.md 2.4, pitfall 3)."""
    new = versions_in(after)
    return any(new.get(role, 0) < version for role, version in versions_in(before).items())


def stale_since(
    words: Words, root: RoleFile, targets: RoleFile, before: datetime | None, now: datetime
) -> datetime | None:
    """None while some relay says that nothing newer is known; else since when nobody does. `before`: what this answered last."""
    fresh = [word.fresh_until for word in words.values() if word.versions.get(targets.role, 0) <= targets.version]
    ends = min(root.expires, targets.expires, max(fresh, default=now))
    if ends > now:
        return None
    return min(before, ends) if before is not None else ends
