"""A search is the list with the same filters, of which only those that have the words are shown: on every page, while entries arrive."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from random import Random
from typing import Any

import pytest

from exchange.core.catalogue import Catalogue
from exchange.core.search import parse_query, sequence
from exchange.core.statement import Period
from exchange.store.query import Filter, submissions
from exchange.store.search import contexts, search
from tests.core.test_catalogue import form_file, ref
from tests.store import Books
from tests.store.shelves import asked, catch_up, put
from tests.store.test_inverted import holds

FILES = [form_file("GEN-01"), form_file("GEN-02").replace(b'["GEN:1"]', b'["GEN:1", "GEN:10"]')]
SAID = [
    "Politique nationale de cybersécurité",
    "Nationale Strategie für Cybersicherheit: Maßnahmen und Übungen",
    "Strategia nazionale per la sicurezza",
    "Стратегия безопасности и учёт инцидентов",
    "Estrategia de ciberseguridad del año",
    "National strategy, critical infrastructure, lessons of the year",
]
QUESTIONS = [
    "strategie",
    "strateg*",
    "CYBERSECURITE",
    "безопас* учет",
    '"critical infrastructure"',
    "ano",
    "massnahmen",
    "year",
]
PERIODS = [
    None,
    Period("2024", "2024"),
    Period("2024-06", "2025-02"),
    Period("2000", "2026"),
    Period("2026-11", "2026-11"),
]
FILTERS: dict[str, list[Any]] = {
    "participant": ["XR", "XA", "ZZ"],
    "form": ["GEN-01", "GEN-02", "GEN"],
    "obligation": ["GEN:1", "GEN:10", "GEN:2"],
    "period": ["2024", "2025-02", "2026-11-30", "1999"],
    "statuses": [("actual",), ("exercise", "test"), ()],
    "current": [True, False],
    "series": ["first", "0" * 64],
}  # fmt: skip


@dataclass
class Shelf:
    books: Books
    texts: dict[str, str]
    first: str

    def filters(self, **asked: Any) -> dict[str, Any]:
        """As the door passes them on: with the forms of an obligation, which are known there."""
        serving = {"GEN:1": ("GEN-01", "GEN-02"), "GEN:10": ("GEN-02",)}
        if "obligation" in asked:
            asked["forms"] = serving.get(asked["obligation"], ())
        if asked.get("series") == "first":
            asked["series"] = self.first
        return asked

    def expected(self, question: str, **asked: Any) -> list[str]:
        """By reading every text that the list has."""
        query = parse_query(question)
        with self.books.db.read() as tx:
            listed = [state.id for state in submissions(tx, Filter(**self.filters(**asked)))]
        return [ident for ident in listed if all(holds(sequence([self.texts[ident]]), term) for term in query)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    books = Books(tmp_path_factory.mktemp("shelf"), "XR", "XA", catalogue=Catalogue.from_files(FILES))
    chance, shelf = Random(7), Shelf(books, {}, "")
    for _ in range(90):
        said = " ".join(chance.sample(SAID, chance.choice([1, 1, 2])))
        changes: dict[str, Any] = {"form": ref(chance.choice(FILES)), "period": chance.choice(PERIODS)}
        changes |= {"participant": chance.choice(["XR", "XA"]), "status": chance.choice(["actual"] * 4 + ["exercise"])}
        if shelf.first and chance.random() < 0.3:
            changes |= {"participant": "XR", "message": "update", "series": shelf.first, "form": ref(FILES[0])}
        ident, _ = put(books, {"en": said}, **changes)
        shelf.texts[ident] = said
        shelf.first = shelf.first or (ident if changes["participant"] == "XR" else "")
    catch_up(books)
    yield shelf
    books.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_filters_narrow_a_search_as_they_narrow_a_list(shelf: Shelf, question: str) -> None:
    found = 0
    for names in [(), *combinations(FILTERS, 1), *combinations(FILTERS, 2)]:
        for values in product(*(FILTERS[name] for name in names)):
            wanted = dict(zip(names, values, strict=True))
            expected = shelf.expected(question, **wanted)
            assert asked(shelf.books, question, **shelf.filters(**wanted)) == expected, wanted
            found += len(expected)
    assert found > 100


@pytest.mark.parametrize(
    "wanted", [{}, {"current": True}, {"obligation": "GEN:1"}, {"participant": "XR", "current": False}]
)
def test_pages_make_the_whole(shelf: Shelf, wanted: dict[str, Any]) -> None:
    for limit in (1, 3, 7):
        seen: list[str] = []
        before = None
        while True:
            with shelf.books.db.read() as tx:
                wish = Filter(**shelf.filters(**wanted))
                page = search(tx, wish, parse_query("strateg*"), before=before, limit=limit)
            seen += [state.id for state in page]
            if len(page) < limit:
                break
            before = page[-1].seq
        assert seen == shelf.expected("strateg*", **wanted)


def test_pages_stay_right_while_entries_arrive_and_are_indexed(books: Books) -> None:
    idents = [put(books, f"common {number}")[0] for number in range(11)]
    catch_up(books)
    seen: list[str] = []
    before = None
    for late in range(100):
        with books.db.read() as tx:
            page = search(tx, Filter(), parse_query("common"), before=before, limit=3)
        put(books, f"common {late}", participant="XA")
        if late % 2:
            catch_up(books)
        if not page:
            break
        seen += [state.id for state in page]
        before = page[-1].seq
    assert seen == idents[::-1]


def test_each_that_is_found_shows_why(shelf: Shelf) -> None:
    query = parse_query("strateg*")
    with shelf.books.db.read() as tx:
        found = search(tx, Filter(), query)
        around = contexts(tx, found, query)
    assert len(found) == len(around) > 10
    for state, text in zip(found, around, strict=True):
        assert text is not None and text.rstrip(" …") in shelf.texts[state.id]


def test_contexts_of_large_texts_are_not_read_for_ever(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.store.search.CONTEXT_BYTES", 2_500)
    for _ in range(4):
        put(books, "common " + "x" * 1_000)
    catch_up(books)
    query = parse_query("common")
    with books.db.read() as tx:
        around = contexts(tx, search(tx, Filter(), query), query)
    assert [text is not None for text in around] == [True, True, False, False]
