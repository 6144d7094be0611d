"""One's own log rebuilt from the mirrors of the others: for a node with an empty disk, or with an old copy of itself.

Believed is what our own key signed. 1. Everybody is asked for the head that their mirror ends at. 2. Two heads that cannot both be true
are evidence against ourselves, kept as an alert: the log is halted, and nothing is ever signed on. 3. The largest is pulled as
any log is, proven entry by entry, documents by their commitments; every further head is compared with the tree that came. 4. Each mirror
is asked for the documents that those before it did not have, and one of them for the heads that its receipts stand under, so that who
asks again is answered with the same bytes. What no mirror holds stays lost; the officers' receipts tell (examples/operate/YEAR.md).

Entries come before documents, and with them every order to forget: what was erased is never asked for.

A run of entries is one transaction, so whatever interrupts this, the next attempt goes on behind it.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from exchange.core.checkpoint import Checkpoint, signed_alone, verify_authorship
from exchange.core.merkle import tree_root
from exchange.core.note import Vkey
from exchange.core.receipt import parse_receipt
from exchange.errors import ExchangeError, Forked, NotFound
from exchange.federation.findings import fork_evidence, report_fork
from exchange.federation.heads import confront
from exchange.federation.lines import take_note
from exchange.federation.peer import PeerLog, Prove
from exchange.federation.pull import Progress, Puller
from exchange.federation.trustlist import peers_of
from exchange.store import documents
from exchange.store import log as logs
from exchange.store.convictions import convictions
from exchange.store.log import LogState
from exchange.store.rows import id_of
from exchange.trust.participants import ParticipantRecord

AT_ONCE = 32  # peers
MAX_TOLD = 1_000  # documents that are named as lost


@dataclass(frozen=True, slots=True)
class Mirror:
    """A peer's mirror of our own log, under our own signature."""

    record: ParticipantRecord
    head: Checkpoint
    note: bytes


@dataclass(slots=True)
class Rebuilt:
    """What came: `answered` are those who said what they hold, `failed` why others did not, or not all. `lost` are (index, slot,
    commitment) of documents in no mirror, at most `MAX_TOLD`."""

    size: int = 0
    entries: int = 0
    documents: int = 0
    seen: int = 0
    heads: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    lost: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """`say` is told what a person may want to know, `progress` how far it is."""

    puller: Puller
    client: Any
    own: str
    vkey: Vkey
    timeout: float
    progress: Progress
    say: Callable[[str], None]
    prove: Prove | None = None

    def run(self) -> Rebuilt:
        """Raises Forked where our own key signed two histories: then nothing was taken, or nothing more."""
        rebuilt = Rebuilt()
        before = self._log()
        self._check_convicted()
        mirrors = self._ask_all(rebuilt)  # 1
        self._compare(mirrors)  # 2
        for mirror in mirrors:  # 3
            self._take(mirror, rebuilt)
            for other in mirrors:
                confront(self.puller.db, self.vkey.name, other.note, self.puller.clock())
            self._check_convicted()
        for mirror in mirrors[:1]:
            rebuilt.heads = self._take_heads(mirror)  # 4
        log = self._log()
        with self.puller.db.read() as tx:
            missing = documents.missing(tx, log.id, MAX_TOLD, reach=self.puller.reach)
        rebuilt.lost = [(one.entry, one.slot, one.commitment) for one in missing]
        rebuilt.size, rebuilt.entries = log.size, log.stored - before.stored
        rebuilt.seen = max((mirror.head.size for mirror in mirrors), default=0)
        return rebuilt

    def _log(self) -> LogState:
        with self.puller.db.read() as tx:
            return logs.log_of(tx, self.vkey.name)

    def _peer(self, record: ParticipantRecord) -> PeerLog:
        mirror = f"/mirror/{hashlib.sha256(self.vkey.name.encode()).hexdigest()}"
        return PeerLog(
            self.client, record.node_url, time.monotonic() + self.timeout, mirror, hearsay=True, prove=self.prove
        )

    def _ask_all(self, rebuilt: Rebuilt) -> list[Mirror]:
        """Largest head first."""
        peers = peers_of(self.puller.participants(), self.own)
        if not peers:
            return []
        with ThreadPoolExecutor(min(AT_ONCE, len(peers))) as pool:
            found = list(pool.map(self._ask, peers))
        mirrors = []
        for record, answer in zip(peers, found, strict=True):
            if isinstance(answer, Mirror):
                mirrors.append(answer)
                rebuilt.answered[record.participant] = answer.head.size
            elif isinstance(answer, NotFound):
                rebuilt.answered[record.participant] = 0
            else:
                rebuilt.failed[record.participant] = str(answer)
        return sorted(mirrors, key=lambda mirror: -mirror.head.size)

    def _ask(self, record: ParticipantRecord) -> Mirror | ExchangeError:
        try:
            note = self._peer(record).checkpoint()
            return Mirror(record, verify_authorship(note, self.vkey), note)
        except ExchangeError as error:
            return error

    def _compare(self, mirrors: Sequence[Mirror]) -> None:
        """Two of one size convict by themselves, before anything is fetched."""
        first: dict[int, Mirror] = {}
        for mirror in mirrors:
            other = first.setdefault(mirror.head.size, mirror)
            if other.head.root != mirror.head.root:
                log = self._log()
                evidence = fork_evidence(log, other.note, mirror.note, None)
                if evidence is not None:
                    with self.puller.db.write() as tx:
                        report_fork(tx, log, evidence, self.puller.clock())
                    self._check_convicted()

    def _check_convicted(self) -> None:
        """Where there is evidence against our own key, the log is halted for good: no start and no `--alone` goes on from it."""
        log = self._log()
        with self.puller.db.write() as tx:
            found = [
                alert.summary
                for _, _, alert in convictions(tx)
                if alert.origin == log.origin and alert.participant == self.own
            ]
            if not found:
                return
            logs.halt(tx, log, found[0])
        raise Forked(f"{found[0]}; the evidence is kept, see `cbm alerts`")

    def _take(self, mirror: Mirror, rebuilt: Rebuilt) -> None:
        """Entries as long as any come, and documents; a visit that ends for want of time is followed by another."""
        code, found, log = mirror.record.participant, 0, self._log()
        try:
            while True:
                peer = self._peer(mirror.record)
                if mirror.head.size <= log.size:
                    found += self.puller.fill(peer, log)
                    break
                pulled = self.puller.pull(peer, log.origin, None, self.progress)
                found += pulled.documents
                log = self._log()
                if not pulled.behind or not pulled.entries:
                    break
        except Forked:
            self._check_convicted()
            raise
        except ExchangeError as error:
            rebuilt.failed[code] = str(error)
        rebuilt.documents += found
        self.say(
            f"{code}: its mirror ends at {mirror.head.size:,}; {self._log().size:,} entries and {found:,} documents of it are here"
        )

    def _take_heads(self, mirror: Mirror) -> int:
        """The smaller heads that were kept there, one request each, as far as the time of a visit goes."""
        log, peer, kept, index = self._log(), self._peer(mirror.record), 0, 0
        while index < log.size:
            with self.puller.db.read() as tx:
                [entry] = logs.entries(tx, log, index, index + 1)
            ident = id_of(entry)
            try:
                found = None if ident is None else parse_receipt(peer.receipt(ident.hex()))
                head = None if found is None else verify_authorship(found.checkpoint, self.vkey)
            except ExchangeError:
                return kept  # an extra, and no reason to fail
            if found is None or head is None or not index < head.size <= log.size:
                index += 1
                continue
            kept += self._keep(log, head, found.checkpoint)
            index = head.size
        return kept

    def _keep(self, log: LogState, head: Checkpoint, note: bytes) -> bool:
        now, fresh = self.puller.clock(), False
        with self.puller.db.write() as tx:
            if tree_root(head.size, logs.reader(tx, log, head.size)) == head.root:
                fresh = logs.kept_checkpoint(tx, log, head.size) is None
                if fresh:
                    logs.keep_checkpoint(tx, log, head.size, head.root, signed_alone(note, self.vkey), now)
        take_note(self.puller.db, self.puller.participants(), log.origin, note, now)
        return fresh
