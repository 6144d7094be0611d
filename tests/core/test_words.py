"""Words are compared as a reader of any of our languages would: without case, accents and what cannot be seen."""

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import words as module
from exchange.core.words import MAX_WORD, fold, words

# Each line is one word to whoever reads it.
SAME = [
    ("Cybersicherheit", "CYBERSICHERHEIT", "cybersicherheit"),
    ("Maßnahme", "MASSNAHME", "Massnahme", "maßnahme", "MAẞNAHME"),
    ("Übung", "U\u0308bung", "übung", "ubung", "ÜBUNG"),
    ("stratégie", "STRATÉGIE", "strategie", "strate\u0301gie", "ｓｔｒａｔéｇｉｅ"),
    ("œuvre", "ŒUVRE", "oeuvre"),
    ("attività", "ATTIVITÀ", "attivita", "attivita\u0300"),
    ("señal", "SEÑAL", "senal", "sen\u0303al"),
    ("учёт", "УЧЕТ", "учет", "уче\u0308т", "у\u0301чёт"),
    ("йод", "ЙОД", "и\u0306од"),
    ("її", "ЇЇ", "і\u0308і\u0308"),
    ("İstanbul", "ISTANBUL", "istanbul", "ıstanbul", "I\u0307stanbul"),
    ("Łódź", "LODZ", "łódź", "Lo\u0301dz\u0301"),
    ("Ærø", "AERO", "ærø"),
    ("ΟΔΟΣ", "οδός", "Οδος", "ΟΔΌΣ"),
    ("finance", "ﬁnance", "FINANCE"),
    ("cybersecurity", "cyber\u00adsecurity", "cyber\u200bsecurity", "cy\u200dber\ufeffsecurity", "\u202ecybersecurity\u202c"),
    ("1948", "１９４８", "¹948"),
]  # fmt: skip
OTHER = [("йод", "иод"), ("мой", "мои"), ("її", "іі"), ("resume", "resumes"), ("日本", "日"), ("cafe", "cafe1")]


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: spellings[0])
def test_what_reads_alike_is_one_word(spellings: tuple[str, ...]) -> None:
    assert len({tuple(words(spelling)) for spelling in spellings}) == 1
    assert len(words(spellings[0])) == 1


@pytest.mark.parametrize("one, other", OTHER)
def test_letters_of_their_own_are_not_accents(one: str, other: str) -> None:
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cert@xr.example, +1 202-555-0142", "cert xr example 1 202 555 0142"),
        ("snake_case, CamelCase; l’été / l'ete / об’єкт = обʼєкт", "snake case camelcase l ete l ete об єкт об єкт"),
        ("情報セキュリティ戦略2026", "情 報 セ キ ュ リ テ ィ 戦 略 2026"),
        ("CERT日本", "cert 日 本"),
        ("½ + ™", "1 2 tm"),
        ("", ""),
        ("§ * \" ' \\ - _ \0 \ud800 🙂", ""),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, found: str) -> None:
    assert words(text) == found.split()


def test_a_word_has_an_end() -> None:
    assert words("x" * 1000 + " y") == ["x" * MAX_WORD, "y"]


@given(st.text())
def test_a_word_holds_nothing_that_an_engine_could_misread(text: str) -> None:
    for word in words(text):
        assert word and len(word) <= MAX_WORD
        assert word.isalnum() and not {"\0", *"'\"\\§*()|&!:"} & set(word)
        assert not any(character.isascii() and character.isupper() for character in word)


@given(st.text())
def test_one_text_in_two_normal_forms_is_one_text(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert words(unicodedata.normalize(form, text)) == words(text)


@given(st.lists(st.text()))
def test_words_do_not_depend_on_what_stands_around_them(texts: list[str]) -> None:
    """Else the words of a question would not be those of the text in which it is asked."""
    blocks = [block for text in texts for block in text.split()]
    assert words(" ".join(blocks)) == [word for block in blocks for word in words(block)]


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_is_the_long_way(text: str) -> None:
    assert fold(text).split() == fold(text + " ё").split()[:-1]


def test_the_example_holds() -> None:
    assert doctest.testmod(module).failed == 0
