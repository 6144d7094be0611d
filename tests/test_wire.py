"""Requests over a real socket, byte by byte: what two readers may take for two things is refused, and nothing is kept without end."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from itertools import repeat
from typing import Any

import pytest
import uvloop
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from exchange import wire
from exchange.server import Server

pytestmark = pytest.mark.once
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
LAST = POST + b"Connection: close\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


class Heard:
    """An application that tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        asked = {"path": scope["path"], "body": (await request.body()).decode(), "headers": request.headers.items()}
        self.asked.append(asked)
        await JSONResponse(asked)(scope, receive, send)


def served(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]) -> tuple[bytes, Heard]:
    """What a connection heard that was talked to so, and what the application did."""
    heard, ready = Heard(), asyncio.Event()

    async def run() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = Server(heard, "critical", ready.set)
            running = asyncio.create_task(server.serve([listener]))
            await ready.wait()
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                return await talk(reader, writer)
            finally:
                writer.close()
                server.should_exit = True
                await running

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run()), heard


def said(*pieces: bytes) -> tuple[bytes, Heard]:
    """After these bytes, of which the last must end the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()

    return served(talk)


REFUSED = {
    "a length twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\na",
    "a length with a sign": POST + b"Content-Length: +1\r\n\r\na",
    "a length beyond all numbers": POST + b"Content-Length: 99999999999999999999\r\n\r\na",
    "a blank before the colon": POST + b"Content-Length : 1\r\n\r\na",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "another coding before chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "nearly chunks": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": POST + b"X: a\r\n b\r\n\r\n",
    "a folded first line": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "a NUL in a value": POST + b"X: a\0b\r\n\r\n",
    "a NUL in a name": POST + b"X\0: b\r\n\r\n",
    "a NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a control character": POST + b"X: a\x01b\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "a bare carriage return": POST + b"X: a\rb\r\n\r\n",
    "a name of nothing": POST + b": b\r\n\r\n",
    "no colon": POST + b"abc\r\n\r\n",
    "a letter beyond ASCII in a name": POST + b"X\xe9: a\r\n\r\n",
    "a letter beyond ASCII in the path": b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade with content": POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "an upgrade with chunks": POST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a long path": b"GET /" + b"a" * wire.MAX_HEAD + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long value": POST + b"X: " + b"a" * wire.MAX_HEAD + b"\r\n\r\n",
    "a long name": POST + b"x" * wire.MAX_HEAD + b": a\r\n\r\n",
    "many headers": POST + b"X: a\r\n" * (wire.MAX_HEAD // 6) + b"\r\n",
}
NOT_WHOLE = {
    "a length of a chunk that is negative": CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    "a length of a chunk in another spelling": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "bare line feeds between chunks": CHUNKED + b"1\na\n0\n\n",
    "a chunk beyond all numbers": CHUNKED + b"fffffffffffffffff\r\na",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_what_may_be_read_in_two_ways_reaches_nobody_and_nothing_behind_it_does(request_: bytes) -> None:
    answer, heard = said(request_ + GOOD)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1
    assert heard.asked == []


@pytest.mark.parametrize("request_", NOT_WHOLE.values(), ids=NOT_WHOLE.keys())
def test_content_that_is_cut_otherwise_than_it_says_is_never_whole(request_: bytes) -> None:
    answer, heard = said(request_ + GOOD)
    assert answer.startswith(b"HTTP/1.1 400 ") and heard.asked == []


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "a path": (b"GET /", b"a" * 1_000),
    "a value": (POST + b"X: ", b"a" * 1_000),
    "a name": (POST, b"a" * 1_000),
    "headers": (POST, b"X: a\r\n" * 100),
    "blank lines": (b"", b"\r\n" * 500),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 1_000),
    "trailers": (CHUNKED + b"0\r\n", b"X: a\r\n" * 100),
}


@pytest.mark.parametrize("begins, goes_on", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_never_ends_is_cut_at_its_bound(begins: bytes, goes_on: bytes) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        nonlocal sent
        answered = asyncio.ensure_future(reader.read())
        pieces: Iterator[bytes] = repeat(goes_on)
        writer.write(begins)
        while not answered.done():
            writer.write(next(pieces))
            sent += len(goes_on)
            await asyncio.wait([answered], timeout=0.001)
        return b"" if answered.exception() else answered.result()

    answer, heard = served(talk)
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer  # it may be lost where the sender went on
    assert wire.MAX_HEAD < sent < 64 * wire.MAX_HEAD
    assert heard.asked == []


@pytest.mark.parametrize("begins", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", GOOD + b"GET /"])
def test_a_head_that_drips_in_is_given_up(begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.2)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answered = asyncio.ensure_future(reader.read())
        writer.write(begins)
        while not answered.done():
            writer.write(b"a" if begins else b"")
            await asyncio.wait([answered], timeout=0.05)
        return b"" if answered.exception() else answered.result()

    answer, heard = served(talk)
    assert answer.count(b"HTTP/1.1 200 ") == len(heard.asked) == begins.count(GOOD)


def test_an_upgrade_is_answered_as_if_it_were_none_and_is_the_last() -> None:
    answer, heard = said(b"GET /one HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GOOD)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"\r\nconnection: close\r\n" in answer
    assert [asked["path"] for asked in heard.asked] == ["/one"]


def test_trailers_are_nobodys_headers() -> None:
    answer, heard = said(LAST + CHUNKED[len(POST) :] + b"3;a=b\r\nabc\r\n0\r\nX-Late: yes\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    [asked] = heard.asked
    assert asked["body"] == "abc" and "x-late" not in dict(asked["headers"])


def test_requests_behind_each_other_are_answered_in_their_order_however_they_are_cut() -> None:
    first = POST + b"Content-Length: 3\r\n\r\nabc"
    whole = first + GOOD + CHUNKED + b"1\r\nd\r\n2\r\nef\r\n0\r\n\r\n" + b"GET /old HTTP/1.0\r\n\r\n"
    for size in (1, 7, 50, len(whole)):
        answer, heard = said(*(whole[at : at + size] for at in range(0, len(whole), size)))
        assert answer.count(b"HTTP/1.1 200 ") == 4
        assert [(asked["path"], asked["body"]) for asked in heard.asked] == [
            *[("/", "abc"), ("/next", ""), ("/", "def"), ("/old", "")],
        ]


def test_much_content_is_no_head() -> None:
    content = b"a" * (64 * wire.MAX_HEAD)
    for request in (
        LAST + b"Content-Length: %d\r\n\r\n" % len(content) + content,
        LAST
        + CHUNKED[len(POST) :]
        + b"".join(b"1\r\n%c\r\n" % byte for byte in content[: 4 * wire.MAX_HEAD])
        + b"0\r\n\r\n",
        LAST + b"X: " + b"a" * (wire.MAX_HEAD - 100) + b"\r\nContent-Length: 1\r\n\r\na",
    ):
        answer, heard = said(request)
        assert answer.startswith(b"HTTP/1.1 200 ") and len(heard.asked) == 1


def test_the_server_takes_what_is_said_and_not_what_is_installed() -> None:
    config = Server(Heard(), "critical", lambda: None).config
    config.load()
    assert config.http_protocol_class is wire.Protocol
    assert config.get_loop_factory() is uvloop.new_event_loop
    assert config.ws_protocol_class is None
