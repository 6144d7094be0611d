"""The founders' trust list in a running node: gathered from anywhere, chosen by trust/choice.py, kept and brought into force.

Guarantees: what counts is durable before anybody is judged by it; files that counted once are kept for ever and served;
every finding becomes an alert with the signed files that show it, and stops nothing. One import runs at a time, and it asks nobody
for leave but the database: the list is never on the path of a request.

A founder's node is a relay as well: once a day, and whenever something is new, it says by its own key what is newest.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from exchange.core.catalogue import Catalogue
from exchange.core.identity import IdentityKey
from exchange.core.keys import ALGORITHM, PrivateKey
from exchange.errors import Misuse
from exchange.federation.trustlist import bring_into_force
from exchange.store.alerts import raise_alert
from exchange.store.database import Database, Transaction
from exchange.store.participants import newest_records
from exchange.store.trust import held_since, keep_held
from exchange.trust.bundle import format_bundle
from exchange.trust.charter import Charter
from exchange.trust.choice import Chosen, Held, choose, pin
from exchange.trust.contents import read_root
from exchange.trust.drafts import draft_snapshot, draft_timestamp, signed
from exchange.trust.findings import Finding
from exchange.trust.participants import Participants
from exchange.trust.relays import FRESH_FOR
from exchange.trust.rolefile import RoleFile

SPEAK_EVERY = timedelta(days=1)

_logger = logging.getLogger("exchange.founders")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is served: replaced as a whole with every import, so it may be read at any time."""

    held: Held
    charter: Charter | None
    bundle: bytes
    tag: str
    known: frozenset[bytes]
    """The files themselves."""


class TrustList:
    """`accept` is given the records before they are durable, as in `import_peers`; where it raises, nothing is imported."""

    def __init__(
        self,
        db: Database,
        root: bytes,
        *,
        federation: str,
        catalogue: Catalogue,
        clock: Callable[[], datetime],
        accept: Callable[[Participants], None],
        relay: PrivateKey | None = None,
    ) -> None:
        self._db, self._federation, self._catalogue = db, federation, catalogue
        self._clock, self._accept, self._relay = clock, accept, relay
        self._lock = threading.Lock()
        self._raised: set[tuple[str, str, str]] = set()
        pinned = pin(root)
        with db.read() as tx:
            held = held_since(tx, pinned)
        self.now_standing = _standing(held, None)
        _logger.info("the trust list begins at root %d, sha256 %s", pinned.root.version, fingerprint(root))

    def take(self, offered: Iterable[tuple[str, bytes]] = ()) -> Chosen:
        """Import what was offered, and say so as a relay where this node is one. Raises Misuse, RecordRefused.

        With nothing offered it looks at the clock alone: a list becomes stale, a replacement of keys takes effect.
        """
        with self._lock:
            known = self.now_standing.known  # most of what a peer has to offer is here already
            chosen = self._import([(name, raw) for name, raw in offered if raw not in known])
            word = self._word(chosen.held)
            return chosen if word is None else self._import([(file.name, file.raw) for file in word])

    def _import(self, offered: list[tuple[str, bytes]]) -> Chosen:
        now, before = self._clock(), self.now_standing
        chosen = choose(offered, before.held, now)
        if chosen.charter is not None and chosen.charter.federation != self._federation:
            raise Misuse(
                f"the founders' list is that of {chosen.charter.federation}, this node belongs to {self._federation}"
            )
        for name in chosen.unread:
            _logger.warning("not of the trust list: %s", name)
        if chosen.stale_since is not None and before.held.stale_since is None:
            _logger.error("the trust list is stale since %s: changes of participants and keys wait", chosen.stale_since)
        fresh = [finding for finding in chosen.findings if _mark(finding) not in self._raised]
        if chosen.held != before.held or fresh or before.charter is None:
            with self._db.write() as tx:
                keep_held(tx, chosen.held, now)
                for finding in fresh:
                    _raise(tx, finding, now)
                if chosen.participants is not None:
                    bring_into_force(tx, newest_records(tx), chosen.participants, self._catalogue, now)
                    self._accept(chosen.participants)
            self._raised.update(map(_mark, fresh))
            self.now_standing = _standing(chosen.held, chosen.charter)
        return chosen

    def _word(self, held: Held) -> tuple[RoleFile, RoleFile] | None:
        """As a relay: what is newest, where that changed or a day went by since we said it."""
        if self._relay is None or held.targets is None:
            return None
        key = IdentityKey(ALGORITHM, self._relay.public.raw)
        if key.raw not in relay_keys(held):
            return None
        now, last = self._clock(), held.words.get(key.fingerprint)
        newest = {held.targets.role: held.targets.version, **{code: file.version for code, file in held.files.items()}}
        listed = {} if last is None else last.versions
        newest = {role: max(newest.get(role, 0), listed.get(role, 0)) for role in {*newest, *listed}}
        if last is not None and newest == listed and now < last.said + SPEAK_EVERY:
            return None
        version = max(int(now.timestamp()), 0 if last is None else last.timestamp.version + 1)
        snapshot = draft_snapshot(version, now + FRESH_FOR, newest)
        snapshot = signed(snapshot, key, self._relay.sign(snapshot.content))
        timestamp = draft_timestamp(version, now + FRESH_FOR, snapshot)
        return snapshot, signed(timestamp, key, self._relay.sign(timestamp.content))


def _standing(held: Held, charter: Charter | None) -> Standing:
    words = [file for word in held.words.values() for file in (word.snapshot, word.timestamp)]
    targets = [] if held.targets is None else [held.targets]
    files = [*held.roots, *targets, *held.files.values(), *words]
    bundle = format_bundle(files)
    return Standing(held, charter, bundle, sha256(bundle).hexdigest(), frozenset(file.raw for file in files))


def relay_keys(held: Held) -> frozenset[bytes]:
    return read_root(held.root).timestamp.raws


def fingerprint(root: bytes) -> str:
    """Of a root as it is handed over: the SHA-256 of the file, which people compare by another channel."""
    return sha256(root).hexdigest()


def _mark(finding: Finding) -> tuple[str, str, str]:
    return finding.kind, finding.participant, finding.summary


def _raise(tx: Transaction, finding: Finding, now: datetime) -> None:
    _logger.error("%s", finding.summary)
    raise_alert(
        tx,
        kind=finding.kind,
        participant=finding.participant,
        origin="",
        raised=now,
        summary=finding.summary,
        evidence=finding.evidence,
        about=" ".join([finding.summary, *(file.digest.hex() for file in finding.files)]),
    )
