"""HTTP/1.1 as it comes in over a socket, read one way and bounded: RFC 9110 and 9112 by llhttp, and what it leaves open by us.

llhttp (httptools) reads a request in a tenth of the time that a parser in Python takes. It refuses what two readers may take for two things: a length
said twice, a length beside chunks, folded lines, bare line ends, control characters. It keeps a head however long it grows, and
lets some of the rest pass. So here each of these, too, is answered 400 and ends the connection, before the application hears of it:

- more than MAX_HEAD bytes of a head, or of what brings neither head nor content: chunk extensions, trailers, blank lines;
- a head that is not whole HEAD_SECONDS after the connection, or its first byte, came;
- a version other than 1.0 and 1.1; in 1.1, not exactly one Host;
- a Transfer-Encoding other than `chunked`, or in 1.0;
- CONNECT, and an upgrade with content, which llhttp would not read: what it left would pass for the next request.

Any other upgrade is answered as if it were none, and is the last request of its connection. Trailers are nobody's headers.
"""

from asyncio import Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 16 * 1024  # bytes
HEAD_SECONDS = 15.0

_ONCE = frozenset([b"host", b"content-length", b"transfer-encoding"])
_VERSIONS = ("1.1", "1.0")


class Refused(Exception):
    """llhttp stops at it, and the connection with it."""


class Protocol(HttpToolsProtocol):
    """A connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._unheard = 0  # bytes since a head was whole, or a piece of content came
        self._once: dict[bytes, bytes] = {}
        self._has_asked = self._in_content = self._is_last = False
        self._due: float | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as in the original
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        if self._is_last:
            return
        self._unheard += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unheard > MAX_HEAD:
            self.logger.warning("Too long a request head, or too little in it.")
            self.send_400_response("Invalid HTTP request received.")
        elif not self._in_content and (not self._has_asked or self.cycle.response_complete):
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        """However it drips in."""
        if self._due is None:
            self._due = self.loop.time() + HEAD_SECONDS
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(self._due, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._once = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_content:
            return
        name = name.lower()
        if name in _ONCE:
            if name in self._once:
                raise Refused(f"{name!r} twice")
            self._once[name] = value
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._check_head()
        self._has_asked, self._in_content, self._due = True, True, None
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive, self._is_last = False, True
        self._unheard = 0

    def _check_head(self) -> None:
        """Raises Refused."""
        # What came at once with its end was not counted while it came.
        if self._unheard > MAX_HEAD:
            length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if length > MAX_HEAD:
                raise Refused(f"a head of {length} bytes")
        version, once = self.parser.get_http_version(), self._once
        if version not in _VERSIONS or (version == "1.1" and b"host" not in once):
            raise Refused("expected HTTP/1.1 with a Host, or HTTP/1.0")
        coding = once.get(b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            raise Refused("expected no transfer coding but chunked, in HTTP/1.1")
        if self.parser.should_upgrade() and (
            self.parser.get_method() == b"CONNECT" or coding is not None or once.get(b"content-length", b"0") != b"0"
        ):
            raise Refused("expected no tunnel, and no upgrade with content")

    def on_body(self, body: bytes) -> None:
        self._unheard = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_content, self._unheard = False, 0
        super().on_message_complete()
