"""Clients of a node: many connections that each ask, wait for the answer, and ask again; all requests made beforehand.

    python -m tests.benchmarks.load HOME    waits for {"url", "clients"} with {"code", "first", "last", "batch"} or {"paths",
                                            "times"}, answers how it went

Raw sockets and no HTTP library, for the clients share two cores with the node. A submission counts where it is answered 201,
for then it is durable, one of a batch where its line says that it is new, a look-up where it is answered 200. Any other answer
ends the run.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
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
    """How a run went. Latencies in seconds, one of each request."""

    seconds: float
    answers: int
    median: float
    slowest_of_100: float

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


class Clients(Child):
    def __init__(self, home: Path = HOME) -> None:
        super().__init__("load", home)

    def submit(self, url: str, code: str, first: int, last: int, *, clients: int) -> Load:
        """Submissions [first, last) of that State's shelf, each by itself, over so many connections."""
        return Load(**self.ask(url=url, code=code, first=first, last=last, clients=clients, batch=1))

    def submit_batches(self, url: str, code: str, first: int, last: int, *, clients: int, batch: int) -> Load:
        """The same, so many in a request."""
        return Load(**self.ask(url=url, code=code, first=first, last=last, clients=clients, batch=batch))

    def look_up(self, url: str, paths: Sequence[str], times: int, *, clients: int) -> Load:
        """That many questions in all: these by turns."""
        return Load(**self.ask(url=url, paths=paths, times=times, clients=clients))


def post(url: str, body: bytes, media_type: str) -> bytes:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(url: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()


def parcel(made: Made) -> bytes:
    """The JSON of one submission with its document inline."""
    offered = orjson.loads(made.line)
    document = {name: offered[name] for name in ("slot", "name", "opening", "content")}
    return orjson.dumps({"envelope": format_base64(made.envelope), "documents": [document]})


@dataclass(frozen=True)
class Good:
    """A good answer: its status, and how often which words stand in it."""

    status: int
    words: bytes = b""
    times: int = 0

    def fits(self, answer: bytes | bytearray) -> bool:
        return answer.startswith(b"HTTP/1.1 %d " % self.status) and (
            not self.words or answer.count(self.words) == self.times
        )


class _Client(asyncio.Protocol):
    """One connection: the next request when the last is answered."""

    def __init__(self, requests: Iterator[bytes], good: "Good", latencies: list[float], wrong: list[bytes]) -> None:
        self._requests, self._good, self._latencies, self._wrong = requests, good, latencies, wrong
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
        if not self._good.fits(self._answer):
            self._wrong.append(bytes(self._answer[:1_000]))
        self._answer.clear()
        self.go_on()


async def _run(url: str, requests: list[bytes], good: Good, clients: int) -> dict[str, float]:
    """All connections stand before the clock starts."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    latencies: list[float] = []
    wrong: list[bytes] = []
    waiting = iter(requests)

    def made() -> _Client:
        return _Client(waiting, good, latencies, wrong)

    where = parts.hostname or "", parts.port or 80
    connections = [await loop.create_connection(made, *where) for _ in range(clients)]
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
        "answers": len(latencies) * max(good.times, 1),
        "median": latencies[len(latencies) // 2],
        "slowest_of_100": latencies[len(latencies) * 99 // 100],
    }


def submit(home: Path, asked: dict[str, Any]) -> dict[str, float]:
    shelf = open_shelf(asked["code"], asked["last"], home)
    url = f"{asked['url']}/v1/submissions"
    made = shelf.made(asked["first"], asked["last"])
    batch = asked["batch"]
    if batch == 1:
        requests = [post(url, parcel(each), "application/json") for each in made]
        return asyncio.run(_run(url, requests, Good(201), asked["clients"]))
    requests = []
    while lines := b"".join(parcel(each) + b"\n" for each in islice(made, batch)):
        requests.append(post(url, lines, "application/x-ndjson"))
    return asyncio.run(_run(url, requests, Good(200, b'"new":true', batch), asked["clients"]))


def look_up(asked: dict[str, Any]) -> dict[str, float]:
    made = [get(asked["url"], path) for path in asked["paths"]]
    return asyncio.run(_run(asked["url"], list(islice(cycle(made), asked["times"])), Good(200), asked["clients"]))


def main() -> None:
    for asked in questions():
        answer(**(look_up(asked) if "paths" in asked else submit(Path(sys.argv[1]), asked)))


if __name__ == "__main__":
    main()
