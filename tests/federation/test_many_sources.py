"""The list from a stale, a hostile, a dead and a good peer in one round (reference/trust.md 2.3, mirrors): the newest counts, and stays."""

from pathlib import Path

import httpx

from tests.faults import answering, down, only
from tests.founded import WorldFounders, found_federation, hand_in
from tests.records import with_key
from tests.world import World, WorldNode


def version(node: WorldNode) -> int:
    assert node.running.trust is not None
    return node.running.trust.now_standing.held.files["XI"].version


def rotate(made: WorldFounders, *to: WorldNode) -> None:
    world = made.world
    world.participants = with_key(world.participants, "XI", 3)
    file = made.file_record("XI", made.record("XI"))
    for node in to:
        hand_in(node, file)
        node.running.import_records()


def test_of_a_stale_a_hostile_a_dead_and_a_good_peer_the_good_one_is_believed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI", "XB", "XC") as world:
        made = found_federation(world)
        world.pull()
        old = world["XA"].get("/trust/bundle").content
        node, good = world["XR"], world["XC"]
        rotate(made, good)
        world["XA"].fault = only("/trust/bundle", answering(200, old))
        world["XI"].fault = only("/trust/bundle", answering(200, b"nonsense"))
        world["XB"].fault = down
        told = node.pull()
        assert told.pop("XB") is not None and set(told.values()) == {None}, "the list stops no visit"
        assert version(node) == 2
        good.stop()
        node.pull()
        node.stop()
        node.start()
        node.pull()
        assert version(node) == 2, "no older one takes its place, whoever serves it"
        for each in world.nodes.values():
            each.fault = None
        good.start()


def test_where_every_source_is_bad_the_last_good_list_stays(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        made = found_federation(world)
        world.pull()
        rotate(made, world["XA"], world["XI"])
        for code in ("XA", "XI"):
            world[code].fault = only("/trust/bundle", answering(200, b"\xff" * 100))
        node = world["XR"]
        assert set(node.pull().values()) == {None}
        assert version(node) == 1 and sorted(node.running.node.participants.records) == ["XA", "XI", "XR"]
        assert node.publish().index == 0
        for code in ("XA", "XI"):
            world[code].fault = None
        world.pull()
        assert version(node) == 2


def test_the_witness_path_is_only_posted_to(tmp_path: Path) -> None:
    """tlog.md section 10, pitfall 8: a GET of add-checkpoint, and what others try there."""
    with World(tmp_path, "XR") as world, httpx.Client(transport=world.wire) as client:
        for method in ("GET", "PUT", "DELETE"):
            answer = client.request(method, f"{world['XR'].url}/witness/add-checkpoint")
            assert answer.status_code == 405 and answer.headers["allow"] == "POST", method
