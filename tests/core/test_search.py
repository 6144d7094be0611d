"""What of a submission is searched, what a question means, and the line that shows where it was answered."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.search import (
    CONTEXT,
    GAP,
    MAX_LETTERS,
    MAX_REPEATS,
    MAX_WORDS,
    Query,
    Term,
    context,
    parse_query,
    sequence,
    texts_of,
)
from exchange.core.words import words


def terms(*said: str) -> Query:
    """`a b` stands for words next to each other, `a*` for a beginning."""
    return tuple(Term(tuple(one.rstrip("*").split()), one.endswith("*")) for one in said)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("malware", terms("malware")),
        ("  Critical   INFRASTRUCTURE ", terms("critical", "infrastructure")),
        ('"critical  infrastructure" team', terms("critical infrastructure", "team")),
        ("«сектор связи» „Straße und“ “a b”", terms("сектор связи", "strasse und", "a b")),
        ("sector-specific cert@xr.example", terms("sector specific", "cert xr example")),
        ("infra* безоп*", terms("infra*", "безоп*")),
        ('"critical infra*"', terms("critical infra*")),
        ('"critical infra* "', terms("critical infra*")),
        ("sector-spec***", terms("sector spec*")),
        ("малвар\u0301*", terms("малвар*")),
        # A star that counts nowhere is text, as every other sign.
        ("ab* *abc* a*bc", terms("ab", "abc*", "a bc")),
        ('"one two"* * **', terms("one two")),
        ("*malware", terms("malware")),
        ("malware *", terms("malware")),
        ("日本*", terms("日 本")),
        ('unfinished "business of ours', terms("unfinished", "business of ours")),
        ('"" " " "!"', ()),
        ("a A á a", terms("a")),
        ("a OR b NOT NEAR(c, 2) ^d {e}:f -g", terms("a", "or", "b", "not", "near c", "2", "d", "e f", "g")),
        ("§pabc §", terms("pabc")),
        ("🙂 ʼ", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_a_question_is_words_that_must_all_be_there(text: str, query: Query) -> None:
    assert parse_query(text) == query


@given(st.text())
def test_any_text_is_a_question(text: str) -> None:
    for term in parse_query(text):
        assert term.words and all(word.isalnum() for word in term.words)
        assert not term.prefix or len(term.words[-1]) >= 3


@given(st.text())
def test_a_question_asks_for_the_words_that_are_in_it(text: str) -> None:
    asked = {word for term in parse_query(text) for word in term.words}
    assert asked == set(words(text.replace('"', " ").translate(dict.fromkeys(map(ord, "“”„‟«»＂"), " "))))


BODY: dict[str, Any] = {
    "name": {"en": "The name", "ru": "Название"},
    "kinds": ["strategy", {"deep": ["inside"]}],
    "open": "not stated",
    "budget": 5_000_000,
    "public": True,
    "nothing": None,
}


def test_the_texts_of_a_body_are_what_is_said_in_it() -> None:
    """Not the names of its fields, numbers, or that something was not stated."""
    assert texts_of(json.dumps(BODY).encode()) == ["The name", "Название", "strategy", "inside"]
    assert texts_of(b'"alone"') == ["alone"]


@pytest.mark.parametrize(
    "body",
    [b"", b"%PDF-1.7", b'{"a": "x"', b'{"a": "x", "a": "y"}', b"\xff", b'["' + b"x" * SMALL_DOCUMENT + b'"]', b"[" * 40 + b"]" * 40],
)  # fmt: skip
def test_what_readers_could_take_for_two_things_has_no_texts(body: bytes) -> None:
    assert texts_of(body) == []


def test_no_phrase_reaches_from_one_text_into_the_next() -> None:
    assert sequence(["one two", "", "three"]) == ["one", "two", GAP, GAP, "three", GAP]


def test_what_is_searched_of_one_submission_is_bounded() -> None:
    many = [str(number) for number in range(20_000)]
    assert sequence([" ".join(many)]) == many[:MAX_WORDS]
    assert sequence(many)[:4] == ["0", GAP, "1", GAP] and len(sequence(many)) == MAX_WORDS
    long = [f"{number:064}" for number in range(10_000)]
    assert sequence([" ".join(long)]) == long[: MAX_LETTERS // 64]
    often = sequence(["malware is " * 1000])
    assert len(often) == 2001
    assert often[: 2 * MAX_REPEATS] == ["malware", "is"] * MAX_REPEATS and set(often[2 * MAX_REPEATS :]) == {GAP}


@pytest.mark.parametrize(
    ("texts", "question", "shown"),
    [
        (["A team", "The Team of Ruritania"], "team ruritania", "The Team of Ruritania"),
        (["A team", "The Team of Ruritania"], "team", "A team"),
        (["nothing here"], "team", None),
        ([], "team", None),
        (["Die Maßnahmen der Behörde"], "massnah*", "Die Maßnahmen der Behörde"),
        (["first line\nsecond\tline\x1b[31m red\x00"], "second", "first line second line [31m red"),
        (["a\u202eb\u2066c\u200b d"], "abc", "abc d"),
        (["a " * 200 + "needle" + " b" * 200], "needle", "… " + "a " * 26 + "needle" + " b" * 51 + " …"),
        (["ё " * 200 + "иголка" + " б" * 200], "иголка", "… " + "ё " * 26 + "иголка" + " б" * 51 + " …"),
        (["x" * 500], "x" * 500, "x" * CONTEXT + " …"),
        (["needle " + "b " * 20], "needle", "needle " + ("b " * 20).strip()),
        (["日本" * 500 + "情報" + "日本" * 500], "情報", "… " + "日本" * 20 + "情報" + "日本" * 59 + " …"),
        (["see sector-specific rules"], "specific", "see sector-specific rules"),
    ],
)
def test_the_context_shows_where_it_stands(texts: list[str], question: str, shown: str | None) -> None:
    assert context(texts, parse_query(question)) == shown


@given(st.lists(st.text(), max_size=4), st.text(max_size=4))
def test_a_context_is_one_short_line_that_can_be_seen(texts: list[str], question: str) -> None:
    query = parse_query(question)
    shown = context(texts, query)
    if shown is not None:
        assert shown.isprintable() and len(shown) <= CONTEXT + 4
    whole = [term for term in query if any(_stands(words(text), term) for text in texts)]
    assert (shown is not None) == bool(whole)


def _stands(found: list[str], term: Term) -> bool:
    size = len(term.words)
    return any(
        tuple(found[at : at + size - 1]) == term.words[:-1]
        and (found[at + size - 1].startswith(term.words[-1]) if term.prefix else found[at + size - 1] == term.words[-1])
        for at in range(len(found) - size + 1)
    )
