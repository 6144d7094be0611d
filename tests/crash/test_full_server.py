"""PostgreSQL's own disk is full to the last byte: what meets it is refused, nothing is lost, and the node goes on when there is room."""

import os
from pathlib import Path

import pytest

from exchange.client import Client
from exchange.config import read_settings
from exchange.core.pack import Pack
from exchange.errors import StorageFailed
from tests.crash.server import Server
from tests.operate.running import RunningNode, made_node, parcel_for
from tests.operate.small_disk import SmallDisk, disk_of_all

pytestmark = [pytest.mark.crash, pytest.mark.postgresql]

MEGABYTES = 64  # of which the schema takes some ten
MOST = 400


def test_a_server_whose_disk_is_full_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with disk_of_all(tmp_path, MEGABYTES) as disk:
        if disk is None:
            return
        server = Server()
        try:
            _, address = server.database(disk.here)
            fill_up_and_go_on(made_node(tmp_path / "XR", "XR", database=f'"{address}"'), disk)
        finally:
            server.stop()


def fill_up_and_go_on(directory: Path, disk: SmallDisk) -> None:
    with RunningNode(directory, audited=False) as node:
        acknowledged = [node.submit()]
        filler = disk.fill(leave=0)
        refused, taken = until_refused(node)
        acknowledged += taken
        assert node.get("/v1/node").json()["size"] == len(acknowledged), "it is still read"
        with pytest.raises(StorageFailed):
            node.submit(refused)
        filler.unlink()
        acknowledged += [node.submit(refused), node.submit()]
        assert acknowledged == list(range(len(acknowledged)))
    with RunningNode(directory) as node:
        assert node.submit() == len(acknowledged)


def until_refused(node: RunningNode) -> tuple[Pack, list[int]]:
    """What the disk refused at last, and what was acknowledged before: pages at hand carry a few."""
    settings, taken = read_settings(node.directory), list[int]()
    with Client(node.url) as client:
        for _ in range(MOST):
            parcel = parcel_for(settings, ("a.pdf", os.urandom(40_000)))
            try:
                taken.append(int(client.submit(parcel)["index"]))
            except StorageFailed:
                return parcel, taken
    raise AssertionError("the disk was never full")
