"""Free-text search: what of a submission is searched, what a question means, and where it was answered.

Searched are the texts of bodies that the asker may read, whatever form they have and whether they fit it or not, and the names of
such attachments; not the names of fields, numbers, or "not stated". A question is words, all of which must stand there:

    malware                 the word, in any case and with any accents (words.py)
    "critical sector"       words next to each other in one text; so are those of `sector-specific`
    infrastru*              words that begin so; the star counts behind three letters or more
    anything else           is text: there is no way to write a question that cannot be asked

Guarantee: `sequence` and `parse_query` are all that decides what is found, so that every engine, and every node with the same
documents, finds the same.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.faults import NOT_STATED
from exchange.core.jsontext import parse_json
from exchange.core.words import MAX_WORD, fold, words
from exchange.errors import Malformed

MAX_WORDS = 16_000
"""Of one submission, gaps included; what comes behind them is not searched. PostgreSQL counts places up to 16,383."""
MAX_LETTERS = 256 * 1024
"""Of the words of one submission together; PostgreSQL keeps at most a megabyte of them."""
MAX_REPEATS = 250
"""Places of one word that count; PostgreSQL keeps 255."""
MIN_PREFIX = 3
"""Letters before a star."""
GAP = "§"
"""Stands between two texts, so that no phrase reaches from one into the next; no word has it."""
CONTEXT = 160
"""Characters of a text around what was found in it."""

BLOCK = 40
"""Characters in a row that are cut nowhere else."""

_BLOCK = re.compile(rf"\S{{1,{BLOCK}}}")
_WORD = re.compile(r"\S+")
_STRETCH = re.compile(r"(?:\S+\s*){1,32}")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand next to each other; with `prefix`, the last of them may go on."""

    words: tuple[str, ...]
    prefix: bool = False


Query = tuple[Term, ...]
"""Terms that must all be found."""


def parse_query(text: str) -> Query:
    """Any text is a question; one without letters and digits has no terms, and then there is nothing to find."""
    terms: dict[Term, None] = {}
    for number, piece in enumerate(text.translate(_QUOTES).split('"')):
        for part in [piece] if number % 2 else piece.split():
            if found := words(part):
                terms[Term(tuple(found), _is_prefix(part, found[-1]))] = None
    return tuple(terms)


def _is_prefix(part: str, last: str) -> bool:
    bare = part.rstrip()
    before = bare.rstrip("*")
    return before != bare and len(last) >= MIN_PREFIX and fold(before).endswith(last)


def texts_of(body: bytes) -> list[str]:
    """The texts in a body, in their order; none where it is no JSON that every reader takes for the same."""
    try:
        return list(_texts(parse_json(body, limit=SMALL_DOCUMENT)))
    except Malformed:
        return []


def _texts(value: Any) -> Iterator[str]:
    if type(value) is str:
        if value != NOT_STATED:
            yield value
    elif type(value) is dict or type(value) is list:
        for inner in value.values() if type(value) is dict else value:
            yield from _texts(inner)


def sequence(texts: Iterable[str]) -> list[str]:
    """The words of all texts in their order, with a gap behind each text, within the bounds above."""
    found: list[str] = []
    letters = 0
    for text in texts:
        for word in islice(words(text), MAX_WORDS - len(found)):
            letters += len(word)
            if letters > MAX_LETTERS:
                break
            found.append(word)
        if len(found) >= MAX_WORDS or letters > MAX_LETTERS:
            break
        found.append(GAP)
    return _thin(found) if len(found) > MAX_REPEATS else found


def behind_mark(sequence: list[str], mark: str) -> list[str]:
    """The same words, each with a mark in front by which they are not those of anybody else's text; none for what is public."""
    return [word if word == GAP else mark + word for word in sequence] if mark else sequence


def _thin(sequence: list[str]) -> list[str]:
    """A gap in the place of a word that stood there too often already."""
    seen: dict[str, int] = {}
    thin = []
    for word in sequence:
        seen[word] = seen.get(word, 0) + 1
        thin.append(word if seen[word] <= MAX_REPEATS else GAP)
    return thin


def context(texts: Iterable[str], query: Query) -> str | None:
    """A piece of the text in which most of the terms stand, around the first of them; None where none stands there."""
    wanted = _wanted(query)
    best, most = None, 0
    for text in texts:
        plain = text.isascii()
        if plain and not any(each.first in text.lower() for each in wanted):
            continue  # seen at a glance: there is nothing to fold
        # Folding plain text moves nothing; in any other the words are counted.
        folded = f" {fold(text)} " if plain else f" {' '.join(words(text))} "
        places = [place for each in wanted if (place := each.find(folded)) >= 0]
        if len(places) > most:
            at = min(places)
            best, most = (text, at if plain else _place(text, folded.count(" ", 0, at))), len(places)
        if most == len(wanted):
            break
    return None if best is None else _excerpt(*best)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A term as it stands in folded text; of words that are cut, more may follow."""

    first: str
    whole: re.Pattern[str]

    @classmethod
    def of(cls, term: Term) -> "_Wanted":
        said = " +".join(word + (r"\S*" if len(word) == MAX_WORD else "") for word in term.words)
        return cls(term.words[0], re.compile(f" {said}" + ("" if term.prefix else " ")))

    def find(self, folded: str) -> int:
        """Where the blank in front of it stands, which is where it begins in a text that has no blank put in front; or -1."""
        start = f" {self.first}"
        at = folded.find(start)
        while at >= 0 and not self.whole.match(folded, at):
            at = folded.find(start, at + 1)
        return at


@lru_cache(maxsize=64)
def _wanted(query: Query) -> tuple[_Wanted, ...]:
    """Asked for once a page."""
    return tuple(_Wanted.of(term) for term in query)


def _excerpt(text: str, place: int) -> str:
    """The text around that place, on one line and with nothing in it that cannot be seen."""
    start = _cut(text, place)
    end = start + CONTEXT
    piece = text[start:end]
    if not piece.isprintable():
        piece = "".join(character if character.isprintable() else _unseen(character) for character in piece)
    cut = ("… " if text[:start].strip() else "", " …" if end < len(text.rstrip()) else "")
    return cut[0] + " ".join(piece.split()) + cut[1]


def _cut(text: str, place: int) -> int:
    """Where a line may begin, not long before the place."""
    wish = max(0, place - CONTEXT // 3)
    before = text[:wish]
    run = 0 if not before or before[-1].isspace() else len(before.rsplit(None, 1)[-1])
    return next(match.start() for match in _BLOCK.finditer(text, wish - run) if match.start() >= wish)


def _place(text: str, number: int) -> int:
    """Where the word of that number begins, or the block of characters that it is in: no word reaches over white space."""
    for stretch in _STRETCH.finditer(text):
        inside = len(words(stretch[0]))
        if number < inside:
            break
        number -= inside
    for run in _WORD.finditer(text, stretch.start()):
        inside = len(words(run[0]))
        if number < inside:
            break
        number -= inside
    # The words up to each block can be counted, but for those that are cut themselves.
    starts = range(0, len(run[0]), BLOCK)
    return run.start() + starts[bisect_right(starts, number, key=lambda start: len(words(run[0][:start]))) - 1]


def _unseen(character: str) -> str:
    return "" if unicodedata.category(character) == "Cf" else " "
