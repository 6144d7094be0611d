"""Between the event loop and the thread that commits: many at once, in both directions.

To hand something over is to wake a thread, at which this one gives away the interpreter: one for each submission would cost more
than to judge it. So what the loop judges in one of its rounds goes to the appender together, at the round's end, and all
that one transaction answers comes back together.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import Request

from exchange.errors import ExchangeError, LogStopped
from exchange.node.appender import Answer, Appender, Recorded
from exchange.node.judge import Candidate

Result = TypeVar("Result")


class Bridge:
    """Leads from one event loop to one appender."""

    def __init__(self, loop: asyncio.AbstractEventLoop, appender: Appender) -> None:
        self._loop, self._appender = loop, appender
        self._gathered: list[tuple[Candidate, asyncio.Future[Recorded]]] = []

    @classmethod
    def of(cls, request: Request) -> "Bridge":
        """The bridge of the loop that this request is answered in."""
        loop, state = asyncio.get_running_loop(), request.app.state
        found = getattr(state, "bridge", None)
        if not isinstance(found, cls) or found._loop is not loop:
            found = state.bridge = cls(loop, state.room.node.appender)
        return found

    def submit(self, candidate: Candidate) -> "asyncio.Future[Recorded]":
        """To be awaited. Who gives up waiting changes nothing of the outcome."""
        waiter: asyncio.Future[Recorded] = self._loop.create_future()
        self._gathered.append((candidate, waiter))
        if len(self._gathered) == 1:
            self._loop.call_soon(self._hand_over)
        return waiter

    def _hand_over(self) -> None:
        """Behind all that this round of the loop had to judge."""
        gathered, self._gathered = self._gathered, []
        try:
            outcome = self._appender.submit_all([candidate for candidate, _ in gathered])
        except LogStopped as error:
            _tell(gathered, [LogStopped(str(error)) for _ in gathered])
            return
        self._bring(outcome, lambda: _tell(gathered, outcome.result()))

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


def _tell(gathered: list[tuple[Candidate, "asyncio.Future[Recorded]"]], answers: list[Answer]) -> None:
    for (_, waiter), answer in zip(gathered, answers, strict=True):
        if waiter.done():
            continue
        if isinstance(answer, ExchangeError):
            waiter.set_exception(answer)
        else:
            waiter.set_result(answer)
