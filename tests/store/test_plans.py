"""No page of a list is paid for by all that the registry holds: what is rare is found in an index, and nothing is asked item by item."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import pytest

from exchange.store.cosignatures import earliest_times, newest_cosigned
from exchange.store.database import Transaction
from exchange.store.query import Filter, submissions
from tests import builders
from tests.store import Books

FILTERS: dict[str, dict[str, Any]] = {
    "participant": {"participant": "XR"},
    "form": {"form": "ICT-03"},
    "obligation": {"obligation": "OSCE:PC.DEC/1202:CBM-7", "forms": ("ICT-03", "POC-02")},
    "an obligation of nobody": {"obligation": "OSCE:PC.DEC/1", "forms": ()},
    "period": {"period": "2026-07"},
    "actual": {"statuses": ("actual",)},
    "exercise": {"statuses": ("exercise",)},
    "neither": {"statuses": ("exercise", "test")},
    "current": {"current": True},
    "series": {"series": "0" * 64},
}
COMMON = {"actual", "current"}
"""What most submissions are: a page of the newest is soon full."""
THROUGH = re.compile(r"SCAN (submission|slot|document|entry)\b(?!.*over_the_year)")
"""All rows of a table, or all that an index has of them; of periods that go over a year there are few."""


@contextmanager
def asked(tx: Transaction) -> Iterator[list[str]]:
    """The statements that reach the database meanwhile, by whichever way, with their values in them."""
    driver: Any = tx.connection.driver_connection
    said: list[str] = []
    driver.set_trace_callback(said.append)
    try:
        yield said
    finally:
        driver.set_trace_callback(None)


@pytest.mark.sqlite  # it plans without looking at the rows: an empty registry shows what becomes of a large one
@pytest.mark.parametrize("before", [None, 7])
def test_what_is_rare_is_found_in_an_index(books: Books, before: int | None) -> None:
    with books.db.read() as tx:
        for names in (*combinations(FILTERS, 1), *combinations(FILTERS, 2)):
            wanted = Filter(**{name: value for each in names for name, value in FILTERS[each].items()})
            with asked(tx) as said:
                submissions(tx, wanted, before=before)
            plan = [row[-1] for query in said for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
            through = [step for step in plan if THROUGH.match(step)]
            assert through == [] or set(names) <= COMMON, (names, plan)


@pytest.mark.sqlite
def test_a_page_takes_as_many_questions_as_one_submission(books: Books) -> None:
    books.publish(*(builders.statement("XR", issued=f"2026-11-20T09:30:{n:02}Z") for n in range(20)))
    with books.db.read() as tx:
        numbers = []
        for limit in (1, 20):
            with asked(tx) as said:
                assert len(submissions(tx, Filter(), limit=limit)) == limit
            numbers.append(len(said))
    assert numbers == [3, 3]


@pytest.mark.sqlite
def test_how_entries_stand_is_found_in_an_index(books: Books) -> None:
    with books.db.read() as tx:
        with asked(tx) as said:
            newest_cosigned(tx, [1, 2])
            earliest_times(tx, [(1, 5), (2, 7)])
        plan = [row[-1] for query in said for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert [step for step in plan if "cosignature" in step]
    assert [step for step in plan if step.startswith("SCAN cosignature")] == []
