"""A node that runs while it is audited, and the processes that do it: one moment is seen, and nothing is left behind."""

import threading
import time
from pathlib import Path

import pytest

from exchange.audit import run
from exchange.audit.crew import Processes
from exchange.audit.desk import Desk
from exchange.audit.laws import Subject
from exchange.audit.report import Report
from exchange.audit.run import Anchor, audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.errors import ExchangeError, Malformed, Unavailable
from exchange.resources import form_files
from exchange.trust.participants import format_participants
from tests.audit_command.stage import Stage
from tests.world import START, World, WorldNode


def audit(node: WorldNode, workers: int) -> Report:
    settings = read_settings(node.directory)
    known = node.world.participants
    return audit_directory(
        DirectoryPlace(node.directory, settings.database_url, settings.documents),
        Subject(settings.participant, settings.federation, settings.origin),
        Catalogue.from_files(form_files()),
        anchor=Anchor(known, format_participants(known)),
        workers=workers,
        now=START,
    )


def test_a_clean_world_holds(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        first = world["XR"].publish("POC-02")
        world["XR"].publish("ICT-03", attachments=(("plan.pdf", b"%PDF" + b"x" * 100_000),))
        world["XA"].publish("POC-02")
        world.pull()
        world["XR"].publish("POC-02", header={"message": "update", "series": first.id})
        world.pull()
        for node in world.nodes.values():
            report = audit(node, 1)
            assert report.holds, list(report.lines())
            assert {log.origin: log.counts["opened"] for log in report.logs} == {
                **{world["XR"].origin: 3, world["XA"].origin: 1, world["XI"].origin: 0}
            }
            assert (report.submissions, report.contacts) == (4, 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_that_commits_meanwhile_is_seen_as_it_stood_at_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(run, "FEW", 0)  # processes even for few entries
    with World(tmp_path, "XR") as world:
        xr, over = world["XR"], threading.Event()

        def publish() -> None:
            while not over.is_set():
                xr.publish("POC-02")

        writer = threading.Thread(target=publish)
        writer.start()
        try:
            seen = [0]
            deadline = time.monotonic() + 60
            while len(set(seen)) < 5 and time.monotonic() < deadline:
                report = audit(xr, workers)
                assert report.holds, list(report.lines())
                seen.append(report.entries)
        finally:
            over.set()
            writer.join()
        assert seen == sorted(seen) and len(set(seen)) == 5


def place(stage: Stage) -> DirectoryPlace:
    return DirectoryPlace(stage.directory, stage.settings.database_url, stage.settings.documents)


class Numbered:
    """A job that gives its number back, after a while."""

    def __init__(self, number: int, seconds: float = 0.0) -> None:
        self.number, self.seconds = number, seconds

    def __call__(self, desk: Desk) -> int:
        time.sleep(self.seconds)
        return self.number


class Failing:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __call__(self, desk: Desk) -> None:
        raise self.error("it went wrong")


def test_results_come_in_the_order_of_the_jobs(stage: Stage) -> None:
    crew = Processes(place(stage), 2)
    try:
        jobs = [Numbered(number, 0.05 if number % 7 == 0 else 0.0) for number in range(40)]
        assert list(crew.run(jobs)) == list(range(40))
        assert list(crew.run(jobs, deep=1)) == list(range(40))
        assert list(crew.run([])) == []
    finally:
        crew.close()


def test_a_refusal_in_a_process_is_raised_here(stage: Stage) -> None:
    crew = Processes(place(stage), 1)
    try:
        with pytest.raises(Malformed, match="it went wrong"):
            list(crew.run([Failing(Malformed)]))
    finally:
        crew.close()


def test_a_mistake_in_a_process_is_raised_here(stage: Stage) -> None:
    crew = Processes(place(stage), 1)
    try:
        with pytest.raises(RuntimeError, match="ValueError: it went wrong"):
            list(crew.run([Failing(ValueError)]))
    finally:
        crew.close()


def test_a_process_that_dies_ends_the_audit(stage: Stage) -> None:
    crew = Processes(place(stage), 1)
    try:
        with pytest.raises(Unavailable, match="ended by itself"):
            list(crew.run([Failing(KeyboardInterrupt)]))
    finally:
        crew.close()


def test_a_place_that_does_not_open_is_told(tmp_path: Path) -> None:
    crew = Processes(DirectoryPlace(tmp_path, "sqlite:////nowhere/at/all.sqlite", tmp_path), 1)
    try:
        with pytest.raises(ExchangeError, match="there is no database"):
            list(crew.run([Numbered(1)]))
    finally:
        crew.close()


@pytest.mark.sqlite
def test_nothing_is_written(stage: Stage) -> None:
    """What a PostgreSQL server keeps is its own affair, and there the transaction is read-only."""
    before = stage.settings.database_file.read_bytes()
    files = {path for path in stage.directory.rglob("*") if not path.name.endswith(("-wal", "-shm"))}
    assert stage.audit().holds
    assert stage.settings.database_file.read_bytes() == before
    assert {path for path in stage.directory.rglob("*") if not path.name.endswith(("-wal", "-shm"))} == files
