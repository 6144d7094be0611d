"""Whose keys a State's identity is: the history of its identity keys, each change with what made it valid.

Guarantees (DESIGN.md section 4, rule 4): a change counts at once if it is signed to the threshold of both the old and the
new keys. Else it is the founders' replacement for keys that were lost: it counts 30 days after publication, and no
sooner than 30 days after this node first saw it, so that founders cannot date it back; it stands in this history for ever
and takes effect in a successor log only (`log`, its ordinal), so that nothing is signed under it in the log of before. What is in
force once is never dropped; a replacement that is not in force yet may be withdrawn.

Both old and new keys sign the same text, which is no note, envelope, cosignature or TUF file:

    cbm-identity/v1
    <federation>
    <participant>
    <which change: 1 for the first>
    <threshold>
    <key, as core/identity.py writes it>      one line each
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from exchange.core.identity import IdentityKey
from exchange.errors import BadSignature, RecordRefused
from exchange.trust.rolefile import Authority

ITSELF, FOUNDERS = "itself", "founders"
IN_PUBLIC = timedelta(days=30)
MAX_CHANGES = 100


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity keys from one change to the next. `by` says on whose word: the State's own, or the founders'."""

    keys: tuple[IdentityKey, ...]
    threshold: int
    by: str
    published: datetime
    log: int | None
    signatures: Mapping[str, bytes]

    @property
    def authority(self) -> Authority:
        return Authority.of(self.keys, self.threshold)


def statement_of_change(
    federation: str, participant: str, ordinal: int, keys: tuple[IdentityKey, ...], threshold: int
) -> bytes:
    """What is signed by the old keys and by the new ones."""
    lines = ["cbm-identity/v1", federation, participant, str(ordinal), str(threshold), *(key.text for key in keys)]
    return "\n".join(lines).encode() + b"\n"


def mark_of(federation: str, participant: str, ordinal: int, identity: Identity) -> str:
    """By what a node remembers when it first saw a replacement."""
    return sha256(
        statement_of_change(federation, participant, ordinal, identity.keys, identity.threshold)
        + identity.published.isoformat().encode()
    ).hexdigest()


def check_identities(federation: str, participant: str, history: tuple[Identity, ...]) -> None:
    """Raises RecordRefused unless every change was made as rule 4 asks.

    1. The first keys are the founders' word, and so is a replacement, which names its successor log.
    2. Any other change is signed to the threshold of the keys before it.
    3. Every set of keys after the first has signed to its own threshold: a key that nobody holds shuts a State out.
    """
    for ordinal, identity in enumerate(history):
        here = f"{participant}, change {ordinal} of its identity keys"
        _ = identity.authority  # distinct keys, a threshold that can be met
        if identity.by not in (ITSELF, FOUNDERS) or (ordinal == 0 and identity.by != FOUNDERS):  # 1
            raise RecordRefused(f"{here}: expected the word of {ITSELF} or {FOUNDERS}, the first of the founders")
        if (identity.log is not None) != (identity.by == FOUNDERS and ordinal > 0):
            raise RecordRefused(f"{here}: a founders' replacement, and it alone, names the successor log that it opens")
        if ordinal == 0:
            continue
        text = statement_of_change(federation, participant, ordinal, identity.keys, identity.threshold)
        if identity.by == ITSELF:  # 2
            before = history[ordinal - 1]
            _count(here, "old", before, text, identity.signatures)
        _count(here, "new", identity, text, identity.signatures)  # 3


def _count(here: str, which: str, who: Identity, text: bytes, signatures: Mapping[str, bytes]) -> None:
    signed = 0
    for key in who.keys:
        try:
            key.verify(text, signatures.get(key.text, b""))
        except BadSignature:
            continue
        signed += 1
    if signed < who.threshold:
        raise RecordRefused(f"{here} was signed by {signed} of {who.threshold} {which} keys")


def in_force(
    federation: str, participant: str, history: tuple[Identity, ...], seen: Mapping[str, datetime], now: datetime
) -> int:
    """Which of the history counts now."""
    found = 0
    for ordinal, identity in enumerate(history[1:], start=1):
        if identity.by == FOUNDERS and now < counts_from(federation, participant, ordinal, identity, seen):
            break
        found = ordinal
    return found


def counts_from(
    federation: str, participant: str, ordinal: int, identity: Identity, seen: Mapping[str, datetime]
) -> datetime:
    """When a replacement takes effect here."""
    first = seen.get(mark_of(federation, participant, ordinal, identity), identity.published)
    return max(first, identity.published) + IN_PUBLIC


def check_history_grows(
    participant: str, before: tuple[Identity, ...], after: tuple[Identity, ...], until: int
) -> None:
    """Raises RecordRefused if what was in force, up to and with number `until`, is not there as it was."""
    if after[: until + 1] != before[: until + 1]:
        raise RecordRefused(f"{participant}: the history of its identity keys was rewritten; it only grows")
