"""Documents come in bulk, are checked against what was signed, and are asked for until they come."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.base64text import format_base64
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.dsse import parse_envelope
from exchange.core.jsontext import canonical_json
from exchange.core.pack import Pack
from exchange.core.statement import DocumentRef, parse_statement
from exchange.errors import Unreachable
from exchange.federation.offers import OfferedDocument, parse_offer
from exchange.store import documents
from exchange.store.folder import Arrival
from tests.faults import (
    Real,
    answer,
    answering,
    asked_of,
    down,
    edited,
    many,
    offering,
    only,
    peer_log,
    sign_into,
)
from tests.world import Fault, World, WorldNode


def written(value: dict[str, Any]) -> bytes:
    """As a peer would write it that minds no rule: json.dumps knows NaN."""
    good = {"index": 0, "slot": "body", "commitment": "00", "name": "x", "opening": format_base64(bytes(32)), "size": 1}
    return json.dumps({**good, "content": None, **value}).encode()


LARGE = b"%PDF-1.7 " + bytes(range(256)) * 1_000
Lines = list[dict[str, Any]]
ATTACHMENTS = (("map.pdf", b"%PDF-1.4 a map"), ("strategy.pdf", LARGE))


def state(node: WorldNode, ident: str) -> dict[str, Any]:
    found: dict[str, Any] = node.get(f"/v1/submissions/{ident}").json()
    return found


def held(node: WorldNode, ident: str) -> list[bool]:
    return [document["held"] for document in state(node, ident)["documents"]]


def owed(node: WorldNode) -> int:
    number: int = node.get("/v1/peers").json()["items"][0]["documents_missing"]
    return number


def test_documents_come_with_the_entries_small_ones_in_one_answer(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = [world["XR"].publish(attachments=ATTACHMENTS[:1]) for _ in range(5)]
        asked_of(world, "XR")
        world["XA"].pull()
        documents = [path for path in asked_of(world, "XR") if path.startswith("/v1/documents")]
        assert documents == ["/v1/documents?participant=XR&origin=xr.test.example%2Flog&from=0&to=5"]
        for each in made:
            assert held(world["XA"], each.id) == [True, True]
            assert state(world["XA"], each.id)["fits"] == "fits"


def test_a_large_document_is_streamed_into_a_file(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish(attachments=ATTACHMENTS)
        world["XA"].pull()
        (commitment,) = [
            each["commitment"] for each in state(world["XA"], made.id)["documents"] if each["slot"] == "a2"
        ]
        file = tmp_path / "XA" / "data" / "documents" / commitment[:2] / commitment
        assert file.read_bytes() == LARGE
        served = world["XA"].get(f"/v1/documents/{commitment}")
        assert served.content == LARGE
        assert served.headers["cbm-opening"] == world["XR"].get(f"/v1/documents/{commitment}").headers["cbm-opening"]
        assert state(world["XA"], made.id)["documents"][2]["name"] == "strategy.pdf"


def test_missing_documents_are_owed_and_come_on_the_next_visit_with_the_verdict(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish(attachments=ATTACHMENTS)
        world["XR"].fault = only("/v1/documents", answering(503))
        assert world["XA"].pull() == {"XR": None}, "the log does not wait for documents"
        assert (held(world["XA"], made.id), owed(world["XA"])) == ([False] * 3, 3)
        assert state(world["XA"], made.id)["fits"] == "not held"
        assert world["XA"].get("/v1/contacts?participant=XR").json()["items"] == []
        assert world["XA"].heads() == world["XR"].heads()
        world["XR"].fault = None
        assert world["XA"].pull() == {"XR": None}
        assert (held(world["XA"], made.id), owed(world["XA"])) == ([True] * 3, 0)
        assert state(world["XA"], made.id)["fits"] == "fits"
        assert len(world["XA"].get("/v1/contacts?participant=XR").json()["items"]) == 1


def test_a_body_that_does_not_fit_is_said_so_wherever_it_comes(tmp_path: Path) -> None:
    """Its own node would not have taken it; this one's log key is in the wrong hands."""
    with World(tmp_path, "XR", "XA") as world:
        parcel = world["XR"].parcel("POC-02", role="no such role")
        sign_into(world["XR"], parcel.envelope)
        with world["XR"].running.node.db.write() as tx:
            came = [Arrival.small(each.slot, each.name, each.opening, each.content) for each in parcel.documents]
            documents.hold(tx, came, "XR")
        world["XA"].pull()
        (found,) = world["XA"].get("/v1/submissions?participant=XR").json()["items"]
        assert found["fits"].startswith("does not fit: /role")
        assert world["XA"].alerts() == [], "the second verdict is no accusation"


def swapped(lines: Lines) -> Lines:
    """Each document under the name of the next."""
    contents = [(line["opening"], line["content"]) for line in lines]
    for line, (opening, content) in zip(lines, contents[1:] + contents[:1], strict=True):
        line["opening"], line["content"] = opening, content
    return lines


def each(**changes: Any) -> Callable[[Lines], Lines]:
    return lambda lines: [{**line, **changes} for line in lines]


WORTHLESS: dict[str, Callable[[Lines], list[Any]]] = {
    "the documents of one another": swapped,
    "another content": each(content=format_base64(b"something else")),
    "another opening": each(opening=format_base64(bytes(32))),
    "a short opening": each(opening=format_base64(bytes(31))),
    "no content": each(content=format_base64(b"")),
    "content in the wrong alphabet": each(content="____"),
    "a number as content": each(content=17),
    "entries that are not there": each(index=10**9),
    "entries before the first": each(index=-1),
    "slots that are not there": each(slot="a99"),
    "a list as slot": each(slot=["body"]),
    "more than a small document": each(content=format_base64(bytes(SMALL_DOCUMENT + 1))),
    "names out of the folder": each(name="../../etc/passwd"),
    "names with a line feed": each(name="map\n.pdf"),
    "names that read backwards": each(name="map\u202efdp.exe"),
    "names of devices": each(name="CON.pdf"),
    "no name": each(name=""),
    "a name of 300 bytes": each(name="x" * 300),
    "fewer fields": lambda lines: [{"index": 0, "slot": "body"} for _ in lines],
    "no objects": lambda lines: [[], 1, "x", None],
    "no JSON": lambda lines: [b"{", b"\xff\xfe", b"<html>", b"", b"[" * 5_000],
    "a line that is too long": lambda lines: [b'{"index":0,"slot":"body","x":"' + b"x" * 200_000 + b'"}'],
    "keys twice": lambda lines: [b'{"index":0,"index":0,"slot":"body"}'],
}


def test_what_was_not_committed_to_is_never_stored(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish(attachments=ATTACHMENTS[:1])
        folder = tmp_path / "XA" / "data" / "documents"
        for what, edit in WORTHLESS.items():
            world["XR"].fault = offering(edit)
            assert world["XA"].pull() == {"XR": None}, what
            assert (held(world["XA"], made.id), owed(world["XA"])) == ([False, False], 2), what
            assert [path for path in folder.rglob("*") if path.is_file()] == [], what
        world["XR"].fault = None
        world["XA"].pull()
        assert held(world["XA"], made.id) == [True, True]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("index", "slot", "commitment", "name", "opening", "size", "content")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(FIELDS), JSON).map(written))
def test_any_line_at_all_is_an_offer_or_none(line: bytes) -> None:
    offer = parse_offer(line)
    assert offer is None or len(offer.opening) == 32


@pytest.mark.once
def test_a_line_is_the_same_offer_however_it_is_written() -> None:
    """What our own nodes write is read by a shorter way."""
    line = {
        **{"index": 7, "slot": "body.de", "commitment": "ab" * 32, "name": "body.json"},
        **{"opening": format_base64(bytes(range(32))), "size": 5, "content": format_base64(b"hello")},
    }
    offer = OfferedDocument(7, "body.de", "ab" * 32, "body.json", bytes(range(32)), 5, b"hello")
    usual = canonical_json(line)
    for same in (usual, usual + b"\n", json.dumps(line).encode()):
        assert parse_offer(same) == offer
    for wrong in ({"content": "aGVsbG9="}, {"opening": format_base64(bytes(31))}, {"name": "con"}, {"size": "5"}):
        assert parse_offer(canonical_json({**line, **wrong})) is None


HARMLESS: dict[str, Callable[[Lines], list[Any]]] = {
    "twice": lambda lines: [*lines, *lines],
    "in another order": lambda lines: lines[::-1],
    "between lines of nonsense": lambda lines: [b"{", *lines[:1], b"null", *lines[1:], b"}"],
    "after the same with another content": lambda lines: [
        *[{**line, "index": 7} for line in lines],
        *lines,
    ],
    "with another size": each(size=10**9),
    "with another commitment": each(commitment="00"),
    "with more fields": each(note="read me"),
}


def test_what_was_committed_to_is_taken_however_it_is_offered(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        for what, edit in HARMLESS.items():
            made = world["XR"].publish(attachments=ATTACHMENTS[:1], institution={"en": what})
            world["XR"].fault = offering(edit)
            world["XA"].pull()
            assert held(world["XA"], made.id) == [True, True], what


def test_one_bad_line_does_not_keep_back_the_documents_behind_it(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = [world["XR"].publish() for _ in range(3)]
        world["XR"].fault = offering(lambda lines: [{**lines[0], "name": "../x"}, *lines[1:]])
        for _ in range(2):
            world["XA"].pull()
            assert [held(world["XA"], each.id) for each in made] == [[False], [True], [True]]


def test_a_stream_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = [world["XR"].publish() for _ in range(3)]

        def cut(body: bytes) -> bytes:
            return body[: len(body) - len(body.splitlines()[-1]) // 2]

        world["XR"].fault = only("/v1/documents?", edited(cut))
        world["XA"].pull()
        assert [held(world["XA"], each.id) for each in made] == [[True], [True], [False]]
        world["XR"].fault = None
        world["XA"].pull()
        assert owed(world["XA"]) == 0


def endless(piece: bytes, poured: Callable[[], object] = lambda: None) -> Fault:
    """The same piece for ever; `poured` is told of each."""

    def pour() -> Iterator[bytes]:
        while True:
            poured()
            yield piece

    return lambda request, real: answer(request, 200, pour(), {"Content-Type": "application/x-ndjson"})


@pytest.mark.parametrize("piece", [b"{}\n" * 2_000, b"x" * 100_000, b"\n" * 2_000])
def test_an_endless_stream_is_cut_at_its_bound(tmp_path: Path, piece: bytes) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish()
        pieces: list[int] = []
        world["XR"].fault = only("/v1/documents?", endless(piece, lambda: pieces.append(1)))
        assert world["XA"].pull() == {"XR": None}
        assert held(world["XA"], made.id) == [False]
        assert len(pieces) <= 2 * 6, "asked with the entry and once more at the end of the visit"


def test_an_answer_ends_at_its_bound_in_bytes(tmp_path: Path) -> None:
    """What no line of which is wrong enough to be cut by number."""
    with World(tmp_path, "XR") as world:
        line = b'{"index":0,"x":"' + b"x" * 100_000 + b'"}\n'
        world["XR"].fault = endless(line)
        offers = peer_log(world, "XR").documents("XR", world["XR"].origin, 0, 1)
        with pytest.raises(Unreachable, match="more than 67108864 bytes"):
            sizes = []
            for block in offers:
                assert block.endswith(b"\n")
                sizes.append(len(block))
        assert 64 * 1024 * 1024 - 1_000_000 < sum(sizes) <= 64 * 1024 * 1024


def test_an_endless_document_is_cut_at_its_bound(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish(attachments=ATTACHMENTS)
        world["XR"].fault = only("/v1/documents/", endless(bytes(1_000_000)))
        world["XA"].pull()
        assert held(world["XA"], made.id) == [True, True, False]
        assert [path for path in (tmp_path / "XA" / "data" / "documents" / "incoming").iterdir()] == []


@pytest.mark.parametrize(
    "fault", [down, answering(404), answering(500), answering(200, b"short"), edited(lambda body: body[:-1] + b"x")]
)
def test_a_large_document_that_goes_wrong_leaves_nothing_and_stops_no_other(tmp_path: Path, fault: Any) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish(attachments=(("strategy.pdf", LARGE), ("map.pdf", b"%PDF-1.4 a map")))
        world["XR"].fault = only("/v1/documents/", fault)
        world["XA"].pull()
        assert held(world["XA"], made.id) == [True, False, True]
        folder = tmp_path / "XA" / "data" / "documents"
        assert [path for path in folder.rglob("*") if path.is_file()] == []
        world["XR"].fault = None
        world["XA"].pull()
        assert held(world["XA"], made.id) == [True, True, True]


def test_documents_that_never_come_hide_none_of_those_that_do(tmp_path: Path) -> None:
    """The first entry's body is gone for ever; the last one's was late by one visit."""
    with World(tmp_path, "XR", "XA") as world:
        first = world["XR"].publish()
        sign_into(world["XR"], *many(world["XR"], 100))
        last = world["XR"].publish()
        world["XR"].fault = only("/v1/documents?", answering(503))
        world["XA"].pull()
        world["XR"].fault = offering(lambda lines: [line for line in lines if line["index"] > 50])
        asked_of(world, "XR")
        world["XA"].pull()
        asked = [path.rpartition("from=")[2] for path in asked_of(world, "XR") if path.startswith("/v1/documents?")]
        assert asked == ["0&to=1", "101&to=102"], "and the 100 in between are not sent again for it"
        assert (held(world["XA"], first.id), held(world["XA"], last.id)) == ([False], [True])


def test_one_document_of_two_entries_is_judged_for_both(tmp_path: Path) -> None:
    """A second return commits to the very body of the first; it comes for the second, and both are known to fit."""
    with World(tmp_path, "XR", "XA") as world:
        first = world["XR"].parcel()
        one = world["XR"].submit(first)
        world.sleep(seconds=1)
        second = world["XR"].parcel(edit=lambda statement: replace(statement, documents=_named(first)))
        world["XR"].fault = only("/v1/documents?", answering(503))
        world["XA"].pull()
        two = world["XR"].submit(replace(second, documents=first.documents))
        world["XR"].fault = offering(lambda lines: [line for line in lines if line["index"] == 1])
        world["XA"].pull()
        assert [state(world["XA"], each.id)["fits"] for each in (one, two)] == ["fits", "fits"]


def _named(parcel: Pack) -> tuple[DocumentRef, ...]:
    return parse_statement(parse_envelope(parcel.envelope).payload).documents


def test_what_comes_in_pieces_is_the_same(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        made = world["XR"].publish(attachments=ATTACHMENTS)

        def crumble(request: httpx.Request, real: Real) -> httpx.Response:
            said = real()
            body = said.read()
            pieces = (body[at : at + 997] for at in range(0, len(body), 997))
            return answer(request, said.status_code, pieces, {"Content-Type": said.headers["content-type"]})

        world["XR"].fault = crumble
        world["XA"].pull()
        assert held(world["XA"], made.id) == [True, True, True]
