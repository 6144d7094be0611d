"""Reachable at a moment: on the contact's own clock, to the minute, and never a guess."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.form import NOT_STATED
from exchange.node.reachability import CLOSED, DAYS, REACHABLE, UNKNOWN, reachability

pytestmark = pytest.mark.once

HELSINKI, KIRITIMATI = "Europe/Helsinki", "Pacific/Kiritimati"
WEEKDAYS = list(DAYS[:5])


def hours(zone: str, *spans: tuple[list[str], str, str]) -> dict[str, Any]:
    return {"time_zone": zone, "weekly": [{"days": days, "from": start, "to": end} for days, start, end in spans]}


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment


def answers(stated: Any, *moments: str) -> list[str]:
    return [reachability(stated, at(moment)).answer for moment in moments]


def open_minutes(stated: dict[str, Any], start: datetime, length: timedelta) -> int:
    minutes = int(length.total_seconds()) // 60
    return sum(reachability(stated, start + timedelta(minutes=n)).answer == REACHABLE for n in range(minutes))


def by_the_clock_on_the_wall(stated: dict[str, Any], moment: datetime) -> bool:
    """The same question asked another way: only the letters on the wall clock are compared, nothing is computed."""
    local = moment.astimezone(ZoneInfo(stated["time_zone"]))
    time, today = f"{local:%H:%M}", DAYS[local.weekday()]
    yesterday = DAYS[local.weekday() - 1]
    for span in stated["weekly"]:
        start, end, days = span["from"], span["to"], span["days"]
        if start < end:
            if today in days and start <= time < end:
                return True
        elif (today in days and time >= start) or (yesterday in days and time < end):
            return True
    return False


@pytest.mark.parametrize("number", range(7))
def test_each_weekday_is_itself_alone(number: int) -> None:
    """2026-11-16 was a Monday."""
    stated = hours("UTC", ([DAYS[number]], "00:00", "24:00"))
    found = answers(stated, *(f"2026-11-{16 + day}T12:00:00Z" for day in range(7)))
    assert found == [REACHABLE if day == number else CLOSED for day in range(7)]


def test_a_span_holds_from_its_first_minute_to_before_its_last() -> None:
    stated = hours("UTC", (list(DAYS), "08:00", "16:00"))
    border = ["07:59:59", "08:00:00", "15:59:59.999999", "16:00:00"]
    assert answers(stated, *(f"2026-11-18T{time}+00:00" for time in border)) == [CLOSED, REACHABLE, REACHABLE, CLOSED]


def test_24_00_is_the_end_of_the_day() -> None:
    stated = hours("UTC", (["wed"], "22:00", "24:00"))
    moments = ["2026-11-18T21:59:00Z", "2026-11-18T23:59:59Z", "2026-11-19T00:00:00Z"]
    assert answers(stated, *moments) == [CLOSED, REACHABLE, CLOSED]
    assert reachability(stated, at("2026-11-18T23:00:00Z")).until == "2026-11-19T00:00+00:00"


def test_all_day_and_every_day_is_always() -> None:
    for stated in (
        hours(HELSINKI, (list(DAYS), "00:00", "24:00")),
        hours(HELSINKI, (list(DAYS), "00:00", "00:00")),
        hours(HELSINKI, (list(DAYS), "09:00", "09:00")),
    ):
        for start in ("2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"):
            assert open_minutes(stated, at(start), timedelta(days=2)) == 2 * 24 * 60


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    stated = hours("UTC", (["sun"], "22:00", "06:00"))
    assert answers(
        stated,
        "2026-11-22T05:00:00Z",  # Sunday morning: the night of Saturday
        "2026-11-22T21:59:00Z",
        "2026-11-22T22:00:00Z",
        "2026-11-23T05:59:00Z",  # Monday morning: still the night of Sunday
        "2026-11-23T06:00:00Z",
        "2026-11-23T22:30:00Z",
    ) == [CLOSED, CLOSED, REACHABLE, REACHABLE, CLOSED, CLOSED]
    assert reachability(stated, at("2026-11-22T23:00:00Z")).until == "2026-11-23T06:00+00:00"


def test_office_hours_move_with_the_clocks_of_helsinki() -> None:
    stated = hours(HELSINKI, (list(DAYS), "08:00", "16:00"))
    for day, first in (("2026-03-28", 6), ("2026-03-29", 5), ("2026-10-24", 5), ("2026-10-25", 6)):
        start = at(f"{day}T00:00:00+00:00")
        found = [n for n in range(24) if reachability(stated, start + timedelta(hours=n)).answer == REACHABLE]
        assert found == list(range(first, first + 8)), day


def test_the_hour_that_does_not_exist_is_not_served() -> None:
    """On 2026-03-29 the clocks of Helsinki go from 03:00 to 04:00: a span from 02:00 to 05:00 is two hours long."""
    stated = hours(HELSINKI, (["sun"], "02:00", "05:00"))
    assert open_minutes(stated, at("2026-03-28T22:00:00Z"), timedelta(hours=24)) == 120
    assert (
        open_minutes(hours(HELSINKI, (["sun"], "03:00", "04:00")), at("2026-03-28T22:00:00Z"), timedelta(days=1)) == 0
    )


def test_the_hour_that_comes_twice_is_served_twice() -> None:
    """On 2026-10-25 they go from 04:00 back to 03:00."""
    stated = hours(HELSINKI, (["sun"], "03:00", "04:00"))
    assert open_minutes(stated, at("2026-10-24T21:00:00Z"), timedelta(hours=24)) == 120
    assert answers(stated, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z") == [
        REACHABLE,
        REACHABLE,
        CLOSED,
    ]


def test_an_hour_that_comes_twice_ends_twice() -> None:
    stated = hours(HELSINKI, (["sun"], "03:00", "03:30"))
    assert reachability(stated, at("2026-10-25T00:15:00Z")).until == "2026-10-25T03:30+03:00"
    assert reachability(stated, at("2026-10-25T00:45:00Z")).until is None
    assert reachability(stated, at("2026-10-25T01:15:00Z")).until == "2026-10-25T03:30+02:00"


def test_a_night_over_the_change_ends_on_the_wall_clock() -> None:
    stated = hours(HELSINKI, (["sat"], "22:00", "06:00"))
    assert open_minutes(stated, at("2026-03-28T12:00:00Z"), timedelta(days=1)) == 7 * 60
    assert open_minutes(stated, at("2026-10-24T12:00:00Z"), timedelta(days=1)) == 9 * 60
    assert reachability(stated, at("2026-03-28T21:00:00Z")).until == "2026-03-29T06:00+03:00"
    assert reachability(stated, at("2026-10-24T20:00:00Z")).until == "2026-10-25T06:00+02:00"


def test_the_day_is_that_of_the_contact_not_of_the_asker() -> None:
    stated = hours(KIRITIMATI, (["mon"], "08:00", "16:00"))
    found = reachability(stated, at("2026-11-15T18:00:00Z"))  # Sunday in London, Monday 08:00 on Kiritimati
    assert (found.answer, found.local_time) == (REACHABLE, "2026-11-16T08:00+14:00")
    assert answers(stated, "2026-11-16T18:00:00Z", "2026-11-16T02:00:00Z") == [CLOSED, CLOSED]
    moment = "2026-11-15T20:00:00-10:00"  # the same moment, whatever zone the question is asked in
    assert reachability(stated, at(moment)) == reachability(stated, at("2026-11-16T06:00:00Z"))


@pytest.mark.parametrize("stated", [NOT_STATED, None, "", "always", 24, [], ["mon"], True])
def test_hours_that_are_not_stated_are_not_guessed(stated: Any) -> None:
    found = reachability(stated, at("2026-11-18T12:00:00Z"))
    assert (found.answer, found.local_time, found.until) == (UNKNOWN, None, None)


@pytest.mark.parametrize(
    "zone",
    ["Europe/Atlantis", "", "Europe", "../../etc/passwd", "/etc/passwd", "UTC\0", "Z" * 5000, "europe/..", "\ud800", 2],
)
def test_a_zone_that_nobody_knows_leaves_it_not_stated(zone: Any) -> None:
    assert reachability(hours(zone, (list(DAYS), "00:00", "24:00")), at("2026-11-18T12:00:00Z")).answer == UNKNOWN


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"time_zone": "UTC"},
        {"time_zone": "UTC", "weekly": "always"},
        {"time_zone": "UTC", "weekly": None},
        {"time_zone": "UTC", "weekly": ["mon"]},
        {"time_zone": "UTC", "weekly": [{"days": ["wed"]}]},
        {"time_zone": "UTC", "weekly": [{"days": ["wed"], "from": "eight", "to": "nine"}]},
        {"time_zone": "UTC", "weekly": [{"days": ["wed"], "from": 8, "to": 9}]},
        {"time_zone": "UTC", "weekly": [{"days": 3, "from": "08:00", "to": "16:00"}]},
        {"monday": "08:00 to 16:00"},
    ],
    ids=str,
)
def test_hours_of_another_shape_leave_it_not_stated(stated: Any) -> None:
    """A form that a State drops in may ask for its hours in its own way; the look-up of all others must not fail of it."""
    assert reachability(stated, at("2026-11-18T12:00:00Z")).answer == UNKNOWN


def test_the_last_of_overlapping_spans_says_until_when() -> None:
    stated = hours("UTC", (["wed"], "08:00", "12:00"), (["wed"], "10:00", "18:00"), (["tue"], "20:00", "11:00"))
    assert reachability(stated, at("2026-11-18T10:30:00Z")).until == "2026-11-18T18:00+00:00"
    assert reachability(stated, at("2026-11-18T08:30:00Z")).until == "2026-11-18T12:00+00:00"
    assert reachability(stated, at("2026-11-18T18:00:00Z")).until is None


@pytest.mark.parametrize("start", ["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z"])
@pytest.mark.parametrize("zone", [HELSINKI, KIRITIMATI, "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_every_minute_of_the_days_of_change_is_right(zone: str, start: str) -> None:
    stated = hours(zone, (WEEKDAYS, "08:30", "17:15"), (["sat"], "23:45", "03:30"), (["sun"], "01:30", "24:00"))
    for number in range(3 * 24 * 60):
        moment = at(start) + timedelta(minutes=number)
        expected = REACHABLE if by_the_clock_on_the_wall(stated, moment) else CLOSED
        assert reachability(stated, moment).answer == expected, moment


clock = st.builds(lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}", st.integers(0, 24 * 60 - 1))
span = st.tuples(st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True), clock, clock | st.just("24:00"))
zones = st.sampled_from([HELSINKI, KIRITIMATI, "UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])


@settings(max_examples=150, deadline=None)
@given(zones, st.lists(span, min_size=1, max_size=5), st.integers(0, 2 * 365 * 24 * 60), st.integers(1, 5000))
def test_any_hours_at_any_minute_are_as_the_wall_clock_says(zone: str, spans: Any, first: int, step: int) -> None:
    stated = hours(zone, *spans)
    for number in range(20):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=first + number * step)
        found = reachability(stated, moment)
        assert (found.answer == REACHABLE) == by_the_clock_on_the_wall(stated, moment), moment
        assert (found.until is not None) == (found.answer == REACHABLE)
        if found.until is not None:
            assert datetime.fromisoformat(found.until) > moment
