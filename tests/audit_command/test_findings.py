"""What a node keeps of findings and convictions, against the evidence in the logs: what a hand changes of it is found and named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.core.evidence import KIND
from tests.audit_command.hands import Fault, filled
from tests.audit_command.stage import Stage
from tests.node.test_findings import found_by, told_in
from tests.world import World

XR, XA = "xr.test.example/log", "xa.test.example/log"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Illyria's directory: Arcadia found, and told, that Ruritania showed two histories, and Illyria read it."""
    folder = tmp_path_factory.mktemp("findings")
    with World(folder, "XR", "XA", "XI") as world:
        with found_by(world["XA"], world["XR"]):
            pass
        world["XI"].pull()
        assert len(told_in(world["XA"])) == 1
        world["XI"].stop()
        yield Stage(world["XI"].directory, world.participants)


@pytest.fixture
def stage(seen: Stage, tmp_path: Path) -> Stage:
    return seen.copy(tmp_path / "XI")


def faults(stage: Stage) -> set[Fault]:
    return {(fault.what, fault.log, fault.index) for fault in stage.audit().faults}


def test_what_is_kept_is_what_the_evidence_says(stage: Stage) -> None:
    for anchored in (True, False):
        report = stage.audit(anchored=anchored)
        assert report.holds, report.faults
        assert f"{XA}: findings of misbehaviour told (PLT-03): 1 convicting" in report.notes


CHANGES: list[tuple[str, str, set[Fault]]] = [
    ("that it convicts nobody", "UPDATE finding SET accused = NULL WHERE {OF}", {("finding", XA, 0)}),
    ("whom it convicts", "UPDATE finding SET accused = 'xi.test.example/log+00000000+AAAA' WHERE {OF}", {("finding", XA, 0)}),
    ("which evidence", "UPDATE finding SET evidence = :other WHERE {OF}", {("finding", XA, 0)}),
    ("of which entry", 'UPDATE finding SET "index" = 7 WHERE {OF}', {("finding", XA, 7)}),
    ("an alert that goes", "DELETE FROM alert WHERE kind = :convicts", {("finding", XA, 0)}),
    ("whom an alert accuses", "UPDATE alert SET participant = 'XA' WHERE kind = :convicts", {("alert", XR, None), ("finding", XA, 0)}),
    ("over which log", "UPDATE alert SET origin = :origin WHERE kind = :convicts", {("alert", XA, None), ("finding", XA, 0)}),
    ("what an alert shows", "UPDATE alert SET evidence = :changed WHERE kind = :convicts", {("alert", XR, None), ("finding", XA, 0)}),
    ("that the log is cosigned no more", "UPDATE log SET halted = NULL WHERE halted IS NOT NULL", {("log", XR, None)}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "query", "found"), CHANGES, ids=[one[0] for one in CHANGES])
def test_what_a_hand_changed_of_findings_is_named(stage: Stage, change: str, query: str, found: set[Fault]) -> None:
    evidence = stage.value("SELECT evidence FROM alert WHERE kind = :convicts", convicts=KIND)
    spot = evidence.index("checkpoint_a") + 60
    changed = evidence[:spot] + ("A" if evidence[spot] != "A" else "B") + evidence[spot + 1 :]
    stage.tamper(filled(query), origin=XA, other=bytes(32), convicts=KIND, changed=changed)
    assert faults(stage) == found


def test_a_finding_that_nobody_read_yet_is_no_fault(stage: Stage) -> None:
    stage.tamper(filled("DELETE FROM finding WHERE {OF}"), origin=XA)
    assert faults(stage) == set()
