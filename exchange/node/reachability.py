"""Is a contact reachable at a moment? Weekly hours in an IANA time zone, never a guess.

Hours are read on the clock of the contact's own wall: at a moment `at`, that zone's local weekday and time are looked
up, so daylight saving needs no rule of ours. A span whose end is not after its beginning runs past midnight.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
REACHABLE, CLOSED, UNKNOWN = "reachable", "outside stated hours", "reachability not stated"


@dataclass(frozen=True, slots=True)
class Reachability:
    """`answer` is one of the three words above; `local_time` is the contact's own, where a time zone is stated."""

    answer: str
    local_time: str | None
    until: str | None


def reachability(hours: Any, at: datetime) -> Reachability:
    """`hours` is {time_zone, weekly: [{days, from, to}]} or "not stated"; `at` is aware.

    A zone that is not known here, and hours that a form asks for in another shape, are no statement that could be read.
    """
    try:
        local = at.astimezone(_zone(hours["time_zone"]))
        ends = [end for span in hours["weekly"] for end in _open_ends(span, local)]
    except (LookupError, TypeError, ValueError, AttributeError, OSError):
        return Reachability(UNKNOWN, None, None)
    answer = REACHABLE if ends else CLOSED
    until = max(ends).isoformat(timespec="minutes") if ends else None
    return Reachability(answer, local.isoformat(timespec="minutes"), until)


@lru_cache(maxsize=1024)  # the library keeps eight, and reads all others from the disk again
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _open_ends(span: dict[str, Any], local: datetime) -> list[datetime]:
    """The local wall-clock ends of this span's openings that `local` falls into: today's, or yesterday's past midnight."""
    start, end = _minutes(span["from"]), _minutes(span["to"])
    length = end - start if end > start else end - start + 24 * 60
    ends = []
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        if DAYS[day.weekday()] in span["days"]:
            into = back * 24 * 60 + local.hour * 60 + local.minute - start
            if 0 <= into < length:
                midnight = datetime.combine(day, time(), local.tzinfo)
                # An hour that comes twice ends twice: the end meant is that of the time round which it is now.
                ends.append((midnight + timedelta(minutes=start + length)).replace(fold=local.fold))
    return ends


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
