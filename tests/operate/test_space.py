"""A disk that fills up: the node stops taking in before anything fails, loses nothing, and goes on when there is room."""

import os
import resource
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Self

import httpx
import pytest

from exchange.client import Client
from exchange.config import Settings, read_settings
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.pack import Pack
from exchange.errors import LogStopped, StorageFailed, Unreachable
from exchange.node.space import MEGABYTE
from tests.operate.running import RunningNode, made_node, parcel_for
from tests.operate.small_disk import SmallDisk, run_on, small_disk
from tests.processes import Forked, full_audit, wait_for_answer
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
        asked = [one for one in world.wire.asked if one[0].startswith("xa")]
        with pytest.raises(LogStopped, match="takes nothing in now"):
            node.pull()
        assert [one for one in world.wire.asked if one[0].startswith("xa")] == asked, "nobody was visited"
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


class OnDisk:
    """The node on a small disk, answering once entered; its data is audited in a copy when all is over."""

    def __init__(self, disk: SmallDisk, folder: Path) -> None:
        self.directory, self._disk, self._folder = disk.here / "XR", disk, folder

    def __enter__(self) -> Self:
        self._node = Forked(run_on, self._disk.keeper, "XR", str(self._folder / "said"))
        self.url = wait_for_answer(self.directory, self._node)
        self.settings = read_settings(self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        self._node.send(signal.SIGTERM)
        assert self._node.join() == 0

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False)

    def submit(self, parcel: Pack | None = None) -> int:
        with Client(self.url) as client:
            return int(client.submit(parcel or parcel_for(self.settings))["index"])

    def audit(self) -> None:
        full_audit(Path(shutil.copytree(self.directory, self._folder / "afterwards")))


@pytest.mark.sqlite
def test_a_real_disk_that_fills_up_is_noticed_before_it_is_full(tmp_path: Path) -> None:
    with small_disk(24) as disk:
        if disk is None:
            return
        made_node(disk.here / "XR", "XR", min_free_mb=8)
        with OnDisk(disk, tmp_path) as node:
            assert node.submit() == 0
            filler = disk.fill(6 * MEGABYTE)
            with pytest.raises(LogStopped, match="min_free_mb"):
                node.submit()
            assert node.get("/readyz").status_code == 503
            assert node.get("/v1/node").json()["size"] == 1
            filler.unlink()
            assert node.get("/readyz").status_code == 200
            assert node.submit() == 1
        node.audit()


@pytest.mark.sqlite
def test_a_real_disk_that_is_full_to_the_last_byte_loses_nothing_and_is_used_again(tmp_path: Path) -> None:
    """Without the threshold, what meets the full disk is refused; the same process goes on when there is room."""
    with small_disk(24) as disk:
        if disk is None:
            return
        made_node(disk.here / "XR", "XR", min_free_mb=0)
        with OnDisk(disk, tmp_path) as node:
            acknowledged = [node.submit() for _ in range(3)]
            for size in (40_000, 100_000):  # in the database, and in a file of its own
                filler = disk.fill(0)
                parcels, taken = fails_at_last(node, size)
                acknowledged += taken
                assert node.get("/v1/node").json()["size"] == len(acknowledged), "it is still read"
                filler.unlink()
                acknowledged.append(node.submit(parcels))
        assert acknowledged == list(range(len(acknowledged)))
        with OnDisk(disk, tmp_path) as node:
            assert node.get("/v1/node").json()["size"] == len(acknowledged)
            assert node.submit() == len(acknowledged)
        node.audit()


def fails_at_last(node: OnDisk, size: int) -> tuple[Pack, list[int]]:
    """Submit until the disk refuses: what it refused, and what was acknowledged before (pages at hand may carry a few)."""
    taken = []
    for _ in range(200):
        parcel = parcel_for(node.settings, ("a.pdf", os.urandom(size)))
        try:
            taken.append(node.submit(parcel))
        except StorageFailed:
            return parcel, taken
    raise AssertionError("the disk was never full")


def fails_until_stopped(node: RunningNode) -> int:
    """Submit until the commit fails; how many were acknowledged before."""
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
