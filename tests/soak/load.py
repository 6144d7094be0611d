"""The load that is expected of a whole federation, and ten times that.

Taken, generously: 57 States with 3,000 submissions a year each, half of them in the ten working days before a deadline; a duty
desk of each that looks a contact up every minute; twenty officers of each who open a page every ten minutes; and every node
visited by the 56 others every five minutes. All of it falls on the few nodes that the soak runs.
"""

from dataclasses import dataclass

STATES = 57
TIMES = 10
_HOUR = 3_600.0

SUBMISSIONS = STATES * 3_000 / 2 / (10 * 8 * _HOUR)  # a second, in the two weeks before the deadline: 0.3
LOOK_UPS = STATES / 60.0  # a second: 0.95
PAGES = STATES * 20 / 600.0  # a second: 1.9
VISITS = (STATES - 1) / 300.0  # a second, to each node: 0.19


@dataclass(frozen=True)
class Pace:
    """How often each of `nodes` nodes is asked, in times a second, and how long it waits between two rounds of visits."""

    submissions: float
    look_ups: float
    pages: float
    pull_every: float

    def __str__(self) -> str:
        return (
            f"each node a second: {self.submissions:.2f} submissions, {self.look_ups:.2f} look-ups, {self.pages:.2f} pages;"
            f" each visits each every {self.pull_every:.1f} s"
        )


def pace(nodes: int, times: float = TIMES) -> Pace:
    """A node that is visited by few is visited by each of them the more often."""
    return Pace(
        SUBMISSIONS * times / nodes,
        LOOK_UPS * times / nodes,
        PAGES * times / nodes,
        max(0.5, (nodes - 1) / (VISITS * times)),
    )
