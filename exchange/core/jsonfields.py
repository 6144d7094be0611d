"""Fields of strict JSON objects: each is right, or refused with a pointer (RFC 6901) and what was expected.

Guarantee: no field is converted or repaired; a text that passes is the text that came. Times follow RFC 3339 in one
spelling (UTC, `Z`, whole seconds), days and periods ISO 8601, and all of them exist in the calendar.

    >>> read_second("2026-11-20T09:30:00Z", "issued")
    '2026-11-20T09:30:00Z'
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from exchange.errors import Malformed

Test = Callable[[str], object]
"""Says whether a text is right by a value that counts as true, as `re.Pattern.fullmatch` does."""

is_digest = re.compile(r"[0-9a-f]{64}").fullmatch
# Hours are spelt out: newer versions of Python take 24:00:00, and two nodes must not differ by their Python.
_is_second = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z").fullmatch
_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_is_span = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?").fullmatch
_SPAN = "YYYY, YYYY-MM or YYYY-MM-DD"


def check_keys(value: Any, keys: tuple[str, ...], pointer: str) -> None:
    if type(value) is not dict or tuple(value) != keys:
        expected = f"an object with exactly the keys {', '.join(keys)}, in this order, was expected"
        raise Malformed(expected, pointer=pointer)


def read_text(value: Any, is_right: Test, parent: str, key: str | int, expected: str) -> str:
    if type(value) is not str or not is_right(value):
        raise Malformed(f"{expected} was expected, {came(value)} came", pointer=f"{parent}/{key}")
    return value


def read_text_or_null(value: Any, is_right: Test, parent: str, key: str, expected: str) -> str | None:
    return None if value is None else read_text(value, is_right, parent, key, f"{expected} or null")


def read_word(value: Any, words: frozenset[str], parent: str, key: str) -> str:
    if type(value) is not str or value not in words:
        expected = f"one of {', '.join(sorted(words))} was expected"
        raise Malformed(f"{expected}, {came(value)} came", pointer=f"{parent}/{key}")
    return value


def read_second(value: Any, key: str) -> str:
    text = read_text(value, _is_second, "", key, "a UTC time such as 2026-11-20T09:30:00Z")
    _check_calendar(datetime.fromisoformat, text, f"/{key}")
    return text


def read_day(value: Any, key: str) -> str:
    text = read_text(value, _is_day, "", key, "a date such as 2026-11-20")
    _check_calendar(date.fromisoformat, text, f"/{key}")
    return text


def read_period(start: Any, end: Any, parent: str) -> tuple[str, str]:
    """Two years, months or days, in any mixture, of which the second does not end before the first begins."""
    first, last = _bound(start, f"{parent}/from", "-01-01"), _bound(end, f"{parent}/to", "-12-31")
    if first > last:
        raise Malformed(f"a period that ends after it starts was expected, {start} to {end} came", pointer=parent)
    return start, end


def came(value: Any) -> str:
    """At most 60 characters of what came: enough to find it, too little to fill a log with."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _bound(value: Any, pointer: str, rest: str) -> str:
    if type(value) is not str or not _is_span(value):
        raise Malformed(f"{_SPAN} was expected, {came(value)} came", pointer=pointer)
    return _calendar_bound(value, pointer, rest)


@lru_cache(maxsize=1024)  # thousands of returns speak of the same few years and months
def _calendar_bound(text: str, pointer: str, rest: str) -> str:
    """The span filled up for comparison: with -01-01 its first day, with -12-31 a day after which none of it lies."""
    _check_calendar(date.fromisoformat, text + "-01-01"[len(text) - 4 :], pointer)
    return text + rest[len(text) - 4 :]


def _check_calendar(parse: Callable[[str], object], text: str, pointer: str) -> None:
    try:
        parse(text)
    except ValueError:
        raise Malformed(f"a day and time of the calendar was expected, {text} came", pointer=pointer) from None
