"""A node says what it never got, what it holds and destroyed under orders, and what its operator does not hand out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import Misuse, NotFound
from exchange.store import log as logs
from exchange.store.withheld import hand_out, withhold
from tests.erasing import enrol, erase, erasure, later, vouch
from tests.faults import answering, only, sign_into
from tests.world import Published, World, WorldNode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA", "XI") as world:
        enrol(world)
        yield world


def items(node: WorldNode, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get(path).json()["items"]
    return found


def test_what_never_came_is_listed_after_a_day_and_no_longer_once_it_came(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    xr.fault = only("/v1/documents", answering(503))
    one = xr.publish("POC-02", attachments=(("a.pdf", b"a"),))
    xa.pull()
    assert items(xa, "/v1/undelivered") == []
    world.sleep(days=1, hours=1)
    (entry,) = items(xa, "/v1/undelivered?participant=XR")
    assert (entry["id"], entry["origin"], entry["index"]) == (one.id, xr.origin, 0)
    assert [slot["slot"] for slot in entry["documents"]] == ["body", "a1"]
    assert items(xa, "/v1/undelivered?participant=XI") == [] == items(xr, "/v1/undelivered")
    assert 'cbm_documents_overdue{participant="XR",origin="xr.test.example/log"} 2' in _metrics(xa)
    xr.fault = None
    xa.pull()
    assert items(xa, "/v1/undelivered") == []


def _metrics(node: WorldNode) -> str:
    from exchange.api.metrics import families, format_families

    inner = node.running.node
    return format_families(families(inner, inner.clock()))


def test_a_state_sees_at_every_node_whether_its_order_is_followed(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one, other = xr.publish("POC-02"), xr.publish("ICT-03", header={"retain_until": "2026-11-22"})
    vouch(world)
    order = erase(xr, one)
    vouch(world)
    for node in (xr, xa):
        (entry,) = items(node, "/v1/forgotten?participant=XR&held=true")
        place = {"origin": xr.origin, "index": order.index}
        assert entry["documents"][0]["erased"] == {"by": "erasure", "order": place, "destroyed": False}
        assert items(node, "/v1/forgotten?held=false") == []
        assert "cbm_documents_hidden 1\n" in _metrics(node)
    later(world, hours=73)
    for node in (xr, xa):
        assert items(node, "/v1/forgotten?held=true") == []
        first = node.get("/v1/forgotten?participant=XR&limit=1").json()
        rest = items(node, first["next"])
        assert [entry["id"] for entry in (*first["items"], *rest)] == [one.id, other.id]
        assert [entry["documents"][0]["erased"]["by"] for entry in (*first["items"], *rest)] == [
            "erasure",
            "retain_until",
        ]


def refused(world: World) -> Published:
    """An entry that everybody refuses, and one behind it."""
    xr = world["XR"]
    first = xr.publish("POC-02")
    bad = erasure(xr, first, signers=[xr.officer])
    sign_into(xr, bad.envelope)
    xr.publish("ICT-03")
    vouch(world)
    return first


def hold_back(node: WorldNode, origin: str, index: int, reason: str = "a court's order") -> None:
    inner = node.running.node
    with inner.db.write() as tx:
        withhold(tx, logs.log_of(tx, origin), index, reason, inner.clock())


def test_the_bytes_of_a_refused_entry_may_be_withheld_and_the_rest_stays(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    refused(world)
    bundle, tile = (f"/mirror/XR/tile/{path}.p/3" for path in ("entries/000", "0/000"))
    hashes = xa.get(tile).content
    hold_back(xa, xr.origin, 1)
    answer = xa.get(bundle)
    assert (answer.status_code, answer.json()["code"]) == (451, "withheld") and "a court's order" in answer.json()[
        "detail"
    ]
    assert answer.headers["cache-control"] == "no-store"
    assert xa.get("/mirror/XR/tile/entries/000.p/1").status_code == 200
    assert xa.get(tile).content == hashes and xr.get("/log/tile/entries/000.p/3").status_code == 200
    (entry,) = items(xa, f"/v1/entries/refused?origin={xr.origin}")
    assert (entry["code"], entry["withheld"]) == ("too-few-signatures", "a court's order")
    (alert,) = [alert for alert in xa.alerts() if alert["kind"] == "refused-entry/v1"]
    assert (alert["evidence"]["entry"], alert["evidence"]["withheld"]) == (None, "a court's order")
    assert items(world["XI"], f"/v1/entries/refused?origin={xr.origin}")[0]["withheld"] is None
    world["XI"].pull()
    with xa.running.node.db.write() as tx:
        assert hand_out(tx, logs.log_of(tx, xr.origin), 1)
    assert xa.get(bundle).status_code == 200


def test_nothing_but_a_refused_entry_of_another_state_is_withheld(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    refused(world)
    for node, origin, index, reason in (
        (xr, xr.origin, 1, "own"),
        (xa, xr.origin, 0, "admitted"),
        (xa, xr.origin, 1, ""),
        (xa, xr.origin, 1, "two\nlines"),
    ):
        with pytest.raises(Misuse):
            hold_back(node, origin, index, reason)
    with pytest.raises(NotFound):
        hold_back(xa, xr.origin, 9)
    assert xa.get("/mirror/XR/tile/entries/000.p/3").status_code == 200
