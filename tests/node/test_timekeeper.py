"""A clock that is set back: nothing is signed that the door would not have taken, nothing forks, and it is told."""

import logging
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from exchange.errors import ClockOff, LogStopped
from exchange.node.checks import Standing, judge
from tests.operate import started
from tests.operate.test_checks import HEALTHY, STORED
from tests.world import Fault, World, WorldNode

DAY = timedelta(days=1)


def telling(world: World, ahead: timedelta) -> Fault:
    """A node whose answers carry its time."""

    def told(request: httpx.Request, real: object) -> httpx.Response:
        answer: httpx.Response = real()  # type: ignore[operator]
        answer.headers["date"] = format_datetime(world.now + ahead, usegmt=True)
        return answer

    return told


def reason(node: WorldNode) -> str:
    return str(node.get("/readyz").json()["reason"] or "")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_set_back_takes_nothing_until_it_is_right(tmp_path: Path, restarted: bool) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        world.sleep(days=30)
        first = xr.publish()
        head = xr.get("/log/checkpoint").content
        world.sleep(days=-30)
        backdated = xr.parcel()  # what a door a month back would take as new
        if restarted:
            xr.stop()
            xr.start()
        with pytest.raises(
            LogStopped, match=r"its clock says 2026-11-21T03:00:00Z, and its newest checkpoint was signed at"
        ):
            xr.submit(backdated)
        assert "set the clock right" in reason(xr)
        assert xr.submit(first.parcel).receipt == first.receipt, "what stands is answered"
        assert xr.get("/log/checkpoint").content == head
        assert world["XA"].pull() == {"XR": None} and xr.pull() == {"XA": None}, "reading goes on, both ways"
        world.sleep(days=30)
        assert reason(xr) == ""
        assert xr.publish().index == 1
        with pytest.raises(ClockOff, match="more than 7 days"):
            xr.submit(backdated)


def test_a_few_minutes_back_are_no_matter(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        xr = world["XR"]
        xr.publish()
        world.sleep(minutes=-4)
        assert xr.publish().index == 1
        assert xr.get("/v1/submissions").json()["items"][0]["index"] == 1, "order comes from the log"


def test_a_clock_that_was_ahead_goes_on_when_the_others_agree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr = world["XR"]
        world.sleep(days=400)
        xr.publish()
        world.sleep(days=-400)
        xr.pull()
        assert "set the clock right" in reason(xr), "nobody told the time"
        world["XA"].fault = telling(world, DAY)
        world["XI"].fault = telling(world, DAY)
        xr.pull()
        assert "set the clock right" in reason(xr), "the others have another time"
        world["XA"].fault = telling(world, timedelta())
        world["XI"].fault = telling(world, timedelta(seconds=20))
        with caplog.at_level(logging.WARNING):
            xr.pull()
        assert reason(xr) == "" and "2 other nodes' clocks agree with it" in caplog.text
        assert xr.publish().index == 1
        world.sleep(days=-2)
        assert "set the clock right" in reason(xr), "that was for once"
        world.sleep(days=2)


def test_where_there_is_nobody_to_ask_the_operator_says_so(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        xr = world["XR"]
        world.sleep(days=400)
        xr.publish()
        world.sleep(days=-400)
        xr.stop()
        started(xr, alone=True)
        assert reason(xr) == ""
        assert xr.publish().index == 1


def test_back_off_and_visits_do_not_follow_the_clock(tmp_path: Path) -> None:
    """A peer that failed is visited again after the time that passed, whatever the clock says meanwhile."""
    with World(tmp_path, "XR", "XA") as world:
        xr, passed = world["XR"], [1000.0]
        xr.running.rounds._monotonic = lambda: passed[0]
        world["XA"].fault = lambda request, real: httpx.Response(503, request=request)
        assert [visit.error is None for visit in xr.running.pull_round()] == [False]
        world["XA"].fault = None
        for days in (-300, 600, -300):
            world.sleep(days=days)
            assert xr.running.pull_round() == []
        passed[0] += xr.running.settings.pull_every * 2
        assert [visit.error for visit in xr.running.pull_round()] == [None]


def test_the_check_says_so() -> None:
    assert STORED is not None
    stored = replace(STORED, signed=HEALTHY.now + timedelta(minutes=6))
    (finding,) = (one for one in judge(replace(HEALTHY, stored=stored)) if one.check == "clock")
    assert (finding.standing, "it was set back" in finding.says) == (Standing.WRONG, True)
    stored = replace(STORED, signed=HEALTHY.now + timedelta(minutes=4))
    assert all(one.standing is Standing.OK for one in judge(replace(HEALTHY, stored=stored)))


def test_the_check_finds_another_instance_under_the_address() -> None:
    seen = replace(HEALTHY.seen, instance="0123456789abcdef")
    (finding,) = (one for one in judge(replace(HEALTHY, seen=seen, instance="f" * 16)) if one.check == "reachable")
    assert (finding.standing, "another instance of this very node" in finding.says) == (Standing.WRONG, True)
    assert all(one.standing is Standing.OK for one in judge(replace(HEALTHY, seen=seen, instance=seen.instance)))
