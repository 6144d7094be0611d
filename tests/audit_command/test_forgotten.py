"""The audit accounts for what was forgotten: nothing is gone without an order, and nothing is here after one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from exchange.audit.report import Report
from tests.audited import audited, audited_from_outside
from tests.databases import hand_in
from tests.erasing import enrol, erase, erasure, later, vouch, withdrawal
from tests.faults import answering, only, sign_into
from tests.world import Published, World, WorldNode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA", audited=False) as world:
        enrol(world)
        yield world


def erased(world: World, hours: int) -> tuple[Published, Published]:
    one = world["XR"].publish("POC-02", attachments=(("map.pdf", b"a map"),))
    vouch(world)
    order = erase(world["XR"], one)
    vouch(world)
    later(world, hours=hours)
    return one, order


def counts(report: Report) -> dict[str, int]:
    (log,) = (log for log in report.logs if log.participant == "XR")
    return {name: number for name, number in log.counts.items() if number}


def both(node: WorldNode) -> tuple[Report, Report]:
    return audited(node), audited_from_outside(node)


def told(report: Report) -> list[str]:
    return [f"{fault.what}: {fault.detail}" for fault in report.faults]


@pytest.mark.parametrize("hours", [1, 73])
def test_what_was_erased_afterwards_is_counted_hidden_or_destroyed(world: World, hours: int) -> None:
    erased(world, hours)
    for node in world.nodes.values():
        for report in both(node):
            assert report.holds, told(report)
            assert counts(report) == {"opened": 1, "erased afterwards": 1}
            assert report.undelivered == ()


def test_what_was_withdrawn_is_open_again(world: World) -> None:
    _, order = erased(world, 1)
    world["XR"].submit(withdrawal(world["XR"], order))
    vouch(world)
    for node in world.nodes.values():
        for report in both(node):
            assert report.holds, told(report)
            assert counts(report) == {"opened": 3}


def test_orders_without_effect_explain_nothing_and_accuse_nobody(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = xr.publish("POC-02")
    sign_into(xa, erasure(xa, one, origin=xa.origin, participant="XA").envelope)
    sign_into(xr, erasure(xr, one, status="exercise").envelope)
    vouch(world)
    for node in (xr, xa):
        for report in both(node):
            assert report.holds, told(report)
            assert counts(report) == {"opened": 2}


def test_a_document_that_is_gone_without_an_order_is_unexplained_at_its_own_node(world: World) -> None:
    one = world["XR"].publish("POC-02")
    vouch(world)
    with hand_in(world["XR"].directory) as db:
        for query in ("UPDATE slot SET document = NULL", "DELETE FROM opening", "DELETE FROM document"):
            db.execute(text(query))
        db.execute(text("UPDATE submission SET fits = 'not held'"))
    for report in both(world["XR"]):
        assert [line for line in told(report) if line.startswith("unexplained: body is not here")], told(report)
    mirror = world["XA"]
    with hand_in(mirror.directory) as db:
        db.execute(text("UPDATE slot SET document = NULL, erased = '7 xr.test.example/log'"))
        db.execute(text("DELETE FROM opening"))
        db.execute(text("DELETE FROM document"))
        db.execute(text("UPDATE submission SET fits = 'not held'"))
    assert "unexplained: body is hidden, or gone, by an order that no log holds: 7 xr.test.example/log" in told(
        audited(mirror)
    )
    assert one.index == 0


def test_a_document_that_is_shown_or_kept_after_its_order_is_found(world: World) -> None:
    erased(world, 1)
    xa = world["XA"]
    with hand_in(xa.directory) as db:
        db.execute(text("UPDATE slot SET erased = NULL"))
        db.execute(text("UPDATE submission SET fits = 'fits' WHERE message = 'original'"))
    assert any("is not hidden, though entry 1 orders" in line for line in told(audited(xa)))
    assert any("is shown still, after this order" in line for line in told(audited_from_outside(xa)))
    with hand_in(xa.directory) as db:
        db.execute(text("UPDATE slot SET erased = '1 xr.test.example/log'"))
        db.execute(text("UPDATE submission SET fits = 'not held' WHERE message = 'original'"))
    assert audited(xa).holds
    world.sleep(days=20)
    assert any("is still here, though entry 1 ordered" in line for line in told(audited(xa)))


def test_a_cover_up_is_found_where_something_was_gone_before_its_order_could_be_carried_out(world: World) -> None:
    """Its own node lost the document first, and then an erasure was written to explain it."""
    xr = world["XR"]
    one = xr.publish("POC-02")
    with hand_in(xr.directory) as db:
        for query in ("UPDATE slot SET document = NULL", "DELETE FROM opening", "DELETE FROM document"):
            db.execute(text(query))
        db.execute(text("UPDATE submission SET fits = 'not held'"))
    erase(xr, one)
    vouch(world)
    assert any("is gone before the term of its order" in line for line in told(audited(xr)))
    with hand_in(xr.directory) as db:
        db.execute(text("UPDATE erasure SET destroyed = since"))
    assert any("before its term was over" in line for line in told(audited(xr)))


def test_undelivered_is_not_erased(world: World) -> None:
    world["XR"].fault = only("/v1/documents", answering(503))
    world["XR"].publish("POC-02")
    world["XA"].pull()
    for report in both(world["XA"]):
        assert report.holds and counts(report) == {"undelivered": 1}
        assert [one["slot"] for one in report.undelivered] == ["body"]
