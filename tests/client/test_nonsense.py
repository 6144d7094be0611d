"""Both flavours against dead hosts and nodes that answer with nonsense: always an error of ours, and always bounded."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson
import pytest

from exchange.client import Client, asks, wire
from exchange.core.document import MAX_DOCUMENT, Document
from exchange.core.dsse import MAX_ENVELOPE
from exchange.core.pack import Pack
from exchange.errors import ExchangeError, NotFound, Unreachable
from tests.client import Host, opened

pytestmark = pytest.mark.once

Body = bytes | Iterator[bytes]


@contextmanager
def answering(flavour: str, status: int, body: Body, headers: dict[str, str] | None = None) -> Iterator[Client]:
    """A client of a host that answers everything in this way."""
    with opened(flavour, "http://nonsense.example", Host(status, body, headers)) as client:
        yield client


QUESTIONS: dict[str, Callable[[Client], Any]] = {
    "node": lambda client: client.node(),
    "heads": lambda client: client.heads(),
    "peers": lambda client: client.peers(),
    "participants": lambda client: client.participants(),
    "forms": lambda client: client.forms(),
    "obligations": lambda client: client.obligations(),
    "contacts": lambda client: client.contacts("XR"),
    "submission": lambda client: client.submission("0" * 64),
    "submissions": lambda client: list(client.submissions()),
    "entries": lambda client: list(client.entries("refused", "x")),
    "search": lambda client: client.search("x"),
    "alerts": lambda client: list(client.alerts()),
    "pull": lambda client: client.pull("x"),
}
LISTS = ("heads", "peers", "forms", "obligations", "contacts", "submissions", "search", "entries", "alerts", "pull")
RAW: dict[str, Callable[[Client], Any]] = {
    "form": lambda client: client.form("POC-02"),
    "envelope": lambda client: client.envelope("0" * 64),
    "receipt": lambda client: client.receipt("0" * 64),
    "pack": lambda client: client.pack("0" * 64),
    "document": lambda client: client.document("0" * 64),
    "download": lambda client: client.download("0" * 64, lambda piece: None),
    "verified": lambda client: client.verified("0" * 64, []),
}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b"5", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"{} {}"]
)
@pytest.mark.parametrize("status", [200, 204, 206, 302, 304, 400, 404, 418, 500, 503])
def test_an_answer_that_is_no_nodes_is_unreachable(flavour: str, status: int, body: bytes) -> None:
    with answering(flavour, status, body, {"Location": "http://elsewhere.example"}) as client:
        for question in [*QUESTIONS.values(), *(RAW.values() if status != 200 else ())]:
            with pytest.raises(Unreachable) as refusal:
                question(client)
            assert refusal.value.next_step


NODE: dict[str, Any] = {"participant": "XR", "federation": "x", "live": True, "origin": "x/log", "log_vkey": "x"}
NODE |= {"size": 3, "version": "1", "instance": "x", "witness_vkey": "x", "witness_url": "x"}
NODE["trust"] = None
NODE["head"] = {"standing": "x", "cosignatures": "x", "not_later_than": None, "newest_quorum": None, "stale": True}


@pytest.mark.parametrize(
    "changes", [{"size": "3"}, {"size": True}, {"size": 3.0}, {"size": None}, {"live": 1}, {"participant": ["XR"]}, {}]
)
def test_a_field_of_another_type_is_named(flavour: str, changes: dict[str, Any]) -> None:
    """One that is not known is left alone: a newer node has more to say."""
    with answering(flavour, 200, orjson.dumps({**NODE, "new": [1], **changes})) as client:
        if not changes:
            assert client.node()["size"] == 3
            return
        with pytest.raises(Unreachable, match=f"/{next(iter(changes))}"):
            client.node()
    for missing in NODE:
        less = {name: value for name, value in NODE.items() if name != missing}
        with answering(flavour, 200, orjson.dumps(less)) as client, pytest.raises(Unreachable):
            client.node()


def test_a_submission_answered_with_nonsense_is_unreachable(flavour: str) -> None:
    small, large = (
        Pack(b"{}", (Document("a1", "a.bin", bytes(32), bytes(size)),), None, None) for size in (1, 100_000)
    )
    recorded = {"id": "0", "origin": "x", "index": 0, "new": True, "receipt": "x"}
    for value in ({}, {**recorded, "index": "0"}, {**recorded, "receipt": None}, {**recorded, "new": 1}):
        with answering(flavour, 201, orjson.dumps(value)) as client:
            for parcel in (small, large):
                with pytest.raises(Unreachable):
                    client.submit(parcel)


PROBLEMS: list[Any] = [{}, {"code": "malformed"}, {"detail": "x"}, [], ["code"], "code", {"code": [], "detail": 5}]
PROBLEMS += [{"code": "not-found", "detail": {}, "pointer": 5}, {"code": "not-found", "detail": "x", "pointer": 5}]


@pytest.mark.parametrize("body", PROBLEMS, ids=repr)
def test_a_problem_that_is_none_is_unreachable(flavour: str, body: Any) -> None:
    with answering(flavour, 400, orjson.dumps(body)) as client, pytest.raises(Unreachable):
        client.node()


def test_a_code_of_the_future_is_still_a_refusal_and_never_a_long_one(flavour: str) -> None:
    body = {"type": "urn:x", "title": "x", "status": 422, "code": "not-known-yet", "detail": "of next year" * 1000}
    with answering(flavour, 422, orjson.dumps(body)) as client, pytest.raises(ExchangeError) as refusal:
        client.node()
    assert type(refusal.value) is ExchangeError and str(refusal.value).startswith("of next year")
    assert len(str(refusal.value)) <= wire.MAX_SHOWN
    with (
        answering(flavour, 404, orjson.dumps({**body, "code": "not-found", "pointer": "/x"})) as client,
        pytest.raises(NotFound) as found,
    ):
        client.node()
    assert found.value.pointer == "/x"


# --- lists

ALERT = {"id": "x", "kind": "x", "participant": "x", "origin": "x", "raised": "x", "summary": "x", "evidence": {}}
EVERYTHING: dict[str, Any] = dict.fromkeys(
    ("participant", "origin", "root", "node_url", "code", "sha256", "audience"), "x"
)
EVERYTHING |= dict.fromkeys(("size", "admitted", "disputed", "refused", "waiting"), 1)
EVERYTHING |= dict.fromkeys(("failures", "documents_missing", "version"), 1)
EVERYTHING |= {
    "paused_until": None,
    "head": None,
    "attempted": None,
    "contacted": None,
    "error": None,
    "title": {},
    "obligations": [],
}
NEXT: list[Any] = ["http://elsewhere.example/v1/alerts?x", "//elsewhere.example/", "@elsewhere.example/v1/alerts?"]
NEXT += [5, [], "", ":80/", "/v1/submissions?x", "/local/pull", "v1/alerts?", "/v1/alerts", "/v1/alerts/../node?x"]


@pytest.mark.parametrize("following", NEXT)
def test_a_list_goes_on_only_where_it_began(flavour: str, following: Any) -> None:
    """`http://node@elsewhere.example/` would ask elsewhere, with whatever the node wants to be asked there."""
    host = Host(200, orjson.dumps({"items": [ALERT], "next": following}))
    with opened(flavour, "http://nonsense.example", host) as client, pytest.raises(Unreachable):
        list(islice(client.alerts(), 5))
    assert [str(request.url) for request in host.asked] == ["http://nonsense.example/v1/alerts"]


@pytest.mark.parametrize("items", [None, 5, {}, [5], ["x"], [None], [[]], [{}], [{"id": 5}]])
def test_a_list_holds_what_it_should(flavour: str, items: Any) -> None:
    with answering(flavour, 200, orjson.dumps({"at": "x", "items": items, "visits": items, "next": None})) as client:
        for name in LISTS:
            with pytest.raises(Unreachable):
                QUESTIONS[name](client)


@pytest.mark.parametrize(("items", "following"), [([], "/v1/alerts?after=0"), ([ALERT], "/v1/alerts?after=1")])
def test_a_list_that_does_not_get_on_ends(flavour: str, items: list[Any], following: str) -> None:
    """A page of nothing, and a page that names itself as the next one."""
    with (
        answering(flavour, 200, orjson.dumps({"items": items, "next": following})) as client,
        pytest.raises(Unreachable),
    ):
        list(islice(client.alerts(), 5))


@pytest.mark.parametrize("name", ["heads", "peers", "forms"])
def test_a_list_of_one_answer_has_no_rest(flavour: str, name: str) -> None:
    """It is gathered before it is returned: a node that goes on and on would fill the memory."""
    host = Host(200, orjson.dumps({"items": [EVERYTHING], "next": f"/v1/{name}?after=1"}))
    with opened(flavour, "http://nonsense.example", host) as client, pytest.raises(Unreachable, match="one answer"):
        QUESTIONS[name](client)
    assert len(host.asked) == 1


# --- bounds


@contextmanager
def flooding(
    flavour: str, status: int = 200, headers: dict[str, str] | None = None
) -> Iterator[tuple[Client, list[int]]]:
    """A client of a host that never stops, and how much was taken of it."""
    taken = [0]

    def flood() -> Iterator[bytes]:
        while True:
            taken[0] += 65_536
            yield bytes(65_536)

    with answering(flavour, status, flood(), headers) as client:
        yield client, taken


DOCUMENT = {"CBM-Opening": "A" * 43 + "=", "Content-Disposition": "attachment; filename*=UTF-8''x.pdf"}
FLOODS: list[tuple[str, int, int]] = [(name, 200, wire.MAX_JSON) for name in ("node", "alerts", "contacts")]
FLOODS += [("node", 500, wire.MAX_PROBLEM), ("pack", 404, wire.MAX_PROBLEM), ("form", 200, asks.MAX_FORM)]
FLOODS += [("download", 200, MAX_DOCUMENT), ("document", 200, MAX_DOCUMENT), ("envelope", 200, MAX_ENVELOPE)]


@pytest.mark.parametrize(("name", "status", "limit"), FLOODS)
def test_an_answer_is_bounded_while_it_is_read(flavour: str, name: str, status: int, limit: int) -> None:
    with flooding(flavour, status, DOCUMENT) as (client, taken), pytest.raises(Unreachable, match="more than"):
        (QUESTIONS | RAW)[name](client)
    assert limit < taken[0] <= limit + 2 * 65_536


def test_the_largest_answer_is_bounded_too(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asks, "MAX_PACK", 1_000_000)
    with flooding(flavour) as (client, taken), pytest.raises(Unreachable, match="more than"):
        client.pack("0" * 64)
    assert 1_000_000 < taken[0] <= 1_000_000 + 2 * 65_536


def test_what_is_announced_as_too_large_is_not_read(flavour: str) -> None:
    for name, status in (("node", 200), ("document", 200), ("pack", 200), ("node", 404)):
        headers = {**DOCUMENT, "Content-Length": "9" * 30}
        with flooding(flavour, status, headers) as (client, taken), pytest.raises(Unreachable, match="more than"):
            (QUESTIONS | RAW)[name](client)
        assert taken[0] <= 65_536


def test_a_small_answer_does_not_become_a_large_one(flavour: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    for status in (200, 404):
        with answering(flavour, status, bomb, {"Content-Encoding": "gzip", **DOCUMENT}) as client:
            for question in (QUESTIONS | RAW).values():
                with pytest.raises(Unreachable, match="compressed"):
                    question(client)


# --- on real sockets


@contextmanager
def listening(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """A host that says this to everybody who connects; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        say(connection)
                    except OSError:
                        continue  # who asked has left

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)


def test_a_redirect_is_not_followed(flavour: str) -> None:
    reached = threading.Event()

    def answer(connection: socket.socket) -> None:
        reached.set()
        connection.recv(65_536)

    with listening(answer) as elsewhere:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/v1/node\r\nContent-Length: 0\r\n\r\n".encode()

        def redirect(connection: socket.socket) -> None:
            connection.recv(65_536)
            connection.sendall(moved)

        with listening(redirect) as url, opened(flavour, url) as client, pytest.raises(Unreachable, match="redirect"):
            client.node()
    assert not reached.is_set()


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n", b""])
def test_a_host_that_drips_holds_nobody(flavour: str, begun: bytes) -> None:
    """Each byte comes in time, and the whole never does: in the head, in the body, or not at all."""

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(begun)
        connection.settimeout(0.05)
        while True:
            if begun:
                connection.sendall(b"x")
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return  # who asked has left

    with listening(drip) as url, opened(flavour, url) as client, pytest.raises(Unreachable):
        client.ask(replace(asks.node(), seconds=0.3))


def test_cookies_are_not_kept(flavour: str) -> None:
    host = Host(200, orjson.dumps(NODE), {"Set-Cookie": "who=you; Path=/"})
    with opened(flavour, "http://nonsense.example", host) as client:
        client.node()
        client.node()
    assert [request.headers.get("cookie") for request in host.asked] == [None, None]


NOWHERE = ["", "nowhere", "://", "http://", "http://[", "http://x y", "http://x\n", "http://\ud800", "http://\0"]
NOWHERE += ["http://..", "http://%", "http://127.0.0.1:1", "http://nobody.invalid", "http://x:99999", "http://x:-1"]
NOWHERE += ["http://" + "a" * 64 + ".example", "ftp://x.example", "file:///etc/passwd"]


@pytest.mark.parametrize("url", NOWHERE, ids=ascii)
def test_a_host_that_is_none_is_unreachable(flavour: str, url: str) -> None:
    with opened(flavour, url) as client:
        for name in ("node", "submissions", "pack"):
            with pytest.raises(Unreachable):
                (QUESTIONS | RAW)[name](client)
