"""A copy of a running node: it finds the other under its own address and signs nothing; one that could not look is convicted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from exchange.app import Exchange
from exchange.config import read_settings
from exchange.errors import LogStopped
from exchange.federation.peer import open_client
from exchange.store.restored import restored
from tests.databases import copy_node
from tests.faults import convicted, down
from tests.world import Fault, World, WorldNode


def copy_of(node: WorldNode) -> Path:
    """The folder and the data of a node, which goes on afterwards."""
    node.stop()
    copy = copy_node(node.directory, node.directory.with_name(f"{node.code} copied"))
    node.start()
    return copy


@contextmanager
def running(
    world: World, directory: Path, network: httpx.BaseTransport | None = None, *, alone: bool = False
) -> Iterator[Exchange]:
    """The copy, on another machine: its address leads where it always led."""
    settings = read_settings(directory)
    exchange = Exchange(settings, world.clock, lambda: open_client(network or world.wire), alone=alone)
    try:
        exchange.recovery.ask()
        yield exchange
    finally:
        exchange.close()


@contextmanager
def moved(world: World, code: str, exchange: Exchange) -> Iterator[WorldNode]:
    """The address of the node leads to the copy for a while."""
    original = world.nodes[code]
    other = WorldNode(world, code, exchange.settings.directory, original.officer)
    other.exchange = exchange
    host = httpx.URL(original.url).host
    world.wire.nodes[host] = other
    try:
        yield other
    finally:
        world.wire.nodes[host] = original


def why(exchange: Exchange) -> str:
    return exchange.node.appender.refusing or ""


def nobody() -> httpx.BaseTransport:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way out", request=request)

    return httpx.MockTransport(refuse)


def test_a_copy_started_beside_the_original_signs_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        xr.publish()
        copy = copy_of(xr)
        with running(world, copy) as second:
            assert "another instance of this node answers under http://xr.test.example" in why(second)
            with pytest.raises(LogStopped):
                second.node.appender.check()
            xr.pull()
            assert xr.get("/readyz").status_code == 200, "the one at the address goes on"
            assert xr.publish().index == 1


def test_a_copy_remembers_it_and_asks_the_others_before_it_signs(tmp_path: Path) -> None:
    """The original is gone when the copy starts anew, and took an entry with it that a peer holds."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        copy = copy_of(xr)
        with running(world, copy) as second, second.node.db.read() as tx:
            assert "another instance answered under http://xr.test.example" in (restored(tx) or "")
        xr.publish()
        world.pull()
        xr.stop()
        xa.fault = down
        with running(world, copy) as second:
            assert "0 of 1 witnesses answered" in why(second)
            xa.fault = None
            second.pull_round(everybody=True)
            assert "XA holds our log at size 1, this database ends at 0" in why(second)
        xr.start()


def test_an_address_that_moves_to_the_copy_stops_the_original(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        copy = copy_of(xr)
        with running(world, copy, nobody(), alone=True) as second, moved(world, "XR", second):
            assert why(second) == ""
            xr.pull()
            assert "another instance of this node answers" in why(xr.running)


def test_a_node_that_finds_itself_or_nobody_or_a_stranger_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        faults: list[Fault | None] = [None, down, lambda request, real: httpx.Response(200, json={}, request=request)]
        for fault in faults:
            xr.fault = fault
            xr.running.twin.look_again()
            assert why(xr.running) == ""
        xr.fault = lambda request, real: httpx.Response(200, json=xa.get("/v1/node").json(), request=request)
        xr.running.twin.look_again()
        assert why(xr.running) == ""
        xr.fault = None


def test_a_copy_that_nobody_could_warn_forks_and_its_key_is_convicted(tmp_path: Path) -> None:
    """What is not promised: cut off from everybody, and told to go on alone, the copy signs. The first to see both stops both."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        copy = copy_of(xr)
        xr.publish(institution={"en": "The original"})
        world.pull()
        with running(world, copy, nobody(), alone=True) as second:
            with moved(world, "XR", second) as other:
                other.publish(institution={"en": "The copy"})
                assert "two histories" in str(xa.pull()["XR"])
                xr.pull()
            assert "another instance" in why(xr.running), "the original found the copy under its address"
            assert convicted(xa, xr) == (1, 1)
            second.rounds._client = open_client(world.wire)  # it is on the network again
            second.pull_round(everybody=True)
            assert "another instance" in why(second), "and the copy the original"


@pytest.mark.parametrize("name", ["/v1/node"])
def test_who_a_node_is_must_not_come_out_of_a_cache(tmp_path: Path, name: str) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].get(name)
        assert first.headers["cache-control"] == "no-store"
        world["XR"].stop()
        world["XR"].start()
        assert world["XR"].get(name).json()["instance"] != first.json()["instance"]
