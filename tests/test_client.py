"""The client for third parties, against real nodes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from exchange.client import Client
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.pack import parse_pack
from exchange.core.receipt import parse_receipt
from exchange.errors import (
    DoesNotFit,
    KeyNotAllowed,
    LogStopped,
    Malformed,
    NotFound,
    UnknownKey,
    Unreachable,
)
from exchange.resources import FORMS
from tests import key_named
from tests.faults import edited, only
from tests.served import served
from tests.world import World, WorldNode


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("client"), "XR", "XA") as world:
        yield world


@pytest.fixture
def node(world: World) -> WorldNode:
    return world["XR"]


@pytest.fixture
def client(node: WorldNode) -> Iterator[Client]:
    with node.client() as client:
        yield client


# --- every method, against a real node


def test_a_small_parcel_goes_as_json_and_comes_back_as_a_pack(node: WorldNode, client: Client) -> None:
    parcel = node.parcel()
    recorded = client.submit(parcel)
    assert recorded["new"] is True and client.submit(parcel) == {**recorded, "new": False}
    pack = parse_pack(client.pack(recorded["id"]))
    assert (pack.envelope, pack.documents) == (parcel.envelope, parcel.documents)
    assert pack.receipt is not None and pack.receipt == recorded["receipt"].encode()
    assert parse_receipt(pack.receipt).index == recorded["index"]
    assert client.submission(recorded["id"])["id"] == recorded["id"]


@pytest.mark.parametrize(
    "size", [0, 1, SMALL_DOCUMENT - 1, SMALL_DOCUMENT, SMALL_DOCUMENT + 1, SMALL_DOCUMENT * 2, 1_000_000]
)
def test_a_document_of_any_size_arrives(node: WorldNode, client: Client, size: int) -> None:
    parcel = node.parcel("ICT-03", attachments=(("strategy.pdf", bytes(size)),))
    recorded = client.submit(parcel)
    assert parse_pack(client.pack(recorded["id"])).documents == parcel.documents


@pytest.mark.parametrize("last", [0, 65_000, SMALL_DOCUMENT])
@pytest.mark.parametrize("count", [30, 31, 47])
def test_many_small_documents_arrive(node: WorldNode, client: Client, count: int, last: int) -> None:
    """Three MiB of them are four in base64, and a little more than the door takes as JSON."""
    sizes = [SMALL_DOCUMENT] * count + [last]
    parcel = node.parcel("ICT-03", attachments=tuple((f"{n}.bin", bytes(size)) for n, size in enumerate(sizes)))
    assert client.submit(parcel)["new"] is True


def test_no_document_can_end_its_own_part(node: WorldNode, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a document holds, even the boundary of an earlier submission, it arrives whole."""
    seen: list[str] = []

    def overheard(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
        seen.append(request.headers.get("content-type", ""))
        return real()

    node.fault = overheard
    try:
        client.submit(node.parcel("ICT-03", attachments=(("a.bin", bytes(100_000)),)))
        boundary = seen[0].partition("boundary=")[2].encode()
        assert boundary
        for known in (boundary, b"cbm-exchange-part"):
            content = (
                b"\r\n--"
                + known
                + b'\r\nContent-Disposition: form-data; name="opening"\r\n\r\n{}\r\n--'
                + known
                + b"--\r\n"
            )
            parcel = node.parcel("ICT-03", attachments=(("b.bin", content + bytes(100_000) + content),))
            recorded = client.submit(parcel)
            assert parse_pack(client.pack(recorded["id"])).documents == parcel.documents
        boundaries = [kind for kind in seen if "boundary=" in kind]
        assert len(set(boundaries)) == len(boundaries) == 3
    finally:
        node.fault = None


def test_a_node_is_asked_about_itself_and_what_it_knows(node: WorldNode, client: Client, world: World) -> None:
    published = node.publish()
    assert client.node()["participant"] == "XR"
    assert [head["participant"] for head in client.heads()] == ["XA", "XR"]
    assert {record["participant"] for record in client.participants()["items"]} == {"XR", "XA"}
    assert client.form("POC-02") == client.form("POC-02", 1) == (FORMS / "POC-02.v1.json").read_bytes()
    assert published.id in {contact["source"]["id"] for contact in client.contacts("XR", role="technical")["items"]}
    assert client.contacts(at="2026-11-23T09:00:00+01:00")["at"] == "2026-11-23T09:00:00+01:00"
    assert client.contacts("XA")["items"] == []
    assert list(client.alerts()) == []


def test_a_list_is_read_to_its_end(node: WorldNode, client: Client) -> None:
    size = client.node()["size"]
    everything = list(client.submissions(limit=3))
    assert [item["index"] for item in everything] == list(range(size - 1, -1, -1))
    assert [item["id"] for item in client.submissions(form="ICT-03", limit=2)] == [
        item["id"] for item in everything if item["form"] == "ICT-03"
    ]
    assert list(client.submissions(form="ZZZ-99")) == []


def test_a_search_is_read_as_far_as_was_asked(node: WorldNode, client: Client) -> None:
    made = [node.publish(institution={"en": f"Équipe {number}"}).id for number in range(105)]
    assert client.search("equipe")["unsearched"] >= 105
    node.running.indexer.catch_up()
    answer = client.search("EQUIPE")
    assert [item["id"] for item in answer["items"]] == made[:4:-1] and answer["unsearched"] == 0
    assert answer["items"][0]["context"] == "Équipe 104"
    assert [item["id"] for item in client.search("equipe", limit=104)["items"]] == made[:0:-1]
    assert [item["id"] for item in client.search("equipe 7", form="POC-02", limit=3)["items"]] == [made[7]]
    assert client.search("equipe", form="ICT-03")["items"] == []
    with pytest.raises(Malformed):
        client.search("!")


def test_a_node_that_knows_no_search_is_not_taken_for_one_that_found_everything(node: WorldNode) -> None:
    node.publish()
    older = edited(lambda body: orjson.dumps({**orjson.loads(body), "unsearched": None}))
    node.fault = only("q=team", older)
    try:
        with node.client() as client, pytest.raises(Unreachable):
            client.search("team")
    finally:
        node.fault = None


def test_the_operator_pulls(node: WorldNode, client: Client) -> None:
    token = (node.directory / "operator.token").read_text()
    assert [visit["participant"] for visit in client.pull(token)] == ["XA"]
    with pytest.raises(KeyNotAllowed):
        client.pull("x")


# --- refusals come back as what they are


def test_a_refusal_is_raised_as_its_class_with_what_the_node_said(node: WorldNode, client: Client) -> None:
    with pytest.raises(DoesNotFit, match="expected one of") as refusal:
        client.submit(node.parcel(role="barista"))
    assert refusal.value.pointer == "/role"
    with pytest.raises(UnknownKey):
        client.submit(node.parcel(signers=(key_named("stranger"),)))
    with pytest.raises(UnknownKey):
        client.submit(node.parcel("ICT-03", attachments=(("a.bin", bytes(200_000)),), signers=(key_named("stranger"),)))
    with pytest.raises(NotFound):
        client.submission("0" * 64)
    with pytest.raises(NotFound):
        client.contacts("ZZ")
    with pytest.raises(NotFound):
        client.form("ZZZ-99")
    with pytest.raises(NotFound):
        client.pack("0" * 64)
    with pytest.raises(Malformed) as misspelt:
        list(client.submissions(limit=1000))
    assert type(misspelt.value) is Malformed and misspelt.value.pointer == "/limit"


@pytest.mark.parametrize(
    "ident", ["", "../../v1/node", "?x=", "#", "a/b", "%00", "\0", "é", "x" * 500, "@evil.example"]
)
def test_an_odd_identifier_leads_nowhere_else(client: Client, ident: str) -> None:
    for ask in (client.submission, client.pack, client.form):
        with pytest.raises((Malformed, NotFound)):
            ask(ident)


def test_a_node_that_only_reads_says_so(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world, world["XR"].client() as client:
        parcel = world["XR"].parcel()
        world["XR"].running.node.appender.stop("the disk was full")
        with pytest.raises(LogStopped, match="the disk was full"):
            client.submit(parcel)


def test_a_node_that_is_down_is_unreachable(world: World) -> None:
    other = world["XA"]
    other.stop()
    with other.client() as client, pytest.raises(Unreachable):
        client.node()
    other.start()
    with other.client() as client:
        assert client.node()["participant"] == "XA"


def test_nothing_compressed_is_asked_for(node: WorldNode, client: Client) -> None:
    asked: list[httpx.Headers] = []

    def overheard(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
        asked.append(request.headers)
        return real()

    node.fault = overheard
    try:
        client.node()
    finally:
        node.fault = None
    assert [headers["accept-encoding"] for headers in asked] == ["identity"]
    assert asked[0]["user-agent"].startswith("cbm-exchange/")


# --- over a real socket


def test_a_large_refusal_reaches_who_is_still_sending(node: WorldNode) -> None:
    """The server says no after the envelope, while twenty megabytes are still on their way; the reason is not lost."""
    good = node.parcel("ICT-03", attachments=(("a.bin", bytes(20_000_000)),))
    forged = node.parcel("ICT-03", attachments=(("a.bin", bytes(20_000_000)),), signers=(key_named("stranger"),))
    with served(node) as url, Client(url) as client:
        with pytest.raises(UnknownKey):
            client.submit(forged)
        recorded = client.submit(good)
        assert recorded["new"] is True and client.submit(good)["new"] is False
        assert parse_pack(client.pack(recorded["id"])).documents == good.documents
        with httpx.Client() as raw:
            for path in (
                "/log/checkpoint%0a",
                "/log/tile/%30/000.p/1",
                "/log/tile/0%2f000.p/1",
                "/mirror/%58R/checkpoint",
            ):
                assert raw.get(url + path).status_code == 404
            assert raw.head(url + "/log/checkpoint").status_code == 200
            assert (
                raw.get(url + "/v1/submissions?limit=1", headers={"Host": "evil.example"})
                .json()["next"]
                .startswith("/v1/submissions?")
            )
