"""A disk that fills up: the node stops taking in before anything fails, loses nothing, and goes on when there is room."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from exchange.client import Client
from exchange.config import Settings
from exchange.core.document import SMALL_DOCUMENT
from exchange.errors import LogStopped, Unreachable
from exchange.node.space import MEGABYTE, free_bytes
from tests.operate.running import RunningNode, made_node, parcel_for
from tests.world import World

FULL = 199 * MEGABYTE  # one less than the setting asks for
ROOM = 201 * MEGABYTE


def test_below_the_threshold_a_node_only_reads_and_goes_on_by_itself(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        first = node.publish()
        world.pull()
        space = node.running.node.space
        space.free = lambda _: FULL
        parcel = node.parcel()
        with pytest.raises(LogStopped, match="199 MB left, fewer than the 200 of the setting min_free_mb"):
            node.submit(parcel)
        answer = node.post("/v1/submissions", content=b"{}", headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, "what cannot be read is told first"
        ready = node.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "reading only")
        assert node.submit(first.parcel).index == 0, "what stands is answered again"
        assert (
            node.get("/log/checkpoint").status_code == node.get(f"/v1/submissions/{first.id}/pack").status_code == 200
        )
        space.free = lambda _: ROOM
        assert node.get("/readyz").status_code == 200
        assert node.submit(parcel).index == 1


def test_the_refusal_is_a_problem_with_a_code_and_a_time_to_come_back(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        node.running.node.space.free = lambda _: FULL
        large = node.parcel("ICT-03", attachments=(("a.pdf", bytes(SMALL_DOCUMENT + 1)),))
        seen: list[httpx.Response] = []

        def watched(request: httpx.Request, real: object) -> httpx.Response:
            seen.append(real())  # type: ignore[operator]
            return seen[-1]

        node.fault = watched
        with pytest.raises(LogStopped):
            node.submit(large)
        assert (seen[0].status_code, seen[0].headers["retry-after"]) == (503, "30")
        documents = node.running.settings.documents
        assert [path for path in documents.rglob("*") if path.is_file()] == [], "its document was not even begun"
        node.running.node.space.free = lambda _: ROOM
        assert node.submit(large).index == 0


def test_visits_pause_and_go_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        world["XA"].publish()
        node.running.node.space.free = lambda _: FULL
        asked = len(world.wire.asked)
        with pytest.raises(LogStopped, match="takes nothing in now"):
            node.pull()
        assert len(world.wire.asked) == asked, "nobody was visited"
        with node.client() as client, pytest.raises(LogStopped):
            client.pull(node.running.token)
        node.running.node.space.free = lambda _: ROOM
        assert node.pull() == {"XA": None}
        assert {head["participant"]: head["size"] for head in node.heads()}["XA"] == 1


def test_a_visit_that_eats_up_the_room_stops_between_two_transactions(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        world["XA"].publish()
        looks = iter([ROOM])
        node.running.node.space.free = lambda _: next(looks, FULL)
        node.running.node.space.folders = node.running.node.space.folders[:1]
        errors = node.pull()
        assert "199 MB left" in (errors["XA"] or "")
        assert {head["participant"]: head["size"] for head in node.heads()}["XA"] == 0
        node.running.node.space.free = lambda _: ROOM
        world.pull()


def test_the_fullest_of_the_disks_counts(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        space = world["XR"].running.node.space
        space.free = lambda folder: FULL if folder == world["XR"].running.settings.documents else ROOM
        assert space.why() is not None


def test_zero_switches_the_threshold_off(tmp_path: Path) -> None:
    assert Settings.model_fields["min_free_mb"].default == 200
    with World(tmp_path, "XR") as world:
        space = world["XR"].running.node.space
        space.free, space.min_free = (lambda _: 0), 0
        assert space.why() is None


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system of that size; None, and one line that says so, where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        print(f"no small disk here: {' '.join(command)} needs root")
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all of the disk but `leave` bytes."""
    path = folder / "filler"
    with open(path, "wb") as file:
        left = free_bytes(folder) - leave
        try:
            while left > 0:
                left -= file.write(bytes(min(left, 65_536)))
            file.flush()
        except OSError:
            pass  # leave == 0: to the last byte
    return path


def test_a_real_disk_that_fills_up_is_noticed_before_it_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        if disk is None:
            return
        with RunningNode(made_node(disk / "XR", "XR", min_free_mb=8)) as node:
            assert node.submit() == 0
            filler = fill(disk, 6 * MEGABYTE)
            with pytest.raises(LogStopped, match="min_free_mb"):
                node.submit()
            assert node.get("/readyz").status_code == 503
            assert node.get("/v1/node").json()["size"] == 1
            filler.unlink()
            assert node.get("/readyz").status_code == 200
            assert node.submit() == 1


@pytest.mark.sqlite
def test_a_real_disk_that_is_full_to_the_last_byte_loses_nothing(tmp_path: Path) -> None:
    """Without the threshold, the commit fails: the log stops, and the next start begins from what is on disk."""
    with small_disk(tmp_path / "disk", 24) as disk:
        if disk is None:
            return
        made_node(disk / "XR", "XR", min_free_mb=0)
        with RunningNode(disk / "XR", audited=False) as node:
            acknowledged = [node.submit() for _ in range(3)]
            filler = fill(disk, 0)
            refused = fails_until_stopped(node)
            assert node.get("/v1/node").json()["size"] >= len(acknowledged), "it is still read"
            filler.unlink()
            with pytest.raises(LogStopped, match="restart the node"):
                node.submit()
        with RunningNode(disk / "XR") as node:
            size = node.get("/v1/node").json()["size"]
            assert size >= len(acknowledged) + refused
            assert node.submit() == size


def fails_until_stopped(node: RunningNode) -> int:
    """Submit until the commit fails; how many were acknowledged before (pages at hand may carry a few)."""
    with Client(node.url) as client:
        for number in range(200):
            try:
                client.submit(parcel_for(node.settings, ("a.pdf", os.urandom(40_000))))
            except (LogStopped, Unreachable):
                return number
    raise AssertionError("the disk was never full")


@pytest.mark.sqlite
def test_a_commit_that_the_system_refuses_stops_the_log_and_loses_nothing(tmp_path: Path) -> None:
    """For any user: a limit on the size of files makes the write fail as a broken disk does (EFBIG)."""
    directory = made_node(tmp_path / "XR", "XR")
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (MEGABYTE, MEGABYTE))
    with RunningNode(directory, before=limit, audited=False) as node:
        acknowledged = fails_until_stopped(node)
        assert acknowledged > 0
        answer = node.get("/readyz")
        assert answer.status_code == 503 and "a commit failed" in answer.json()["reason"]
    with RunningNode(directory) as node:
        size = node.get("/v1/node").json()["size"]
        assert size >= acknowledged
        assert node.submit() == size
