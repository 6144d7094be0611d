"""A node that meets more of its own log than it holds is an old copy of itself: it reads on and signs nothing."""

from pathlib import Path

import httpx
import pytest

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.errors import LogStopped
from tests import key_named
from tests.databases import bring_back, copy_node, give_database
from tests.world import World, WorldNode


def down(request: httpx.Request, real: object) -> httpx.Response:
    return httpx.Response(503, request=request)


class Backup:
    """A node at one moment; `restore` starts it from there."""

    def __init__(self, node: WorldNode) -> None:
        self.node = node
        node.stop()
        self.copy = copy_node(node.directory, node.directory.with_name("backup"))
        node.start()

    def restore(self, *, alone: bool = False) -> None:
        self.node.stop()
        bring_back(self.copy, self.node.directory)
        self.node.start(alone=alone)


def assert_stopped(node: WorldNode, why: str) -> None:
    ready = node.get("/readyz")
    assert ready.status_code == 503
    assert why in ready.json()["reason"], ready.json()
    with pytest.raises(LogStopped, match="takes no submissions now"):
        node.publish()
    refusal = node.post("/v1/submissions", content=b"{}", headers={"Content-Type": "application/json"})
    assert refusal.status_code in (400, 503)


def test_a_restored_backup_signs_nothing_and_serves_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        first = xr.publish()
        backup = Backup(xr)
        xr.publish()
        world.pull()
        backup.restore()
        assert_stopped(xr, "XA holds our log at size 2, this database ends at 1")
        assert xr.get("/healthz").status_code == 200
        assert xr.get("/log/checkpoint").text.splitlines()[1] == "1"
        assert xr.get(f"/v1/submissions/{first.id}/receipt").content == first.receipt
        assert len(xr.get("/v1/contacts?participant=XR").json()["items"]) == 1


def test_a_lost_database_signs_not_even_the_empty_tree(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        backup = Backup(world["XR"])
        world["XR"].publish()
        world.pull()
        give_database(backup.copy)
        backup.restore()
        assert_stopped(world["XR"], "XA holds our log at size 1, this database ends at 0")
        assert world["XR"].get("/log/checkpoint").status_code == 404


def test_a_copy_that_learns_it_late_stops_then(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        backup = Backup(world["XR"])
        world["XR"].publish()
        world.pull()
        world["XA"].fault = down
        backup.restore(alone=True)
        assert world["XR"].get("/readyz").status_code == 200
        world["XA"].fault = None
        world["XR"].pull()
        assert_stopped(world["XR"], "XA holds our log at size 1, this database ends at 0")


@pytest.mark.parametrize("more", [0, 1])
def test_another_history_under_our_key_stops_the_log(tmp_path: Path, more: int) -> None:
    """The old copy signed on unseen: as much as the mirror knows, or more. Both are a fork, and no reason to go on."""
    with World(tmp_path, "XR", "XA") as world:
        backup = Backup(world["XR"])
        world["XR"].publish(institution={"en": "As it was"})
        world.pull()
        world["XA"].fault = down
        backup.restore(alone=True)
        for number in range(1 + more):
            world["XR"].publish(institution={"en": f"As the copy says {number}"})
        world["XA"].fault = None
        world["XR"].pull()
        assert_stopped(world["XR"], "two nodes have signed this log")


def test_what_is_not_signed_by_our_key_says_nothing_about_us(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].publish()
        node = world["XR"].running.node
        larger = Checkpoint(node.origin, 99, key_named("a root").seed)
        mine = world["XR"].get("/log/checkpoint").content
        for note in (
            sign_checkpoint(larger, key_named("a forger")),
            mine.replace(b"\n1\n", b"\n9\n"),
            sign_checkpoint(Checkpoint("xa.test.example/log", 99, larger.root), key_named("XA log")),
            b"",
            b"\xff" * 100,
            bytes(100_000),
        ):
            node.consider_foreign_head(note, "XA")
        assert world["XR"].get("/readyz").status_code == 200
        assert world["XR"].publish().index == 1


def test_mirrors_that_are_behind_or_even_change_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"].running.node
        heads = [world["XR"].get("/log/checkpoint").content]
        for _ in range(3):
            world["XR"].publish()
            heads.append(world["XR"].get("/log/checkpoint").content)
        for note in heads:
            node.consider_foreign_head(note, "XA")
        world.pull()
        world["XR"].stop()
        world["XR"].start()
        assert world["XR"].get("/readyz").json() == {"status": "ready", "reason": None}
        assert world["XR"].publish().index == 3


def test_the_first_reason_stands(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"].running.node
        node.appender.stop("the first")
        node.appender.stop("the second")
        assert world["XR"].get("/readyz").json()["reason"] == "the first"


def test_an_old_copy_remembers_what_it_was_told_when_nobody_is_there_to_tell_it_again(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        xr.publish()
        backup = Backup(xr)
        xr.publish()
        world.pull()
        backup.restore()
        assert_stopped(xr, "XA holds our log at size 2")
        xa.fault = down
        xr.stop()
        xr.start()
        assert_stopped(xr, "another node was seen to hold our log at size 2, this database ends at 1")
        xa.fault = None
