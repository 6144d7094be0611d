"""The client against dead hosts and nodes that answer with nonsense: always an error of ours, and always bounded."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import httpx
import orjson
import pytest

from exchange import client as module
from exchange.client import Client
from exchange.core.document import Document
from exchange.core.pack import Pack
from exchange.errors import ExchangeError, Unreachable

pytestmark = pytest.mark.once


@contextmanager
def answering(status: int, body: bytes | Iterator[bytes], headers: dict[str, str] | None = None) -> Iterator[Client]:
    """A client of a host that answers everything in this way."""

    class Host(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            stream = httpx.ByteStream(body) if isinstance(body, bytes) else Endless(body)
            return httpx.Response(status, headers=headers, stream=stream, request=request)

    with Client("http://nonsense.example", Host()) as client:
        yield client


class Endless(httpx.SyncByteStream):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces


QUESTIONS: list[Callable[[Client], Any]] = [
    lambda client: client.node(),
    lambda client: client.heads(),
    lambda client: client.participants(),
    lambda client: client.contacts("XR"),
    lambda client: client.submission("0" * 64),
    lambda client: list(client.submissions()),
    lambda client: list(client.alerts()),
    lambda client: client.pull("x"),
]


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"5", b'"x"', b"{", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 204, 302, 304, 400, 404, 418, 500, 503])
def test_an_answer_that_is_no_nodes_is_unreachable(status: int, body: bytes) -> None:
    with answering(status, body, {"Location": "http://elsewhere.example"}) as client:
        for question in QUESTIONS:
            with pytest.raises(Unreachable):
                question(client)


def test_a_submission_answered_with_nonsense_is_unreachable() -> None:
    small, large = (
        Pack(b"{}", (Document("a1", "a.bin", bytes(32), bytes(size)),), None, None) for size in (1, 100_000)
    )
    recorded = {"id": "0", "origin": "x", "index": 0, "new": True, "receipt": "x"}
    wrong = [{}, {**recorded, "index": "0"}, {**recorded, "receipt": None}, {**recorded, "new": 1}]
    for value in wrong:
        with answering(201, orjson.dumps(value)) as client:
            for parcel in (small, large):
                with pytest.raises(Unreachable):
                    client.submit(parcel)


PROBLEMS: list[Any] = [{}, {"code": "malformed"}, {"detail": "x"}, [], ["code"], "code", {"code": [], "detail": 5}]
PROBLEMS += [{"code": "not-found", "detail": {}, "pointer": 5}]


@pytest.mark.parametrize("body", PROBLEMS, ids=repr)
def test_a_problem_that_is_none_is_an_error_of_ours(body: Any) -> None:
    with answering(400, orjson.dumps(body)) as client, pytest.raises(ExchangeError) as refusal:
        client.node()
    assert refusal.value.pointer is None or isinstance(refusal.value.pointer, str)


NEXT: list[Any] = [
    "http://elsewhere.example/v1/submissions?x",
    "//elsewhere.example/",
    "@elsewhere.example/v1/submissions?",
]
NEXT += [5, [], "", ":80/", "/v1/alerts?x", "/local/pull", "v1/submissions?"]


@pytest.mark.parametrize("following", NEXT)
def test_a_list_goes_on_only_where_it_began(following: Any) -> None:
    """`http://node@elsewhere.example/` would ask elsewhere, with whatever the node wants to be asked there."""
    with (
        answering(200, orjson.dumps({"items": [{"id": "x"}], "next": following})) as client,
        pytest.raises(Unreachable),
    ):
        list(islice(client.submissions(), 5))


@pytest.mark.parametrize("items", [None, 5, {}, [5], ["x"], [None], [[]]])
def test_a_list_holds_objects(items: Any) -> None:
    with answering(200, orjson.dumps({"items": items, "visits": items, "next": None})) as client:
        for question in (QUESTIONS[1], QUESTIONS[3], *QUESTIONS[5:]):
            with pytest.raises(Unreachable):
                question(client)


def test_pages_of_nothing_end() -> None:
    with (
        answering(200, orjson.dumps({"items": [], "next": "/v1/alerts?after=0"})) as client,
        pytest.raises(Unreachable),
    ):
        list(islice(client.alerts(), 5))


def test_an_answer_is_bounded_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PACK", 1_000_000)
    taken = 0

    def flood() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield bytes(65_536)

    for status, ask, limit in (
        (200, "node", module.MAX_ANSWER),
        (500, "node", module.MAX_ANSWER),
        (200, "pack", 1_000_000),
    ):
        taken = 0
        with answering(status, flood()) as client, pytest.raises(Unreachable, match="more than"):
            client.pack("0" * 64) if ask == "pack" else client.node()
        assert limit < taken <= limit + 2 * 65_536


def test_a_small_answer_does_not_become_a_large_one() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    with answering(200, bomb, {"Content-Encoding": "gzip"}) as client, pytest.raises(Unreachable, match="compressed"):
        client.node()


NOWHERE = [
    "",
    "nowhere",
    "://",
    "http://",
    "http://[",
    "http://x y",
    "http://x\n",
    "http://\ud800",
    "http://\0",
    "http://..",
    "http://%",
]
NOWHERE += [
    "http://127.0.0.1:1",
    "http://nobody.invalid",
    "http://x:99999",
    "http://x:-1",
    "http://" + "a" * 64 + ".example",
]


@pytest.mark.parametrize("url", [*NOWHERE, "ftp://x.example", "file:///etc/passwd"], ids=ascii)
def test_a_host_that_is_none_is_unreachable(url: str) -> None:
    with Client(url) as client:
        for question in (QUESTIONS[0], QUESTIONS[5], lambda client: client.pack("0" * 64)):
            with pytest.raises(Unreachable):
                question(client)


def test_a_code_of_the_future_is_still_a_refusal() -> None:
    body = {
        "type": "urn:x",
        "title": "x",
        "status": 422,
        "code": "not-known-yet",
        "detail": "of next year",
        "next_step": "x",
    }
    with answering(422, orjson.dumps(body)) as client, pytest.raises(ExchangeError, match="of next year") as refusal:
        client.node()
    assert type(refusal.value) is ExchangeError
