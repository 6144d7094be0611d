"""Does something grow? Out of samples over time: the trend of each, and whether it stays within what is allowed.

The first fifth is the warm-up and counts for nothing: caches fill, connections open. A trend is the median of the slopes between
all pairs of samples (Theil and Sen), which a single burst does not move and a steady leak does. It is allowed to add up, over the
time that is judged, to a part of where it began and a little on top; what grows by right, the disk, is counted per entry.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

WARM_UP = 0.2  # of the time
MOST_POINTS = 120  # of a series: pairs grow with the square

Series = Sequence[tuple[float, float]]
"""(seconds since the start, value)."""


@dataclass(frozen=True)
class Allowed:
    """Growth over the time judged: a part of the level at its beginning, and so much besides, in the unit."""

    part: float
    besides: float
    unit: str


MEMORY = Allowed(0.10, 16.0, "MiB")
FILES = Allowed(0.0, 8.0, "open files")
WAL = Allowed(0.0, 4.0, "MiB of WAL")
DISK = Allowed(0.25, 512.0, "bytes an entry")
MEDIAN = Allowed(0.50, 5.0, "ms, median")
SLOW = Allowed(1.00, 50.0, "ms, 99 of 100")


@dataclass(frozen=True)
class Trend:
    """One series of one node: where it began and ended by its trend, and whether that is allowed."""

    of: str
    what: str
    began: float
    ended: float
    per_hour: float
    allowed: Allowed

    @property
    def holds(self) -> bool:
        return self.ended - self.began <= self.allowed.part * self.began + self.allowed.besides

    def __str__(self) -> str:
        limit = self.began + self.allowed.part * self.began + self.allowed.besides
        return (
            f"{'holds' if self.holds else 'GROWS'}  {self.of}: {self.what} {self.began:,.1f} to {self.ended:,.1f} {self.allowed.unit}"
            f" (at most {limit:,.1f}), {self.per_hour:+,.1f} an hour"
        )


def trend(of: str, what: str, series: Series, allowed: Allowed) -> Trend | None:
    """None where there are too few samples to say anything."""
    points = _judged(series)
    if len(points) < 4:
        return None
    slope = statistics.median((later[1] - one[1]) / (later[0] - one[0]) for one, later in combinations(points, 2))
    first, last = points[0][0], points[-1][0]
    # The line of that slope that has as many points above it as below.
    level = statistics.median(value - slope * at for at, value in points)
    began = level + slope * first
    return Trend(of, what, began, level + slope * last, slope * 3_600, allowed)


def per_entry(of: str, what: str, amounts: Series, entries: Series, allowed: Allowed) -> Trend | None:
    """What one entry takes in the second half of the time, against the first."""
    pairs = [(at, amount, count[1]) for (at, amount), count in zip(amounts, entries, strict=True)]
    judged = [pair for pair in pairs if pair[0] >= WARM_UP * pairs[-1][0]] if pairs else []
    if len(judged) < 4:
        return None
    first, middle, last = judged[0], judged[len(judged) // 2], judged[-1]
    if first[2] == middle[2] or middle[2] == last[2]:
        return None
    began, ended = ((b[1] - a[1]) / (b[2] - a[2]) for a, b in ((first, middle), (middle, last)))
    hours = (last[0] - first[0]) / 3_600
    return Trend(of, what, began, ended, (ended - began) / hours, allowed)


def quantiles(answers: Series, bins: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Median and 99th of a hundred in each of so many equal spans of time, in milliseconds."""
    medians: list[tuple[float, float]] = []
    slow: list[tuple[float, float]] = []
    if not answers:
        return medians, slow
    span = (answers[-1][0] + 1e-9) / bins
    spans: dict[int, list[float]] = {}
    for at, seconds in answers:
        spans.setdefault(int(at / span), []).append(seconds * 1e3)
    for number, values in sorted(spans.items()):
        values.sort()
        at = (number + 0.5) * span
        medians.append((at, values[len(values) // 2]))
        slow.append((at, values[len(values) * 99 // 100]))
    return medians, slow


def _judged(series: Series) -> list[tuple[float, float]]:
    points = [point for point in series if point[0] >= WARM_UP * series[-1][0]]
    step = -(-len(points) // MOST_POINTS)
    return list(points[::step]) if step else []
