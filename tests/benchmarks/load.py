"""Clients of a node: many connections that each submit, wait for the answer, and submit again; all parcels signed beforehand.

    python -m tests.benchmarks.load     waits for {"url", "code", "first", "last", "clients"}, answers how it went

Raw sockets and no HTTP library, for the clients share two cores with the node. An answer counts where it is 201: then the
submission is durable. Any other ends the run.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from exchange.core.base64text import format_base64
from tests.benchmarks.child import Child, answer, questions
from tests.benchmarks.entries import Made
from tests.benchmarks.shelf import HOME, open_shelf

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """How a run went. Latencies in seconds, one of each answer."""

    seconds: float
    submissions: int
    median: float
    slowest_of_100: float

    @property
    def rate(self) -> float:
        return self.submissions / self.seconds


class Clients(Child):
    def __init__(self, home: Path = HOME) -> None:
        super().__init__("load", home)

    def submit(self, url: str, code: str, first: int, last: int, *, clients: int) -> Load:
        """Submissions [first, last) of that State's shelf, each by itself, over so many connections."""
        return Load(**self.ask(url=url, code=code, first=first, last=last, clients=clients))


def request(url: str, body: bytes, media_type: str) -> bytes:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def parcel(made: Made) -> bytes:
    """The JSON of one submission with its document inline."""
    offered = orjson.loads(made.line)
    document = {name: offered[name] for name in ("slot", "name", "opening", "content")}
    return orjson.dumps({"envelope": format_base64(made.envelope), "documents": [document]})


class _Client(asyncio.Protocol):
    """One connection: the next request when the last is answered."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], wrong: list[bytes]) -> None:
        self._requests, self._latencies, self._wrong = requests, latencies, wrong
        self._answer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.over.done():
            self._wrong.append(b"the connection was lost")
            self.over.set_result(None)

    def go_on(self) -> None:
        request = None if self._wrong else next(self._requests, None)
        if request is None:
            if not self.over.done():
                self.over.set_result(None)
            return
        assert self._transport is not None
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._answer, 0, end + 2)
        if length is None or len(self._answer) < end + 4 + int(length[1]):
            return
        self._latencies.append(time.perf_counter() - self._sent)
        if not self._answer.startswith(b"HTTP/1.1 201 "):
            self._wrong.append(bytes(self._answer[:1_000]))
        self._answer.clear()
        self.go_on()


async def _run(url: str, requests: list[bytes], clients: int) -> dict[str, float]:
    """All connections stand before the clock starts."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    latencies: list[float] = []
    wrong: list[bytes] = []
    waiting = iter(requests)
    connections = [
        await loop.create_connection(lambda: _Client(waiting, latencies, wrong), parts.hostname or "", parts.port or 80)
        for _ in range(clients)
    ]
    began = time.perf_counter()
    for _, client in connections:
        client.go_on()
    await asyncio.gather(*(client.over for _, client in connections))
    seconds = time.perf_counter() - began
    for transport, _ in connections:
        transport.close()
    if wrong or len(latencies) != len(requests):
        raise RuntimeError(f"{len(latencies)} of {len(requests)} answered; {wrong[:1]}")
    latencies.sort()
    return {
        "seconds": seconds,
        "median": latencies[len(latencies) // 2],
        "slowest_of_100": latencies[len(latencies) * 99 // 100],
    }


def submit(home: Path, asked: dict[str, Any]) -> dict[str, float]:
    shelf = open_shelf(asked["code"], asked["last"], home)
    url = f"{asked['url']}/v1/submissions"
    made = shelf.made(asked["first"], asked["last"])
    requests = [request(url, parcel(each), "application/json") for each in made]
    return {**asyncio.run(_run(url, requests, asked["clients"])), "submissions": len(requests)}


def main() -> None:
    for asked in questions():
        answer(**submit(Path(sys.argv[1]), asked))


if __name__ == "__main__":
    main()
