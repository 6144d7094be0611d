"""`cbm key close`: from the next position on, and no earlier."""

from dataclasses import replace
from pathlib import Path

import pytest

from exchange.cli.close import close
from exchange.errors import KeyNotAllowed, Misuse
from exchange.node.founding import officer_key, read_participants, write_participants
from exchange.trust.participants import ParticipantKey, Participants, check_successor
from tests import key_named
from tests.world import World, WorldNode


def keys_of(node: WorldNode) -> dict[str, ParticipantKey]:
    record = read_participants(node.directory / "peers.json").records[node.code]
    return {key.public_key.keyid: key for key in record.keys}


def test_a_closed_key_signs_nothing_more_and_what_it_signed_stays(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        before = [node.publish(), node.publish()]
        world.pull()
        close(node.directory, node.officer.public.keyid)
        assert keys_of(node)[node.officer.public.keyid].before == (0, 2)
        closed = read_participants(node.directory / "peers.json")
        check_successor(world.participants.records["XR"], closed.records["XR"])
        world.participants = closed
        world.write_records(closed)
        world.pull()
        with pytest.raises(KeyNotAllowed, match="counts before position 0:2"):
            node.publish(institution={"en": "After the end"})
        with node.client() as client:
            assert {one["id"] for one in client.submissions()} == {one.id for one in before}
        assert node.heads() == world["XA"].heads()


def test_a_stolen_key_is_closed_from_where_the_thief_began(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        made = [node.publish(institution={"en": f"Team {number}"}) for number in range(3)]
        world.pull()
        with pytest.raises(Misuse, match="cannot be disputed yet"):
            close(node.directory, node.officer.public.keyid, since=4)
        close(node.directory, node.officer.public.keyid, since=1)
        assert "the entries 1 to 2 stays too" in capsys.readouterr().err
        world.participants = read_participants(node.directory / "peers.json")
        world.write_records(world.participants)
        world.pull()
        for each in world.nodes.values():
            with each.client() as client:
                shown = {one["id"]: one["disputed"] for one in client.submissions()}
                assert [shown[one.id] for one in made] == [None, *[{"origin": node.origin, "index": 1}] * 2]
                assert [one["index"] for one in client.entries("disputed", node.origin)] == [1, 2]


def test_another_officer_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node, second = world["XR"], key_named("XR officer 2")
        node.publish()
        record = world.participants.records["XR"]
        grown = replace(record, keys=(*record.keys, officer_key(second.public, index=1)))
        write_participants(node.directory / "peers.json", Participants("test.example", False, {"XR": grown}))
        close(node.directory, node.officer.public.keyid[:12])
        world.participants = read_participants(node.directory / "peers.json")
        node.pull()
        assert node.publish(signers=(second,)).index == 1
        with pytest.raises(KeyNotAllowed):
            node.publish()


def test_nobody_left_to_sign_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        close(node.directory, node.officer.public.keyid)
        said = capsys.readouterr()
        assert said.out == f"{node.officer.public.keyid}\n"
        assert "Nobody may sign now" in said.err and "Give" in said.err
        world.participants = read_participants(node.directory / "peers.json")


@pytest.mark.parametrize("fingerprint", ["", "abc", "0" * 64, "zz" * 10])
def test_what_names_no_key_closes_none(world_of_one: World, fingerprint: str) -> None:
    peers = world_of_one["XR"].directory / "peers.json"
    before = peers.read_bytes()
    with pytest.raises(Misuse):
        close(world_of_one["XR"].directory, fingerprint)
    assert peers.read_bytes() == before


def test_a_key_is_closed_once_and_the_nodes_own_keys_never(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        for key in keys_of(node).values():
            if key.kind.value in ("witness", "transport"):
                with pytest.raises(Misuse, match="not one that signs submissions"):
                    close(node.directory, key.public_key.keyid)
        close(node.directory, node.officer.public.keyid)
        with pytest.raises(Misuse, match="closed at index 0 already"):
            close(node.directory, node.officer.public.keyid)
        world.participants = read_participants(node.directory / "peers.json")
