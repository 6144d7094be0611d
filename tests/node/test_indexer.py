"""The thread behind the registry: everything is found soon after it was recorded, and nobody waits for that."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.node import indexer as module
from exchange.node.indexer import Indexer, pause
from exchange.store.database import Database
from exchange.store.fulltext import behind, index_some
from tests.api import URL
from tests.world import World, WorldNode

SECONDS = 60.0


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.01)


def unsearched(node: WorldNode) -> int:
    with node.running.node.db.read() as tx:
        return behind(tx)


def found(node: WorldNode, question: str) -> int:
    return len(node.get(URL, params={"q": question}).json()["items"])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 0.0)
    monkeypatch.setattr(module, "RETRY", 0.01)


def test_it_is_woken_by_what_is_recorded_here_or_pulled(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        xr.publish()
        for node in (xr, xa):
            node.running.indexer.start()
        until(lambda: unsearched(xr) == 0)  # what stood there before it started
        assert found(xr, "team") == 1
        for number in range(2, 5):
            xr.publish()
            until(lambda: unsearched(xr) == 0)
            assert found(xr, "team") == number
        world.pull()
        until(lambda: unsearched(xa) == 0)
        assert found(xa, "team") == 4


def test_submissions_go_on_while_it_has_much_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.store.fulltext.AT_ONCE", 1)
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        for _ in range(20):
            node.publish()
        left = []
        node.running.indexer.start()
        for _ in range(20):
            node.publish()
            left.append(unsearched(node))
        until(lambda: unsearched(node) == 0)
        assert max(left) > 0 and found(node, "team") == 40


def test_where_others_write_a_fifth_of_the_time_is_its_own() -> None:
    assert [pause(took, alone=False) for took in (0.05, 0.1, 60.0)] == [0.2, 0.4, module.LONGEST]
    assert 0.0 < pause(60.0, alone=True) < 0.01


def test_it_ends_in_the_middle_and_goes_on_with_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        for _ in range(10):
            node.publish()
        with monkeypatch.context() as patch:
            patch.setattr("exchange.store.fulltext.AT_ONCE", 1)
            left = [4]

            def stopped_meanwhile(db: Database) -> bool:
                left[0] -= 1
                if left[0] == 0:
                    threading.Thread(target=node.running.indexer.close).start()
                    until(node.running.indexer._stop.is_set)
                return index_some(db)

            patch.setattr(module, "index_some", stopped_meanwhile)
            node.running.indexer.start()
            until(lambda: left[0] == 0)
            node.stop()
        node.start()
        assert unsearched(node) == 6 and found(node, "team") == 4
        node.running.indexer.start()
        until(lambda: unsearched(node) == 0)
        assert found(node, "team") == 10


def test_a_failure_stops_neither_the_node_nor_the_indexing_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        failures = [0]

        def failing(db: Database) -> bool:
            failures[0] += 1
            if failures[0] < 4:
                raise OSError("no such disk")
            return index_some(db)

        monkeypatch.setattr(module, "index_some", failing)
        node.running.indexer.start()
        node.publish()
        until(lambda: unsearched(node) == 0)
        assert found(node, "team") == 1 and failures[0] >= 4
        assert "texts could not be indexed" in caplog.text


def test_nothing_is_written_where_there_is_no_room(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node, why = world["XR"], ["the disk is full"]
        asked = threading.Event()

        def why_not() -> str | None:
            asked.set()
            return why[0] if why else None

        indexer = Indexer(node.running.node.db, why_not)
        indexer.start()
        try:
            node.publish()
            assert asked.wait(SECONDS) and unsearched(node) == 1
            why.clear()
            node.publish()
            until(lambda: unsearched(node) == 0)
            assert found(node, "team") == 2
        finally:
            indexer.close()
