"""A peer over HTTP. The only file of this floor that knows httpx.

Everything a peer sends is bounded before it is read, in bytes and in time: the deadline of a visit holds at every read
from the socket (`patience.py`), so a peer that drips one byte a minute costs one thread for one visit and nothing else.
Redirects are not followed, cookies not kept, compressed answers not taken (a small answer must not become a large one),
and whatever goes wrong is `Unreachable`, or `NotFound` where the peer says so.
"""

import re
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import httpx

from exchange import __version__
from exchange.client.blocking import PatientTransport, no_cookies
from exchange.client.patience import patient_until
from exchange.core.base64text import parse_base64
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE
from exchange.core.httpsig import NODE, Request, sign_request
from exchange.core.keys import PrivateKey
from exchange.core.merkle import HASH_SIZE
from exchange.core.note import MAX_NOTE
from exchange.core.receipt import MAX_RECEIPT
from exchange.core.tiles import MAX_ENTRY, TILE_WIDTH, TilePath, format_bundle, format_tile_path, parse_bundle
from exchange.errors import Malformed, NotFound, Unreachable
from exchange.federation.offers import MAX_LINE
from exchange.trust.bundle import MAX_BUNDLE

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
TRUST_HEADER = "CBM-Trust"
MAX_STREAM = 64 * 1024 * 1024  # bytes of one answer of the documents stream
MAX_HEADS = 1024 * 1024  # bytes of the list of all logs that a peer knows
HEADS_MARK = "CBM-Heads"

Prove = Callable[[Request], Mapping[str, str]]
"""The headers that prove to a peer which State's node asks (core/httpsig.py)."""

_MARK = re.compile(r"[0-9A-Za-z.-]{1,80}")
# It goes back into a header of ours, so it is taken only as RFC 9110 section 8.8.3 writes it.
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,128}"')


@dataclass
class PeerLog:
    """One log of a peer's node, near enough to a `LogReader` to be read as one; `prefix` is `/log` or a mirror's.

    `hearsay`: a mirror of somebody else's log. What is wrong with it says nothing about the log, unless it is signed.
    """

    client: httpx.Client
    node_url: str
    deadline: float
    prefix: str = "/log"
    hearsay: bool = False
    monotonic: Callable[[], float] = time.monotonic
    etag: str | None = field(default=None)
    heads_mark: str | None = field(default=None)
    trust: str | None = field(default=None)
    """The SHA-256 of the bundle of the trust list that the peer holds, as its last answer said."""
    on_trust: Callable[[], None] = lambda: None
    """Called when `trust` is known, and before anything is made of the checkpoint that came with it."""
    prove: Prove | None = None
    """For what not everybody may read; all else is asked for as anybody asks."""

    @property
    def out_of_time(self) -> bool:
        return self.monotonic() >= self.deadline

    def checkpoint(self) -> bytes:
        return self._get(f"{self.prefix}/checkpoint", MAX_NOTE)[0]

    def checkpoint_unless(self, etag: str | None) -> bytes | None:
        """The checkpoint, or None where it is still the one with that ETag; the new ETag is then in `self.etag`.

        With either answer comes, in `self.heads_mark`, what changes whenever any head at that node does.
        """
        body, response = self._get(f"{self.prefix}/checkpoint", MAX_NOTE, {"If-None-Match": etag} if etag else {})
        mark = response.headers.get(HEADS_MARK, "")
        self.heads_mark = mark if _MARK.fullmatch(mark) else None
        self.trust = response.headers.get(TRUST_HEADER)
        self.on_trust()
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        offered = response.headers.get("etag", "")
        self.etag = offered if _ETAG.fullmatch(offered) else None
        return body

    def trust_bundle(self, tag: str | None = None) -> bytes | None:
        """All that the peer holds of the trust list; None where that is what `tag` names."""
        body, response = self._get("/trust/bundle", MAX_BUNDLE, {"If-None-Match": f'"{tag}"'} if tag else {})
        return None if response.status_code == httpx.codes.NOT_MODIFIED else body

    def heads(self) -> bytes:
        """Every log that the peer knows, as it stands there."""
        return self._get("/v1/heads", MAX_HEADS)[0]

    def tile(self, path: TilePath) -> bytes:
        try:
            return self._tile(path)
        except NotFound:
            if path.width == TILE_WIDTH:
                raise
        # C2SP tlog-tiles lets a log drop a partial tile once the full one exists: take that one, and cut it.
        full = self._tile(replace(path, width=TILE_WIDTH))
        if path.level is None:
            return format_bundle(parse_bundle(full, TILE_WIDTH)[: path.width])
        return full[: path.width * HASH_SIZE]

    def _tile(self, path: TilePath) -> bytes:
        limit = path.width * (HASH_SIZE if path.level is not None else MAX_ENTRY + 2)
        return self._get(f"{self.prefix}/tile/{format_tile_path(path)}", limit)[0]

    def documents(
        self, participant: str, origin: str, start: int, end: int, *, proven: bool = False
    ) -> Generator[bytes, None, None]:
        """The documents of entries [start, end) of that log, a line each as the peer offers them (offers.py), in blocks of whole lines."""
        query = httpx.QueryParams({"participant": participant, "origin": origin, "from": start, "to": end})
        path = f"/v1/documents?{query}"
        with self._stream(path, self._proof(path) if proven else {}) as response:
            self._expect_ok(response)
            yield from self._blocks(response)

    def document(self, commitment: str, write: Callable[[bytes], None], *, proven: bool = False) -> None:
        """Stream one document into `write`, at most 25 MiB."""
        path = f"/v1/documents/{commitment}"
        with self._stream(path, self._proof(path) if proven else {}) as response:
            self._expect_ok(response)
            for chunk in self._chunks(response, MAX_DOCUMENT):
                write(chunk)

    def letter(self, commitment: str, begin: Callable[[bytes], Callable[[bytes], None]]) -> None:
        """A sealed letter, for those alone whom it names: `begin` takes its opening, and gives what takes its pieces."""
        path = f"/v1/documents/{commitment}"
        with self._stream(path, self._proof(path)) as response:
            self._expect_ok(response)
            try:
                opening = parse_base64(response.headers.get("cbm-opening", ""), length=OPENING_SIZE)
            except Malformed:
                raise Unreachable(f"{response.url} answers without an opening") from None
            write = begin(opening)
            for chunk in self._chunks(response, MAX_DOCUMENT):
                write(chunk)

    def receipt(self, ident: str) -> bytes:
        """What the peer answers for the receipt of a submission, of whatever log."""
        return self._get(f"/v1/submissions/{ident}/receipt", MAX_RECEIPT)[0]

    def ask(self, path: str) -> tuple[int, str, bytes]:
        """Any small answer as it is: its status, the clock of the peer (its Date), the body."""
        with self._stream(path, {}) as response:
            return response.status_code, response.headers.get("date", ""), b"".join(self._chunks(response, MAX_LINE))

    def add_checkpoint(self, body: bytes) -> tuple[int, str, bytes]:
        """What a witness answers to that request (core/addcheckpoint.py), whatever it is: status, media type, body."""
        with self._stream(f"{self.prefix}/add-checkpoint", {"Content-Type": "text/plain"}, body) as response:
            kind = response.headers.get("content-type", "")
            return response.status_code, kind, b"".join(self._chunks(response, MAX_NOTE))

    def _proof(self, path: str) -> dict[str, str]:
        return {} if self.prove is None else dict(self.prove(Request("GET", self.node_url + path)))

    def _get(self, path: str, limit: int, headers: dict[str, str] | None = None) -> tuple[bytes, httpx.Response]:
        """`headers` are the conditions under which the answer may be 304 Not Modified."""
        with self._stream(path, headers or {}) as response:
            if response.status_code != httpx.codes.NOT_MODIFIED or not headers:
                self._expect_ok(response)
            return b"".join(self._chunks(response, limit)), response

    @contextmanager
    def _stream(self, path: str, headers: dict[str, str], body: bytes | None = None) -> Iterator[httpx.Response]:
        """A GET, or a POST of `body`."""
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise Unreachable(f"{self.node_url} took too long; the rest is left for the next visit")
        timeout = httpx.Timeout(min(READ_SECONDS, left), connect=min(CONNECT_SECONDS, left))
        headers = {"Accept-Encoding": "identity", "User-Agent": f"cbm-exchange/{__version__}", **headers}
        patient_until(time.monotonic() + left)
        try:
            with self.client.stream(
                "GET" if body is None else "POST",
                self.node_url + path,
                headers=headers,
                content=body,
                timeout=timeout,
                follow_redirects=False,
            ) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Unreachable(f"{self.node_url}{path} does not answer ({type(error).__name__})") from None

    def _expect_ok(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(f"{response.url} is not there")
        if response.status_code != httpx.codes.OK:
            raise Unreachable(f"{response.url} answered {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable(f"{response.url} answered compressed, which was not asked for")

    def _chunks(self, response: httpx.Response, limit: int) -> Iterator[bytes]:
        """As they come: gathering them up to a size would put off the look at the clock for as long as the peer likes."""
        size = 0
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > limit:
                raise Unreachable(f"{response.url} sends more than {limit} bytes")
            if self.out_of_time:
                raise Unreachable(f"{self.node_url} took too long; the rest is left for the next visit")
            yield chunk

    def _blocks(self, response: httpx.Response) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks(response, MAX_STREAM):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield rest + chunk[:end]
                rest = chunk[end:]
            else:
                rest += chunk
            if len(rest) > MAX_LINE:
                raise Unreachable(f"{response.url} sends a line of more than {MAX_LINE} bytes")
        if rest:
            raise Unreachable(f"{response.url} broke off in the middle of a line")


def prover(key: PrivateKey, clock: Callable[[], datetime]) -> Prove:
    """With the transport key of this node."""

    def prove(request: Request) -> Mapping[str, str]:
        now = int(clock().timestamp())
        return sign_request(request, key, tag=NODE, created=now, nonce=secrets.token_urlsafe(24))

    return prove


def open_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """One client for all visits of a node: connections are kept, cookies are not, and no proxy of the environment sees everything."""
    return httpx.Client(
        transport=transport or PatientTransport(),
        cookies=no_cookies(),
        trust_env=False,
    )
