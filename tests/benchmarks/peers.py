"""Peers that cost next to nothing: shelves served as nodes serve their logs, so that a puller has its core for itself.

One process answers for any number of States, each under its own path: checkpoint with ETag and 304, tiles, the documents
stream; everything else is not there. The parent says up to which size a log is published, and asks what was asked for.

    python -m tests.benchmarks.peers XR:100000 XA:256 ...
"""

import asyncio
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from exchange.core.tiles import parse_tile_path, width_at
from exchange.errors import Malformed
from tests.benchmarks.child import Child, answer, questions
from tests.benchmarks.shelf import HOME, Shelf, open_shelf

MAX_HEAD = 16 * 1024  # bytes of a request
SPAN = 4_096  # entries that one answer of the documents stream covers, as at a node

Answer = tuple[int, dict[str, str], bytes]
NOT_THERE: Answer = (404, {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}, b"{}")


class Peers(Child):
    """The process, as the parent sees it. `sizes`: how many entries each State's shelf must have."""

    def __init__(self, sizes: dict[str, int], home: Path = HOME) -> None:
        super().__init__("peers", home, *(f"{code}:{size}" for code, size in sizes.items()))
        self.port = int(self.hear()["port"])

    def url(self, code: str) -> str:
        return f"http://127.0.0.1:{self.port}/{code.lower()}"

    def publish(self, **sizes: int) -> None:
        """From now on the logs named have these sizes."""
        self.ask(publish=sizes)

    def asked(self) -> dict[str, dict[str, int]]:
        """For each State what was asked since the last time, by status and kind of thing: {"XR": {"304 checkpoint": 1}}."""
        found: dict[str, dict[str, int]] = self.ask(asked=True)["asked"]
        return found


@dataclass
class Peer:
    """One State's log."""

    shelf: Shelf
    size: int = 0
    note: bytes = b""
    asked: Counter[str] = field(default_factory=Counter)

    def publish(self, size: int) -> None:
        self.size, self.note = size, self.shelf.checkpoint(size)

    def answer(self, path: str, query: str, held: str) -> Answer:
        kind, found = "other", NOT_THERE
        if path == "/log/checkpoint" and self.note:
            kind, found = "checkpoint", self._checkpoint(held)
        elif path.startswith("/log/tile/"):
            kind, found = "tile", self._tile(path.removeprefix("/log/tile/"))
        elif path == "/v1/documents":
            kind, found = "documents", self._documents(query)
        elif path.startswith(("/mirror/", "/witness/")):
            kind = path.split("/")[1]  # these peers pull nobody, and sign for nobody
        self.asked[f"{found[0]} {kind}"] += 1
        return found

    def _checkpoint(self, held: str) -> Answer:
        etag = f'"{sha256(self.note).hexdigest()}"'
        headers = {"Cache-Control": "no-cache", "ETag": etag, "Access-Control-Allow-Origin": "*"}
        if held == etag:
            return 304, headers, b""
        return 200, {**headers, "Content-Type": "text/plain; charset=utf-8"}, self.note

    def _tile(self, text: str) -> Answer:
        try:
            path = parse_tile_path(text)
        except Malformed:
            return NOT_THERE
        if path.width > width_at(path.level or 0, path.index, self.size):
            return NOT_THERE
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Access-Control-Allow-Origin": "*",
            "Content-Type": "application/octet-stream",
        }
        return 200, headers, self.shelf.tile(path)

    def _documents(self, query: str) -> Answer:
        asked = parse_qs(query)
        if asked.get("origin", [self.shelf.origin]) != [self.shelf.origin]:
            return NOT_THERE
        start = int(asked.get("from", ["0"])[0])
        end = min(self.size, start + SPAN, int(asked.get("to", [str(self.size)])[0]))
        headers = {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
        return 200, headers, self.shelf.documents(start, end)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as a puller speaks it: GET without a body, connections kept."""

    def __init__(self, peers: dict[str, Peer]) -> None:
        self._peers = peers
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._head += data
        while (end := self._head.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._head[:end]).decode("latin-1")
            del self._head[: end + 4]
            self._transport.writelines(self._answer(head))
        if len(self._head) > MAX_HEAD:
            self._transport.close()

    def _answer(self, head: str) -> list[bytes]:
        first, *lines = head.split("\r\n")
        target = urlsplit(first.split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code, _, path = target.path.removeprefix("/").partition("/")
        peer = self._peers.get(code.upper())
        status, fields, content = NOT_THERE
        if peer is not None:
            status, fields, content = peer.answer(f"/{path}", target.query, headers.get("if-none-match", ""))
        said = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        length = "" if status == 304 else f"Content-Length: {len(content)}\r\n"
        return [f"HTTP/1.1 {status} \r\n{said}{length}\r\n".encode(), content]


def _told(peers: dict[str, Peer], asked: dict[str, Any]) -> dict[str, Any]:
    """What the parent wants: runs in the loop, between two requests."""
    for code, size in asked.get("publish", {}).items():
        peers[code].publish(size)
    if "asked" not in asked:
        return {}
    counts = {code: dict(peer.asked) for code, peer in peers.items()}
    for peer in peers.values():
        peer.asked.clear()
    return {"asked": counts}


async def _serve(peers: dict[str, Peer]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(peers), "127.0.0.1", 0)
    over = asyncio.Event()

    async def tell(asked: dict[str, Any]) -> dict[str, Any]:
        return _told(peers, asked)

    def listen() -> None:
        for asked in questions():
            answer(**asyncio.run_coroutine_threadsafe(tell(asked), loop).result())
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=listen, name="parent", daemon=True).start()
    answer(port=server.sockets[0].getsockname()[1])
    await over.wait()


def main() -> None:
    home, *asked = sys.argv[1:]
    sizes = {code: int(size) for code, _, size in (item.partition(":") for item in asked)}
    asyncio.run(_serve({code: Peer(open_shelf(code, size, Path(home))) for code, size in sizes.items()}))


if __name__ == "__main__":
    main()
