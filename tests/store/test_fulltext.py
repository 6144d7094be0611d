"""The index of texts follows the registry: what it holds is found, what it does not hold is not, and nobody is told it is whole before it is."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from exchange.errors import KeyNotAllowed
from exchange.store import fulltext, intake, inverted
from exchange.store import log as logs
from exchange.store.database import Transaction
from exchange.store.fulltext import behind, index_some
from exchange.store.query import Filter, submissions
from exchange.store.tables import SEARCH_STATE
from exchange.trust.admission import Refused, admit
from tests import builders
from tests.store import NOW, Books
from tests.store.shelves import asked, catch_up, deliver, put


def unsearched(books: Books) -> int:
    with books.db.read() as tx:
        return behind(tx)


def rejudge(books: Books, index: int, *, admitted: bool = False) -> None:
    """The entry is refused from now on, as where a key ended before it; or admitted after all."""
    with books.db.write() as tx:
        log = logs.log_of(tx, builders.origin_of("XR"))
        if admitted:
            (entry,) = logs.entries(tx, log, index, index + 1)
            verdict: Any = admit(entry, log.origin, index, books.participants)
        else:
            error = KeyNotAllowed("its key had ended")
            verdict = Refused(error.code, str(error), error)
        intake.rejudge(tx, log, index, verdict, books.catalogue, NOW)


def test_it_says_how_far_it_is(books: Books) -> None:
    idents = [put(books, f"word number {number}")[0] for number in range(3)]
    assert (asked(books, "word"), unsearched(books)) == ([], 3)
    assert index_some(books.db)
    assert (asked(books, "word"), unsearched(books)) == (idents[::-1], 0)
    assert not index_some(books.db)
    late, _ = put(books, "another word")
    assert (asked(books, "word"), unsearched(books)) == (idents[::-1], 1)
    catch_up(books)
    assert (asked(books, "word"), unsearched(books)) == ([late, *idents[::-1]], 0)


def test_it_goes_on_in_bounded_steps(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulltext, "AT_ONCE", 3)
    monkeypatch.setattr(fulltext, "BYTES_AT_ONCE", 1000)
    for number in range(5):
        put(books, f"short {number}")
    for number in range(3):
        put(books, f"long {number} " + "x" * 900)
    steps = []
    while index_some(books.db):
        steps.append(unsearched(books))
    assert steps == [5, 2, 1, 0]
    assert (len(asked(books, "short")), len(asked(books, "long"))) == (5, 3)


def test_all_public_texts_are_searched_whether_they_fit_a_form_or_not(books: Books) -> None:
    ident, _ = put(
        books,
        {"en": "in the body", "deep": [{"list": "inside"}]},
        bodies={"body.fr": "en traduction"},
        attached={"a1": "Strategie für Übungen.pdf"},
    )
    put(books, b"no JSON at all")
    put(books, b'{"said": "twice", "said": "twice"}')
    put(books, None, documents=(), return_="nothing to declare")
    catch_up(books)
    for question in (
        "BODY",
        "inside",
        "traduction",
        "strategie ubungen pdf",
        '"in the body"',
        "übung*",
        "body traduction",
    ):
        assert asked(books, question) == [ident], question
    for nothing in ("said", "deep", "content", "json", "twice", '"body inside"', "übung", "a1", "xr", "ict", "actual"):
        assert asked(books, nothing) == [], nothing


def test_what_is_delivered_later_is_found_then(books: Books) -> None:
    ident, (body, _, second) = put(books, "the body", held=("a1",), attached={"a1": "first.pdf", "a2": "second.pdf"})
    nothing, (alone,) = put(books, "alone", held=())
    catch_up(books)
    assert asked(books, "first") == [ident] and asked(books, "second") == asked(books, "alone") == []
    for late, question in ((body, "body first"), (second, "body first second")):
        deliver(books, late)
        assert unsearched(books) == 1
        catch_up(books)
        assert (asked(books, question), unsearched(books)) == ([ident], 0)
    deliver(books, alone)
    assert unsearched(books) == 1
    catch_up(books)
    assert asked(books, "alone") == [nothing]
    rejudge(books, 0)  # and all that was put in, at whatever time, is taken out again
    assert asked(books, "body") == asked(books, "first") == asked(books, "second") == []
    rejudge(books, 0, admitted=True)


def test_what_comes_while_its_batch_is_made_is_not_lost(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    ident, (_, late) = put(books, "the body", held=("body",), attached={"a1": "late.pdf"})
    other, _ = put(books, "another body")
    words_of, came = fulltext.words_of, list[Any]()

    def meanwhile(tx: Transaction, of: Sequence[Any]) -> Iterator[Any]:
        yield from words_of(tx, of)
        if not came:
            came.append(late)
            deliver(books, late)

    monkeypatch.setattr(fulltext, "words_of", meanwhile)
    catch_up(books)
    assert came and unsearched(books) == 0
    assert (asked(books, "late"), asked(books, "body")) == ([ident], [other, ident])


def test_what_leaves_the_registry_leaves_the_index(books: Books) -> None:
    idents = [put(books, f"common word{number}")[0] for number in range(4)]
    catch_up(books)
    rejudge(books, 1)
    assert asked(books, "common") == [idents[3], idents[2], idents[0]] and asked(books, "word1") == []
    rejudge(books, 3)
    assert asked(books, "common") == [idents[2], idents[0]]
    late, _ = put(books, "late")  # on SQLite it gets the number of the one that left
    assert unsearched(books) == 1 and asked(books, "late") == []
    catch_up(books)
    assert asked(books, "late") == [late] and asked(books, "word3") == []
    for index in (1, 3):
        rejudge(books, index, admitted=True)
    assert unsearched(books) == 2
    catch_up(books)
    assert asked(books, "common") == [idents[3], idents[1], idents[2], idents[0]]
    assert asked(books, "word1") == [idents[1]]


def test_what_left_all_at_once_and_before_it_was_indexed(books: Books) -> None:
    for number in range(6):
        put(books, f"common word{number}")
        if number == 3:
            catch_up(books)
    for index in (2, 5, 3, 4):
        rejudge(books, index)
    assert len(asked(books, "common")) == 2
    new = [put(books, f"new new{number}")[0] for number in range(4)]
    catch_up(books)
    assert asked(books, "new") == new[::-1] and len(asked(books, "common")) == 2
    assert [asked(books, f"new{number}") for number in range(4)] == [[ident] for ident in new]
    for index in (2, 3, 4, 5):
        rejudge(books, index, admitted=True)
    catch_up(books)
    assert len(asked(books, "common")) == 6 and [len(asked(books, f"word{number}")) for number in range(6)] == [1] * 6


def test_a_step_that_fails_leaves_the_index_as_it_was(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = put(books, "common first")
    catch_up(books)
    second, _ = put(books, "common second")

    def fail(*_: Any) -> None:
        raise RuntimeError("the machine lost power")

    with monkeypatch.context() as patch:
        patch.setattr(fulltext, "insert_rows", fail)  # the last that a step does, behind the words themselves
        with pytest.raises(RuntimeError):
            index_some(books.db)
    assert (asked(books, "common"), unsearched(books)) == ([first], 1)
    catch_up(books)
    assert (asked(books, "common"), asked(books, "second")) == ([second, first], [second])


def test_an_index_of_other_words_is_made_anew(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer Unicode cuts and folds differently: what was put in by the old one could neither be asked for nor taken out."""
    with monkeypatch.context() as patch:
        patch.setattr(fulltext, "FOLDING", "0, Unicode 1.0")
        idents = [put(books, f"common {number}", held=("body",), attached={"a1": "x"})[0] for number in range(3)]
        catch_up(books)
        assert asked(books, "common") == idents[::-1]
    assert (asked(books, "common"), unsearched(books)) == ([], 3)
    rejudge(books, 1)
    catch_up(books)
    assert (asked(books, "common"), unsearched(books)) == ([idents[2], idents[0]], 0)
    rejudge(books, 1, admitted=True)


def test_the_registry_has_the_last_word(books: Books) -> None:
    """A row that the index should not have shows nothing: neither a number that nobody has nor a wrong version."""
    first, _ = put(books, "common")
    catch_up(books)
    with books.db.write() as tx:
        inverted.put_in(tx, {7: (["common"], [])})
        tx.execute(SEARCH_STATE.update().values(upto=7))
    assert asked(books, "common") == [first]
    second, _ = put(books, "common", message="update", series=first)
    assert asked(books, "common", current=True) == [] and asked(books, "common", current=False) == [first]
    with books.db.read() as tx:
        assert [state.id for state in submissions(tx, Filter(current=True))] == [second]
