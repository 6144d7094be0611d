"""A peer over HTTP. The only file of this floor that knows httpx.

Everything a peer sends is bounded before it is read, in bytes and in time: a deadline covers the whole visit, so a peer
that drips one byte a minute costs one thread for one visit and nothing else. Redirects are not followed, compressed
answers are not taken (a small answer must not become a large one), and whatever goes wrong is `Unreachable`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from exchange import __version__
from exchange.core.base64text import parse_base64
from exchange.core.document import MAX_DOCUMENT, SMALL_DOCUMENT, parse_name
from exchange.core.jsontext import parse_json
from exchange.core.merkle import HASH_SIZE
from exchange.core.note import MAX_NOTE
from exchange.core.tiles import MAX_ENTRY, TilePath, format_tile_path
from exchange.errors import ExchangeError, Malformed, NotFound, Unreachable

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
MAX_LINE = 2 * SMALL_DOCUMENT  # bytes of one line of the documents stream
MAX_STREAM = 64 * 1024 * 1024  # bytes of one answer of the documents stream
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class OfferedDocument:
    """One line of the documents stream, well formed and not yet checked; `content` is None where it must be fetched by itself."""

    index: int
    slot: str
    commitment: str
    name: str
    opening: bytes
    size: int
    content: bytes | None


@dataclass
class PeerLog:
    """One log of a peer's node, near enough to a `LogReader` to be read as one; `prefix` is `/log` or a mirror's."""

    client: httpx.Client
    node_url: str
    deadline: float
    prefix: str = "/log"
    monotonic: Callable[[], float] = time.monotonic
    etag: str | None = field(default=None)

    def checkpoint(self) -> bytes:
        return self._get(f"{self.prefix}/checkpoint", MAX_NOTE)[0]

    def checkpoint_unless(self, etag: str | None) -> bytes | None:
        """The checkpoint, or None where it is still the one with that ETag; the new ETag is then in `self.etag`."""
        body, response = self._get(f"{self.prefix}/checkpoint", MAX_NOTE, {"If-None-Match": etag} if etag else {})
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        self.etag = response.headers.get("etag")
        return body

    def tile(self, path: TilePath) -> bytes:
        limit = path.width * (HASH_SIZE if path.level is not None else MAX_ENTRY + 2)
        return self._get(f"{self.prefix}/tile/{format_tile_path(path)}", limit)[0]

    def documents(self, participant: str, start: int, end: int) -> Iterator[OfferedDocument]:
        """The documents of entries [start, end) as the peer offers them, in log order."""
        query = httpx.QueryParams({"participant": participant, "from": start, "to": end})
        with self._stream(f"/v1/documents?{query}", {}) as response:
            self._expect_ok(response)
            yield from map(_parse_offer, self._lines(response))

    def document(self, commitment: str, write: Callable[[bytes], None]) -> None:
        """Stream one document into `write`, at most 25 MiB."""
        with self._stream(f"/v1/documents/{commitment}", {}) as response:
            self._expect_ok(response)
            for chunk in self._chunks(response, MAX_DOCUMENT):
                write(chunk)

    def _get(self, path: str, limit: int, headers: dict[str, str] | None = None) -> tuple[bytes, httpx.Response]:
        with self._stream(path, headers or {}) as response:
            if response.status_code != httpx.codes.NOT_MODIFIED:
                self._expect_ok(response)
            return b"".join(self._chunks(response, limit)), response

    @contextmanager
    def _stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise Unreachable(f"{self.node_url} took too long; the rest is left for the next visit")
        timeout = httpx.Timeout(min(READ_SECONDS, left), connect=min(CONNECT_SECONDS, left))
        headers = {"Accept-Encoding": "identity", "User-Agent": f"cbm-exchange/{__version__}", **headers}
        try:
            with self.client.stream(
                "GET", self.node_url + path, headers=headers, timeout=timeout, follow_redirects=False
            ) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Unreachable(f"{self.node_url}{path}: {type(error).__name__}") from None

    def _expect_ok(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(f"{response.url} is not there")
        if response.status_code != httpx.codes.OK:
            raise Unreachable(f"{response.url} answered {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable(f"{response.url} answered compressed, which was not asked for")

    def _chunks(self, response: httpx.Response, limit: int) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_raw(CHUNK):
            size += len(chunk)
            if size > limit:
                raise Unreachable(f"{response.url} sends more than {limit} bytes")
            if self.monotonic() > self.deadline:
                raise Unreachable(f"{self.node_url} took too long; the rest is left for the next visit")
            yield chunk

    def _lines(self, response: httpx.Response) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks(response, MAX_STREAM):
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE:
                raise Unreachable(f"{response.url} sends a line of more than {MAX_LINE} bytes")
            yield from whole
        if rest:
            raise Unreachable(f"{response.url} broke off in the middle of a line")


def _parse_offer(line: bytes) -> OfferedDocument:
    try:
        fields = parse_json(line, limit=MAX_LINE)
        index, slot, commitment, size = fields["index"], fields["slot"], fields["commitment"], fields["size"]
        if not (
            isinstance(index, int) and isinstance(slot, str) and isinstance(commitment, str) and isinstance(size, int)
        ):
            raise Malformed("index and size are numbers, slot and commitment are texts")
        content = None if fields["content"] is None else parse_base64(fields["content"])
        return OfferedDocument(
            index,
            slot,
            commitment,
            parse_name(fields["name"]),
            parse_base64(fields["opening"], length=32),
            size,
            content,
        )
    except (KeyError, TypeError, AttributeError, ExchangeError) as error:
        raise Unreachable(f"a line of the documents stream is malformed: {error}") from None


def open_client() -> httpx.Client:
    """One client for all visits of a node: connections are kept, proxies of the environment are not trusted to see everything."""
    return httpx.Client(limits=httpx.Limits(max_connections=64, max_keepalive_connections=64), trust_env=False)
