"""Two audiences are shown two logs, and never meet the same face: caught as soon as two honest nodes talk."""

from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest

from exchange.audit.laws import Subject
from exchange.audit.run import audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.config import read_settings
from exchange.core.base64text import format_base64
from exchange.core.cosignature import cosign
from exchange.core.evidence import FINDING
from exchange.core.keys import Kind
from exchange.core.note import format_lines, parse_note
from exchange.errors import Malformed
from exchange.federation.gossip import MAX_FOLLOWED, MAX_LOGS, parse_heads
from exchange.node.keyfile import open_key
from exchange.trust.convicting import check_evidence
from tests.faults import Real, Twin, answer, convicted, down, edited, forked, only, serving
from tests.witness import ask, head_of, vkey_of
from tests.world import FEDERATION, Fault, World, WorldNode


def publish(node: WorldNode, number: int) -> None:
    for count in range(number):
        node.publish(scope={"en": f"{count} of {node.directory.name}"})


def two_faces(twin: Twin, shown: Callable[[], bool]) -> Fault:
    """The fault switch of a dishonest State: while `shown` says so, the twin answers in its place."""

    def face(request: httpx.Request, real: Real) -> httpx.Response:
        if not shown():
            return real()
        said = twin.get(request.url.raw_path.decode(), headers=request.headers)
        return answer(request, said.status_code, said.content, {"ETag": said.headers.get("etag", "")})

    return face


@pytest.mark.parametrize(("shared", "first", "second"), [(0, 1, 1), (0, 1, 4), (2, 3, 1), (1, 2, 2)])
def test_two_audiences_that_never_met_the_same_face_catch_it_when_they_talk(
    tmp_path: Path, shared: int, first: int, second: int
) -> None:
    """XR shows XA one log and XI another, each time the same; XI is told by no log, but by what XA holds."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        publish(xr, shared)
        with forked(xr, shared=True) as twin:
            audience, other = ["XA"], Facing(twin)
            world.wire.nodes["twin.test.example"] = twin
            publish(xr, first)
            publish(other, second)
            xr.fault = two_faces(other, lambda: audience[0] == "XI")
            assert xa.pull() == {"XR": None, "XI": None}, "one face"
            audience[0] = "XI"
            assert xi.pull() == {"XR": None, "XA": None}, "another face, and an honest neighbour"
            assert convicted(xi, xr) == tuple(sorted((shared + first, shared + second)))
            assert len(xi.get(f"/v1/submissions?form={FINDING}&participant=XI").json()["items"]) == 1
            assert ask(xi, 0, [], head_of(xr)[1]).status_code == 403
            audience[0] = "XA"
            assert xa.pull() == {"XR": None, "XI": None}, "submissions, lookups and pulls go on"
            assert convicted(xa, xr) == convicted(xi, xr), "out of XI's log, checked again"
            assert ask(xa, 0, [], head_of(xr)[1]).status_code == 403
            assert ask(xa, 0, [], head_of(xi)[1]).status_code == 200
            world.wire.nodes.pop("twin.test.example")
            xr.fault = None


@pytest.mark.parametrize("second", [1, 3])
def test_a_witness_that_vouched_for_both_faces_is_convicted_with_the_log(tmp_path: Path, second: int) -> None:
    """XI cosigns what it is shown, as it should, and under the table the other face as well."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        key = open_key(xi.directory / "keys" / "witness.key", kind=Kind.WITNESS).key
        with forked(xr, shared=True) as twin:
            other = Facing(twin)
            world.wire.nodes["twin.test.example"] = twin
            publish(xr, 1)
            assert xr.running.cosigners.ask_now() == {"XA": None, "XI": None}
            assert xa.pull() == {"XR": None, "XI": None}
            publish(other, second)
            note = other.get("/log/checkpoint").content
            line = cosign(parse_note(note).text, vkey_of(xi).partition("+")[0], key, 1_790_000_000)
            twin.fault = serving(note + format_lines([line]))
            twin.speak()
            assert "signed two histories" in str(xa.pull()["XR"])
            twin.be_silent()
            found = {alert["participant"]: alert for alert in xa.alerts()}
            assert list(found) == ["XR", "XI"] and "as a witness" in found["XI"]["summary"]
            for alert in found.values():
                assert check_evidence(orjson.dumps(alert["evidence"])).holds
            assert len(xa.get(f"/v1/submissions?form={FINDING}").json()["items"]) == 2
            xr.pull()
            assert {alert["participant"] for alert in xr.alerts()} == {"XR", "XI"}, "read in the log of XA"
            world.wire.nodes.pop("twin.test.example")
    settings = read_settings(xr.directory)
    report = audit_directory(
        DirectoryPlace(xr.directory, settings.database_url, settings.documents),
        Subject("XR", FEDERATION, xr.origin),
        world.catalogue,
        anchor=None,
        workers=1,
        now=world.now,
    )
    assert report.holds, report.faults
    assert f"{xa.origin}: findings of misbehaviour told (PLT-03): 2 convicting" in report.notes


class Facing(Twin):
    """The twin under an address of its own, for the switch to ask."""

    def __init__(self, twin: Twin) -> None:
        self.__dict__.update(twin.__dict__)

    @property
    def url(self) -> str:
        return "http://twin.test.example"


def test_a_round_without_news_asks_every_node_for_its_checkpoint_and_nothing_else(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        publish(world["XR"], 2)
        for _ in range(3):
            world.pull()
        world.wire.asked.clear()
        world.pull()
        asked = [path for _, path in world.wire.asked if path != "/v1/node"]  # which each asks at its own address
        assert asked == ["/log/checkpoint"] * 6
        publish(world["XR"], 1)
        world.wire.asked.clear()
        world["XA"].pull()
        world["XA"].pull()
        assert [host for host, path in world.wire.asked if path == "/v1/heads"] == ["xr.test.example"]


def heads(edit: Callable[[list[dict[str, object]]], object]) -> Fault:
    return only("/v1/heads", edited(lambda body: orjson.dumps({"items": edit(orjson.loads(body)["items"])})))


def lies(items: list[dict[str, object]]) -> object:
    return [{**item, "size": 7, "root": format_base64(bytes(32))} for item in items]


@pytest.mark.parametrize(
    "fault",
    [
        heads(lies),
        heads(lambda items: [{**item, "size": 1 << 52} for item in items]),
        heads(lambda items: [{**item, "root": format_base64(bytes(32))} for item in items]),
        heads(lambda items: [{**item, "origin": item["origin"] * 2} for item in items]),  # type: ignore[operator]
        heads(lambda items: [None]),
        only("/v1/heads", edited(lambda body: b"no JSON")),
        only("/v1/heads", edited(lambda body: body + b" " * 2_000_000)),
        only("/v1/heads", down),
    ],
)
def test_what_a_node_says_of_others_convicts_nobody_and_stops_nothing(tmp_path: Path, fault: Fault) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        publish(world["XR"], 2)
        world.pull()
        world["XI"].fault = fault
        publish(world["XI"], 1)
        for _ in range(3):
            assert world["XA"].pull() == {"XR": None, "XI": None}
        assert world["XA"].alerts() == []
        publish(world["XA"], 1)
        assert ask(world["XA"], 0, [], head_of(world["XR"])[1]).status_code == 200


def test_each_lie_is_looked_into_once(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        publish(world["XR"], 2)
        world.pull()
        world["XI"].fault = heads(lies)
        publish(world["XI"], 1)
        world["XA"].pull()
        world.wire.asked.clear()
        for _ in range(3):
            world["XA"].pull()
        assert not [path for host, path in world.wire.asked if host == "xi.test.example" and "mirror" in path]


def test_a_node_that_holds_more_than_the_log_shows_us_is_asked_to_prove_it_and_believed(tmp_path: Path) -> None:
    """XR stopped showing XA anything new: what XI holds continues what XA holds, and nobody is convicted."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        publish(xr, 3)
        world.pull()
        publish(xr, 300)
        xi.pull()
        xr.fault = down
        xa.pull()
        assert xa.alerts() == [] and [path for _, path in world.wire.asked if "/tile/" in path]
        xr.fault = None


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"items":{}}', b'{"items":[{"origin":"a/b","size":true,"root":""}]}']
)
def test_heads_are_read_strictly(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_heads(data)


def test_heads_are_bounded() -> None:
    item = {"origin": "xr.example/log", "size": 1, "root": format_base64(bytes(32))}
    assert len(parse_heads(orjson.dumps({"items": [item] * MAX_LOGS, "next": None}))) == MAX_LOGS
    with pytest.raises(Malformed):
        parse_heads(orjson.dumps({"items": [item] * (MAX_LOGS + 1), "next": None}))
    assert MAX_FOLLOWED <= 32
