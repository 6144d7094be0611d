"""What a log holds and the one door does not take: mirrored, listed with the reason, told once, and the same everywhere.

The entries here are logged and signed by nodes whose log key is in the wrong hands (`sign_into`).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exchange.core.base64text import parse_base64
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.keys import Kind
from exchange.core.merkle import EMPTY_ROOT
from exchange.core.statement import Statement, submission_id
from exchange.errors import ExchangeError
from exchange.node.keyfile import open_key
from exchange.trust.participants import Closed
from tests import key_named
from tests.builders import participant_key, participant_log, signed, statement
from tests.faults import asked_of, many, nil_returns, offering, sign_into
from tests.records import in_force, with_key, with_record
from tests.world import World, WorldNode

LATE = key_named("XR officer 2")


def nil(node: WorldNode, **changes: Any) -> Statement:
    """A nil return of this node's State, right but for the changes."""
    plain = {"origin": node.origin, "return_": "nothing to declare", "status": "test"}
    return replace(statement(node.code, **plain), **changes)


def flipped(node: WorldNode) -> bytes:
    """The payload of one statement under the signature of another."""
    one, other = (parse_envelope(signed(nil(node, languages=(lang,)), node.officer)) for lang in ("en", "fr"))
    return format_envelope(replace(one, signatures=other.signatures))


BAD: dict[str, tuple[str, Callable[[WorldNode], bytes]]] = {
    "bytes that are nothing": ("malformed", lambda node: b"\x00\xff nothing"),
    "no bytes": ("malformed", lambda node: b""),
    "JSON of another kind": ("malformed", lambda node: b'{"payload":"","payloadType":"x","signatures":[]}'),
    "white space in the envelope": ("malformed", lambda node: signed(nil(node), node.officer).replace(b":", b": ", 1)),
    "the largest entry there is": ("malformed", lambda node: b"x" * 65_535),
    "a false signature": ("bad-signature", flipped),
    "another State's words": ("wrong-participant", lambda node: signed(nil(node, participant="XA"), node.officer)),
    "another log's": ("wrong-origin", lambda node: signed(nil(node, origin="xa.test.example/log"), node.officer)),
    "another federation's": (
        "wrong-federation",
        lambda node: signed(nil(node, federation="live.example"), node.officer),
    ),
    "named readers": (
        "audience-not-enforced",
        lambda node: signed(nil(node, audience=("XA", "XI")), node.officer),
    ),
    "the witness key": (
        "key-not-allowed",
        lambda node: signed(
            nil(node, languages=("ru",)), open_key(node.directory / "keys" / "witness.key", kind=Kind.WITNESS).key
        ),
    ),
    "one key for an erasure": (
        "too-few-signatures",
        lambda node: signed(statement(node.code, message="erasure", origin=node.origin, status="test"), node.officer),
    ),
}


def listed(node: WorldNode, verdict: str, of: WorldNode) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = node.get(f"/v1/entries/{verdict}?origin={of.origin}").json()["items"]
    return items


def test_refused_entries_are_mirrored_listed_and_told_once_each(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        xr.publish()
        entries = [make(xr) for _, make in BAD.values()]
        again = format_envelope(sign_payload(parse_envelope(nil_returns(xr, 1)[0]).payload, [xr.officer]))
        sign_into(xr, *entries, *nil_returns(xr, 1), again)
        xr.publish(institution={"en": "After all that"})
        world.pull()
        world.pull()

        expected = [code for code, _ in BAD.values()] + ["duplicate-submission"]
        refused = listed(xa, "refused", xr)
        assert [entry["code"] for entry in refused] == expected
        assert [entry["index"] for entry in refused] == [*range(1, len(BAD) + 1), len(BAD) + 2]
        assert all(entry["reason"] for entry in refused)
        assert xa.heads() == xi.heads() == xr.heads()
        assert {name: xa.heads()[2][name] for name in ("admitted", "refused", "waiting")} == {
            "admitted": 3,
            "refused": len(expected),
            "waiting": 0,
        }
        assert len(xa.get("/v1/submissions?participant=XR").json()["items"]) == 3

        for node in (xa, xi):
            alerts = node.alerts()
            assert [(alert["kind"], alert["evidence"]["code"]) for alert in alerts] == [
                ("refused-entry/v1", code) for code in expected
            ]
            assert [parse_base64(alert["evidence"]["entry"]) for alert in alerts] == [*entries, again]
            assert [alert["evidence"]["index"] for alert in alerts] == [entry["index"] for entry in refused]
        assert xr.alerts() == [], "a node raises no alerts about itself"
        for path in ("checkpoint", "tile/0/000.p/17", "tile/entries/000.p/17"):
            assert xa.get(f"/mirror/XR/{path}").content == xr.get(f"/log/{path}").content, path


def test_documents_of_a_refused_entry_are_not_asked_for(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        parcel = world["XR"].parcel(edit=lambda plain: replace(plain, federation="live.example"))
        sign_into(world["XR"], parcel.envelope)
        asked_of(world, "XR")
        world["XA"].pull()
        assert [path for path in asked_of(world, "XR") if path.startswith("/v1/documents")] == []


def test_an_entry_by_an_unknown_key_waits_and_is_admitted_with_the_record_that_brings_the_key(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        new = with_key(world.participants, "XR")
        in_force(world, new, "XR", "XI")
        parcel = xr.parcel(signers=(LATE,))
        made = xr.submit(parcel)
        xa.pull()
        xi.pull()
        (waiting,) = listed(xa, "waiting", xr)
        assert (waiting["index"], waiting["id"], waiting["code"]) == (0, made.id, "unknown-key")
        assert LATE.public.keyid in waiting["reason"]
        assert xa.get(f"/v1/submissions/{made.id}").status_code == 404
        assert xa.heads() != xi.heads()
        assert xa.alerts() == []

        in_force(world, new, "XA")
        assert listed(xa, "waiting", xr) == []
        assert xa.get(f"/v1/submissions/{made.id}").json()["fits"] == "not held"
        xa.pull()
        assert xa.get(f"/v1/submissions/{made.id}").json()["fits"] == "fits", "its documents came with the next visit"
        world.participants = new
        world.pull()
        assert xa.heads() == xi.heads() == xr.heads()


def test_a_waiting_entry_may_turn_out_to_be_refused_and_is_told_then(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        sign_into(xr, signed(nil(xr), LATE))
        xa.pull()
        assert (len(listed(xa, "waiting", xr)), xa.alerts()) == (1, [])
        world.participants = with_key(world.participants, "XR", start=(0, 1))
        in_force(world, world.participants)
        (refused,) = listed(xa, "refused", xr)
        assert refused["code"] == "key-not-allowed"
        (alert,) = xa.alerts()
        assert (alert["kind"], alert["evidence"]["index"]) == ("refused-entry/v1", 0)
        world.pull()
        assert xa.heads() == xr.heads()


def test_an_entry_waits_for_all_its_keys(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        third = key_named("XR officer 3")
        sign_into(xr, signed(nil(xr), LATE, third))
        xa.pull()
        in_force(world, with_key(world.participants, "XR"))
        (waiting,) = listed(xa, "waiting", xr)
        assert third.public.keyid in waiting["reason"] and LATE.public.keyid not in waiting["reason"]
        record = with_key(world.participants, "XR").records["XR"]
        world.participants = with_record(
            world.participants, replace(record, keys=(*record.keys, participant_key(third)))
        )
        in_force(world, world.participants)
        assert [len(listed(node, "waiting", xr)) for node in (xr, xa)] == [0, 0]
        world.pull()
        assert xa.heads() == xr.heads()
        assert xa.heads()[1]["admitted"] == 1


def test_a_record_that_comes_while_a_visit_is_on_its_way_counts_for_what_the_visit_brings(tmp_path: Path) -> None:
    """Judged before, stored after: nobody would ever have judged the entry again."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        xr.publish()
        sign_into(xr, signed(nil(xr), LATE))
        world.participants = with_key(world.participants, "XR")

        def arrive(lines: list[dict[str, Any]]) -> list[Any]:
            in_force(world, world.participants, "XA")
            return lines

        xr.fault = offering(arrive)
        xa.pull()
        xr.fault = None
        in_force(world, world.participants, "XR")
        assert listed(xa, "waiting", xr) == []
        world.pull()
        assert xa.heads() == xr.heads()


@pytest.mark.parametrize("closing", ["the key", "the log"])
def test_an_end_that_reaches_back_decides_the_same_whoever_learns_of_it_first(tmp_path: Path, closing: str) -> None:
    """XA mirrored the entries before it learned of the end, XI learned of the end first."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        made = [xr.publish(institution={"en": f"Team {number}"}) for number in range(4)]
        xa.pull()
        record = world.participants.records["XR"]
        if closing == "the key":
            keys = tuple(
                replace(key, before=(0, 2)) if key.public_key == xr.officer.public else key for key in record.keys
            )
            record = replace(record, keys=keys)
        else:
            root = parse_base64(made[1].receipt.decode().split("\n\n")[1].split("\n")[2])
            record = replace(record, logs=(replace(record.logs[0], closed=Closed(2, root)),))
        world.participants = with_record(world.participants, record)
        in_force(world, world.participants)
        world.pull()
        assert xa.heads() == xi.heads() == xr.heads()
        since = {"origin": xr.origin, "index": 2}
        for node in (xr, xa, xi):
            assert [entry["index"] for entry in listed(node, "disputed", xr)] == [2, 3]
            answers = [node.get(f"/v1/submissions/{each.id}").json() for each in made]
            assert [answer["disputed"] for answer in answers] == [None, None, since, since]
            assert [answer["current"] for answer in answers] == [True, True, False, False]
            assert len(node.get("/v1/contacts?participant=XR").json()["items"]) == 2
            assert listed(node, "refused", xr) == node.alerts() == []


def test_a_series_falls_back_to_what_stood_before_an_entry_that_an_end_reaches(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        first = xr.publish(institution={"en": "As it was"})
        world.sleep(seconds=1)
        later = xr.publish(
            institution={"en": "As a thief would have it"}, header={"message": "update", "series": first.id}
        )
        world.pull()
        assert [node.get(f"/v1/submissions/{later.id}").json()["current"] for node in (xr, xa)] == [True, True]
        record = world.participants.records["XR"]
        keys = tuple(replace(key, before=(0, 1)) if key.public_key == xr.officer.public else key for key in record.keys)
        world.participants = with_record(world.participants, replace(record, keys=keys))
        in_force(world, world.participants)
        for node in (xr, xa):
            assert node.get(f"/v1/submissions/{first.id}").json()["current"] is True
            (contact,) = node.get("/v1/contacts?participant=XR").json()["items"]
            assert contact["institution"] == {"en": "As it was"}


def test_the_second_copy_of_an_entry_is_a_second_copy_whatever_the_records_say(tmp_path: Path) -> None:
    """Two officers sign one statement; the second one's key ended before. Which of the two a node learns first must not matter."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        one = signed(nil(xr), xr.officer)
        two = signed(nil(xr), LATE)
        assert submission_id(parse_envelope(one).payload) == submission_id(parse_envelope(two).payload)
        sign_into(xr, one, two)
        xa.pull()
        world.participants = with_key(world.participants, "XR", before=(0, 1))
        in_force(world, world.participants)
        xi.pull()
        assert [listed(node, "refused", xr) for node in (xa, xi)] == [listed(xr, "refused", xr)] * 2
        assert listed(xa, "refused", xr)[0]["code"] == "duplicate-submission"


def test_many_waiting_entries_are_judged_in_one_import(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        sign_into(xr, *many(xr, 300))
        xa.pull()
        record = world.participants.records["XR"]
        arrived = participant_key(key_named("a key on its way"), may_sign=("POC-02",))
        world.participants = with_record(world.participants, replace(record, keys=(*record.keys, arrived)))
        in_force(world, world.participants)
        head = xa.heads()[1]
        assert (head["refused"], head["waiting"]) == (300, 0)


def test_records_that_do_not_describe_this_node_change_nothing(tmp_path: Path) -> None:
    """Half an import would be worse than none: entries judged by records that are not in force."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        sign_into(xr, signed(nil(xr), LATE))
        xa.pull()
        record = with_key(world.participants, "XR").records["XR"]
        mine = world.participants.records["XA"]
        second = participant_log("xa.test.example/log2", key_named("XA log 2"))
        moved = replace(mine, logs=(replace(mine.logs[0], closed=Closed(0, EMPTY_ROOT)), second))
        world.write_records(with_record(with_record(world.participants, record), moved), "XA")
        with pytest.raises(ExchangeError, match="names the log key"):
            xa.running.import_records()
        assert len(listed(xa, "waiting", xr)) == 1
        assert xa.pull() == {"XR": None}, "and the visits go on"
        assert xa.get("/v1/participants").json()["items"] == xr.get("/v1/participants").json()["items"]
