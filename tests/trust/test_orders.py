"""When something may be destroyed: by the own clock and by what others vouch for, whichever is later."""

from datetime import UTC, datetime, timedelta

import pytest

from exchange.trust.orders import UNVOUCHED, Moment, retention_ends

AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("clock", "vouched", "anybody", "reached"),
    [
        (AT, AT, True, True),
        (AT - HOUR, AT, True, False),
        (AT, AT - HOUR, True, False),
        (AT + timedelta(days=6), AT - HOUR, True, False),
        (AT + UNVOUCHED, AT - HOUR, True, True),
        (AT + UNVOUCHED - HOUR, None, True, False),
        (AT + UNVOUCHED, None, True, True),
        (AT, None, False, True),
        (AT - HOUR, None, False, False),
    ],
)
def test_a_term_is_over_by_both_clocks(clock: datetime, vouched: datetime | None, anybody: bool, reached: bool) -> None:
    assert Moment(clock, vouched, anybody).reached(AT) is reached


def test_an_order_begins_no_earlier_than_anybody_vouched_for() -> None:
    assert Moment(AT - timedelta(days=900), AT, True).since(None) == AT
    assert Moment(AT, AT - HOUR, True).since(None) == AT
    assert Moment(AT, None, True).since(AT - HOUR) == AT - HOUR


def test_a_stamp_of_the_future_is_made_anew() -> None:
    assert Moment(AT, AT, True).since(AT + timedelta(days=1)) == AT
    assert Moment(AT, AT, True).since(AT + timedelta(minutes=4)) == AT + timedelta(minutes=4)


def test_the_last_day_is_kept_whole() -> None:
    assert retention_ends("2026-02-28") == datetime(2026, 3, 1, tzinfo=UTC)
    assert retention_ends("9999-12-31").year == 9999
