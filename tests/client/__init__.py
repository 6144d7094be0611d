"""Both flavours of the client behind one face, so that every test asks both the same.

`opened("AsyncClient", url)` gives an `AsyncClient` that is driven to its end, one question after the other, on a loop of its own.
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx

from exchange.client import AsyncClient, Client

_END = object()
FLAVOURS = ("Client", "AsyncClient")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="client", daemon=True)
        self._thread.start()

    def run(self, answer: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result(timeout=60)

    def each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        while (item := self.run(_next(items))) is not _END:
            yield item

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, _END)


class Driven:
    """An AsyncClient with the face of a Client."""

    def __init__(self, client: AsyncClient, loop: Loop) -> None:
        self._client, self._loop = client, loop

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def answered(*arguments: Any, **named: Any) -> Any:
            answer = method(*arguments, **named)
            return self._loop.run(answer) if inspect.iscoroutine(answer) else self._loop.each(answer)

        return answered


@contextmanager
def opened(flavour: str, url: str, transport: Any = None) -> Iterator[Client]:
    """A client of that flavour; `transport` serves both."""
    if flavour == "Client":
        with Client(url, transport) as client:
            yield client
        return
    loop = Loop()
    try:
        awaited = AsyncClient(url, transport)
        yield cast(Client, Driven(awaited, loop))
        loop.run(awaited.close())
    finally:
        loop.stop()


class Host(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers everything in one way, to both flavours; what it was asked is in `asked`."""

    def __init__(self, status: int, body: bytes | Iterator[bytes], headers: dict[str, str] | None = None) -> None:
        self._status, self._body, self._headers = status, body, headers
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self._status, headers=self._headers, stream=Pieces(self._body), request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class Losing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Brings everything to where it should go, and loses the first answers; `asked` counts what was sent."""

    def __init__(self, answers: int) -> None:
        self._lost, self.asked = answers, 0
        self._blocking, self._awaiting = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._blocking.handle_request(request)
        if self._loses():
            response.read()
            response.close()
            raise httpx.ReadError("the connection broke off")
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._awaiting.handle_async_request(request)
        if self._loses():
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("the connection broke off")
        return response

    def _loses(self) -> bool:
        self.asked += 1
        return self.asked <= self._lost

    def close(self) -> None:
        self._blocking.close()

    async def aclose(self) -> None:
        await self._awaiting.aclose()


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body, perhaps without an end."""

    def __init__(self, body: bytes | Iterator[bytes]) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from (self._body,) if isinstance(self._body, bytes) else self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece
