"""A series: what continues it, what is current, what is in force, and who has nothing to say in it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.dsse import parse_envelope
from exchange.core.keys import Kind
from exchange.core.statement import Reference, Statement, submission_id
from exchange.errors import UnknownSeries
from exchange.node.judge import admitted_or_raise
from exchange.node.keyfile import open_key
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.folder import Arrival
from tests.node.test_appender import together
from tests.world import Published, World, WorldNode


def follow(node: WorldNode, first: Published, message: str = "update", form: str = "POC-02", **named: Any) -> Published:
    return node.publish(form, **header(first.id, first.id, message, **named))


def header(series: str, replaces: str, message: str = "update", **named: Any) -> dict[str, Any]:
    own = {"message": message, "series": series, "replaces": replaces, **named.pop("header", {})}
    return {"header": own, **named}


def state(node: WorldNode, ident: str) -> dict[str, Any]:
    answer: dict[str, Any] = node.get(f"/v1/submissions/{ident}").json()
    return answer


def current(node: WorldNode, **filters: str) -> list[str]:
    items = node.get("/v1/submissions", params={"current": "true", **filters}).json()["items"]
    return [item["id"] for item in items]


def contacts(node: WorldNode, participant: str) -> list[str]:
    items = node.get("/v1/contacts", params={"participant": participant}).json()["items"]
    return [item["source"]["id"] for item in items]


def force(node: WorldNode, form: str = "POC-02", **named: Any) -> str:
    """What a node that plays by no rules of its own can log all the same: signed by its officer and its log. Returns the id."""
    parcel, core = node.parcel(form, **named), node.running.node
    key = open_key(node.directory / "keys" / "log.key", kind=Kind.LOG).key
    with core.db.write() as tx:
        log = logs.log_of(tx, core.origin)
        admitted = admitted_or_raise(parcel.envelope, core.origin, log.size, core.participants)
        size, root, _ = logs.append(tx, log, [parcel.envelope])
        came = [Arrival.small(one.slot, one.name, one.opening, one.content) for one in parcel.documents]
        intake.enter(tx, log, log.size, [(parcel.envelope, admitted)], core.catalogue, node.world.now, came)
        note = sign_checkpoint(Checkpoint(core.origin, size, root), key)
        logs.keep_checkpoint(tx, log, size, root, note, node.world.now)
        logs.advance(tx, log, size)
    return admitted.id


def related_to(ident: str) -> Any:
    def edit(statement: Statement) -> Statement:
        return replace(statement, references=(*statement.references, Reference("related", ident, None)))

    return edit


@pytest.mark.parametrize("message", ["update", "correction"])
def test_what_replaces_is_current_and_in_force(tmp_path: Path, message: str) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        second = follow(world["XR"], first, message)
        third = follow(world["XR"], first, message)
        assert current(world["XR"]) == contacts(world["XR"], "XR") == [third.id]
        whole = state(world["XR"], second.id)
        assert (whole["current"], whole["series"]) == (False, first.id)
        assert whole["history"] == [first.id, second.id, third.id]


def test_a_withdrawal_leaves_nothing_current(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first, other = world["XR"].publish(), world["XR"].publish()
        second = follow(world["XR"], first)
        world["XR"].publish(**header(first.id, second.id, "withdrawal"))
        assert current(world["XR"]) == contacts(world["XR"], "XR") == [other.id]
        assert len(state(world["XR"], first.id)["history"]) == 3


def test_only_a_new_word_brings_a_withdrawn_series_back(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        follow(world["XR"], first, "withdrawal")
        assert current(world["XR"]) == []
        again = follow(world["XR"], first)
        assert current(world["XR"]) == contacts(world["XR"], "XR") == [again.id]


def test_nothing_new_confirms_the_full_return_in_force(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        assert _contact(world["XR"])["confirmed"] == "2026-11-21T03:00:00Z"
        world.sleep(days=200)
        assert "200 days ago" in _contact(world["XR"])["freshness"]
        confirmed = follow(world["XR"], first, header={"kind": "nothing new"})
        assert current(world["XR"]) == [confirmed.id]
        assert contacts(world["XR"], "XR") == [first.id]
        assert _contact(world["XR"])["confirmed"] == "2027-06-09T03:00:00Z"
        assert _contact(world["XR"])["freshness"].startswith("confirmed today")


def _contact(node: WorldNode) -> dict[str, Any]:
    (item,) = node.get("/v1/contacts", params={"participant": node.code}).json()["items"]
    found: dict[str, Any] = item
    return found


def test_nothing_new_after_a_withdrawal_confirms_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        follow(world["XR"], first, "withdrawal")
        follow(world["XR"], first, header={"kind": "nothing new"})
        assert contacts(world["XR"], "XR") == []


def test_nothing_to_declare_is_current_and_answers_no_look_up(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        nil = world["XR"].publish(header={"kind": "nothing to declare"})
        first = world["XR"].publish()
        gone = follow(world["XR"], first, header={"kind": "nothing to declare"})
        assert set(current(world["XR"])) == {nil.id, gone.id}
        assert contacts(world["XR"], "XR") == []
        assert state(world["XR"], nil.id)["fits"] == "fits"


def test_a_series_must_begin_in_this_log(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        first = world["XR"].publish()
        second = follow(world["XR"], first)
        foreign = world["XA"].publish()
        world.pull()
        for series in ("0" * 64, second.id, foreign.id):
            for kind in ("full", "nothing new"):
                with pytest.raises(UnknownSeries, match="does not begin in this log") as caught:
                    world["XR"].publish(**header(series, first.id, header={"kind": kind}))
                assert caught.value.pointer == "/series"


def test_a_series_stays_with_its_form(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish("POC-02")
        with pytest.raises(UnknownSeries, match="is one of POC-02, not ICT-03"):
            follow(world["XR"], first, form="ICT-03")


@pytest.mark.parametrize(("one", "other"), [("test", "actual"), ("actual", "exercise"), ("exercise", "test")])
def test_no_reference_crosses_statuses(tmp_path: Path, one: str, other: str) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish(header={"status": one})
        for named in (header(first.id, first.id), {"edit": related_to(first.id), "header": {}}):
            named["header"]["status"] = other
            with pytest.raises(UnknownSeries, match=f"has the status '{one}'"):
                world["XR"].publish(**named)
        world["XR"].publish(header={"status": other}, edit=related_to("0" * 64))


def test_a_series_may_begin_and_go_on_in_one_transaction(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].parcel()
        ident = submission_id(parse_envelope(first.envelope).payload)
        parcels = [
            first,
            world["XR"].parcel(**header(ident, ident)),
            world["XR"].parcel("ICT-03", **header(ident, ident)),
            world["XR"].parcel(header={"status": "actual"}, edit=related_to(ident)),
            world["XR"].parcel(**header(ident, ident, "correction")),
        ]
        futures = together(world["XR"], parcels)
        errors = [future.exception(timeout=30) for future in futures]
        assert [type(error) for error in errors] == [type(None), type(None), UnknownSeries, UnknownSeries, type(None)]
        assert [future.result().index for future in futures if not future.exception()] == [0, 1, 2]
        assert state(world["XR"], ident)["current"] is False


def test_nobody_replaces_or_withdraws_the_word_of_another_state(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        first = world["XR"].publish()
        world.pull()
        for message in ("update", "withdrawal", "correction"):
            force(world["XA"], **header(first.id, first.id, message))
        force(world["XA"], **header(first.id, first.id, header={"kind": "nothing new"}))
        world.sleep(days=10)
        world.pull()
        for node in world.nodes.values():
            assert current(node) == [first.id]
            assert contacts(node, "XR") == [first.id]
            assert contacts(node, "XA") == []
            assert state(node, first.id)["history"] == [first.id]
        assert "10 days ago" in world["XA"].get("/v1/contacts?participant=XR").json()["items"][0]["freshness"]
        assert world["XR"].heads() == world["XA"].heads()


def test_an_entry_of_another_form_never_replaces(tmp_path: Path) -> None:
    """A key that may sign one form only must not reach into the series of another."""
    with World(tmp_path, "XR", "XA") as world:
        first = world["XA"].publish("POC-02")
        for message in ("update", "withdrawal"):
            force(world["XA"], "ICT-03", **header(first.id, first.id, message))
        world.pull()
        for node in world.nodes.values():
            assert current(node) == contacts(node, "XA") == [first.id]


def test_an_entry_of_another_status_never_replaces(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        first = world["XA"].publish(header={"status": "actual"})
        for message in ("update", "withdrawal"):
            force(world["XA"], **header(first.id, first.id, message, header={"status": "exercise"}))
        world.pull()
        for node in world.nodes.values():
            assert current(node, status="actual") == [first.id]
            assert contacts(node, "XA") == [first.id]


def test_a_series_that_begins_with_a_replacement_has_no_current_version(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        force(world["XA"], **header("0" * 64, "0" * 64))
        world.pull()
        for node in world.nodes.values():
            assert current(node) == contacts(node, "XA") == []
