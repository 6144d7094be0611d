"""The node about itself: who it is, what it holds, whom it knows, whether it lives; and the operator's own door."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from exchange import __version__
from exchange.core.base64text import format_base64
from exchange.core.merkle import EMPTY_ROOT, leaf_hash
from exchange.resources import FORMS
from exchange.trust.participants import Participants, parse_participants
from tests.api import JSON, URL, ask, offer, post, refused
from tests.world import World, WorldNode


def test_a_node_says_who_it_is(node: WorldNode, world: World) -> None:
    size = len(node.get(URL).json()["items"])
    about = node.get("/v1/node").json()
    vkey, witness, instance = (about.pop(name) for name in ("log_vkey", "witness_vkey", "instance"))
    assert re.fullmatch("[0-9a-f]{16}", instance)
    assert about == {
        "participant": "XR",
        "federation": "test.example",
        "live": False,
        "origin": "xr.test.example/log",
        "size": size,
        "version": __version__,
        "witness_url": "http://xr.test.example/witness",
        "head": {
            "standing": "recorded",
            "cosignatures": "cosigned by 0 of 1, 1 asked for",
            "not_later_than": None,
            "newest_quorum": None,
            "stale": True,
        },
        "trust": None,
    }
    assert vkey.startswith("xr.test.example/log+")
    record = world.participants.records["XR"]
    assert vkey.split("+")[1] == record.current_log.vkey.keyid.hex()
    assert witness.startswith("test.example/witness/XR+")


def test_heads_compare_in_one_line(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node, mirror = world["XR"], world["XA"]
        assert [head["size"] for head in node.heads()] == [0, 0]
        assert {head["root"] for head in node.heads()} == {format_base64(EMPTY_ROOT)}
        published = node.publish()
        head = {
            "participant": "XR",
            "origin": node.origin,
            "size": 1,
            "root": format_base64(leaf_hash(published.parcel.envelope)),
        }
        assert node.heads()[1] == {**head, "admitted": 1, "disputed": 0, "refused": 0, "waiting": 0}
        assert node.get("/v1/heads").content != mirror.get("/v1/heads").content
        world.pull()
        assert node.get("/v1/heads").content == mirror.get("/v1/heads").content


def test_participants_are_the_records_that_anybody_can_verify_with(node: WorldNode, world: World) -> None:
    answer = node.get("/v1/participants").json()
    assert (answer["federation"], answer["live"], answer["next"]) == ("test.example", False, None)
    peers = {"v": 1, "federation": answer["federation"], "live": answer["live"], "participants": answer["items"]}
    assert parse_participants(orjson.dumps(peers)).records == world.participants.records


def test_forms_are_the_files_byte_for_byte(node: WorldNode) -> None:
    forms = node.get("/v1/forms").json()
    assert forms["next"] is None
    assert len(forms["items"]) == len(list(FORMS.glob("*.json")))
    for form in forms["items"]:
        file = (FORMS / f"{form['code']}.v{form['version']}.json").read_bytes()
        newest = form["version"] == max(one["version"] for one in forms["items"] if one["code"] == form["code"])
        for question in ("", f"?version={form['version']}") if newest else (f"?version={form['version']}",):
            answer = node.get(f"/v1/forms/{form['code']}{question}")
            assert answer.content == file
            assert hashlib.sha256(answer.content).hexdigest() == form["sha256"]
            assert answer.headers["content-type"] == "application/schema+json"
            etag = answer.headers["etag"]
            again = node.get(f"/v1/forms/{form['code']}{question}", headers={"If-None-Match": f'"x", W/{etag}'})
            assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")
        assert set(form["title"]) == {"en", "fr", "de", "it", "ru", "es"}


@pytest.mark.parametrize(
    "path",
    [
        "ZZZ-99",
        "poc-02",
        "POC-02.v1.json",
        "POC-02?version=2",
        "POC-02?version=0",
        "..%2FPOC-02",
        "%00",
        "POC-02%0A",
        "x" * 300,
    ],
)
def test_another_form_is_a_404(node: WorldNode, path: str) -> None:
    assert len(refused(node.get(f"/v1/forms/{path}"), 404, "not-found")["detail"]) < 300


@pytest.mark.parametrize("version", ["one", "1.5", "", "-1", "1e3"])
def test_a_version_is_a_number(node: WorldNode, version: str) -> None:
    refused(node.get(f"/v1/forms/POC-02?version={version}"), 400, "malformed")


def test_peers_say_how_the_last_visit_went(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        assert [(peer["participant"], peer["contacted"]) for peer in node.get("/v1/peers").json()["items"]] == [
            ("XA", None),
            ("XI", None),
        ]
        world["XA"].publish()
        world["XI"].stop()
        node.pull()
        good, down = node.get("/v1/peers").json()["items"]
        assert (good["participant"], good["size"], good["error"], good["failures"]) == ("XA", 1, None, 0)
        assert good["node_url"] == world["XA"].url and good["documents_missing"] == 0
        assert down["failures"] == 1 and down["error"] and down["contacted"] is None
        world["XI"].start()


def test_the_living_say_so(node: WorldNode) -> None:
    assert node.get("/healthz").json() == {"status": "alive"}
    assert node.get("/readyz").json() == {"status": "ready", "reason": None}


def test_a_node_that_only_reads_says_why(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        published = node.publish()
        parcel = node.parcel()
        node.running.node.appender.stop("the disk was full")
        ready = node.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "reading only", "reason": "the disk was full"})
        assert node.get("/healthz").status_code == 200
        problem = refused(post(node, offer(parcel)), 503, "log-stopped")
        assert "the disk was full" in problem["detail"]
        assert node.get(f"{URL}/{published.id}/receipt").content == published.receipt
        assert post(node, offer(published.parcel)).json()["new"] is False


# --- the operator's door

TOKENS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    "{token}",
    "bearer {token}",
    "Bearer {token} ",
    "Bearer {token}x",
    "Basic {token}",
    "Bearer \xff",
]


@pytest.fixture
def token(node: WorldNode) -> str:
    return (node.directory / "operator.token").read_text()


@pytest.mark.parametrize("offered", TOKENS)
def test_a_round_of_visits_needs_the_token(node: WorldNode, token: str, offered: str) -> None:
    asked = len(node.world.wire.asked)
    refused(ask(node, "POST", "/local/pull", {"Authorization": offered.format(token=token)}), 403, "key-not-allowed")
    refused(node.post("/local/pull"), 403, "key-not-allowed")
    assert [path for _, path in node.world.wire.asked[asked:]] == ["/local/pull"]


def test_the_operator_has_the_node_visit_its_peers(node: WorldNode, token: str) -> None:
    answer = node.post("/local/pull", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert [(visit["participant"], visit["error"]) for visit in answer.json()["visits"]] == [("XA", None)]


def test_the_token_is_the_operators_alone_and_new_at_each_start(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        path = node.directory / "operator.token"
        first = path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600 and len(first) >= 32
        node.stop()
        node.start()
        assert path.read_text() != first
        refused(node.post("/local/pull", headers={"Authorization": f"Bearer {first}"}), 403, "key-not-allowed")


def test_the_token_opens_no_other_door(node: WorldNode, token: str) -> None:
    refused(ask(node, "POST", URL, {**JSON, "Authorization": f"Bearer {token}"}, [b"{}"]), 400, "malformed")
    refused(ask(node, "GET", "/local/pull", {"Authorization": f"Bearer {token}"}), 405, "http-405")


# --- trial and live


@pytest.fixture
def live(tmp_path: Path) -> Iterator[WorldNode]:
    """The node of a federation that is live from the first moment."""
    with World(tmp_path, "XR", audited=False) as world:
        node = world["XR"]
        node.stop()
        shutil.rmtree(node.directory / "data")
        world.participants = Participants("test.example", True, world.participants.records)
        world.write_records(world.participants)
        node.start()
        yield node
        world.check()


def test_a_live_node_marks_nothing_and_lists_actual_returns_only(live: WorldNode) -> None:
    actual = live.publish(header={"status": "actual"})
    drill = live.publish(header={"status": "exercise"})
    answer = live.get(URL)
    assert "cbm-federation" not in answer.headers and "cbm-federation" not in live.get("/nowhere").headers
    assert [item["id"] for item in answer.json()["items"]] == [actual.id]
    assert [item["id"] for item in live.get(f"{URL}?status=exercise").json()["items"]] == [drill.id]
    assert [item["source"]["id"] for item in live.get("/v1/contacts").json()["items"]] == [actual.id]
    assert [item["status"] for item in live.get("/v1/contacts?status=exercise").json()["items"]] == ["exercise"]
    assert live.get("/v1/node").json()["live"] is True
    assert live.get(f"{URL}/{drill.id}").status_code == 200


EVERYWHERE = [
    "/v1/obligations",
    "/v1/node",
    "/v1/heads",
    "/v1/forms",
    "/v1/contacts",
    "/log/checkpoint",
    "/log/tile/0/000.p/1",
    "/mirror/XA/checkpoint",
    "/healthz",
    "/readyz",
    "/openapi.json",
]
EVERYWHERE += ["/nowhere", "/log/tile/0/000", "/v1/contacts?at=x", "/v1/documents?participant=XR", "/v1/forms/ZZZ-99"]


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_a_trial_node_marks_every_answer(node: WorldNode, path: str, method: str) -> None:
    path, _, query = path.partition("?")
    answer = ask(node, method, path, query=query.encode())
    assert answer.headers.get_list("cbm-federation") == ["trial"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
