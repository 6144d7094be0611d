"""When what was ordered to be forgotten is destroyed: by the time that witnesses vouch for, never by one clock alone.

Hiding may be taken back and follows the node's own clock; destroying may not. So an order counts from when this node knew of it, whatever
time its writer claims (backdating gains nothing), and is carried out when both this node's clock and the newest time that a quorum of
States vouched for have passed its term (DESIGN section 4, rules 5 and 8). A clock set forward then hides early and destroys nothing. Where
nobody can vouch, the own clock decides; where nobody does any more, it decides a week later: what is to be forgotten must not wait for ever.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

WITHDRAWABLE = timedelta(hours=72)
"""How long an erasure only hides, and may be withdrawn."""
UNVOUCHED = timedelta(days=7)
"""How much longer it takes where witnesses are silent."""
AHEAD = timedelta(minutes=5)
"""As much may a time lie before the clock that shows it."""


def retention_ends(day: str) -> datetime:
    """The first moment after the last day of a statement's `retain_until`."""
    last = date.fromisoformat(day)
    if last == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: by the node's own clock, and the newest time that a quorum vouched for; `anybody` says whether one could at all."""

    clock: datetime
    vouched: datetime | None
    anybody: bool

    @property
    def latest(self) -> datetime:
        """No order that comes now begins earlier: a clock that was set back does not shorten its term."""
        return self.clock if self.vouched is None else max(self.clock, self.vouched)

    @property
    def today(self) -> str:
        """The day by which something is hidden."""
        return f"{self.latest:%Y-%m-%d}"

    def reached(self, at: datetime) -> bool:
        """Whether that time has come, so surely that something may be destroyed for it."""
        if self.clock < at:
            return False
        if not self.anybody or (self.vouched is not None and self.vouched >= at):
            return True
        return self.clock - at >= UNVOUCHED

    def since(self, stamped: datetime | None) -> datetime:
        """When an order began that was stamped so; one in the future was stamped by a clock that was wrong, and begins now."""
        return self.latest if stamped is None or stamped > self.latest + AHEAD else stamped
