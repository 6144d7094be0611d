"""What a benchmark hands over: one figure, the raw reference measured beside it, and the bound that it is held against.

Nothing here judges: whether a bound holds is printed, and no exit code depends on it.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.benchmarks.raw import Beside, Raw, median


@dataclass(frozen=True)
class Bound:
    """At least, or at most, so much."""

    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    def holds(self, value: float) -> bool:
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)

    def __str__(self) -> str:
        sign, value = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        return f"{sign} {value:g}{self.unit}"


@dataclass(frozen=True)
class Figure:
    """`value` is what the bound is about: a ratio to the raw reference unless the bound has a unit."""

    what: str
    database: str
    figure: str
    raw: Raw | None
    value: float | None
    bound: Bound | None = None
    beside: str = ""  # what ran beside it, and whatever else one must know

    @property
    def holds(self) -> str:
        if self.bound is None or self.value is None:
            return ""
        return "yes" if self.bound.holds(self.value) else "NO"

    def cells(self) -> tuple[str, ...]:
        unit = self.bound.unit if self.bound is not None else ""
        value = "" if self.value is None else f"{self.value:.2f}{unit}"
        raw = "" if self.raw is None else str(self.raw)
        return self.what, self.database, self.figure, raw, value, str(self.bound or ""), self.holds


def share(what: str, database: str, runs: Sequence[Beside[float]], bound: Bound | None, **more: str) -> Figure:
    """Rates as shares of one core's raw rate: the median of the runs, each with the raw rate around it."""
    rate = statistics.median(run.value for run in runs)
    ratio = statistics.median(run.value / run.raw.one for run in runs)
    figure = more.pop("figure", f"{rate:,.0f}/s, {1e6 / rate:,.0f} us each")
    return Figure(what, database, figure, median([run.raw for run in runs]), ratio, bound, **more)


HEADINGS = ("what", "database", "figure", "raw checks/s: one core (both)", "ratio", "bound", "holds")


def table(figures: Iterable[Figure]) -> str:
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
