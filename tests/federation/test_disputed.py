"""What a closing reaches back over stays, is shown as disputed, and answers nothing: on every node, whatever came first."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from exchange.api.metrics import families, format_families
from exchange.core.base64text import parse_base64
from exchange.errors import KeyNotAllowed
from exchange.store import intake, tables
from exchange.store import log as logs
from exchange.trust.admission import admit
from exchange.trust.closing import close_log, closed_key
from exchange.trust.participants import ParticipantRecord
from tests import key_named
from tests.audited import audited, audited_from_outside
from tests.builders import participant_log
from tests.faults import forked, sign_into
from tests.records import in_force, with_record
from tests.world import World, WorldNode


def take(world: World, record: ParticipantRecord, *codes: str) -> None:
    world.participants = with_record(world.participants, record)
    in_force(world, world.participants, *codes)


def closing(node: WorldNode, index: int) -> ParticipantRecord:
    """The record in which this State's officer signs nothing from that index on."""
    record = node.world.participants.records[node.code]
    return closed_key(record, node.officer.public.keyid, (0, index))


def shown(node: WorldNode) -> list[tuple[int, bool, int | None]]:
    """(index, current, since where disputed) of every submission."""
    items = node.get("/v1/submissions").json()["items"]
    return sorted((one["index"], one["current"], one["disputed"] and one["disputed"]["index"]) for one in items)


def test_a_compromise_date_set_back_over_old_entries_leaves_them_standing_as_disputed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa = world["XR"], world["XA"]
        made = [xr.publish(institution={"en": f"Team {number}"}) for number in range(3)]
        xa.pull()
        take(world, closing(xr, 1))
        world.pull()
        assert xr.heads() == xa.heads() == world["XI"].heads()
        for node in world.nodes.values():
            assert shown(node) == [(0, True, None), (1, False, 1), (2, False, 1)]
            assert node.alerts() == []
            for one in made:
                for part in ("", "/envelope", "/receipt", "/pack"):
                    assert node.get(f"/v1/submissions/{one.id}{part}").status_code == 200
            slots = node.get(f"/v1/submissions/{made[2].id}").json()["documents"]
            assert all(node.get(f"/v1/documents/{slot['commitment']}").status_code == 200 for slot in slots)
            (contact,) = node.get("/v1/contacts?participant=XR").json()["items"]
            assert contact["institution"] == {"en": "Team 0"}
            assert len(node.get("/v1/submissions?current=true").json()["items"]) == 1
            assert [one["code"] for one in node.get(f"/v1/entries/disputed?origin={xr.origin}").json()["items"]] == [
                "disputed"
            ] * 2
            (head,) = [each for each in node.heads() if each["origin"] == xr.origin]
            assert (head["admitted"], head["disputed"], head["refused"]) == (1, 2, 0)
            assert 'verdict="disputed"} 2' in format_families(families(node.running.node, world.now))
            for report in (audited(node), audited_from_outside(node)):
                assert report.holds, report.faults
                assert {log.participant: log.counts["disputed"] for log in report.logs}["XR"] == 2
        with pytest.raises(KeyNotAllowed, match="disputed by XR since entry 1"):
            xr.publish(institution={"en": "After the end"})


def test_a_closing_moved_further_back_disputes_more_and_forgets_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        for number in range(3):
            xr.publish(institution={"en": f"Team {number}"})
        world.pull()
        take(world, closing(xr, 2))
        assert shown(world["XA"]) == [(0, True, None), (1, True, None), (2, False, 2)]
        take(world, closing(xr, 1))
        assert [shown(node) for node in world.nodes.values()] == [[(0, True, None), (1, False, 1), (2, False, 1)]] * 2


def test_what_a_thief_withdrew_stands_again_once_his_key_is_closed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, thief = world["XR"], key_named("XR officer 2")
        record = world.participants.records["XR"]
        take(world, replace(record, keys=(*record.keys, replace(record.keys[0], public_key=thief.public))))
        first = xr.publish()
        world.sleep(minutes=1)
        xr.publish(signers=(thief,), header={"message": "withdrawal", "series": first.id, "replaces": first.id})
        world.pull()
        assert world["XA"].get("/v1/contacts?participant=XR").json()["items"] == []
        take(world, closed_key(world.participants.records["XR"], thief.public.keyid, (0, 1)))
        world.pull()
        for node in world.nodes.values():
            assert shown(node) == [(0, True, None), (1, False, 1)]
            assert len(node.get("/v1/contacts?participant=XR").json()["items"]) == 1
            assert audited(node).holds
        world.sleep(minutes=1)
        xr.publish(institution={"en": "As it is"}, header={"message": "update", "series": first.id})
        assert shown(xr) == [(0, False, None), (1, False, 1), (2, True, None)]


def test_what_is_logged_under_a_closed_key_later_is_disputed_like_the_rest(tmp_path: Path) -> None:
    """No place that a record could state as the end of a dispute may refuse: it could be set back, and would erase."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr = world["XR"]
        late = xr.parcel(institution={"en": "Too late"})
        xr.publish()
        world["XA"].pull()
        take(world, closing(xr, 1))
        sign_into(xr, late.envelope)
        world.pull()
        assert [shown(node) for node in world.nodes.values()] == [[(0, True, None), (1, False, 1)]] * 3


def test_a_log_key_rotated_to_fork_is_noticed_by_who_mirrored_the_other_side(tmp_path: Path) -> None:
    """XR shows XA one history and vouches in its record for another, under a new key."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        xr.publish()
        world.pull()
        with forked(xr, shared=True) as twin:
            xr.publish(institution={"en": "What XA was shown"})
            xa.pull()
            twin.speak()
            twin.publish(institution={"en": "What XR stands by"})
            note = twin.get("/log/checkpoint").text.split("\n")
            twin.be_silent()
        record, other = (
            world.participants.records["XR"],
            participant_log("xr.test.example/log-2", key_named("XR log 2")),
        )
        ended = close_log(record, 2, parse_base64(note[2]), other)
        in_force(world, with_record(world.participants, ended), "XA", "XI")
        (alert,) = xa.alerts()
        assert alert["kind"] == "closed-otherwise/v1" and alert["participant"] == "XR"
        assert alert["evidence"]["closed"] == {"size": 2, "root": note[2]}
        assert alert["evidence"]["checkpoint"] == xr.get("/log/checkpoint").text != "\n".join(note)
        assert xi.alerts() == [], "it holds one entry, which both have"
        xi.pull()
        assert "closed-otherwise/v1" in [one["kind"] for one in xi.alerts()], "XA's mirror is of the other side"
        in_force(world, with_record(world.participants, ended), "XA", "XI")
        assert len(xa.alerts()) == 1, "told once"


def test_what_a_program_before_refused_is_judged_again_once(tmp_path: Path) -> None:
    """It took an entry that a closing reached out of the registry; migration 0006 leaves a note of it."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        for number in range(2):
            xr.publish(institution={"en": f"Team {number}"})
        world.pull()
        take(world, closing(xr, 1))
        with xa.running.node.db.write() as tx:
            log = logs.log_of(tx, xr.origin)
            intake.rejudge(tx, log, 1, admit(b"", xr.origin, 1, world.participants), world.catalogue, world.now)
            said = {"verdict": "refused", "code": "key-not-allowed", "reason": "as it was said then"}
            tx.execute(update(tables.ENTRY).where(tables.ENTRY.c.verdict == "refused").values(**said))
            tx.execute(insert(tables.SETTING).values(name="judge again", value="key-not-allowed"))
        assert shown(xa) == [(0, True, None)]
        xa.stop()
        xa.start()
        assert shown(xa) == shown(xr) == [(0, True, None), (1, False, 1)]
        assert xa.heads() == xr.heads() and xa.alerts() == []
        slots = xa.get("/v1/submissions").json()["items"][0]["documents"]
        assert [slot["held"] for slot in slots] == [True]
