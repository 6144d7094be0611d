"""Pull one log of a peer: may its head follow, do the entries lead to it, then one transaction a run of entries.

Nothing is believed. A run is stored only after its entries were shown to lie under the signed root, together with the
tree that is held already; its documents come with it where the peer delivers them, and later where it does not: the log
does not wait for documents, and one bad entry, peer or document stops nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, signed_alone
from exchange.core.merkle import Frontier, leaf_hash
from exchange.core.note import parse_vkey
from exchange.errors import BadProof, ExchangeError, Forked, Malformed, NotFound, Unreachable
from exchange.federation.closings import check_closing
from exchange.federation.collect import blocks_of, fill, received, within, without_forgotten
from exchange.federation.entries import MAX_RUN, SignedTree, fetch_run, held_tree, prove_run
from exchange.federation.examine import Examine, Examined, Offers, examine
from exchange.federation.findings import report_bad_entry, report_unproven
from exchange.federation.heads import binding, check_promises, contradicted, next_head
from exchange.federation.letters import fetch_letters
from exchange.federation.peer import PeerLog
from exchange.federation.quota import limit_of, report_pause
from exchange.store import documents, intake
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.folder import DocumentFolder
from exchange.store.log import LogState, Signed
from exchange.trust.asker import Asker
from exchange.trust.audience import PUBLIC_REACH, Reach, reach
from exchange.trust.participants import Participants
from exchange.workers import Workers

WITHHELD_AFTER = timedelta(
    hours=1
)  # a peer that starts anew may miss a tile; one that misses it for an hour withholds it

MANY = 1_024  # entries of a run from which on it is worth examining them beside the storing of the run before
AHEAD = 2  # such runs that wait examined, or are examined: with one alone, who examines waits for whoever stores
PART = 512  # entries of one job
IDLE_SECONDS = 60.0  # a worker process without work is kept
MAX_OFFERED = (
    16 * 1024 * 1024
)  # bytes of documents stream held for a run that others examine; what is beyond comes afterwards

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
class Run:
    """Entries from `start` on, their leaf hashes proven up to `root`, and who judges them by which records: `parts`, or whoever stores them."""

    start: int
    entries: list[bytes]
    leaves: list[bytes]
    root: bytes
    participants: Participants
    parts: Sequence[Future[Examined]] = ()

    @property
    def end(self) -> int:
        return self.start + len(self.entries)


@dataclass(frozen=True, slots=True)
class Puller:
    """What every pull of this node needs. No two pulls of one log may run at a time."""

    db: Database
    files: DocumentFolder
    participants: Callable[[], Participants]
    catalogue: Catalogue
    clock: Callable[[], datetime]
    run: int = MAX_RUN
    workers: Workers[Catalogue] | None = None
    own: str = ""
    entries_first: bool = False  # documents once all entries are here, and with them every order to forget some
    on_note: Callable[[str, bytes], None] = lambda origin, note: (
        None
    )  # told of a checkpoint with all its lines, once its entries are here
    _withheld: dict[str, datetime] = field(default_factory=dict)
    _asked: dict[str, datetime] = field(default_factory=dict)

    def pull(self, peer: PeerLog, origin: str, etag: str | None = None, progress: Progress | None = None) -> Pulled:
        """Bring the mirror of `origin` up to the peer's head. Raises Unreachable, and what the alerts it raised were about."""
        log = self._log(origin)
        signed, first, found = log.size, log.stored, 0
        try:
            # A log that signed two histories, too: what continues the one that is held is still its State's word.
            note = peer.checkpoint_unless(etag)
            head = None if note is None else next_head(self.db, peer, log, note, self.clock())
            if note is not None and head is not None:
                signed = head.size
                found = self._grow(peer, log, head, note, progress)
            if note is not None:
                self.on_note(origin, note)
            self._withheld.pop(origin, None)
        except Forked:
            # Documents of what was mirrored are owed even by a log that goes another way now.
            self.fill(peer, log)
            raise
        found += self.fill(peer, log)
        with self.db.read() as tx:
            log, missing = logs.log_of(tx, origin), documents.count_missing(tx, self.reach).get(log.id, 0)
        return Pulled(
            log.participant, origin, log.stored - first, found, missing, max(0, max(signed, log.size) - log.stored)
        )

    @property
    def reach(self) -> Reach:
        """What this node may read of all that the others publish."""
        record = self.participants().records.get(self.own)
        return PUBLIC_REACH if record is None else reach(Asker.node(record))

    def fill(self, peer: PeerLog, log: LogState) -> int:
        """Ask for the documents of a log that are not here. Returns how many came."""
        came = fill(self.db, peer, self.files, log, self.catalogue, self.reach)
        return came + fetch_letters(self.db, peer, self.files, log, self.clock(), self._asked)

    def rest(self) -> None:
        """Between rounds no process waits for work, but for a while: a long log takes one visit after the other."""
        if self.workers is not None:
            self.workers.rest(after=IDLE_SECONDS)

    def _log(self, origin: str) -> LogState:
        with self.db.read() as tx:
            return logs.log_of(tx, origin)

    def _grow(self, peer: PeerLog, log: LogState, head: Checkpoint, note: bytes, progress: Progress | None) -> int:
        """Fetch, prove and store what is missing up to the head, as far as the time of this visit goes. Returns the documents stored."""
        found, first, tree = 0, log.stored, SignedTree(peer, head)
        served, note = (
            note,
            signed_alone(note, parse_vkey(log.vkey)),
        )  # other lines prove nothing here but who vouched for a fork
        try:
            with self.db.read() as tx:
                promised = binding(tx, log)
            check_promises(promised, tree)
            limit = self._limit(log, head.size)
            for run in self._runs(peer, log, tree, limit):
                found += self._store(peer, log, run, head, note)
                log = self._log(log.origin)
                if progress is not None:
                    progress(log.participant, log.stored, head.size)
                if self._limit(log, head.size) <= log.stored:  # by its bytes
                    break
            if log.stored < head.size:
                self._pause(log, head, note)
        except BadProof as error:
            failure = contradicted(self.db, log, tree, served, error, self.clock())
            if not isinstance(failure, Forked):  # what convicts is kept as evidence, and not as a promise
                self._promise(log, head, note)
            raise failure from None
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

    def _limit(self, log: LogState, size: int) -> int:
        """Up to where the quota of its log lets it be stored today."""
        participants = self.participants()
        if log.participant not in participants.quotas:
            return size
        with self.db.read() as tx:
            limit = limit_of(tx, log, participants, self.clock())
        return size if limit is None else min(size, limit)

    def _pause(self, log: LogState, head: Checkpoint, note: bytes) -> None:
        """What is beyond the quota stays signed, and waits for tomorrow."""
        now = self.clock()
        with self.db.write() as tx:
            logs.promise(tx, log, Signed(head.size, head.root, note), now)
            report_pause(tx, log, head.size, self.participants(), now)

    def _runs(self, peer: PeerLog, log: LogState, tree: SignedTree, end: int) -> Iterator[Run]:
        """Run after run up to `end`, each proven. Long ones are examined while those before them are stored."""
        frontier = held_tree(self.db, log)
        if (
            log.stored >= end < tree.head.size
        ):  # paused; else a run of nothing is one as well: it makes the head durable
            return
        ahead: deque[Run] = deque()
        failure, more = None, True
        with ThreadPoolExecutor(1, thread_name_prefix="examine") as desk:  # whose thread begins with the first job
            while True:
                while more and len(ahead) <= (AHEAD if ahead and ahead[-1].parts else 0):
                    try:
                        ahead.append(self._next_run(peer, log, tree, frontier, desk, end))
                        more = ahead[-1].end < end
                    except ExchangeError as error:
                        failure, more = error, False  # what was proven before it counts
                if ahead:
                    yield ahead.popleft()
                elif failure is not None:
                    raise failure
                else:
                    return

    def _next_run(
        self, peer: PeerLog, log: LogState, tree: SignedTree, frontier: Frontier, desk: ThreadPoolExecutor, end: int
    ) -> Run:
        start = frontier.size
        entries = fetch_run(tree, start, self.run)[: end - start]
        leaves = [leaf_hash(entry) for entry in entries]
        root, participants = prove_run(frontier, leaves, tree), self.participants()
        if len(entries) < MANY:
            return Run(start, entries, leaves, root, participants)
        owner = participants.by_origin(log.origin)
        mine = Participants(
            participants.federation, participants.live, {} if owner is None else {owner.participant: owner}
        )
        jobs, room = [], MAX_OFFERED
        for at in range(0, len(entries), PART):
            part = entries[at : at + PART]
            blocks = (
                [] if self.entries_first else within(blocks_of(peer, log, start + at, start + at + len(part)), room)
            )
            room -= sum(map(len, blocks))
            job = Examine(part, log.origin, start + at, mine, blocks)
            # Even without other processes: storing waits for the disk, and checking signatures holds nobody up.
            jobs.append(desk.submit(job, self.catalogue) if self.workers is None else self.workers.submit(job))
        return Run(start, entries, leaves, root, participants, jobs)

    def _examined(self, peer: PeerLog, log: LogState, run: Run) -> Examined:
        if not run.parts:
            blocks = () if self.entries_first else blocks_of(peer, log, run.start, run.end)
            return examine(run.entries, log.origin, run.start, run.participants, self.catalogue, blocks)
        parts = [job.result() for job in run.parts]
        offers = Offers(
            [one for part in parts for one in part.offers.small], [one for part in parts for one in part.offers.large]
        )
        return Examined([row for part in parts for row in part.rows], offers)

    def _promise(self, log: LogState, head: Checkpoint, note: bytes) -> None:
        with self.db.write() as tx:
            logs.promise(tx, log, Signed(head.size, head.root, note), self.clock())

    def _note_withheld(self, log: LogState, note: bytes, error: ExchangeError) -> None:
        """Signed, but not to be had: said aloud only when it lasts, whatever heads are signed in the meantime."""
        now = self.clock()
        if now - self._withheld.setdefault(log.origin, now) >= WITHHELD_AFTER:
            with self.db.write() as tx:
                report_unproven(tx, log, note, error, now)

    def _store(self, peer: PeerLog, log: LogState, run: Run, head: Checkpoint, note: bytes) -> int:
        """Make a run durable, with the documents that came and, when it is the last, the head."""
        self.files.check_space()
        now = self.clock()
        rows, offers = self._examined(peer, log, run)
        arrivals = received(peer, self.files, without_forgotten(offers, rows, f"{now:%Y-%m-%d}"))
        with self.db.write() as tx:
            if (participants := self.participants()) is not run.participants:
                # New records came into force in the meantime; under the write lock no others can.
                rows = examine(run.entries, log.origin, run.start, participants, self.catalogue, ()).rows
            end = logs.mirror(tx, log, run.leaves, run.root)
            recorded = intake.enter_rows(tx, log, run.start, run.entries, rows, self.catalogue, now, arrivals)
            if end == head.size:
                logs.keep_checkpoint(tx, log, head.size, head.root, note, now)
                logs.advance(tx, log, end)
            else:
                logs.promise(tx, log, Signed(head.size, head.root, note), now)
            for index, (entry, decision) in enumerate(zip(run.entries, recorded, strict=True), run.start):
                if decision.verdict == "refused":
                    report_bad_entry(tx, log, index, entry, decision, note, now)
            check_closing(tx, logs.log_of(tx, log.origin), participants, now)
        # The commit point of a pull. A crash before it: the run is fetched again. After it: it is held, and never fetched again.
        return len(arrivals)
