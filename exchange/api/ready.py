"""A look-up asked again is answered from memory: the very bytes that the route made, before any routing.

What `GET /v1/contacts` answers follows from four things and no more: the question, the minute that runs (opening hours, the
day, `at`), the data, and the records of participants. An answer is kept while the last three stand still, and everything is
forgotten with the first of them that moves: a contact is seen with the first question after its commit, and nothing kept
outlives its minute, whoever else may have written to the database. Many who ask the same at the same time have it worked
out once. Kept is what the public is told: who proves who they are is answered anew, and nothing of it stays here.
"""

from asyncio import wrap_future
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.api.etags import is_held
from exchange.api.proof import is_somebody
from exchange.node.directory import to_the_minute
from exchange.node.node import Node

PATH = "/v1/contacts"
MAX_KEPT = 16 * 1024 * 1024  # bytes of questions and answers: some fifty times the directory of a federation
ANSWER_OVERHEAD = 1024  # bytes that an answer takes beside its question and its content


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application sent. The messages are sent again and again, and changed by nobody."""

    messages: tuple[Message, ...]

    @property
    def is_good(self) -> bool:
        return bool(self.messages) and self.messages[0]["status"] == 200

    @property
    def size(self) -> int:
        return ANSWER_OVERHEAD + sum(len(message.get("body", b"")) for message in self.messages)

    async def send(self, scope: Scope, send: Send) -> None:
        """304 to those who hold it already, and the rest to everybody else."""
        conditional = any(name == b"if-none-match" for name, _ in scope["headers"])
        unchanged = self._unchanged(scope) if conditional and self.is_good else None
        for message in unchanged or self.messages:
            await send(message)

    def _unchanged(self, scope: Scope) -> tuple[Message, ...] | None:
        headers = dict(self.messages[0]["headers"])
        if not is_held(Request(scope), headers[b"etag"].decode()):
            return None
        kept = [(name, value) for name, value in headers.items() if not name.startswith(b"content-")]
        return {**self.messages[0], "status": 304, "headers": kept}, {"type": "http.response.body", "body": b""}


@dataclass(slots=True)
class _Kept:
    """All that was answered, and is being answered, under one stamp."""

    stamp: object
    answers: OrderedDict[bytes, Answer] = field(default_factory=OrderedDict)
    making: dict[bytes, "Future[Answer]"] = field(default_factory=dict)
    size: int = 0

    def keep(self, question: bytes, answer: Answer) -> None:
        """Somebody may ask a thousand questions that nobody asks again: the oldest answers make room."""
        self.answers[question] = answer
        self.size += len(question) + answer.size
        while self.size > MAX_KEPT:
            oldest, dropped = self.answers.popitem(last=False)
            self.size -= len(oldest) + dropped.size


class Ready:
    """Stands before the whole application."""

    def __init__(self, app: ASGIApp, node: Node) -> None:
        self._app, self._node = app, node
        self._kept = _Kept(None)
        node.eraser.forgotten.append(self.forget)

    def forget(self) -> None:
        """What was answered before is not kept in memory until somebody asks again: something of it was erased."""
        self._kept = _Kept(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET" or is_somebody(scope):
            await self._app(scope, receive, send)
            return
        stamp = self._stamp()
        if self._kept.stamp != stamp:
            self._kept = _Kept(stamp)
        kept, question = self._kept, scope["query_string"]
        if (answer := kept.answers.get(question)) is None:
            if (making := kept.making.get(question)) is None:
                await self._make(kept, scope, receive, send)
                return
            answer = await wrap_future(making)
        await answer.send(scope, send)

    def _stamp(self) -> tuple[Any, ...]:
        """Taken before an answer is worked out, so that what is in the answer is never older."""
        return to_the_minute(self._node.clock()), self._node.db.generation, self._node.participants

    async def _make(self, kept: _Kept, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, unconditionally, for this asker and those who wait. It is kept if nothing moved meanwhile."""
        question, heard = scope["query_string"], list[Message]()
        making = kept.making[question] = Future[Answer]()
        making.set_running_or_notify_cancel()  # one who gives up waiting takes it from nobody else

        async def hear(message: Message) -> None:
            heard.append(message)

        unconditional = [(name, value) for name, value in scope["headers"] if name != b"if-none-match"]
        try:
            await self._app({**scope, "headers": unconditional}, receive, hear)
        finally:  # an unforeseen error was answered too, and is raised for the server's log
            answer = Answer(tuple(heard))
            if answer.is_good and self._stamp() == kept.stamp:
                kept.keep(question, answer)
            del kept.making[question]
            making.set_result(answer)
            await answer.send(scope, send)
