"""Spans of time as statements write them: a year, a month or a day (`2026`, `2026-11`, `2026-11-20`), which core/statement.py has checked."""

import calendar
from functools import lru_cache


@lru_cache(maxsize=1_024)  # thousands of returns speak of the same few years and months
def first_day(text: str) -> str:
    """The first day of a year, month or day."""
    return (text + "-01-01")[:10] if len(text) == 4 else (text + "-01")[:10]


@lru_cache(maxsize=1_024)
def last_day(text: str) -> str:
    """The last day of a year, month or day."""
    if len(text) == 4:
        return f"{text}-12-31"
    if len(text) == 7:
        return f"{text}-{calendar.monthrange(int(text[:4]), int(text[5:7]))[1]:02}"
    return text
