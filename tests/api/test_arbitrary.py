"""Whatever is sent, the node answers, and never with a 500."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import BOUNDARY, CLOSING, JSON, PARTS, URL, Answer, ask, kept, offer, part, parts, refused
from tests.world import WorldNode

arbitrary = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
pieces = st.sampled_from(
    [
        b"\r\n",
        f"--{BOUNDARY}".encode(),
        b"--",
        b"Content-Disposition: form-data; name=",
        b'"envelope"',
        b'"opening"',
        b"\r\n\r\n",
        CLOSING,
        b":",
    ]
)
ROUTES = [
    "/v1/node",
    "/v1/participants",
    "/v1/heads",
    "/v1/peers",
    URL,
    f"{URL}/" + "0" * 64,
    "/v1/documents",
    "/v1/contacts",
    "/v1/forms",
    "/v1/obligations",
    "/v1/forms/POC-02",
    "/v1/alerts",
    "/v1/entries/refused",
    "/v1/entries/waiting",
    "/log/checkpoint",
    "/log/tile/0/000.p/1",
    "/mirror/XA/checkpoint",
]
PARAMETERS = [
    "participant",
    "form",
    "obligation",
    "period",
    "status",
    "series",
    "current",
    "before",
    "after",
    "limit",
    "from",
    "to",
    "origin",
    "start",
    "role",
    "language",
    "at",
    "now",
    "version",
]
numbers = st.integers(min_value=-(2**70), max_value=2**70).map(str)


def as_text(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return repr(value).encode(errors="surrogatepass")


def never_a_500(answer: Answer) -> None:
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        refused(answer, answer.status_code, answer.json()["code"])


@pytest.fixture
def door(node: WorldNode) -> Iterator[WorldNode]:
    """The node, which stores nothing of all that comes during a test."""
    before = kept(node)
    yield node
    assert kept(node) == before


def is_refused(node: WorldNode, headers: dict[str, str], body: list[bytes]) -> None:
    answer = ask(node, "POST", URL, headers, body)
    assert 400 <= answer.status_code < 500, answer.content
    refused(answer, answer.status_code, answer.json()["code"])


@arbitrary
@given(st.lists(st.binary()))
def test_any_bytes_as_json(door: WorldNode, body: list[bytes]) -> None:
    is_refused(door, JSON, body)


@arbitrary
@given(values)
def test_any_json(door: WorldNode, value: Any) -> None:
    is_refused(door, JSON, [as_text(value)])


@arbitrary
@given(st.sampled_from(["envelope", "documents", "slot", "name", "opening", "content"]), values)
def test_any_value_in_place_of_a_field(door: WorldNode, name: str, value: Any) -> None:
    offered = offer(door.parcel())
    target = offered if name in offered else offered["documents"][0]
    if name == "name" and isinstance(value, str):
        value = value + "/"  # many a text is a name
    target[name] = value
    is_refused(door, JSON, [as_text(offered)])


@arbitrary
@given(st.data())
def test_any_change_of_one_byte(door: WorldNode, data: st.DataObject) -> None:
    """A byte of the file name may be another: nobody signed it."""
    offered = offer(door.parcel())
    offered["documents"][0]["name"] = ""
    whole = bytearray(orjson.dumps(offered))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    is_refused(door, JSON, [bytes(whole)])


@arbitrary
@given(st.lists(st.binary()))
def test_any_bytes_as_parts(door: WorldNode, body: list[bytes]) -> None:
    is_refused(door, PARTS, body)


@arbitrary
@given(st.lists(pieces | st.binary(), max_size=20))
def test_any_sequence_of_what_parts_are_made_of(door: WorldNode, body: list[bytes]) -> None:
    is_refused(door, PARTS, body)


@arbitrary
@given(
    st.lists(
        st.tuples(st.sampled_from(["envelope", "opening", "content"]), values.map(as_text) | st.binary()), max_size=6
    ),
    st.booleans(),
)
def test_any_parts(door: WorldNode, sent: list[tuple[str, bytes]], led: bool) -> None:
    """With or without a right envelope before them."""
    head = parts(door.parcel())[:1] if led else []
    is_refused(door, PARTS, [*head, *(part(name, content) for name, content in sent), CLOSING])


@arbitrary
@given(st.text(st.characters(max_codepoint=255)), st.lists(st.binary(max_size=50), max_size=3))
def test_any_content_type(door: WorldNode, kind: str, body: list[bytes]) -> None:
    for prefix in ("", "multipart/form-data;", 'multipart/form-data; boundary="', "application/json;"):
        is_refused(door, {"Content-Type": prefix + kind}, body)


@arbitrary
@given(st.sampled_from(ROUTES), st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text() | numbers), max_size=4))
def test_any_question(node: WorldNode, path: str, asked: list[tuple[str, str]]) -> None:
    never_a_500(ask(node, "GET", path, query=urlencode(asked, errors="replace").encode()))


@arbitrary
@given(st.sampled_from(ROUTES), st.binary())
def test_any_query(node: WorldNode, path: str, query: bytes) -> None:
    never_a_500(ask(node, "GET", path, query=query))


@arbitrary
@given(
    st.sampled_from(
        ["/", "/v1/", "/v1/forms/", "/v1/documents/", "/v1/entries/", f"{URL}/", "/log/", "/log/tile/", "/mirror/"]
    ),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_path(node: WorldNode, prefix: str, rest: str) -> None:
    never_a_500(ask(node, "GET", prefix + rest))


@arbitrary
@given(
    st.sampled_from(["host", "if-none-match", "range", "accept", "content-length", "authorization", "x-forwarded-for"]),
    st.text(st.characters(max_codepoint=255)),
)
def test_any_header(node: WorldNode, name: str, value: str) -> None:
    for path in ("/v1/submissions", "/log/checkpoint", "/v1/forms/POC-02", "/nowhere"):
        never_a_500(ask(node, "GET", path, {name: value}))
