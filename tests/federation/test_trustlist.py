"""Who participates: records come into force together, each a proper successor of the last good one, and a bad file stops nothing."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from exchange.errors import ExchangeError, Malformed, Misuse, RecordRefused
from exchange.federation.trustlist import import_peers
from exchange.node.founding import write_participants
from exchange.trust.participants import ParticipantRecord, Participants, Standing, format_participants
from tests import key_named
from tests.builders import participant_key, participant_log
from tests.databases import give_database, hand_in
from tests.faults import asked_of, many, sign_into
from tests.records import in_force, with_key, with_record
from tests.world import FEDERATION, World, WorldNode


def records_of(node: WorldNode) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = node.get("/v1/participants").json()["items"]
    return items


def versions(node: WorldNode, code: str) -> int:
    with hand_in(node.directory) as db:
        return int(
            db.execute(text("SELECT count(*) FROM record WHERE participant = :code"), {"code": code}).scalar_one()
        )


def without_officer(record: ParticipantRecord) -> ParticipantRecord:
    return replace(record, keys=record.keys[1:])


BAD_SUCCESSORS: dict[str, Callable[[ParticipantRecord], ParticipantRecord]] = {
    "a key dropped": without_officer,
    "a key widened": lambda record: replace(
        record, keys=(replace(record.keys[0], roles=("releaser", "minister")), *record.keys[1:])
    ),
    "another kind": lambda record: replace(record, kind="Partner"),
    "another log key": lambda record: replace(
        record, logs=(participant_log(record.logs[0].origin, key_named("another log key")),)
    ),
    "a status rewritten": lambda record: replace(record, status=(Standing("active", "2020-01-01"),)),
    "a lower threshold": lambda record: replace(record, thresholds=replace(record.thresholds, erasure=1)),
}


def test_a_record_that_may_not_follow_is_told_once_and_the_last_good_one_stays(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xa = world["XA"]
        before = records_of(xa)
        for number, (what, change) in enumerate(BAD_SUCCESSORS.items()):
            good = with_key(world.participants, "XI", 2 + number)
            for _ in range(2):
                in_force(world, with_record(good, change(good.records["XR"])), "XA")
                os.utime(xa.directory / "peers.json", ns=(number, number))
            alerts = xa.alerts()
            assert len(alerts) == number + 1, what
            assert [alert["kind"] for alert in alerts] == ["record-refused"] * len(alerts), what
            assert alerts[-1]["participant"] == "XR" and alerts[-1]["evidence"]["code"] == "record-refused", what
            assert records_of(xa)[2] == before[2] and versions(xa, "XR") == 1, what
            assert versions(xa, "XI") == number + 2, "one bad record keeps back no other"
            world.participants = good
        assert xa.pull() == {"XR": None, "XI": None}


def test_a_key_of_another_state_cannot_be_claimed(tmp_path: Path) -> None:
    """The thief's file leaves the owner out, so that the file alone looks sound."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        records = dict(world.participants.records)
        stolen = participant_key(world["XI"].officer)
        records["XR"] = replace(records["XR"], keys=(*records["XR"].keys, stolen))
        del records["XI"]
        in_force(world, Participants(FEDERATION, False, records), "XA")
        (alert,) = world["XA"].alerts()
        assert alert["participant"] == "XR" and "stands twice" in alert["summary"]
        assert [record["participant"] for record in records_of(world["XA"])] == ["XA", "XI", "XR"]
        world["XI"].publish()
        world["XA"].pull()
        assert world["XA"].heads()[1]["admitted"] == 1


def test_a_newcomer_cannot_claim_the_log_of_another(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        taken = world.participants.records["XR"].logs[0]
        thief = replace(
            world.participants.records["XR"],
            participant="XB",
            keys=(participant_key(key_named("XB officer 1")),),
            logs=(participant_log(taken.origin, key_named("XB log")),),
        )
        records = {"XA": world.participants.records["XA"], "XB": thief}
        in_force(world, Participants(FEDERATION, False, records), "XA")
        (alert,) = world["XA"].alerts()
        assert (alert["kind"], alert["participant"]) == ("record-refused", "XB")
        assert [record["participant"] for record in records_of(world["XA"])] == ["XA", "XR"]


def spoilt(good: bytes) -> dict[str, bytes]:
    return {
        "not JSON": b"{",
        "empty": b"",
        "bytes": b"\xff\xfe\x00",
        "another shape": b'{"participants": []}',
        "a key twice": b'{"v": 1, "v": 1}',
        "another federation": good.replace(FEDERATION.encode() + b'"', b'live.example"'),
        "two records of one State": good.replace(b'"participant": "XR"', b'"participant": "XA"'),
    }


def test_a_file_that_cannot_be_used_stops_no_visit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xa, file = world["XA"], world["XA"].directory / "peers.json"
        good, before = file.read_bytes(), records_of(xa)

        def goes_on(what: str) -> None:
            with pytest.raises(ExchangeError) as refusal:
                xa.running.import_records()
            assert isinstance(refusal.value, Malformed | RecordRefused | Misuse), what
            caplog.clear()
            sign_into(world["XR"], *many(world["XR"], 1, first=world["XR"].heads()[1]["size"]))
            assert xa.pull() == {"XR": None}, what
            assert "the last good records stay" in caplog.text, what
            assert [visit["error"] for visit in xa.running.pull_now()] == [None], "a person's round goes on as well"
            assert records_of(xa) == before, what

        for what, content in spoilt(good).items():
            file.write_bytes(content)
            goes_on(what)
        file.unlink()
        goes_on("gone")
        file.mkdir()
        goes_on("a folder")
        file.rmdir()
        file.write_bytes(good)
        caplog.clear()
        xa.pull()
        world.pull()
        assert "peers.json" not in caplog.text, "mended, it is read without a restart"
        assert xa.heads() == world["XR"].heads()


def test_the_timer_survives_a_spoilt_file(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        exchange = world["XA"].running
        (world["XA"].directory / "peers.json").write_bytes(b"spoilt")
        exchange.settings = exchange.settings.model_copy(update={"pull_every": 0.01, "pull_at_start": True})
        asked_of(world, "XR")
        exchange.start()
        for number in range(3):
            world["XR"].publish(institution={"en": f"Team {number}"})
            while world["XA"].heads()[1]["size"] <= number:
                assert exchange._timer.is_alive()
                exchange._stop.wait(0.01)


def test_who_is_left_out_of_a_file_stays(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        records = {code: record for code, record in world.participants.records.items() if code != "XI"}
        in_force(world, Participants(FEDERATION, False, records), "XA")
        world["XI"].publish()
        assert world["XA"].pull() == {"XI": None, "XR": None}
        assert world["XA"].heads()[1]["size"] == 1


def test_a_newcomer_is_visited_from_the_next_round_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        everybody = world.participants
        alone = {code: record for code, record in everybody.records.items() if code != "XI"}
        xa = world["XA"]
        xa.stop()
        give_database(xa.directory)
        write_participants(xa.directory / "peers.json", Participants(FEDERATION, False, alone))
        xa.start()
        world["XI"].publish()
        assert xa.pull() == {"XR": None}
        world.write_records(everybody, "XA")
        assert xa.pull() == {"XI": None, "XR": None}
        world.pull()
        assert xa.heads() == world["XI"].heads()


def test_every_version_of_a_record_is_kept_and_the_same_one_once(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xa = world["XA"]
        for number in (2, 3):
            world.participants = with_key(world.participants, "XR", number)
            in_force(world, world.participants)
            os.utime(xa.directory / "peers.json", ns=(number, number))
            xa.running.import_records()
            assert versions(xa, "XR") == number
        xa.stop()
        xa.start()
        assert (versions(xa, "XR"), versions(xa, "XA")) == (3, 1)


def test_an_import_that_is_not_accepted_leaves_nothing_behind(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        inner = world["XA"].running.node
        new = format_participants(with_key(world.participants, "XR"))

        def refuse(participants: Participants) -> None:
            raise Misuse("not this node's")

        with pytest.raises(Misuse, match="not this node's"):
            import_peers(inner.db, new, FEDERATION, inner.catalogue, world.now, refuse)
        assert versions(world["XA"], "XR") == 1
        found = import_peers(inner.db, new, FEDERATION, inner.catalogue, world.now, inner.load_participants)
        assert (found.changed, found.refused) == (("XR",), {})
        world.participants = found.participants


def test_a_node_does_not_start_on_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """While it runs, the last good records carry on; its operator, who starts it, is told at once."""
    with World(tmp_path, "XR", "XA") as world:
        xa = world["XA"]
        xa.stop()
        good = (xa.directory / "peers.json").read_bytes()
        (xa.directory / "peers.json").write_bytes(b"{")
        with pytest.raises(Malformed):
            xa.start()
        assert xa.exchange is None
        (xa.directory / "peers.json").write_bytes(good)
        xa.start()
        assert xa.pull() == {"XR": None}
