"""The power fails: nothing that was acknowledged, or shown, is lost where only fsynced bytes and names survive.

A kill proves nothing of the kind, since the system keeps what a killed process wrote. Here the disk is a model as strict as POSIX
(disk.py), fed with every call that the node's processes really made, SQLite's own included.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.config import Settings
from exchange.node.founding import default_origin, found
from tests import key_named
from tests.crash.clients import Clients
from tests.crash.conftest import Count
from tests.crash.power import Cut, Life, holds
from tests.crash.survivor import run_node
from tests.crash.tracer import Call, Fault, How, Traced
from tests.crash.walk import Point, Strike, answers
from tests.processes import end_with_parent, free_port

pytestmark = pytest.mark.sqlite

EVERY = "CBM_CRASH_ROUNDS" in os.environ
OFFICER = "XR officer 1"


def lay_out(directory: str, port: int) -> None:
    """The child: `cbm node init`."""
    end_with_parent()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        directory=Path(directory),
        participant="XR",
        url=url,
        origin=default_origin(url),
        federation="trial.example",
        listen=f"127.0.0.1:{port}",
        log_level="warning",
    )
    found(settings, name="Ruritania", officers=[key_named(OFFICER).public], now=datetime.now(UTC))


def laid_out(folder: Path, seed: int) -> tuple[Life, Clients]:
    life = Life(folder / "home", random.Random(seed))
    life.home.mkdir()
    directory = life.home / "XR"
    node = Traced(lay_out, str(directory), free_port(), root=life.home)
    assert node.join() == 0
    life.go_through(node)
    return life, Clients(directory, key_named(OFFICER))


def live(
    life: Life,
    clients: Clients,
    act: Callable[[], object],
    end: signal.Signals,
    decide: Callable[[Call], Fault | None] = lambda call: None,
) -> None:
    """One process: it starts, is asked for something, and ends."""
    node = Traced(run_node, str(clients.directory), str(life.home.with_name("said")), root=life.home, decide=decide)
    try:
        assert answers(node, clients.url)
        act()
        clients.look(clients.url)
    finally:
        node.send(end)
        node.join()
    life.go_through(node)


def cuts_of(cuts: list[Cut], most: int) -> list[Cut]:
    """All of them, or the newest and some others."""
    return cuts if EVERY or len(cuts) <= most else [*random.Random(1).sample(cuts[:-1], most - 1), cuts[-1]]


@pytest.mark.crash
def test_nothing_acknowledged_is_lost_when_the_power_fails(tmp_path: Path, count: Count) -> None:
    """Made, started, two submissions, ended well, started again, two more, killed."""
    life, clients = laid_out(tmp_path, 1)

    def two() -> None:
        clients.waiting = [clients.parcel(), clients.parcel(large=True)]
        assert clients.submit_what_waits(clients.url)

    live(life, clients, two, signal.SIGTERM)
    live(life, clients, two, signal.SIGKILL)
    insist(life, clients, count, "a life of two starts")


def insist(life: Life, clients: Clients, count: Count, title: str, most: int = 6) -> None:
    """Each disk that the power could have left is put back and brought to life."""
    seen = Counter[str]()
    for kind, cuts in (("whole", life.whole), ("torn", life.torn)):
        seen[f"different disks, {kind}"] = len(cuts)
        for cut in cuts_of(cuts, most):
            seen["of them brought back"] += holds(life, clients.directory, clients, cut)
    seen["acknowledged"] = len(life.receipts)
    assert len(life.receipts) == len(clients.acknowledged) > 0
    count(f"power cut, {title}", seen)


@pytest.mark.crash
@pytest.mark.parametrize("number", range(1, 4) if EVERY else (2,))
def test_a_commit_that_was_read_back_after_a_failed_fsync_is_durable_before_anything_is_built_on_it(
    tmp_path: Path, number: int, count: Count
) -> None:
    """The fsync of a commit fails, the node is killed, and its successor reads that commit in the page cache, which nothing will save."""
    life, clients = laid_out(tmp_path, number)
    strike = Strike(Point("fdatasync the WAL", number), How.LOST)

    def three() -> None:
        strike.armed = True
        clients.waiting = [clients.parcel() for _ in range(3)]
        clients.submit_what_waits(clients.url)

    def again() -> None:
        clients.waiting.append(clients.parcel())
        assert clients.submit_what_waits(clients.url)

    live(life, clients, three, signal.SIGKILL, strike)
    assert strike.struck
    live(life, clients, again, signal.SIGKILL)
    insist(life, clients, count, f"after fsync {number} of the WAL had failed")
