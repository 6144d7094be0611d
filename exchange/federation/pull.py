"""Pull one log of a peer: may this checkpoint follow, do the entries lead to it, then one transaction a chunk.

Nothing is believed. A chunk is stored only after its entries were shown to lie under the signed root, together with
the tree that is held already; its documents come with it where the peer delivers them, and later where it does not:
the log does not wait for documents, and one bad entry, peer or document stops nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, verify_checkpoint
from exchange.core.merkle import Frontier, HashReader, leaf_hash, root_of, tree_root
from exchange.core.note import parse_vkey
from exchange.core.tiles import TILE_HEIGHT, TILE_WIDTH, TilePath, authenticated_reader, parse_bundle, width_at
from exchange.errors import BadProof, ExchangeError, Forked, Malformed, NotFound, RolledBack
from exchange.federation.collect import Collected, collect, fill
from exchange.federation.findings import (
    fork_evidence,
    report_bad_entry,
    report_bad_note,
    report_fork,
    report_rollback,
    report_unproven,
)
from exchange.federation.peer import PeerLog
from exchange.store import documents, registry
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.documents import DocumentFolder
from exchange.store.log import LogState
from exchange.trust.admission import Refused, Verdict, admit
from exchange.trust.participants import Participants
from exchange.trust.succession import Step, follows

CHUNK = 16 * TILE_WIDTH  # entries of one transaction

Progress = Callable[[str, int, int], None]  # participant, entries held, entries signed


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a visit brought: entries and documents stored, and what is still owed."""

    participant: str
    origin: str
    entries: int
    documents: int
    missing: int


@dataclass(frozen=True, slots=True)
class Puller:
    """What every pull of this node needs."""

    db: Database
    files: DocumentFolder
    participants: Callable[[], Participants]
    catalogue: Catalogue
    clock: Callable[[], datetime]

    def pull(self, peer: PeerLog, origin: str, etag: str | None = None, progress: Progress | None = None) -> Pulled:
        """Bring the mirror of `origin` up to the peer's head. Raises Unreachable, and what the alerts it raised were about."""
        with self.db.read() as tx:
            log = logs.log_of(tx, origin)
        if log.halted is not None:
            raise Forked(log.halted)
        note = peer.checkpoint_unless(etag)
        entries = found = 0
        if note is not None and note != log.note:
            head = self._may_follow(peer, log, note)
            if head is not None:
                entries, found = self._grow(peer, log, head, note, progress)
        found += fill(self.db, peer, self.files, origin, self.catalogue)
        with self.db.read() as tx:
            missing = documents.count_missing(tx).get(log.id, 0)
        return Pulled(log.participant, origin, entries, found, missing)

    def _may_follow(self, peer: PeerLog, log: LogState, note: bytes) -> Checkpoint | None:
        """The verified head, or None where it is the one held. What contradicts the held one becomes an alert and is raised."""
        vkey, now = parse_vkey(log.vkey), self.clock()
        try:
            head = verify_checkpoint(note, vkey)
        except ExchangeError as error:
            with self.db.write() as tx:
                report_bad_note(tx, log, note, error, now)
            raise
        try:
            with self.db.read() as tx:
                kept = logs.kept_checkpoint(tx, log, head.size)
                step = follows(log.head if log.note else None, head)
                if kept is not None and kept[0] != head.root:
                    raise Forked(f"{log.origin} signed two roots at size {head.size}")
            return head if step is Step.GROWS else None
        except (RolledBack, Forked):
            self._report(log, head, note, kept[1] if kept is not None else log.note or b"")
            raise

    def _report(self, log: LogState, head: Checkpoint, note: bytes, held: bytes) -> None:
        """A head that is not larger than ours: our own tiles tell a stale copy from a second history."""
        with self.db.write() as tx:
            evidence = fork_evidence(log, held, note, logs.reader(tx, log, log.size))
            if evidence is not None:
                report_fork(tx, log, evidence, self.clock())
            else:
                report_rollback(tx, log, note, head, self.clock())

    def _grow(
        self, peer: PeerLog, log: LogState, head: Checkpoint, note: bytes, progress: Progress | None
    ) -> tuple[int, int]:
        """Fetch, prove and store [log.stored, head.size). Returns (entries, documents) stored."""
        first = start = log.stored
        found = 0
        try:
            reader = self._trusted_reader(peer, log, head) if head.size - start > CHUNK else None
            while True:
                end = min((start // CHUNK + 1) * CHUNK, head.size)
                entries = _fetch_entries(peer, start, end, head.size, reader)
                if reader is None:
                    self._prove(log, entries, head)
                found += self._store(peer, log, start, entries, head, note)
                start = end
                with self.db.read() as tx:
                    log = logs.log_of(tx, log.origin)
                if progress is not None:
                    progress(log.participant, start, head.size)
                if start >= head.size:
                    break
        except (BadProof, Malformed, NotFound) as error:
            self._contradiction(peer, log, head, note, error)
            raise
        return start - first, found

    def _trusted_reader(self, peer: PeerLog, log: LogState, head: Checkpoint) -> HashReader:
        """The peer's tiles, proven under its signed root, and our own tree proven to be its beginning."""
        reader = authenticated_reader(head.size, head.root, peer.tile)
        if log.stored and tree_root(log.stored, reader) != self._frontier(log).root():
            raise BadProof(f"the signed tree of {head.size} entries does not begin with the {log.stored} held here")
        return reader

    def _frontier(self, log: LogState) -> Frontier:
        with self.db.read() as tx:
            return Frontier.from_reader(log.stored, logs.reader(tx, log, log.stored))

    def _prove(self, log: LogState, entries: Sequence[bytes], head: Checkpoint) -> None:
        """All that is left came in one chunk: hash it onto the tree held here, and compare with the signed root."""
        frontier = self._frontier(log)
        for entry in entries:
            frontier.append(leaf_hash(entry))
        if frontier.root() != head.root:
            raise BadProof(f"the entries served do not lead to the root signed at size {head.size}")

    def _store(
        self, peer: PeerLog, log: LogState, start: int, entries: list[bytes], head: Checkpoint, note: bytes
    ) -> int:
        """Judge a chunk and make it durable, with the documents that came and, when it is the last, the head."""
        participants, now = self.participants(), self.clock()
        judged: list[tuple[bytes, Verdict]] = [
            (entry, admit(entry, log.origin, index, participants)) for index, entry in enumerate(entries, start)
        ]
        arrived: Collected = collect(peer, self.files, log.participant, start, [verdict for _, verdict in judged])
        end = start + len(entries)
        with self.db.write() as tx:
            for arrival in arrived.arrivals:
                documents.hold(tx, arrival)
            size, root = logs.append(tx, log, entries)
            if size != end or (end == head.size and root != head.root):
                raise BadProof(f"the entries served do not lead to the root signed at size {head.size}")
            registry.enter(tx, log, start, judged, self.catalogue, now)
            logs.keep_checkpoint(tx, log, head.size, head.root, note, now)
            if end == head.size:
                logs.advance(tx, log, end)
            for index, (entry, verdict) in enumerate(judged, start):
                if isinstance(verdict, Refused):
                    report_bad_entry(tx, log, index, entry, verdict.code, verdict.detail, note, now)
        # The commit point of a pull. A crash before it: the chunk is fetched again. After it: it is held, and never fetched again.
        return len(arrived.arrivals)

    def _contradiction(self, peer: PeerLog, log: LogState, head: Checkpoint, note: bytes, error: ExchangeError) -> None:
        """A signed head that does not continue what is held: proof of a fork if the peer's own tiles give it, else an exhibit."""
        evidence = None
        if log.note is not None and 0 < log.size < head.size:
            try:
                evidence = fork_evidence(log, log.note, note, authenticated_reader(head.size, head.root, peer.tile))
            except ExchangeError as gone:
                error = gone  # no proof to be had from this peer; what it signed is kept all the same
        with self.db.write() as tx:
            if evidence is not None:
                report_fork(tx, log, evidence, self.clock())
            else:
                report_unproven(tx, log, note, error, self.clock())


def _fetch_entries(peer: PeerLog, start: int, end: int, size: int, reader: HashReader | None) -> list[bytes]:
    """Entries [start, end) out of whole bundles; with a trusted reader each bundle is proven as it comes."""
    entries: list[bytes] = []
    for index in range(start // TILE_WIDTH, (end + TILE_WIDTH - 1) // TILE_WIDTH):
        width = width_at(0, index, size)
        bundle = parse_bundle(peer.tile(TilePath(None, index, width)), width)
        if reader is not None:
            _prove_bundle(bundle, index, reader)
        entries += bundle
    first = start - start // TILE_WIDTH * TILE_WIDTH
    return entries[first : first + end - start]


def _prove_bundle(bundle: list[bytes], index: int, reader: HashReader) -> None:
    leaves = [leaf_hash(entry) for entry in bundle]
    if len(leaves) == TILE_WIDTH:
        proven = root_of(leaves) == reader(TILE_HEIGHT, index)
    else:
        proven = all(leaf == reader(0, index * TILE_WIDTH + at) for at, leaf in enumerate(leaves))
    if not proven:
        raise BadProof(f"entry bundle {index} does not lie under the signed root")
