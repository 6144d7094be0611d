"""The worlds that tests of the HTTP face share; each ends with the audit."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from exchange.node.judge import whole
from exchange.node.submit import door_of
from tests.world import World, WorldNode


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two nodes that know each other. Nobody moves the clock of this one."""
    with World(tmp_path_factory.mktemp("world"), "XR", "XA") as world:
        yield world


@pytest.fixture
def node(world: World) -> WorldNode:
    return world["XR"]


AROUND = [
    "0/000",
    "0/000.p/1",
    "0/000.p/255",
    "0/001",
    "0/001.p/1",
    "0/001.p/2",
    "0/001.p/3",
    "1/000",
    "1/000.p/1",
    "1/000.p/2",
    "2/000",
    "2/000.p/1",
    "entries/000",
    "entries/000.p/255",
    "entries/001",
    "entries/001.p/1",
    "entries/001.p/2",
    "entries/001.p/3",
]
"""Paths of tiles that come into being around the size of 256."""
SIZES = (0, 255, 256, 257, 258)


@dataclass
class Crowd:
    """A log that grew past the border of a tile: its entries in order, and its checkpoints at the sizes around it."""

    node: WorldNode
    entries: list[bytes]
    checkpoints: dict[int, bytes]
    seen: dict[int, dict[str, int]] = field(default_factory=dict)

    def publish(self) -> None:
        self.entries.append(self.node.publish("ICT-03").parcel.envelope)

    def publish_at_once(self, number: int) -> None:
        """As many as if they had come to the door at the same moment."""
        node, waiting = self.node.running.node, []
        for parcel in (self.node.parcel("ICT-03") for _ in range(number)):
            waiting.append(node.appender.submit(whole(door_of(node), parcel.envelope, parcel.documents)))
            self.entries.append(parcel.envelope)
        assert [one.result().index for one in waiting] == list(range(number))


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """258 submissions: 254 that come at once, then one at a time, each under a checkpoint of its own."""
    with World(tmp_path_factory.mktemp("crowd"), "XB", "XI") as world:
        crowd = Crowd(world["XB"], [], {})
        for size in SIZES:
            if size == 255:
                crowd.publish_at_once(254)
            if size:
                crowd.publish()
            crowd.checkpoints[size] = crowd.node.get("/log/checkpoint").content
            crowd.seen[size] = {path: crowd.node.get(f"/log/tile/{path}").status_code for path in AROUND}
        yield crowd
