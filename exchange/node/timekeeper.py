"""A clock that was set back: a node whose clock is behind what it recorded itself takes no submissions until the clock is right.

Order comes from the log and no signature contains a time, so a wrong clock forks nothing. But the door compares the time that a statement
claims with the clock, and one that stands a month back would take as new what is a month old. The newest checkpoint of the own log says
when it was made; a clock far behind it was set back, or had been ahead then. Which of the two, the other nodes' clocks tell: where most
of them agree with this one, it is right and goes on. Where there is nobody to ask, the operator says so (`cbm node run DIR --alone`).
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from statistics import median

from exchange.node.judge import CLOCK_TOLERANCE
from exchange.node.node import Node

_TOLERANCE = CLOCK_TOLERANCE.total_seconds()

_logger = logging.getLogger("exchange.timekeeper")


class Timekeeper:
    """Holds the appender while the clock is behind. `others` asks by how much the other nodes' clocks are ahead of this one."""

    def __init__(self, node: Node, others: Callable[[], Sequence[timedelta]], *, alone: bool = False) -> None:
        self._node, self._others = node, others
        self._excused: datetime | None = None  # a time that was recorded while the clock was ahead
        node.appender.held.append(self.why)
        if alone and self.why() is not None:
            self._excuse("its operator says so (--alone)")
        self.ask_again()

    def why(self) -> str | None:
        """Why nothing is taken, or None."""
        latest, now = self._node.appender.latest, self._node.clock()
        if latest is None or latest == self._excused or latest - now <= CLOCK_TOLERANCE:
            return None
        return (
            f"its clock says {now:%Y-%m-%dT%H:%M:%SZ}, and its newest checkpoint was signed at {latest:%Y-%m-%dT%H:%M:%SZ}: set the clock right "
            "(`timedatectl`), and it goes on by itself; if the clock was ahead then and is right now, it goes on when most of the other "
            f"nodes' clocks agree, or after `cbm node run {self._node.settings.directory} --alone`"
        )

    def ask_again(self) -> None:
        """With each round of visits, as long as the clock is behind."""
        why = self.why()
        if why is None:
            return
        needed = (len(self._node.participants.records) - 1) // 2 + 1
        offsets = self._others()
        if len(offsets) >= needed and abs(median(ahead.total_seconds() for ahead in offsets)) <= _TOLERANCE:
            return self._excuse(f"{len(offsets)} other nodes' clocks agree with it")
        _logger.error("the log takes no entries: %s", why)

    def _excuse(self, because: str) -> None:
        self._excused = self._node.appender.latest
        _logger.warning("the clock is behind the newest checkpoint of %s, and counts: %s", self._excused, because)
