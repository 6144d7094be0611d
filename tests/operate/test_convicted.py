"""A node whose own log is proven two-faced appends nothing, whoever proved it and however often it starts, and says how the State goes on."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.cli.succeed import succeed
from exchange.config import read_settings
from exchange.core.evidence import KIND, build_evidence
from exchange.errors import Forked, LogStopped
from exchange.node.founding import read_participants
from exchange.store import log as logs
from exchange.store.convictions import convict
from tests.faults import convicted, forked, note_of
from tests.node.test_findings import found_by, log_vkey, told_in
from tests.operate import rebuilt
from tests.world import World, WorldNode

NEXT_STEP = "cbm node succeed"


def reason(node: WorldNode) -> str:
    return str(node.get("/readyz").json()["reason"] or "")


def refuses(node: WorldNode) -> None:
    """It reads, is read, and takes nothing; and says what to do."""
    size = node.get("/v1/node").json()["size"]
    assert NEXT_STEP in reason(node) and "two histories" in reason(node)
    with pytest.raises(LogStopped, match=NEXT_STEP):
        node.publish(institution={"en": "One more"})
    assert node.get("/v1/node").json()["size"] == size and node.get("/log/checkpoint").status_code == 200


def test_a_node_that_reads_proof_against_its_own_log_refuses_to_append_then_and_after_every_start(
    tmp_path: Path,
) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa = world["XR"], world["XA"]
        with found_by(xa, xr):
            pass
        assert len(told_in(xa)) == 1 and reason(xr) == ""
        xr.pull()
        convicted(xr, xr)
        refuses(xr)
        for others in ("up", "down"):
            xr.stop()
            if others == "down":
                xa.stop()
                world["XI"].stop()
            xr.start(alone=others == "down")
            refuses(xr)
        for node in (xa, world["XI"]):
            node.start()
        xr.pull()
        refuses(xr)


def test_a_convicted_node_goes_on_in_a_successor_log_and_tells_the_proof_there(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI", audited=False) as world:
        xr, xa = world["XR"], world["XA"]
        with found_by(xa, xr):
            pass
        xr.pull()
        xr.stop()
        succeed(xr.directory, "xr.test.example/log-2")
        world.participants = read_participants(xr.directory / "peers.json")
        world.write_records(world.participants)
        xr.origin = "xr.test.example/log-2"
        xr.start()
        xr.pull()
        assert reason(xr) == ""
        assert xr.publish(institution={"en": "As it is"}).index == 0


def test_proof_that_an_earlier_program_kept_and_went_on_with_stops_the_next_start(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        xr.publish()
        inner = xr.running.node
        one, other = (note_of(xr, 3, bytes([which]) * 32) for which in (1, 2))
        evidence = build_evidence(log_vkey(xr), one, other, None)
        with inner.db.write() as tx:
            convict(tx, logs.log_of(tx, xr.origin), evidence, datetime.now(UTC))
        assert reason(xr) == "", "nobody has looked yet"
        xr.stop()
        xr.start()
        refuses(xr)


def test_another_history_of_its_own_met_at_a_mirror_is_kept_as_proof_against_itself(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", audited=False) as world:
        xr, xa = world["XR"], world["XA"]
        xr.publish(institution={"en": "One history"})
        with forked(xr) as twin:
            twin.speak()
            twin.publish(institution={"en": "Another"})
            xa.pull()
            twin.be_silent()
        assert xa.alerts() == [], "it has seen one history only"
        world.sleep(hours=2)
        xr.pull()
        convicted(xr, xr)
        refuses(xr)
        xr.stop()
        xa.stop()
        xr.start(alone=True)
        refuses(xr)


def test_proof_against_a_log_of_another_state_stops_nothing_here(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        with found_by(xa, xr):
            pass
        xa.stop()
        xa.start()
        assert reason(xa) == "" and xa.publish().index == 1


def test_recovery_halts_where_its_pull_finds_a_fork_and_may_be_run_again(tmp_path: Path) -> None:
    """An old copy of one history, and a mirror that holds more of another: nothing of it is taken, now or at the next attempt."""
    with World(tmp_path, "XR", "XA", audited=False) as world:
        xr, xa = world["XR"], world["XA"]
        first = xr.publish(institution={"en": "One history"})
        with forked(xr) as twin:
            twin.speak()
            twin.publish(institution={"en": "Another"})
            twin.publish(institution={"en": "More of the other"})
            xa.pull()
            twin.be_silent()
        before = xr.get("/log/checkpoint").content
        for attempt in range(2):
            with pytest.raises(Forked, match="two histories"):
                rebuilt(xr)
            (alert,) = xr.alerts()
            assert alert["kind"] == KIND, attempt
            assert xr.get("/log/checkpoint").content == before, "the log stands where it stood"
            assert xr.get(f"/v1/submissions/{first.id}/pack").status_code == 200
            refuses(xr)
        settings = read_settings(xr.directory)
        with xr.running.node.db.read() as tx:
            log = logs.log_of(tx, settings.origin)
            assert log.halted is not None and (log.size, log.stored) == (1, 1)
