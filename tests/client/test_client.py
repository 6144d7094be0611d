"""The client for third parties, in both flavours, against a real node on a real socket."""

import inspect
import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal, get_type_hints

import httpx
import pytest

from exchange.client import AsyncClient, Client, answers, asks
from exchange.client.patience import patient_until
from exchange.core.pack import parse_pack
from exchange.core.receipt import parse_receipt
from exchange.errors import (
    BadSignature,
    DoesNotFit,
    KeyNotAllowed,
    Malformed,
    NotFound,
    UnknownKey,
    Unreachable,
    WrongCommitment,
)
from exchange.resources import FORMS
from tests import key_named
from tests.client import FLAVOURS, Host, opened
from tests.client.conftest import Served
from tests.served import served
from tests.stock import LARGE
from tests.world import World, WorldNode

VERDICTS: tuple[Literal["refused"], Literal["waiting"]] = ("refused", "waiting")

# --- both flavours are one


@pytest.mark.once
def test_both_have_the_same_methods_with_the_same_signatures() -> None:
    def methods(kind: type) -> dict[str, tuple[Any, ...]]:
        found = {}
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and name not in ("ask", "each", "gather"):
                signature = inspect.signature(method)
                found[name] = (tuple(signature.parameters.values()), _answer(signature.return_annotation))
        return found

    assert methods(Client) == methods(AsyncClient)
    assert len(methods(Client)) >= 20


def _answer(annotation: Any) -> Any:
    return str(annotation).replace(AsyncIterator.__name__, Iterator.__name__)


@pytest.mark.once
def test_every_method_says_what_it_gives() -> None:
    for kind in (Client, AsyncClient):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            assert name.startswith("_") or inspect.getdoc(method), name
    assert inspect.getdoc(AsyncClient.submit) == inspect.getdoc(Client.submit)


TYPES = {
    answers.Node: "NodeAnswer",
    answers.Head: "Head",
    answers.Peer: "PeerAnswer",
    answers.DocumentState: "DocumentState",
    answers.Submission: "SubmissionFound",
    answers.Found: "SubmissionFound",
    answers.SubmissionWhole: "SubmissionWhole",
    answers.Contact: "Contact",
    answers.Contacts: "Contacts",
    answers.FormState: "FormAnswer",
    answers.Alert: "AlertAnswer",
    answers.Entry: "EntryAnswer",
    answers.Participants: "Participants",
    answers.Recorded: "Receipted",
}


def test_what_is_expected_is_what_nodes_promise(node: WorldNode) -> None:
    document = node.get("/openapi.json").json()
    for kind, name in TYPES.items():
        promised = set(document["components"]["schemas"][name]["required"])
        of_some = {"next", "context"}  # the rest of a list; what was found in a search
        assert set(get_type_hints(kind)) | of_some == promised | of_some, name
    for path, question in ((asks.SUBMISSIONS, asks.Question), ("/v1/contacts", asks.ContactQuestion)):
        known = {one["name"] for one in document["paths"][path]["get"]["parameters"] if one["in"] == "query"}
        assert set(get_type_hints(question)) | {"participant", "q"} == known | {"q"}, path


# --- every method, against a real node


def test_a_node_is_asked_about_itself_and_what_it_knows(there: Served, client: Client) -> None:
    made = there.stock.made
    assert client.node()["participant"] == "XR"
    assert [head["participant"] for head in client.heads()] == ["XA", "XI", "XR"]
    assert [peer["participant"] for peer in client.peers()] == ["XA", "XI"]
    assert {record["participant"] for record in client.participants()["items"]} == {"XR", "XA", "XI"}
    assert {form["code"] for form in client.forms()} >= {"POC-02", "ICT-03"}
    assert client.form("POC-02") == client.form("POC-02", 1) == (FORMS / "POC-02.v1.json").read_bytes()
    found = client.contacts("XR", role="technical", status="actual")
    assert made["update"].id in {contact["source"]["id"] for contact in found["items"]}
    assert client.contacts(at="2026-11-23T09:00:00+01:00")["at"] == "2026-11-23T09:00:00+01:00"
    assert client.contacts("XI", role="technical")["items"] == []
    assert {alert["kind"] for alert in client.alerts()} >= {"rollback/v1", "refused-entry/v1"}
    [refused], [waiting] = (list(client.entries(verdict, "xa.test.example/log")) for verdict in VERDICTS)
    assert (refused["code"], waiting["code"]) == ("key-not-allowed", "unknown-key")


def test_a_list_is_read_to_its_end(there: Served, client: Client) -> None:
    everything = list(client.submissions(limit=3))
    assert len(everything) == sum(head["admitted"] for head in client.heads())
    own = [item["index"] for item in everything if item["participant"] == "XR"]
    assert own == list(range(len(own) - 1, -1, -1))
    for question, holds in (
        ({"form": "ICT-03", "limit": 2}, lambda item: item["form"] == "ICT-03"),
        ({"participant": "XA"}, lambda item: item["participant"] == "XA"),
        ({"status": ["exercise", "actual"], "limit": 4}, lambda item: item["status"] in ("exercise", "actual")),
        ({"current": True, "participant": None}, lambda item: item["current"]),
        ({"current": False}, lambda item: not item["current"]),
        ({"obligation": "OSCE:PC.DEC/1202:CBM-8"}, lambda item: "OSCE:PC.DEC/1202:CBM-8" in item["obligations"]),
    ):
        found = [item["id"] for item in client.submissions(**question)]
        assert found == [item["id"] for item in everything if holds(item)] and found, question
    assert list(client.submissions(form="ZZZ-99")) == []


def test_a_search_is_read_as_far_as_was_asked(tmp_path: Path, flavour: str) -> None:
    with World(tmp_path, "XR") as world, served(world["XR"]) as url, opened(flavour, url) as client:
        made = [world["XR"].publish(institution={"en": f"Équipe {number}"}).id for number in range(7)]
        assert client.search("equipe")["unsearched"] >= 7
        world["XR"].running.indexer.catch_up()
        answer = client.search("EQUIPE")
        assert [item["id"] for item in answer["items"]] == made[::-1] and answer["unsearched"] == 0
        assert answer["items"][0]["context"] == "Équipe 6"
        assert [item["id"] for item in client.search("equipe", limit=5)["items"]] == made[:1:-1]
        assert [item["id"] for item in client.search("equipe 3", form="POC-02", limit=3)["items"]] == [made[3]]
        assert client.search("equipe", form="ICT-03")["items"] == []
        with pytest.raises(Malformed):
            client.search("!")
        with pytest.MonkeyPatch.context() as patch:  # several pages
            patch.setattr(asks, "MAX_PAGE", 2)
            for limit in (1, 2, 3, 4, 6, 7, 8):
                assert [item["id"] for item in client.search("equipe", limit=limit)["items"]] == made[::-1][:limit]


@pytest.mark.once
def test_a_node_that_knows_no_search_is_not_taken_for_one_that_found_everything(flavour: str) -> None:
    host = Host(200, b'{"items":[],"next":null}')
    with opened(flavour, "http://older.example", host) as client, pytest.raises(Unreachable, match="search"):
        client.search("team")


def test_one_submission_with_its_proofs(there: Served, client: Client) -> None:
    made = there.stock.made["update"]
    whole = client.submission(made.id)
    assert whole["id"] == made.id and whole["body"]["phone"] == "+12025550143"
    assert whole["history"] == [there.stock.ids["contact"], made.id]
    assert client.envelope(made.id) == made.parcel.envelope
    assert parse_receipt(client.receipt(made.id)).index == made.index
    pack = parse_pack(client.pack(made.id))
    assert (pack.envelope, pack.documents) == (made.parcel.envelope, made.parcel.documents)


def test_a_document_is_proven_whole_or_piece_by_piece(there: Served, client: Client, tmp_path: Path) -> None:
    for name in ("files", "XI"):
        for document, state in zip(
            there.stock.made[name].parcel.documents, client.submission(there.stock.ids[name])["documents"], strict=True
        ):
            held = client.document(state["commitment"])
            assert held.content == document.content and held.proven.name == document.name == state["name"]
            assert held.proven.size == len(document.content) and held.proven.opening == document.opening
            with open(tmp_path / "document", "wb") as file:
                assert client.download(state["commitment"], file.write) == held.proven
            assert (tmp_path / "document").read_bytes() == document.content


def test_a_large_document_comes_in_pieces(there: Served, client: Client) -> None:
    commitment = client.submission(there.stock.ids["files"])["documents"][1]["commitment"]
    pieces: list[bytes] = []
    client.download(commitment, pieces.append)
    assert b"".join(pieces) == LARGE and len(pieces) > 1


def test_a_head_is_signed_by_the_key_that_was_pinned(there: Served, client: Client) -> None:
    heads = {head["participant"]: head for head in client.heads()}
    for code, record in there.stock.world.participants.records.items():
        head = client.checkpoint(record.current_log.vkey)
        assert (head.origin, head.size) == (record.current_log.origin, heads[code]["size"])
    other = there.stock.world.participants.records["XA"].current_log.vkey
    forged = there.stock.world.participants.records["XR"].current_log.vkey
    with pytest.raises((BadSignature, UnknownKey)):
        client.checkpoint(type(forged)(forged.name, forged.type, other.key))


def test_the_time_of_one_question_is_not_that_of_another(there: Served) -> None:
    """One may be asked while another one's answer comes in."""
    commitment = there.stock.commitments()[0]
    patient_until(math.inf)  # what asked before in this thread may have left its own
    with Client(there.url) as client:
        within: list[float] = []

        def write(_: bytes) -> None:
            client.node()
            within.append(patient_until(math.inf))
            patient_until(within[-1])

        client.download(commitment, write)
    assert within and all(math.isfinite(moment) for moment in within)
    assert patient_until(math.inf) == math.inf


def test_the_operator_pulls(node: WorldNode, client: Client) -> None:
    token = (node.directory / "operator.token").read_text()
    assert [visit["participant"] for visit in client.pull(token)] == ["XA", "XI"]
    with pytest.raises(KeyNotAllowed):
        client.pull("x")


# --- refusals come back as what they are


def test_a_refusal_is_raised_as_its_class_with_what_the_node_said(node: WorldNode, client: Client) -> None:
    with pytest.raises(DoesNotFit, match="expected one of") as refusal:
        client.submit(node.parcel(role="barista"))
    assert refusal.value.pointer == "/role" and refusal.value.next_step
    stranger = (key_named("stranger"),)
    with pytest.raises(UnknownKey):
        client.submit(node.parcel(signers=stranger))
    with pytest.raises(UnknownKey):
        client.submit(node.parcel("ICT-03", attachments=(("a.bin", bytes(200_000)),), signers=stranger))
    for ask in (client.submission, client.envelope, client.receipt, client.pack, client.document):
        with pytest.raises(NotFound):
            ask("0" * 64)
    with pytest.raises(NotFound):
        client.contacts("ZZ")
    with pytest.raises(NotFound):
        client.form("ZZZ-99")
    with pytest.raises(NotFound):
        list(client.entries("refused", "nowhere.example/log"))
    with pytest.raises(Malformed) as misspelt:
        list(client.submissions(limit=1000))
    assert type(misspelt.value) is Malformed and misspelt.value.pointer == "/limit"
    with pytest.raises(Malformed) as unknown:
        list(client.submissions(forms="ICT-03"))  # type: ignore[call-arg]
    assert unknown.value.pointer == "/forms"


ODD = ["", "../../v1/node", "..", "?x=", "#", "a/b", "%00", "\0", "é", "x" * 500, "@evil.example", "A" * 64, "\ud800"]


@pytest.mark.once
@pytest.mark.parametrize("ident", ODD, ids=ascii)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_odd_identifier_is_refused_before_anybody_is_asked(flavour: str, ident: str) -> None:
    host = Host(200, b"{}")
    with opened(flavour, "http://nonsense.example", host) as client:
        for ask in (client.submission, client.envelope, client.receipt, client.pack, client.form, client.document):
            with pytest.raises(Malformed):
                ask(ident)
        with pytest.raises(Malformed):
            client.pull(ident + "\n")
        with pytest.raises(Malformed):
            list(client.entries(ident, "x"))  # type: ignore[arg-type]
    assert host.asked == []


@pytest.mark.once
def test_a_question_is_spelt_as_nodes_read_it() -> None:
    question: asks.Question = {
        "current": True,
        "status": ("test", "actual"),
        "limit": 5,
        "form": None,
        "period": "2026",
    }
    assert asks.path_of("/x", question) == "/x?current=true&status=test&status=actual&limit=5&period=2026"
    assert asks.path_of("/x", {"at": "09:00+01:00", "who": "a&b=c é"}) == "/x?at=09%3A00%2B01%3A00&who=a%26b%3Dc+%C3%A9"
    assert asks.path_of("/x", {"form": None}) == "/x"
    with pytest.raises(Malformed):
        asks.path_of("/x", {"form": "\ud800"})


def test_a_node_that_is_down_is_unreachable(tmp_path: Path, flavour: str) -> None:
    with World(tmp_path, "XR") as world:
        with served(world["XR"]) as url, opened(flavour, url) as client:
            assert client.node()["participant"] == "XR"
        with opened(flavour, url) as client, pytest.raises(Unreachable):
            client.node()


@pytest.mark.once
def test_nothing_compressed_is_asked_for(flavour: str) -> None:
    host = Host(404, b"{}")
    with opened(flavour, "http://nonsense.example", host) as client, pytest.raises(Unreachable):
        client.node()
    assert [request.headers["accept-encoding"] for request in host.asked] == ["identity"]
    assert host.asked[0].headers["user-agent"].startswith("cbm-exchange/")


def test_another_document_than_the_one_committed_to_is_noticed(there: Served, flavour: str) -> None:
    commitment = there.stock.commitments()[0]
    answer = there.node.get(f"/v1/documents/{commitment}")
    headers = {name: answer.headers[name] for name in ("cbm-opening", "content-disposition")}
    for at in (0, len(answer.content) // 2, len(answer.content) - 1):
        changed = bytearray(answer.content)
        changed[at] ^= 1
        with opened(flavour, "http://liar.example", Host(200, bytes(changed), headers)) as client:
            with pytest.raises(WrongCommitment):
                client.document(commitment)
            with pytest.raises(WrongCommitment):
                client.download(commitment, lambda piece: None)
    with opened(flavour, "http://honest.example", Host(200, answer.content, headers)) as client:
        assert client.document(commitment).content == answer.content
    for missing in headers:
        kept = {name: value for name, value in headers.items() if name != missing}
        with (
            opened(flavour, "http://liar.example", Host(200, answer.content, kept)) as client,
            pytest.raises(Unreachable),
        ):
            client.document(commitment)


# --- over a real socket


def test_a_path_has_one_spelling_on_a_real_socket_too(there: Served) -> None:
    with httpx.Client() as raw:
        for path in (
            "/log/checkpoint%0a",
            "/log/tile/%30/000.p/1",
            "/log/tile/0%2f000.p/1",
            "/mirror/%58R/checkpoint",
        ):
            assert raw.get(there.url + path).status_code == 404
        assert raw.head(there.url + "/log/checkpoint").status_code == 200
        evil = raw.get(there.url + "/v1/submissions?limit=1", headers={"Host": "evil.example"})
        assert evil.json()["next"].startswith("/v1/submissions?")
