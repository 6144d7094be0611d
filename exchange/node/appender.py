"""The commit point: entry, documents and the checkpoint that covers them become durable in one transaction.

One thread appends. It takes whatever has queued up while the last transaction ran (natural group commit: at most
`MAX_BATCH`), gives each submission its index, signs one checkpoint over all and commits; only then is anybody answered.
After an error whose outcome is unknown nothing is ever signed from memory again: the log stops, reading goes on, and
a restart begins from what is on disk (tlog.md section 6, rule 9).
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.keys import PrivateKey
from exchange.core.statement import MESSAGES_OF_A_SERIES, Statement
from exchange.errors import ExchangeError, LogStopped, UnknownKey, UnknownSeries
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.database import Database, Transaction
from exchange.store.documents import Arrival
from exchange.store.query import Filter, submissions
from exchange.trust.admission import Admitted, Refused, Waiting, admit
from exchange.trust.participants import Participants

MAX_BATCH = 4_096  # submissions in one transaction
MAX_QUEUED = 16_384  # submissions waiting for the writer; beyond that the door says "later"

_logger = logging.getLogger("exchange.appender")


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a submission stands; `new` is False where it stood there before."""

    id: str
    index: int
    new: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    admitted: Admitted
    arrivals: tuple[Arrival, ...]
    participants: Participants
    outcome: Future[Recorded] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A submission of this batch at its index."""

    index: int
    admitted: Admitted
    arrivals: tuple[Arrival, ...]


class Appender:
    """Owner of the write lock on one's own log. `stopped` says why nothing is appended, or None."""

    def __init__(
        self,
        db: Database,
        *,
        origin: str,
        key: PrivateKey,
        clock: Callable[[], datetime],
        participants: Callable[[], Participants],
        catalogue: Catalogue,
    ) -> None:
        self._db, self._origin, self._key, self._clock = db, origin, key, clock
        self._participants, self._catalogue = participants, catalogue
        self._queue: queue.Queue[_Candidate | None] = queue.Queue(MAX_QUEUED)
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)
        self.stopped: str | None = None
        self.held: list[Callable[[], str | None]] = []  # each may have a reason to wait, which passes
        self.commits = 0

    def start(self) -> None:
        """Sign the empty tree if nothing was ever signed, then take submissions; a lost database may be why nothing stands here."""
        with self._db.write() as tx:
            log = logs.log_of(tx, self._origin)
            if log.note is None and self.stopped is None:
                self._sign(tx, log, 0, log.root)
        self._thread.start()

    def stop(self, why: str) -> None:
        """Append nothing more in this process's life; the first reason stands."""
        if self.stopped is None:
            self.stopped = why
            _logger.error("the log takes no more entries: %s", why)

    @property
    def refusing(self) -> str | None:
        """Why nothing is taken now: what stopped the log for good, or what holds it for a while."""
        return self.stopped or next(filter(None, (why() for why in self.held)), None)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def check(self) -> None:
        """Raises LogStopped where nothing is taken now."""
        why = self.refusing
        if why is not None:
            raise LogStopped(f"this node takes no submissions now: {why}")

    def close(self) -> None:
        """Finish what is queued, then end the thread; what comes later is told so and does not wait for ever."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self.stopped = self.stopped or "it is shutting down"
        while not self._queue.empty():
            candidate = self._queue.get()
            if candidate is not None:
                candidate.outcome.set_exception(LogStopped(f"this node takes no submissions now: {self.stopped}"))

    def submit(self, admitted: Admitted, arrivals: tuple[Arrival, ...], participants: Participants) -> Future[Recorded]:
        """Queue a submission that passed the door under `participants`. Raises LogStopped at once where nothing is appended."""
        self.check()
        candidate = _Candidate(admitted, arrivals, participants)
        candidate.outcome.set_running_or_notify_cancel()  # whoever stops waiting does not take it out of the queue
        try:
            self._queue.put_nowait(candidate)
        except queue.Full:
            raise LogStopped("too many submissions are waiting; try again in a minute") from None
        return candidate.outcome

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < MAX_BATCH and not self._queue.empty():
                candidate = self._queue.get()
                if candidate is None:
                    last = True
                    break
                batch.append(candidate)
            self._serve(batch)
            if last:
                return

    def _serve(self, batch: list[_Candidate]) -> None:
        """Commit a batch and answer it; on any failure of the storage the log stops and everybody is told."""
        if self.stopped is None:
            try:
                answers = self._commit(batch)
            except Exception as error:
                _logger.exception("the commit failed; nothing of this batch was acknowledged")
                what = str(error) if isinstance(error, ExchangeError) else type(error).__name__
                self.stop(f"a commit failed ({what}); restart the node, which begins from what is on disk")
            else:
                self.commits += 1
                for candidate, answer in zip(batch, answers, strict=True):
                    if isinstance(answer, ExchangeError):
                        candidate.outcome.set_exception(answer)
                    else:
                        candidate.outcome.set_result(answer)
                return
        for candidate in batch:
            candidate.outcome.set_exception(LogStopped(f"this node takes no submissions now: {self.stopped}"))

    def _commit(self, batch: list[_Candidate]) -> list[Recorded | ExchangeError]:
        answers: list[Recorded | ExchangeError] = []
        with self._db.write() as tx:
            log = logs.log_of(tx, self._origin)
            standing = intake.standing(tx, log, {bytes.fromhex(candidate.admitted.id) for candidate in batch})
            fresh: dict[str, _Placed] = {}
            for candidate in batch:
                try:
                    answers.append(self._place(tx, log, candidate, standing, fresh))
                except ExchangeError as error:
                    answers.append(error)
            if fresh:
                judged = [(placed.admitted.envelope, placed.admitted) for placed in fresh.values()]
                arrivals = [arrival for placed in fresh.values() for arrival in placed.arrivals]
                size, root = logs.append(tx, log, [envelope for envelope, _ in judged])
                intake.enter(tx, log, log.size, judged, self._catalogue, self._clock(), arrivals)
                self._sign(tx, log, size, root)
        # This was the commit point. A crash before it: nobody was answered, no signature left the process, and the
        # submitter sends again. A crash after it: entry, documents and checkpoint are there, and sending again finds them.
        return answers

    def _place(
        self,
        tx: Transaction,
        log: logs.LogState,
        candidate: _Candidate,
        standing: Mapping[bytes, int],
        fresh: dict[str, _Placed],
    ) -> Recorded:
        """Give the submission its index, after the checks that need the log itself. What stands already keeps its place."""
        ident = candidate.admitted.id
        stands = fresh[ident].index if ident in fresh else standing.get(bytes.fromhex(ident))
        if stands is not None:
            return Recorded(ident, stands, new=False)
        index = log.size + len(fresh)
        admitted = self._still_admitted(candidate, index)
        _check_references(tx, admitted.statement, fresh)
        fresh[ident] = _Placed(index, admitted, candidate.arrivals)
        return Recorded(ident, index, new=True)

    def _still_admitted(self, candidate: _Candidate, index: int) -> Admitted:
        """The door's verdict at the index that the submission really gets, under the records that hold now."""
        admitted, now = candidate.admitted, self._participants()
        if (
            candidate.participants is now
            and admitted.index <= index
            and (admitted.until is None or index < admitted.until)
        ):
            return admitted
        return admitted_or_raise(admitted.envelope, self._origin, index, now)

    def _sign(self, tx: Transaction, log: logs.LogState, size: int, root: bytes) -> None:
        """Sign inside the transaction: the note becomes durable with the tree it speaks of, or neither does."""
        note = sign_checkpoint(Checkpoint(self._origin, size, root), self._key)
        logs.keep_checkpoint(tx, log, size, root, note, self._clock())
        logs.advance(tx, log, size)


def admitted_or_raise(envelope: bytes, origin: str, index: int, participants: Participants) -> Admitted:
    """The one door, for a caller who wants to be let in: raises what the door holds against it."""
    match admit(envelope, origin, index, participants):
        case Admitted() as admitted:
            return admitted
        case Refused(error=error):
            raise error
        case Waiting(keyids=keyids):
            raise UnknownKey("the record of this State does not hold the key " + ", ".join(keyids))


def _check_references(tx: Transaction, statement: Statement, fresh: Mapping[str, _Placed]) -> None:
    """At its own State's door: a series continues one of this log, of the same form and status; no reference crosses statuses."""
    if statement.message in MESSAGES_OF_A_SERIES or statement.return_ == "nothing new":
        first = _known(tx, statement.series or "", fresh)
        if first is None or first[0] != statement.participant or first[3] is not None:
            raise UnknownSeries(f"the series {statement.series} does not begin in this log", pointer="/series")
        if first[1] != statement.form.code:
            raise UnknownSeries(
                f"the series {statement.series} is one of {first[1]}, not {statement.form.code}", pointer="/series"
            )
    named = [reference.id for reference in statement.references] + ([statement.series] if statement.series else [])
    for ident in named:
        other = _known(tx, ident, fresh)
        if other is not None and other[2] != statement.status:
            raise UnknownSeries(
                f"{ident} has the status {other[2]!r}; a submission of status {statement.status!r} cannot refer to it",
                pointer="/references",
            )


def _known(tx: Transaction, ident: str, fresh: Mapping[str, _Placed]) -> tuple[str, str, str, str | None] | None:
    """(participant, form code, status, series or None where it begins one) of a submission in the registry or in this batch."""
    if ident in fresh:
        statement = fresh[ident].admitted.statement
        return statement.participant, statement.form.code, statement.status, statement.series
    for state in submissions(tx, Filter(id=ident), limit=1):
        return state.participant, state.form, state.status, None if state.series == state.id else state.series
    return None
