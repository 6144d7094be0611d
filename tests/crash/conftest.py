"""The figures of the crash tests, added up over all processes of the run and printed at its end."""

from collections import Counter
from collections.abc import Callable

import pytest

_FIGURES = "figures"  # name of the property under which a test hands over what it counted

Count = Callable[[str, Counter[str]], None]


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Adds to a line of the figures: its title, and what was counted."""
    return lambda title, counted: record_property(_FIGURES, [title, dict(counted)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sums: dict[str, Counter[str]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == _FIGURES:
                sums.setdefault(value[0], Counter()).update(value[1])
    if sums:
        terminalreporter.section("faults", sep="-")
    for title, counted in sorted(sums.items()):
        terminalreporter.write_line(f"{title}: {', '.join(f'{number} {what}' for what, number in counted.items())}")
