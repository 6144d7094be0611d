"""Reading what comes in: bounded before it is read, strict, and never more than a chunk in memory."""

import logging
from collections.abc import AsyncIterator

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from exchange.errors import Malformed, TooLarge

MAX_HEADER = 1024  # bytes of the headers of one part
MAX_PARTS = 1 + 2 * 101  # an envelope, then opening and content of each document
MAX_PADDING = 64 * 1024  # bytes that bring neither a part nor its content: before, between and after the parts
PARTS = ("envelope", "opening", "content")

# It warns of each malformed body, and strangers do not write into the log of a node.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes; what claims to be longer is refused unread."""
    claimed = request.headers.get("content-length", "0")
    if not (claimed.isascii() and claimed.isdigit()) or int(claimed[:18]) > limit:
        raise TooLarge(f"at most {limit} bytes are taken here, {claimed[:20]} were announced")
    body = bytearray()
    async for chunk in _chunks(request):
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"at most {limit} bytes are taken here")
    return bytes(body)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Who hangs up in the middle of it sent a malformed one."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise Malformed("the connection closed in the middle of the body") from None


class PartReader:
    """The parts of a multipart/form-data body as they stream in: `start()`, then `read()` until it is empty, for each part.

    The framework's own form parser would spool everything first; here the envelope is judged before another byte is read.
    """

    def __init__(self, request: Request) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise Malformed("expected multipart/form-data with a boundary")
        self._stream: AsyncIterator[bytes] = _chunks(request)
        self._events: list[tuple[str, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._parts = self._padding = 0
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": lambda data, start, end: self._events.append(("data", data[start:end])),
                    "on_part_end": lambda: self._events.append(("end", b"")),
                    "on_end": lambda: self._events.append(("over", b"")),
                },
            )
        except FormParserError as error:
            raise Malformed(f"the boundary of the multipart body is malformed: {error}") from None

    def _begin(self) -> None:
        self._headers, self._field, self._value = {}, b"", b""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLarge(f"a submission has at most {MAX_PARTS} parts")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field = self._bounded(self._field + data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._bounded(self._value + data[start:end])

    def _bounded(self, text: bytes) -> bytes:
        if len(text) > MAX_HEADER:
            raise TooLarge(f"the headers of a part have at most {MAX_HEADER} bytes")
        return text

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._events.append(("begin", options.get(b"name", b"")))

    async def _next(self) -> tuple[str, bytes]:
        while not self._events:
            chunk = await anext(self._stream, b"")
            if not chunk:
                raise Malformed("the multipart body breaks off before its last boundary")
            self._padding += len(chunk)
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise Malformed(f"the multipart body is malformed: {error}") from None
            if not self._events and self._padding > MAX_PADDING:
                raise TooLarge(f"at most {MAX_PADDING} bytes stand before a part")
        self._padding = 0
        return self._events.pop(0)

    async def start(self) -> str | None:
        """The name of the next part, or None after the last. Raises Malformed for a part that nobody asked for."""
        event, name = await self._next()
        if event == "over":  # what follows the last boundary is not read
            return None
        text = name.decode("ascii", "replace")
        if event != "begin" or text not in PARTS:
            raise Malformed(f"expected the parts {', '.join(PARTS)}; got {text[:40]!r}")
        return text

    async def read(self) -> bytes:
        """The next piece of this part; empty at its end. A body that breaks off inside a part is Malformed."""
        while True:
            event, data = await self._next()
            if event == "end":
                return b""
            if data:
                return data

    async def read_whole(self, limit: int) -> bytes:
        content = bytearray()
        while piece := await self.read():
            content += piece
            if len(content) > limit:
                raise TooLarge(f"this part has at most {limit} bytes")
        return bytes(content)
