"""The commit point: entry, documents and the checkpoint that covers them become durable in one transaction.

One thread appends. It takes whatever has queued up while the last transaction ran (natural group commit: at most
`MAX_BATCH`), gives each submission its index, signs one checkpoint over all and commits; only then is anybody answered.
After an error whose outcome is unknown nothing is ever signed from memory again: the log stops, reading goes on, and
a restart begins from what is on disk (tlog.md section 6, rule 9). Where the outcome can be read (store/database.py), the next
commit begins from what it reads, and a submission that is sent again is found.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.keys import PrivateKey
from exchange.core.merkle import HashReader, prove_inclusion
from exchange.core.receipt import Receipt, format_receipt
from exchange.errors import ExchangeError, LogStopped, StorageFailed
from exchange.node import references
from exchange.node.judge import Candidate, admitted_or_raise
from exchange.node.line import Group, Line
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.database import Database, Transaction
from exchange.trust.participants import Participants

MAX_BATCH = 4_096  # submissions in one transaction
MAX_QUEUED = 16_384  # submissions waiting for the writer; beyond that the door says "later"

_logger = logging.getLogger("exchange.appender")


@dataclass(frozen=True, slots=True)
class Head:
    """The checkpoint of one commit, with what proves the entries that it added."""

    size: int
    note: bytes
    read: HashReader

    def receipt(self, index: int) -> bytes:
        return format_receipt(Receipt(index, prove_inclusion(index, self.size, self.read), self.note))


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a submission stands; `new` is False where it stood there before. `head` is None where it did so before this commit."""

    id: str
    index: int
    new: bool
    head: Head | None = None


Answer = Recorded | ExchangeError


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
        self._line: Line[Candidate, Answer] = Line(MAX_QUEUED)
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)
        self.size = 0  # of the log, as far as this process knows; a guess for the door, and no more
        self.stopped: str | None = None
        self.held: list[Callable[[], str | None]] = []  # each may have a reason to wait, which passes
        self.commits = 0
        with db.read() as tx:
            self.latest = logs.newest_time(tx, origin)  # when the newest checkpoint was signed
        self.committed: Callable[[], None] = lambda: None  # told of every commit, when it is durable

    def begin(self) -> None:
        """Sign the empty tree if nothing was ever signed. Not before the others were asked: a lost database may be why nothing stands here."""
        with self._db.write() as tx:
            log = logs.log_of(tx, self._origin)
            if log.note is not None or self.stopped is not None:
                return
            self._sign(tx, log, 0, log.root, self._clock())
        self.committed()

    def start(self) -> None:
        """Take submissions, as soon as nothing speaks against it."""
        with self._db.read() as tx:
            self.size = logs.log_of(tx, self._origin).size
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
        return len(self._line)

    def check(self) -> None:
        """Raises LogStopped where nothing is taken now."""
        why = self.refusing
        if why is not None:
            raise LogStopped(f"this node takes no submissions now: {why}")

    def close(self) -> None:
        """Finish what is queued, then end the thread; what comes later is told so and does not wait for ever."""
        self._line.close()
        if self._thread.is_alive():
            self._thread.join()
        self._turn_away([])

    def submit(self, candidate: Candidate) -> Future[Recorded]:
        """Queue a submission. Raises LogStopped at once where nothing is appended."""
        outcome: Future[Recorded] = _unstoppable()

        def answer(answers: Sequence[Answer]) -> None:
            [answer] = answers
            if isinstance(answer, ExchangeError):
                outcome.set_exception(answer)
            else:
                outcome.set_result(answer)

        self._queue((candidate,), answer)
        return outcome

    def submit_all(self, candidates: Sequence[Candidate]) -> Future[list[Answer]]:
        """Queue submissions that go into one transaction: what became of each, in their order. Raises LogStopped, for all of them."""
        outcome: Future[list[Answer]] = _unstoppable()
        self._queue(tuple(candidates), outcome.set_result)
        return outcome

    def _queue(self, candidates: tuple[Candidate, ...], answer: Callable[[list[Answer]], None]) -> None:
        if self.stopped is not None:
            raise self._refusal(self.stopped)
        self._line.join(Group(candidates, answer))

    def _run(self) -> None:
        groups: list[Group[Candidate, Answer]] = []
        try:
            while groups := self._line.take(MAX_BATCH):
                self._serve(groups)
        except BaseException as error:
            self.stop(f"its writer ended ({type(error).__name__}); restart the node")
            raise
        finally:  # however this thread ends, nobody waits for it any more
            self._line.close()
            self._turn_away(groups)

    def _serve(self, groups: list[Group[Candidate, Answer]]) -> None:
        """Commit what they ask for and answer them; on any failure of the storage the log stops and everybody is told."""
        answers = iter(self._answers([candidate for group in groups for candidate in group.asked]))
        while groups:
            group = groups.pop(0)
            group.answer(list(islice(answers, len(group.asked))))

    def _turn_away(self, groups: list[Group[Candidate, Answer]]) -> None:
        """Answer these, and those left in the closed line: nobody will do anything for them."""
        self.stopped = self.stopped or "it is shutting down"
        while groups or (groups := self._line.take(MAX_BATCH)):
            group = groups.pop(0)
            group.answer(self._refusals(group.asked, self.stopped))

    def _answers(self, candidates: list[Candidate]) -> list[Answer]:
        why = self.refusing
        if why is None:
            try:
                answers = self._commit(candidates)
            except StorageFailed as error:  # the log stands as it stood, or the next transaction sees how it stands
                _logger.error("nothing of this batch was recorded: %s", error, exc_info=error.__cause__)
                return [StorageFailed(str(error)) for _ in candidates]
            except Exception as error:
                _logger.exception("the commit failed; nothing of this batch was acknowledged")
                what = str(error) if isinstance(error, ExchangeError) else type(error).__name__
                self.stop(f"a commit failed ({what}); restart the node, which begins from what is on disk")
            else:
                self.commits += 1
                self.committed()
                return answers
        return self._refusals(candidates, why or self.stopped or "")

    def _refusals(self, candidates: Sequence[Candidate], why: str) -> list[Answer]:
        return [self._refusal(why) for _ in candidates]

    def _refusal(self, why: str) -> LogStopped:
        return LogStopped(f"this node takes no submissions now: {why}")

    def _commit(self, candidates: list[Candidate]) -> list[Answer]:
        head: Head | None = None
        now = self._clock()
        with self._db.write() as tx:
            try:
                log = logs.log_of(tx, self._origin)
                answers, fresh = self._place(tx, log, candidates)
            except Exception as error:
                raise StorageFailed("the database could not be read") from error
            if fresh:
                envelopes = [one.passed.envelope for one in fresh]
                rows = [one.passed.rows for one in fresh]
                arrivals = [arrival for one in fresh for arrival in one.arrivals]
                size, root, read = logs.append(tx, log, envelopes)
                intake.enter_rows(tx, log, log.size, envelopes, rows, self._catalogue, now, arrivals, first={})
                head = Head(size, self._sign(tx, log, size, root, now), read)
        # This was the commit point. A crash before it: nobody was answered, no signature left the process, and the
        # submitter sends again. A crash after it: entry, documents and checkpoint are there, and sending again finds them.
        if head is None:
            return answers
        self.size, self.latest = head.size, now
        return [
            Recorded(answer.id, answer.index, answer.new, head)
            if isinstance(answer, Recorded) and answer.index >= log.size
            else answer
            for answer in answers
        ]

    def _place(
        self, tx: Transaction, log: logs.LogState, candidates: Sequence[Candidate]
    ) -> tuple[list[Answer], list[Candidate]]:
        """Give each submission its index, after the checks that need the log itself. What stands already keeps its place.

        Returns the answers, and those that are new, in their order.
        """
        taken = intake.standing(tx, log, {candidate.passed.id for candidate in candidates})
        known = references.known(tx, (candidate.passed.said for candidate in candidates))
        answers: list[Answer] = []
        fresh: list[Candidate] = []
        for candidate in candidates:
            passed = candidate.passed
            ident = passed.id.hex()
            index = taken.get(passed.id)
            if index is not None:
                answers.append(Recorded(ident, index, new=False))
                continue
            index = log.size + len(fresh)
            try:
                self._check_still(candidate, index)
                references.check(passed.said, known)
            except ExchangeError as error:
                answers.append(error)
                continue
            taken[passed.id], known[ident] = index, passed.said.brief
            fresh.append(candidate)
            answers.append(Recorded(ident, index, new=True))
        return answers, fresh

    def _check_still(self, candidate: Candidate, index: int) -> None:
        """The door's verdict holds at the index that the submission really gets, and under the records of now; else it is asked again."""
        passed, now = candidate.passed, self._participants()
        holds = passed.start <= index and (passed.until is None or index < passed.until)
        if candidate.participants is not now or not holds:
            admitted_or_raise(passed.envelope, self._origin, index, now)

    def _sign(self, tx: Transaction, log: logs.LogState, size: int, root: bytes, now: datetime) -> bytes:
        """Sign inside the transaction: the note becomes durable with the tree it speaks of, or neither does."""
        note = sign_checkpoint(Checkpoint(self._origin, size, root), self._key)
        logs.keep_checkpoint(tx, log, size, root, note, now)
        logs.advance(tx, log, size)
        return note


def _unstoppable() -> Future[Any]:
    """Whoever stops waiting does not take it out of the queue."""
    outcome: Future[Any] = Future()
    outcome.set_running_or_notify_cancel()
    return outcome
