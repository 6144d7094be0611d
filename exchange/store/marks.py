"""Filters as words: what of a submission never changes is found in the index of texts together with its words.

A mark is a gap with letters behind it, which no text has; its value is hashed, whatever it is made of. It narrows the search and
decides nothing: what is found is looked at in the registry with the filter itself.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from exchange.core.search import GAP
from exchange.core.vocabulary import PUBLIC
from exchange.store.query import Filter
from exchange.store.registry import digest_of
from exchange.trust.audience import CLOSED, WIDTH, Reach

Voice = tuple[str, str | None]
MAX_YEARS = 12  # of a period that is marked year by year
_LONG = f"{GAP}long"


class Filters(NamedTuple):
    """What a submission is marked by. `series` is the id of its first entry."""

    participant: str
    form: str
    status: str
    period_start: str | None
    period_end: str | None
    series: bytes


def marks_of(filters: Filters) -> list[str]:
    """The marks of a submission."""
    named = [_mark("p", filters.participant), _mark("f", filters.form), _mark("s", filters.status)]
    return [*named, _mark("r", filters.series.hex()), *_years(filters.period_start, filters.period_end)]


def marks_for(wanted: Filter) -> list[list[str]]:
    """Of each of these lists, a submission that the filter asks for has one."""
    groups = []
    if wanted.participant is not None:
        groups.append([_mark("p", wanted.participant)])
    if wanted.form is not None:
        groups.append([_mark("f", wanted.form)])
    elif wanted.forms is not None:
        groups.append(_marks("f", wanted.forms))
    if wanted.statuses is not None:
        groups.append(_marks("s", wanted.statuses))
    if wanted.series is not None:
        groups.append([_mark("r", digest_of(wanted.series).hex())])
    if wanted.period is not None:
        groups.append([_mark("y", wanted.period[:4]), _LONG])
    return groups


def mark_of(readers: str) -> str:
    """What stands before each word of a text that not everybody may read: a gap and a digit, so that it is no filter's mark either."""
    if readers == PUBLIC:
        return ""
    if readers == CLOSED:
        return f"{GAP}0"
    return f"{GAP}{WIDTH[readers]}"


def voices(reach: Reach) -> tuple[Voice, ...]:
    """What stands before the words of all texts that may be read, each with the filter's mark that must stand there too, or None."""
    mine = None if reach.publisher is None else _mark("p", reach.publisher)
    everybody = tuple((mark_of(word), None) for word in sorted(reach.words, key=WIDTH.__getitem__, reverse=True))
    if mine is None:
        return everybody
    return everybody + tuple((mark_of(word), mine) for word in WIDTH if word not in reach.words)


def _years(start: str | None, end: str | None) -> list[str]:
    if start is None or end is None:
        return []
    years = range(int(start[:4]), int(end[:4]) + 1)
    return [_LONG] if len(years) > MAX_YEARS else [_mark("y", f"{year:04}") for year in years]


def _marks(kind: str, values: Iterable[str]) -> list[str]:
    return [_mark(kind, value) for value in values]


def _mark(kind: str, value: str) -> str:
    return f"{GAP}{kind}{blake2b(value.encode(), digest_size=6).hexdigest()}"
