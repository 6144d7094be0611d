"""The shell around httpx.AsyncClient, for asyncio: sends an `Ask`, feeds its `Intake`. What may come in is decided in wire.py."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Self, TypeVar

import httpx

from exchange.client.blocking import BROKEN_OFF, MAX_CONNECTIONS, SILENT, TIMEOUT, no_cookies
from exchange.client.wire import HEADERS, Ask, Beginning, Gathering, Intake, Page, receive
from exchange.errors import Unreachable

T = TypeVar("T")


class Awaiting:
    """One node of the exchange. Safe to share between the tasks of one event loop. `transport`: another way there."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            headers=HEADERS,
            timeout=TIMEOUT,
            transport=transport,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
            cookies=no_cookies(),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the connections; what `async with` does at its end."""
        await self._http.aclose()

    async def ask(self, ask: Ask[T]) -> T:
        """The answer, or the error that there is instead."""
        try:
            async with asyncio.timeout(ask.seconds):
                intake = await self._send(ask)
        except (*SILENT, TimeoutError) as error:
            raise Unreachable(f"{self.url} does not answer ({type(error).__name__})") from None
        return intake.finish()

    async def _send(self, ask: Ask[T]) -> Intake[T]:
        """What took in the answer, to its last byte."""
        for _ in range(ask.times - 1):
            with suppress(*BROKEN_OFF):
                return await self._send_once(ask)
        return await self._send_once(ask)

    async def _send_once(self, ask: Ask[T]) -> Intake[T]:
        place = self.url + ask.path
        content = None if ask.content is None else _pieces(ask.content())
        async with self._http.stream(ask.method, place, headers=dict(ask.headers), content=content) as response:
            intake = receive(ask, Beginning(place.partition("?")[0], response.status_code, response.headers))
            async for piece in response.aiter_raw():
                intake.take(piece)
        return intake

    async def gather(self, ask: Ask[Gathering[T]]) -> T:
        """What as many answers as it takes say together."""
        gathering = await self.ask(ask)
        while gathering.rest is not None:
            gathering = await self.ask(gathering.rest)
        return gathering.so_far

    async def each(self, ask: Ask[Page[T]] | None) -> AsyncIterator[T]:
        """All of a list, page by page."""
        following = ask
        while following is not None:
            page = await self.ask(following)
            for item in page.items:
                yield item
            following = page.rest


async def _pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
