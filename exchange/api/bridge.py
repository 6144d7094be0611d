"""Between the event loop and those who work for it: many at once, in both directions.

To hand something over is to wake a thread, at which this one gives away the interpreter: one for each submission would cost more
than to judge it. So what comes in one round of the loop is judged together at the round's end, by a worker process where one
has nothing to do, goes to the appender together, and all that one transaction answers comes back together.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import Request

from exchange.api.room import Room
from exchange.errors import ExchangeError, LogStopped
from exchange.node.appender import Answer
from exchange.node.judge import Candidate, Door
from exchange.node.lines import Judged, JudgeLines, judge_line
from exchange.node.submit import door_of
from exchange.trust.participants import Participants

MANY = 8  # submissions of a round from which on it is worth asking a worker

Result = TypeVar("Result")
Outcome = tuple[bytes | None, Answer]
"""The envelope, where there was one, and what became of it."""
Waiter = asyncio.Future[Outcome]


class Bridge:
    """Of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, room: Room) -> None:
        self._loop, self._node, self._workers = loop, room.node, room.workers
        self._gathered: list[tuple[bytes, Waiter]] = []

    @classmethod
    def of(cls, request: Request) -> "Bridge":
        """The bridge of the loop that this request is answered in."""
        loop, state = asyncio.get_running_loop(), request.app.state
        found = getattr(state, "bridge", None)
        if not isinstance(found, cls) or found._loop is not loop:
            found = state.bridge = cls(loop, state.room)
        return found

    def submit(self, body: bytes) -> Waiter:
        """A submission in JSON, judged at the end of this round. Who gives up waiting changes nothing of the outcome."""
        waiter: Waiter = self._loop.create_future()
        self._gathered.append((body, waiter))
        if len(self._gathered) == 1:
            self._loop.call_soon(self._judge)
        return waiter

    def record(self, judged: Judged, participants: Participants) -> Waiter:
        """One that was judged elsewhere, by these records."""
        waiter: Waiter = self._loop.create_future()
        self._hand_over([waiter], [judged], participants)
        return waiter

    def _judge(self) -> None:
        """Behind all that this round of the loop had to read."""
        gathered, self._gathered = self._gathered, []
        door = door_of(self._node)
        if self._workers is None or len(gathered) < MANY or not self._workers.spare(JudgeLines.by(door, ())):
            self._judge_here(gathered, door)
            return
        job = self._workers.submit(JudgeLines.by(door, [body for body, _ in gathered]))

        def judged() -> None:
            if job.exception() is not None:  # whatever ended it: judged here, it meets one of them at most
                self._judge_here(gathered, door)
            else:
                self._hand_over([waiter for _, waiter in gathered], job.result(), door.participants)

        self._bring(job, judged)

    def _judge_here(self, gathered: list[tuple[bytes, Waiter]], door: Door) -> None:
        waiters, judged = [], []
        for body, waiter in gathered:
            try:
                judged.append(judge_line(body, door))
            except Exception as error:  # nobody foresaw it: it goes to whoever sent this one, and the others are judged
                if not waiter.done():
                    waiter.set_exception(error)
            else:
                waiters.append(waiter)
        self._hand_over(waiters, judged, door.participants)

    def _hand_over(self, waiters: list[Waiter], judged: list[Judged], participants: Participants) -> None:
        """What is right, to the appender; what is not has its answer."""
        candidates: list[Candidate] = []
        waiting: list[tuple[bytes | None, Waiter]] = []
        for waiter, one in zip(waiters, judged, strict=True):
            candidate = one.candidate(participants)
            if isinstance(candidate, ExchangeError):
                _settle(waiter, one.envelope, candidate)
            else:
                candidates.append(candidate)
                waiting.append((one.envelope, waiter))
        if not candidates:
            return
        try:
            outcome = self._node.appender.submit_all(candidates)
        except LogStopped as error:
            for envelope, waiter in waiting:
                _settle(waiter, envelope, LogStopped(str(error)))
            return

        def recorded() -> None:
            for (envelope, waiter), answer in zip(waiting, outcome.result(), strict=True):
                _settle(waiter, envelope, answer)

        self._bring(outcome, recorded)

    def wait(self, outcome: "Future[Result]") -> "asyncio.Future[Result]":
        """For what was handed over otherwise, as a large submission or a batch is."""
        waiter: asyncio.Future[Result] = self._loop.create_future()

        def settle() -> None:
            if waiter.done():
                return
            error = outcome.exception()
            if error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(outcome.result())

        self._bring(outcome, settle)
        return waiter

    def _bring(self, outcome: "Future[Any]", settle: Callable[[], None]) -> None:
        def arrived(_: "Future[Any]") -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(settle)

        outcome.add_done_callback(arrived)


def _settle(waiter: Waiter, envelope: bytes | None, answer: Answer) -> None:
    if not waiter.done():
        waiter.set_result((envelope, answer))
