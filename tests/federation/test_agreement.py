"""Whatever happened in between, and in whatever order: once everybody is up again, all nodes hold the same."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.trust.participants import Participants
from tests import key_named
from tests.builders import signed, statement
from tests.faults import answering, sign_into
from tests.records import in_force, with_key, with_record
from tests.world import World, WorldNode

CODES = ("XR", "XA", "XI")
ACTS = ("publish", "publish a file", "pull", "pull", "down", "up", "restart", "lose documents", "go on")


def act(world: World, node: WorldNode, what: str, number: int) -> None:
    """One event; what cannot happen to a node that is down, or could ask nobody since its start, does not."""
    if what == "up" and node.exchange is None:
        node.start()
    if node.exchange is None:
        return
    if what.startswith("publish") and not node.running.recovery.ask():
        return
    match what:
        case "publish":
            node.publish(institution={"en": f"Team {number}"})
        case "publish a file":
            node.publish("ICT-03", attachments=((f"{number}.pdf", bytes(70_000) + b"%d" % number),))
        case "pull":
            node.pull()
        case "down":
            node.stop()
        case "restart":
            node.stop()
            node.start()
        case "lose documents":
            node.fault = lambda request, real: (
                answering(503)(request, real) if request.url.path.startswith("/v1/documents") else real()
            )
        case "go on":
            node.fault = None


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(ACTS)), min_size=5, max_size=18))
def test_nodes_agree_once_all_are_up_again(events: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), *CODES) as world:
        for number, (code, what) in enumerate(events):
            act(world, world[code], what, number)
        for node in world.nodes.values():
            node.fault = None
            act(world, node, "up", 0)
        world.pull()
        assert_agreed(world)
        for node in world.nodes.values():
            assert node.alerts() == []
            assert [peer["documents_missing"] for peer in node.get("/v1/peers").json()["items"]] == [0, 0]


def assert_agreed(world: World) -> None:
    """Heads, registry, refusals and what waits, to the last byte of what everybody is told."""
    answers = []
    for node in world.nodes.values():
        listed = [
            node.get(f"/v1/entries/{verdict}?origin={each.origin}").json()
            for each in world.nodes.values()
            for verdict in ("refused", "waiting", "disputed")
        ]
        submissions: list[dict[str, Any]] = node.get("/v1/submissions?limit=100").json()["items"]
        registry = sorted(
            (each["origin"], each["index"], each["id"], each["current"], str(each["disputed"])) for each in submissions
        )
        answers.append((node.heads(), listed, registry))
    assert answers[0] == answers[1] == answers[2]


def versions(first: Participants) -> list[Participants]:
    """What XR's record becomes, step by step: keys come, and end where some of them had signed already."""
    second = with_key(first, "XR", 2)
    third = with_key(_ending(second, "XR officer 1", 3), "XR", 3, start=(0, 2))
    return [second, third, _ending(third, "XR officer 2", 5)]


def _ending(participants: Participants, officer: str, index: int) -> Participants:
    record = participants.records["XR"]
    public = key_named(officer).public
    keys = (replace(key, before=(0, index)) if key.public_key == public else key for key in record.keys)
    return with_record(participants, replace(record, keys=tuple(keys)))


def entries(node: WorldNode) -> list[bytes]:
    """By officers known from the beginning, later and never; two are second copies, one of them of an entry that waits."""
    officers = {number: key_named(f"XR officer {number}") for number in (1, 2, 3, 9)}
    made = []
    for index, signers in enumerate([(1,), (2,), (3,), (1, 2), (9,), (2, 3), (3,), (1,), (3, 9)]):
        nil = statement("XR", origin=node.origin, return_="nothing to declare", status="test")
        nil = replace(nil, issued=f"2026-11-20T09:30:{ {7: 1, 8: 4}.get(index, index):02}Z")
        made.append(signed(nil, *(officers[number] for number in signers)))
    return made


STEPS = ("sign", "sign", "record here", "record there", "pull")


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=20))
def test_the_order_in_which_records_and_entries_came_decides_nothing(steps: list[str]) -> None:
    """XA lives through it as it comes; XI learns all records first and then all entries."""
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), *CODES) as world:
        left = entries(world["XR"])
        records = versions(world.participants)
        here, there = list(records), list(records)
        for step in [*steps, *["sign"] * len(left), *["record here", "record there"] * len(records)]:
            if step == "sign" and left:
                sign_into(world["XR"], left.pop(0))
            elif step == "record here" and here:
                in_force(world, here.pop(0), "XR")
            elif step == "record there" and there:
                in_force(world, there.pop(0), "XA")
            elif step == "pull":
                world["XA"].pull()
        world.participants = records[-1]
        in_force(world, world.participants)
        world.pull()
        assert_agreed(world)
        head = world["XI"].heads()[2]
        assert (head["admitted"], head["disputed"], head["refused"], head["waiting"]) == (4, 2, 2, 1)


def test_mirrors_that_learned_from_different_visits_agree(tmp_path: Path) -> None:
    with World(tmp_path, *CODES) as world:
        for number in range(6):
            world["XR"].publish(institution={"en": f"Team {number}"})
            if number % 2:
                world["XA"].pull()
            if number % 3 == 0:
                world["XI"].pull()
        world.pull()
        assert_agreed(world)
        seen = [world[code].get("/mirror/XR/tile/entries/000.p/6").content for code in ("XA", "XI")]
        assert seen[0] == seen[1] == world["XR"].get("/log/tile/entries/000.p/6").content
