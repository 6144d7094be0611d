"""A node audited from its address: an honest one holds, and every lie is named. A lie is a function around a real node's answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from exchange.audit.outside import NodePlace
from exchange.audit.report import Report
from exchange.audit.run import Anchor
from exchange.audit.visit import audit_node
from exchange.core.statement import Reference
from exchange.errors import ExchangeError, Unavailable, Unreachable
from exchange.resources import form_files
from exchange.trust.participants import Participants, format_participants
from tests import key_named
from tests.audit_command.hands import Fault, node
from tests.audit_command.lies import (
    XA,
    XR,
    Lie,
    another_tree,
    at,
    by,
    change_items,
    documents,
    edit,
    flip,
    hide_items,
    invent,
    of,
    tell,
    value_of,
)
from tests.builders import participant_key
from tests.world import START, Published, World, WorldNode

NEW_OFFICER, CLERK = key_named("XA officer 2"), key_named("XA clerk")


@dataclass
class Scene:
    """XR with five entries of its own, and a mirror of XA in which one entry waits and one was refused."""

    world: World
    first: Published
    update: Published
    large: Published

    @property
    def xr(self) -> WorldNode:
        return self.world["XR"]

    def audit(self, participants: Participants | None = None) -> Report:
        place = NodePlace(self.xr.url, self.world.wire)
        trusted = participants or self.world.participants
        anchor = Anchor(trusted, format_participants(trusted))
        report = audit_node(place, form_files(), anchor=anchor, workers=1, now=START)
        print("\n".join(report.lines()))
        for log in report.logs:
            assert sum(log.counts.values()) == log.stored
        return report


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with World(tmp_path_factory.mktemp("outside"), "XR", "XA", audited=False) as world:
        xr, xa = world["XR"], world["XA"]
        first = xr.publish("POC-02", phone="+12025550142")
        large = xr.publish("ICT-03", attachments=(("small.pdf", b"small"), ("large.pdf", b"large" * 20_000)))
        update = xr.publish("POC-02", header={"message": "update", "series": first.id}, phone="+12025550143")
        gone = xr.publish("POC-02")
        withdraws = (Reference("withdraws", gone.id, None),)
        header = {"message": "withdrawal", "series": gone.id, "replaces": gone.id}
        xr.publish("POC-02", header=header, edit=lambda stated: replace(stated, references=withdraws))
        _give_keys(world)
        xa.publish("POC-02", email="xa@cert.example")
        xa.publish("POC-02", signers=(NEW_OFFICER,))
        xa.publish("POC-02", signers=(CLERK,))
        world.pull()
        yield Scene(world, first, update, large)


def _give_keys(world: World) -> None:
    """XA's own node lets two more keys sign everything; XR's knows one of them, for another form."""
    records = dict(world.participants.records)
    xa = records["XA"]
    clerk = participant_key(CLERK)
    theirs = replace(xa, keys=(*xa.keys, clerk, participant_key(NEW_OFFICER)))
    ours = replace(xa, keys=(*xa.keys, replace(clerk, may_sign=("ICT-03",))))
    world.write_records(Participants("test.example", False, records | {"XA": theirs}), "XA")
    world.participants = Participants("test.example", False, records | {"XA": ours})
    world.write_records(world.participants, "XR")
    for code in ("XA", "XR"):
        world[code].running.import_records()


@pytest.fixture
def scene(played: Scene) -> Iterator[Scene]:
    played.xr.fault = None
    yield played
    played.xr.fault = None


def test_an_honest_node_holds_and_what_cannot_be_seen_is_said(scene: Scene) -> None:
    report = scene.audit()
    assert report.holds and report.seen == "outside" and report.unseen
    assert {log.origin: {name: count for name, count in log.counts.items() if count} for log in report.logs} == {
        XR: {"opened": 5},
        XA: {"opened": 1, "waiting": 1, "refused": 1},
    }
    assert (report.submissions, report.contacts) == (6, 2)
    assert [log.checkpoints for log in report.logs] == [1, 1]


def xr(what: str, *indexes: int) -> set[Fault]:
    return {(what, XR, index) for index in indexes} or {(what, XR, None)}


def xa(what: str, *indexes: int) -> set[Fault]:
    return {(what, XA, index) for index in indexes} or {(what, XA, None)}


LIES: dict[str, tuple[Lie, set[Fault]]] = {
    "another hash in a tile": (of("/log/tile/0/", flip(70)), xr("tile", 2)),
    "a tile cut short": (of("/log/tile/0/", lambda content: content[:-32]), xr("tile", 0)),
    "another signature in an entry": (
        of("/log/tile/entries/", flip(-12)),
        xr("verdict", 4)
        | xr("tile", 4)
        | xr("checkpoint", 5)
        | xr("registry", 4)
        | xr("head")
        | xr("series", 3)
        | xr("contact", 3),
    ),
    "a bundle cut short": (
        of("/log/tile/entries/", lambda content: content[:-1]),
        xr("entry", 0) | xr("registry", 0, 1, 2, 3, 4) | xr("contact", 2),
    ),
    "a checkpoint of another key": (
        another_tree("a stranger"),
        xr("checkpoint") | xr("ahead", 0, 1, 2, 3, 4),
    ),
    "a checkpoint over another tree": (another_tree(None), xr("checkpoint", 5) | xr("head")),
    "a larger size": (change_items("/v1/heads", by("XR"), size=9), xr("head")),
    "another root": (change_items("/v1/heads", by("XR"), root="AAAA"), xr("head")),
    "other numbers": (change_items("/v1/heads", by("XA"), admitted=2, refused=0), xa("head")),
    "nothing refused": (hide_items("/v1/entries/refused"), xa("verdict", 2)),
    "nothing waiting": (hide_items("/v1/entries/waiting"), xa("verdict", 1)),
    "refused for another reason": (change_items("/v1/entries/refused", code="malformed"), xa("verdict", 2)),
    "a submission kept quiet": (hide_items("/v1/submissions", at(1)), xr("registry", 1)),
    "a submission invented": (invent(0), xa("registry", 0)),
    "a submission that is still to come": (invent(9), xa("ahead", 9)),
    "another return": (edit(0, **{"return": "nothing to declare"}), xr("registry", 0)),
    "another participant": (edit(0, participant="XA"), xr("registry", 0)),
    "another time": (edit(0, issued="2026-01-01T00:00:00Z"), xr("registry", 0)),
    "another series": (edit(0, series="00" * 32), xr("registry", 0)),
    "another place": (change_items("/v1/submissions", at(0), index=1), xr("registry", 0)),
    "other documents": (edit(1, documents=[]), xr("registry", 1)),
    "the withdrawn one is current": (edit(3, current=True), xr("series", 3)),
    "the newest is not current": (edit(2, current=False), xr("series", 2)),
    "a body that does not fit": (edit(0, fits="does not fit: /role: no"), xr("fits", 0)),
    "a line that is none": (edit(0, current="yes"), {node("registry")} | xr("registry", 0)),
    "another document": (documents(content="AAAA"), xr("document", 1) | xr("held", 1)),
    "another opening": (documents(opening="AAAA" * 10 + "AAA="), xr("document", 1) | xr("held", 1)),
    "another size": (documents(size=7), xr("document", 1)),
    "a hostile name": (documents(name="../passwd"), xr("document", 1)),
    "a document kept quiet": (documents(lambda line: bool(line["slot"] != "a1")), xr("held", 1)),
    "a large document cut short": (
        of("/v1/documents/", lambda content: content[:-1]),
        xr("document", 1) | xr("held", 1),
    ),
    "contacts kept quiet": (hide_items("/v1/contacts"), xr("contact", 2) | xa("contact", 0)),
    "another telephone": (change_items("/v1/contacts", by("XR"), phone="+999"), xr("contact", 2)),
    "another telephone, in the return as well": (
        change_items("/v1/contacts", by("XR"), phone="+999", contact__phone="+999"),
        xr("contact", 2),
    ),
    "a contact that was replaced": (
        change_items("/v1/contacts", by("XR"), source__index=0),
        xr("contact", 0, 2),
    ),
    "another's contact": (change_items("/v1/contacts", by("XR"), participant="XA"), xr("contact", 2)),
    "another log key": (value_of("/v1/node", lambda value: value.update(log_vkey="x")), {node("record")}),
    "a record with fewer rights": (
        value_of("/v1/participants", lambda value: value["items"][1]["keys"][0].update(may_sign=["ICT-03"])),
        {node("record")} | xr("verdict", 0, 2, 3, 4) | xr("registry", 0, 2, 3, 4) | xr("contact", 2) | xr("head"),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_and_named(scene: Scene, lie: str) -> None:
    change, expected = LIES[lie]
    tell(scene.xr, change)
    report = scene.audit()
    assert {(fault.what, fault.log, fault.index) for fault in report.faults} == expected
    assert report.holds is not bool(expected)


def test_a_newer_record_than_the_one_trusted_is_not_vouched_for(scene: Scene) -> None:
    xa = scene.world.participants.records["XA"]
    earlier = replace(xa, keys=xa.keys[:-1])
    records = {**scene.world.participants.records, "XA": earlier}
    report = scene.audit(Participants("test.example", False, records))
    assert [(fault.what, fault.participant) for fault in report.faults] == [("record", "XA")]
    assert "later version" in report.faults[0].detail


def test_what_is_published_during_the_audit_is_no_lie(scene: Scene) -> None:
    """An update arrives between the lines of the registry and the heads: the older line is as right as the newer one."""
    made: list[Published] = []

    def fault(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
        answer = real()
        if request.method == "GET" and request.url.path == "/v1/contacts" and not made:
            made.append(scene.xr.publish("POC-02", header={"message": "update", "series": scene.first.id}))
        return answer

    scene.xr.fault = fault
    report = scene.audit()
    assert made and report.holds
    assert next(log for log in report.logs if log.origin == XR).counts["opened"] == made[0].index + 1


@pytest.mark.parametrize("size", [4, 5])
def test_a_head_that_turns_into_another_is_named(scene: Scene, size: int) -> None:
    """A log that shows one history first and another, under its own key, before the audit is over."""
    asked = [0]
    other = another_tree(None, size)(scene.xr)

    def lie(request: httpx.Request, real: httpx.Response) -> bytes | None:
        asked[0] += request.url.path == "/log/checkpoint"
        return other(request, real) if asked[0] > 1 else None

    tell(scene.xr, lambda _: lie)
    found = {(fault.what, fault.log) for fault in scene.audit().faults}
    assert found == {("head", XR)}


@pytest.mark.parametrize("path", ["/v1/node", "/v1/heads", "/v1/submissions", "/log/tile/0/000.p/6", "/v1/documents"])
def test_a_node_that_fails_is_unreachable_and_not_accused(scene: Scene, path: str) -> None:
    def fault(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
        if request.url.path.startswith(path[:14]):
            return httpx.Response(500, stream=httpx.ByteStream(b"broken"), request=request)
        return real()

    scene.xr.fault = fault
    with pytest.raises(Unreachable):
        scene.audit()


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{}",
        b'{"items": 1, "next": null}',
        b'{"items": [1], "next": null}',
        b'{"items": [], "next": "/v1/heads?x"}',
    ],
)
def test_nonsense_is_unreachable(scene: Scene, answer: bytes) -> None:
    tell(scene.xr, of("/v1/heads", lambda _: answer))
    with pytest.raises(Unreachable):
        scene.audit()


def test_a_list_without_an_end_is_refused(scene: Scene) -> None:
    tell(scene.xr, value_of("/v1/submissions", lambda value: value.update(next="/v1/submissions?before=9")))
    with pytest.raises(ExchangeError):
        scene.audit()


def test_records_that_change_meanwhile_end_the_audit(scene: Scene) -> None:
    asked = [0]

    def change(value: Any) -> None:
        asked[0] += 1
        value["items"][0]["operator"] = f"operator {asked[0]}"

    tell(scene.xr, value_of("/v1/participants", change))
    with pytest.raises(Unavailable, match="begin again"):
        scene.audit()
