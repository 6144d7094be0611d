"""Cosignatures and quorums, recounted: what a hand in the database changes of them is found and named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.core.checkpoint import Checkpoint, format_checkpoint
from exchange.core.cosignature import cosign
from exchange.core.note import format_lines
from tests import key_named
from tests.audit_command.hands import OF, Fault, filled
from tests.audit_command.stage import Stage
from tests.world import START, World

XR, XA = "xr.test.example/log", "xa.test.example/log"
AT_START = int(START.timestamp())


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """XR's directory: two heads of its own with a quorum, one of XA's, and what it signed as a witness."""
    folder = tmp_path_factory.mktemp("witnesses")
    with World(folder, "XR", "XA", "XI") as world:
        for number in range(2):
            world["XR"].publish(scope={"en": str(number)})
            assert set(world["XR"].running.cosigners.ask_now().values()) == {None}
            world.sleep(hours=2)
        world["XR"].running.cosigners.ask_now()
        world["XA"].publish()
        world["XA"].running.cosigners.ask_now()
        world.pull()
        world["XR"].stop()
        yield Stage(world["XR"].directory, world.participants)


@pytest.fixture
def stage(seen: Stage, tmp_path: Path) -> Stage:
    return seen.copy(tmp_path / "XR")


def faults(stage: Stage) -> set[Fault]:
    return {(fault.what, fault.log, fault.index) for fault in stage.audit().faults}


def test_every_line_and_every_quorum_is_counted_again(stage: Stage) -> None:
    for anchored in (True, False):
        report = stage.audit(anchored=anchored)
        assert report.holds, list(report.lines())
        found = {log.origin: (log.cosignatures, log.witnessed) for log in report.logs}
        # Of the older head one line a State; of the newest two, since it was cosigned anew.
        assert found == {XR: (2 + 4, 2), XA: (2, 1), "xi.test.example/log": (0, 0)}


CHANGES: list[tuple[str, str, set[Fault]]] = [
    ("a time", "UPDATE cosignature SET newest = newest + 1 WHERE size = 2 AND participant = 'XI' AND {OF}",
     {("cosignature", XR, 2)}),
    ("who signed", "UPDATE cosignature SET participant = 'XB' WHERE size = 1 AND participant = 'XI' AND {OF}",
     {("cosignature", XR, 1)}),
    ("that it signed its own", "UPDATE cosignature SET participant = 'XR' WHERE size = 1 AND participant = 'XI' AND {OF}",
     {("cosignature", XR, 1)}),
    ("which checkpoint", "UPDATE cosignature SET size = 9 WHERE size = 1 AND participant = 'XI' AND {OF}",
     {("cosignature", XR, 1), ("cosignature", XR, 9)}),
    ("how many", "UPDATE quorum SET cosigned = 3 WHERE size = 1 AND {OF}", {("cosignature", XR, 1)}),
    ("how many are asked", "UPDATE quorum SET asked = 1 WHERE size = 1 AND {OF}", {("cosignature", XR, 1)}),
    ("since when", "UPDATE quorum SET not_later_than = '2026-11-20T00:00:00+00:00' WHERE size = 1 AND {OF}",
     {("cosignature", XR, 1)}),
    ("a line that goes", "DELETE FROM cosignature WHERE size = 1 AND participant = 'XA' AND {OF}",
     {("cosignature", XR, 1)}),
    ("whose log", "UPDATE cosignature SET log_id = 99 WHERE size = 1 AND participant = 'XI' AND {OF}",
     {("cosignature", XR, 1), ("stray", None, None)}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "query", "found"), CHANGES, ids=[one[0] for one in CHANGES])
def test_what_a_hand_changed_is_named(stage: Stage, change: str, query: str, found: set[Fault]) -> None:
    stage.tamper(filled(query), origin=XR)
    named = faults(stage)
    # Where a line is no line any more, the quorum that rested on it is none either: both are of the same size.
    assert named == found


def test_a_flipped_bit_in_a_line_is_named(stage: Stage) -> None:
    where = f"size = 1 AND participant = 'XA' AND {OF}"
    line = bytes(stage.value(f"SELECT earliest_line FROM cosignature WHERE {where}", origin=XR))  # noqa: S608
    flipped = line[:-9] + (b"A" if line[-9:-8] != b"A" else b"B") + line[-8:]
    stage.tamper(f"UPDATE cosignature SET earliest_line = :flipped WHERE {where}", flipped=flipped, origin=XR)  # noqa: S608
    assert faults(stage) == {("cosignature", XR, 1)}


def test_a_line_by_a_key_that_the_record_does_not_hold_is_named(stage: Stage) -> None:
    """Everything about it is right but the key."""
    root = bytes(stage.value(f"SELECT root FROM checkpoint WHERE size = 1 AND {OF}", origin=XR))  # noqa: S608
    text = format_checkpoint(Checkpoint(XR, 1, root))
    line = format_lines([cosign(text, "test.example/witness/XA", key_named("a stranger"), AT_START)])
    stage.tamper(
        f"UPDATE cosignature SET earliest_line = :line, newest_line = :line WHERE size = 1 AND participant = 'XA' AND {OF}",  # noqa: S608
        line=line,
        origin=XR,
    )
    assert faults(stage) == {("cosignature", XR, 1)}


@pytest.mark.parametrize("change", ["size = 5", "time = time + 1", "root = :other", "line = note"])
def test_what_this_node_signed_as_a_witness_is_checked(stage: Stage, change: str) -> None:
    stage.tamper(f"UPDATE witness_head SET {change} WHERE {OF}", origin=XA, other=bytes(32))  # noqa: S608
    named = faults(stage)
    assert {(what, log) for what, log, _ in named} == {("witness", XA)}


def test_rosters_that_the_auditor_does_not_share_are_left_to_others(stage: Stage) -> None:
    stage.tamper(f"UPDATE quorum SET rosters = 'of founders', asked = 1 WHERE {OF}", origin=XR)  # noqa: S608
    assert faults(stage) == set()
