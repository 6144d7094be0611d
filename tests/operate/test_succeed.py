"""`cbm node succeed`: a log key that was lost or seen is left behind with its log, and the State goes on, alone and at once."""

from pathlib import Path

import pytest

from exchange.cli.succeed import succeed
from exchange.errors import InUse, Misuse, RecordRefused
from exchange.node.founding import read_participants
from tests.audited import audited, audited_from_outside
from tests.world import World, WorldNode

NEXT = "xr.test.example/log-2"


def gone_on(node: WorldNode) -> None:
    """The other nodes have the record, and this one runs again."""
    world = node.world
    world.participants = read_participants(node.directory / "peers.json")
    world.write_records(world.participants)
    node.origin = NEXT
    node.start()


def test_a_log_is_closed_and_the_node_goes_on_in_another_read_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, old = world["XR"], world["XR"].origin
        first = xr.publish()
        world["XA"].pull()
        xr.stop()
        succeed(xr.directory, NEXT)
        said = capsys.readouterr()
        assert said.out == f"{NEXT}\n" and f"{old} is closed at size 1" in said.err
        gone_on(xr)
        world.sleep(minutes=1)
        second = xr.publish(institution={"en": "As it is"}, header={"message": "update", "series": first.id})
        world.pull()
        world.pull()
        assert xr.heads() == world["XA"].heads() == world["XI"].heads()
        for node in world.nodes.values():
            items = node.get("/v1/submissions").json()["items"]
            shown = {one["id"]: (one["origin"], one["index"], one["current"], one["disputed"]) for one in items}
            assert shown == {first.id: (old, 0, False, None), second.id: (NEXT, 0, True, None)}
            assert node.get(f"/v1/submissions/{second.id}").json()["history"] == [first.id, second.id]
            (contact,) = node.get("/v1/contacts?participant=XR").json()["items"]
            assert contact["source"]["origin"] == NEXT
            assert node.get(f"/v1/submissions/{first.id}/receipt").status_code == 200
            assert node.alerts() == []
            for report in (audited(node), audited_from_outside(node)):
                assert report.holds, report.faults
        assert (xr.directory / "keys" / "log-1.key").exists()


@pytest.mark.parametrize("crash", ["before the key", "between the keys", "before the name"])
def test_what_a_crash_left_half_done_does_not_start_and_is_done_when_begun_again(tmp_path: Path, crash: str) -> None:
    with World(tmp_path, "XR") as world:
        xr = world["XR"]
        xr.publish()
        xr.stop()
        keys, settings = xr.directory / "keys", xr.directory / "node.toml"
        before = settings.read_bytes()
        succeed(xr.directory, NEXT)
        settings.write_bytes(before)
        if crash != "before the name":
            for suffix in (".pub", ""):
                (keys / f"log.key{suffix}").rename(keys / f"log.next.key{suffix}")
        if crash == "before the key":
            for suffix in (".pub", ""):
                (keys / f"log-1.key{suffix}").rename(keys / f"log.key{suffix}")
        with pytest.raises(Misuse):
            xr.start()
        succeed(xr.directory)
        gone_on(xr)
        assert xr.publish(institution={"en": "As it is"}).index == 0
        assert sorted(path.name for path in keys.glob("log*")) == [
            "log-1.key",
            "log-1.key.pub",
            "log.key",
            "log.key.pub",
        ]


def test_a_log_is_left_only_for_another_name_and_by_a_node_that_stands_still(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        xr = world["XR"]
        with pytest.raises(InUse):
            succeed(xr.directory, NEXT)
        xr.stop()
        with pytest.raises(Misuse, match="--origin"):
            succeed(xr.directory)
        with pytest.raises(RecordRefused, match="names never change"):
            succeed(xr.directory, xr.origin)
        xr.start()
        assert xr.publish().index == 0, "and nothing has changed"
