"""From the thread that commits to the event loop: a whole transaction's answers in one wake-up.

A wake-up is a system call, at which the thread gives away the interpreter: one for each answer would cost more than the answer.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import Request

Result = TypeVar("Result")


class Bridge:
    """Leads to one event loop. Whatever is set in a future elsewhere arrives, in order, with all that was set until the loop looked."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._called = False

    @classmethod
    def of(cls, request: Request) -> "Bridge":
        """The bridge to the loop that this request is answered in."""
        loop, state = asyncio.get_running_loop(), request.app.state
        found = getattr(state, "bridge", None)
        if not isinstance(found, cls) or found._loop is not loop:
            found = state.bridge = cls(loop)
        return found

    def wait(self, outcome: Future[Result]) -> "asyncio.Future[Result]":
        """To be awaited. Who gives up waiting changes nothing of the outcome."""
        waiter: asyncio.Future[Result] = self._loop.create_future()
        outcome.add_done_callback(lambda done: self._bring(waiter, done))
        return waiter

    def _bring(self, waiter: asyncio.Future[Result], outcome: Future[Result]) -> None:
        """In whatever thread. Called before `_deliver` looks: delivered by it. Called after: `_called` is False again."""
        self._arrived.append((waiter, outcome))
        if not self._called and not self._loop.is_closed():
            self._called = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False
        while self._arrived:
            waiter, outcome = self._arrived.popleft()
            if waiter.done():
                continue
            error = outcome.exception()
            if error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(outcome.result())
