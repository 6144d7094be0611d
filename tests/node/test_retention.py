"""A statement's `retain_until` is itself the order: every node purges the day after, and a peer that comes later never asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.audited import audited, audited_from_outside
from tests.databases import hand_in
from tests.erasing import (
    FORESEEN_GONE,
    FORESEEN_HIDDEN,
    GONE,
    OPEN,
    documents,
    enrol,
    erase,
    later,
    shown,
    vouch,
    withdrawal,
)
from tests.world import Published, World

UNTIL = "2026-11-23"  # the world begins on the 21st, at three in the morning


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA") as world:
        enrol(world)
        yield world


def kept_until(world: World, day: str = UNTIL) -> Published:
    one = world["XR"].publish("POC-02", attachments=(("map.pdf", bytes(70_000)),), header={"retain_until": day})
    vouch(world)
    return one


def contacts(world: World) -> list[int]:
    return [len(node.get("/v1/contacts?participant=XR").json()["items"]) for node in world.nodes.values()]


def test_every_node_purges_the_day_after(world: World) -> None:
    one = kept_until(world)
    later(world, days=2, hours=20)
    assert f"{world.now:%Y-%m-%d}" == UNTIL
    assert [documents(node, one) for node in world.nodes.values()] == [[OPEN] * 2] * 2 and contacts(world) == [1, 1]
    later(world, hours=2)
    for node in world.nodes.values():
        assert documents(node, one) == [FORESEEN_GONE] * 2 and shown(node, one)["account"] == "erased as foreseen"
        assert [path for path in (node.directory / "data" / "documents").rglob("*") if path.is_file()] == []
        for report in (audited(node), audited_from_outside(node)):
            assert report.holds, report.faults
            assert [log.counts["erased as foreseen"] for log in report.logs if log.participant == "XR"] == [1]
    assert contacts(world) == [0, 0]


def test_a_peer_that_pulls_later_never_asks(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        enrol(world)
        world["XI"].stop()
        one = world["XR"].publish("POC-02", attachments=(("map.pdf", bytes(70_000)),), header={"retain_until": UNTIL})
        world.sleep(days=4)
        world["XI"].start()
        world.wire.asked.clear()
        world["XI"].pull()
        world["XI"].pull()
        assert documents(world["XI"], one) == [FORESEEN_GONE] * 2
        assert [path for _, path in world.wire.asked if path.startswith("/v1/documents/")] == []
        assert world["XI"].get("/v1/peers").json()["items"][1]["documents_missing"] == 0


def test_a_clock_set_forward_hides_early_and_destroys_nothing(world: World) -> None:
    xr = world["XR"]
    one = kept_until(world)
    world.sleep(days=5)
    assert xr.running.node.eraser.look() == 0
    assert documents(xr, one) == [FORESEEN_HIDDEN] * 2
    world.sleep(days=-5)
    vouch(world)
    assert documents(xr, one) == [OPEN] * 2 and contacts(world) == [1, 1]


def test_a_clock_set_back_keeps_nothing_longer_than_others_vouch_for(world: World) -> None:
    one = kept_until(world)
    later(world, days=4)
    assert [documents(node, one) for node in world.nodes.values()] == [[FORESEEN_GONE] * 2] * 2


def test_an_erasure_comes_before_its_date_and_its_withdrawal_does_not_keep_it_longer(world: World) -> None:
    xr = world["XR"]
    one, other = kept_until(world), kept_until(world, "2026-11-30")
    order = erase(xr, one)
    erase(xr, other, "a1")
    vouch(world)
    xr.submit(withdrawal(xr, order))
    vouch(world)
    later(world, days=4)
    for node in world.nodes.values():
        assert documents(node, one) == [FORESEEN_GONE] * 2
        assert documents(node, other) == [OPEN, GONE]
        assert audited(node).holds and audited_from_outside(node).holds


def test_an_audit_finds_what_is_kept_longer(world: World) -> None:
    xr = world["XR"]
    kept_until(world)
    world.sleep(days=20)
    report = audited(xr)
    assert [(fault.what, fault.detail) for fault in report.faults if fault.what == "document"] == [
        ("document", f"something is shown still that was to be kept until {UNTIL}")
    ]
    outside = audited_from_outside(xr)
    assert "document" in [fault.what for fault in outside.faults]
    xr.running.node.eraser.look()
    assert audited(xr).holds
    with hand_in(xr.directory) as db:
        db.execute(text("UPDATE slot SET erased = NULL"))
    assert not audited(xr).holds
    with hand_in(xr.directory) as db:
        db.execute(text("UPDATE slot SET erased = 'foreseen'"))
