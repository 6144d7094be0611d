"""Questions to the registry: filters that mean what they say, and pages that stay right while entries arrive."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from exchange.core.catalogue import Catalogue
from exchange.core.span import first_day, last_day
from exchange.core.statement import FormRef, Period, Statement
from exchange.errors import Malformed, NotFound
from exchange.store import intake, registry
from exchange.store import log as logs
from exchange.store.query import Filter, history, submission, submissions
from tests import builders
from tests.core.test_catalogue import form_file, ref
from tests.store import Books

FIRST_FORM = form_file("GEN-01")
SECOND_FORM = form_file("GEN-02").replace(b'["GEN:1"]', b'["GEN:1", "GEN:10", "A_B%C"]')


@pytest.fixture
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    catalogue = Catalogue.from_files([FIRST_FORM, SECOND_FORM])
    books = Books(tmp_path_factory.mktemp("books"), "XR", "XA", catalogue=catalogue)
    yield books
    books.close()


def nil(participant: str = "XR", second: int = 0, form: FormRef | None = None, **changes: object) -> Statement:
    fields = {
        "return_": "nothing to declare",
        "issued": f"2026-11-20T09:{second // 60:02}:{second % 60:02}Z",
        **changes,
    }
    return builders.statement(participant, form=form or ref(FIRST_FORM), **fields)


def asked(books: Books, **filters: object) -> list[str]:
    with books.db.read() as tx:
        return [state.id for state in submissions(tx, Filter(**filters))]  # type: ignore[arg-type]


def test_the_newest_arrival_comes_first(books: Books) -> None:
    idents = books.publish(nil("XR", 30), nil("XA", 10), nil("XR", 20))
    assert asked(books) == idents[::-1]
    assert asked(books, participant="XR") == [idents[2], idents[0]]
    assert asked(books, participant="XB") == []


def test_forms_and_obligations_are_whole_names(books: Books) -> None:
    one, other = books.publish(nil(), nil(second=1, form=ref(SECOND_FORM)))
    assert asked(books, form="GEN-01") == [one]
    assert asked(books, form="GEN-0") == asked(books, form="gen-01") == []
    assert asked(books, obligation="GEN:1") == [other, one]
    assert asked(books, obligation="GEN:10") == asked(books, obligation="A_B%C") == [other]
    for nothing in ("GEN", "GEN:", "EN:1", "GEN:100", "%", "_", "A_B", "AXB%C", "A_BXC", " ", ""):
        assert asked(books, obligation=nothing) == [], nothing


def test_forms_that_serve_an_obligation_are_asked_one_by_one(books: Books) -> None:
    both = [ref(FIRST_FORM), ref(SECOND_FORM)]
    idents = books.publish(*(nil(second=n, form=both[n % 2]) for n in range(9)))[::-1]
    for forms in (("GEN-01", "GEN-02"), ("GEN-02", "GEN-01", "GEN-03"), tuple(f"GEN-{n:02}" for n in range(20))):
        assert asked(books, obligation="GEN:1", forms=forms) == idents
        assert asked(books, obligation="GEN:10", forms=forms) == idents[1::2]
        assert asked(books, obligation="GEN:1", forms=forms, form="GEN-01") == idents[::2]
        with books.db.read() as tx:
            first = submissions(tx, Filter(forms=forms), limit=4)
            rest = submissions(tx, Filter(forms=forms), before=first[-1].seq)
        assert [state.id for state in (*first, *rest)] == idents
    assert asked(books, obligation="GEN:1", forms=()) == asked(books, form="GEN-01", forms=("GEN-02",)) == []


PERIODS = {
    "2026": Period("2026", "2026"),
    "first half": Period("2026-01", "2026-06"),
    "february": Period("2026-02", "2026-02"),
    "a day": Period("2026-02-28", "2026-02-28"),
    "over the year": Period("2025-12-31", "2026-01-01"),
    "leap": Period("2024-02", "2024-02"),
    "none": None,
}


FOUND = [
    ("2026", {"2026", "first half", "february", "a day", "over the year"}),
    ("2025", {"over the year"}),
    ("2024", {"leap"}),
    ("2023", set()),
    ("2027", set()),
    ("2026-01", {"2026", "first half", "over the year"}),
    ("2026-02", {"2026", "first half", "february", "a day"}),
    ("2026-06", {"2026", "first half"}),
    ("2026-07", {"2026"}),
    ("2025-12", {"over the year"}),
    ("2025-11", set()),
    ("2026-02-28", {"2026", "first half", "february", "a day"}),
    ("2026-02-27", {"2026", "first half", "february"}),
    ("2026-01-01", {"2026", "first half", "over the year"}),
    ("2025-12-31", {"over the year"}),
    ("2024-02-29", {"leap"}),
    ("2024-03-01", set()),
    ("2026-12-31", {"2026"}),
    ("2026-06-30", {"2026", "first half"}),
]


def test_a_period_finds_what_overlaps_it(books: Books) -> None:
    idents = books.publish(*(nil(second=n, period=value) for n, value in enumerate(PERIODS.values())))
    names = dict(zip(idents, PERIODS, strict=True))
    for period, found in FOUND:
        assert {names[ident] for ident in asked(books, period=period)} == found, period


def test_days_of_a_span_are_those_of_the_calendar() -> None:
    assert (first_day("2026"), last_day("2026")) == ("2026-01-01", "2026-12-31")
    assert (first_day("2026-02"), last_day("2026-02")) == ("2026-02-01", "2026-02-28")
    assert (last_day("2024-02"), last_day("2026-11")) == ("2024-02-29", "2026-11-30")
    assert first_day("2026-02-03") == last_day("2026-02-03") == "2026-02-03"


def test_statuses_and_series_are_those_named(books: Books) -> None:
    first, test = books.publish(nil(), nil(second=1, status="test"))
    (second,) = books.publish(nil(second=2, message="update", series=first))
    assert asked(books, statuses=("actual",)) == [second, first]
    assert asked(books, statuses=("test", "exercise")) == [test]
    assert asked(books, statuses=()) == []
    assert asked(books, series=first) == [second, first]
    assert asked(books, current=True) == [second, test]
    assert asked(books, current=False) == [first]
    assert asked(books, id=test) == [test]
    assert asked(books, form="GEN-01", statuses=("actual",), current=True, participant="XR", series=first) == [second]


def test_pages_stay_right_while_entries_arrive(books: Books) -> None:
    idents = books.publish(*(nil(second=n) for n in range(11)))
    seen: list[str] = []
    before = None
    for late in range(100, 200):
        with books.db.read() as tx:
            page = submissions(tx, Filter(), before=before, limit=3)
        books.publish(nil("XA", second=late))
        if not page:
            break
        seen += [state.id for state in page]
        before = page[-1].seq
    assert seen == idents[::-1]


def test_one_submission_is_shown_as_it_was_stated(books: Books) -> None:
    statement = nil(period=Period("2026-01", "2026-06"), form=ref(SECOND_FORM))
    (ident,) = books.publish(statement)
    with books.db.read() as tx:
        state = submission(tx, ident)
        position = registry.position_of(tx, ident)
    assert (state.participant, state.origin, state.index) == ("XR", statement.origin, 0)
    assert (state.form, state.version, state.obligations) == ("GEN-02", 1, ("GEN:1", "GEN:10", "A_B%C"))
    assert (state.period, state.return_, state.message) == (
        ("2026-01-01", "2026-06-30"),
        "nothing to declare",
        "original",
    )
    assert (state.series, state.current, state.in_force, state.documents) == (ident, True, False, ())
    assert position.envelope == builders.signed(statement)


def test_a_history_is_in_log_order_and_whole(books: Books) -> None:
    (first,) = books.publish(nil(second=3000))
    updates = books.publish(*(nil(second=n, message="update", series=first) for n in range(120)))
    with books.db.read() as tx:
        assert history(tx, submission(tx, updates[7])) == [first, *updates]


@pytest.mark.parametrize("ident", ["", "0", "0" * 63, "0" * 65, "A" * 64, "g" * 64, " " + "0" * 63, "٠" * 64])
def test_an_id_has_one_spelling(books: Books, ident: str) -> None:
    for filters in ({"id": ident}, {"series": ident}):
        with pytest.raises(Malformed):
            asked(books, **filters)
    with books.db.read() as tx, pytest.raises(Malformed):
        registry.position_of(tx, ident)


def test_what_is_not_here_is_not_found(books: Books) -> None:
    with books.db.read() as tx:
        for question in (submission, registry.position_of):
            with pytest.raises(NotFound):
                question(tx, "0" * 64)


def test_an_id_counts_once_in_a_log(books: Books) -> None:
    """A log that repeats an entry says nothing twice, in one transaction or two; another signature does not make it new."""
    statement = nil()
    entry = builders.signed(statement)
    twice = builders.signed(statement, builders.officer("XR", 1), builders.officer("XR", 2))
    books.enter("XR", entry, entry)
    books.enter("XR", entry, twice)
    with books.db.read() as tx:
        log = logs.log_of(tx, statement.origin)
        refused = registry.listed(tx, log, "refused")
        assert [(one.index, one.code) for one in refused] == [(n, "duplicate-submission") for n in (1, 2, 3)]
        ident = bytes.fromhex(refused[0].id or "")
        assert intake.standing(tx, log, {ident, bytes(32)}) == {ident: 0}
        assert [one.index for one in registry.listed(tx, log, "refused", start=2, limit=1)] == [2]
    assert len(asked(books)) == 1


def test_an_entry_signed_by_unknown_keys_waits_and_is_not_listed(books: Books) -> None:
    books.enter("XR", builders.signed(nil(), builders.key("a new officer")))
    with books.db.read() as tx:
        (waiting,) = registry.listed(tx, books.log("XR"), "waiting")
        assert (waiting.index, waiting.code) == (0, "unknown-key")
        assert builders.key("a new officer").public.keyid in waiting.reason
    assert asked(books) == []


def test_current_follows_the_log_and_not_the_clock(books: Books) -> None:
    (first,) = books.publish(nil(second=59))
    earlier = replace(nil(second=1), message="update", series=first)
    (second,) = books.publish(earlier)
    assert asked(books, current=True) == [second]
