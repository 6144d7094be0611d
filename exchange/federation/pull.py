"""Pull one log of a peer: may its head follow, do the entries lead to it, then one transaction a run of entries.

Nothing is believed. A run is stored only after its entries were shown to lie under the signed root, together with the
tree that is held already; its documents come with it where the peer delivers them, and later where it does not: the log
does not wait for documents, and one bad entry, peer or document stops nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint
from exchange.errors import BadProof, ExchangeError, Forked, LogStopped, Malformed, NotFound, Unreachable
from exchange.federation.collect import collect, fill
from exchange.federation.entries import MAX_RUN, SignedTree, fetch_run, prove_run
from exchange.federation.findings import report_bad_entry, report_unproven
from exchange.federation.heads import check_promises, contradicted, next_head
from exchange.federation.peer import PeerLog
from exchange.store import documents, intake
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.documents import DocumentFolder
from exchange.store.log import LogState, Signed
from exchange.trust.admission import Refused, admit
from exchange.trust.participants import Participants

WITHHELD_AFTER = timedelta(
    hours=1
)  # a peer that starts anew may miss a tile; one that misses it for an hour withholds it

Progress = Callable[[str, int, int], None]  # participant, entries held, entries signed


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a visit brought: entries and documents stored, documents still owed, and entries left for the next visit."""

    participant: str
    origin: str
    entries: int
    documents: int
    missing: int
    behind: int


@dataclass(frozen=True, slots=True)
class Puller:
    """What every pull of this node needs. No two pulls of one log may run at a time."""

    db: Database
    files: DocumentFolder
    participants: Callable[[], Participants]
    catalogue: Catalogue
    clock: Callable[[], datetime]
    run: int = MAX_RUN
    _withheld: dict[str, datetime] = field(default_factory=dict)

    def pull(self, peer: PeerLog, origin: str, etag: str | None = None, progress: Progress | None = None) -> Pulled:
        """Bring the mirror of `origin` up to the peer's head. Raises Unreachable, and what the alerts it raised were about."""
        log = self._log(origin)
        signed, first, found = log.size, log.stored, 0
        if log.halted is None:
            note = peer.checkpoint_unless(etag)
            head = None if note is None else next_head(self.db, peer, log, note, self.clock())
            if note is not None and head is not None:
                signed = head.size
                found = self._grow(peer, log, head, note, progress)
            self._withheld.pop(origin, None)
        # Documents of what was mirrored are owed even by a log that is followed no further.
        found += fill(self.db, peer, self.files, log, self.catalogue)
        if log.halted is not None:
            raise Forked(log.halted)
        with self.db.read() as tx:
            log, missing = logs.log_of(tx, origin), documents.count_missing(tx).get(log.id, 0)
        return Pulled(
            log.participant, origin, log.stored - first, found, missing, max(0, max(signed, log.size) - log.stored)
        )

    def _log(self, origin: str) -> LogState:
        with self.db.read() as tx:
            return logs.log_of(tx, origin)

    def _grow(self, peer: PeerLog, log: LogState, head: Checkpoint, note: bytes, progress: Progress | None) -> int:
        """Fetch, prove and store what is missing up to the head, as far as the time of this visit goes. Returns the documents stored."""
        found, first, tree = 0, log.stored, SignedTree(peer, head)
        try:
            with self.db.read() as tx:
                promised = logs.promised(tx, log)
            check_promises(promised, tree)
            while True:
                run = fetch_run(tree, log.stored, self.run)
                root = prove_run(self.db, log, run, tree)
                found += self._store(peer, log, run, root, head, note)
                log = self._log(log.origin)
                if progress is not None:
                    progress(log.participant, log.stored, head.size)
                if log.stored >= head.size:
                    break
        except BadProof as error:
            self._promise(log, head, note)
            raise contradicted(self.db, log, tree, note, error, self.clock()) from None
        except (NotFound, Malformed) as error:
            self._promise(log, head, note)
            if not peer.hearsay:
                self._note_withheld(log, note, error)
            raise Unreachable(f"{peer.node_url} does not deliver what {log.origin} signed: {error}") from None
        except Unreachable:
            self._promise(log, head, note)
            # A long log takes several visits. One that ended for want of time, and brought something, went well.
            if not peer.out_of_time or log.stored == first:
                raise
        return found

    def _promise(self, log: LogState, head: Checkpoint, note: bytes) -> None:
        with self.db.write() as tx:
            logs.promise(tx, log, Signed(head.size, head.root, note), self.clock())

    def _note_withheld(self, log: LogState, note: bytes, error: ExchangeError) -> None:
        """Signed, but not to be had: said aloud only when it lasts, whatever heads are signed in the meantime."""
        now = self.clock()
        if now - self._withheld.setdefault(log.origin, now) >= WITHHELD_AFTER:
            with self.db.write() as tx:
                report_unproven(tx, log, note, error, now)

    def _store(self, peer: PeerLog, log: LogState, run: list[bytes], root: bytes, head: Checkpoint, note: bytes) -> int:
        """Judge a run and make it durable, with the documents that came and, when it is the last, the head."""
        self.files.check_space()
        participants, now = self.participants(), self.clock()
        verdicts = [admit(entry, log.origin, index, participants) for index, entry in enumerate(run, log.stored)]
        arrivals = collect(peer, self.files, log, verdicts)
        with self.db.write() as tx:
            if self.participants() is not participants:
                # New records came into force while the documents came; under the write lock no others can.
                participants = self.participants()
                verdicts = [
                    admit(entry, log.origin, index, participants) for index, entry in enumerate(run, log.stored)
                ]
            end, stored_root = logs.append(tx, log, run)
            if stored_root != root:
                raise LogStopped(f"the tree of {log.origin} reads back differently from what was proven at size {end}")
            judged = list(zip(run, verdicts, strict=True))
            recorded = intake.enter(tx, log, log.stored, judged, self.catalogue, now, arrivals)
            if end == head.size:
                logs.keep_checkpoint(tx, log, head.size, head.root, note, now)
                logs.advance(tx, log, end)
            else:
                logs.promise(tx, log, Signed(head.size, head.root, note), now)
            for index, (entry, verdict) in enumerate(zip(run, recorded, strict=True), log.stored):
                if isinstance(verdict, Refused):
                    report_bad_entry(tx, log, index, entry, verdict.code, verdict.detail, note, now)
        # The commit point of a pull. A crash before it: the run is fetched again. After it: it is held, and never fetched again.
        return len(arrivals)
