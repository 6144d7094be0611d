"""The index of texts in the words of the engine at hand: put in, take out, find again, newest first.

Both are given the same words in the same order, and asked the same question, so that they find the same. All words come
folded and hold nothing but letters and digits, or a gap in front: there is nothing in a question that an engine could misread.

SQLite reads an FTS5 list of places backwards, and stops when it has enough. PostgreSQL cannot: its GIN index answers with all
that match. So each text is marked with the stretches of `seq` in which it lies, of five lengths, and one stretch after the
other is asked for, longer each time: what is common is found in the first, and what is rare in few.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from psycopg.sql import Literal

from exchange.core.search import GAP, Query, Term
from exchange.store.bulk import change, fetch, run
from exchange.store.database import Transaction

MOST = 2_048  # found at a time
COMMON = 8
"""What fills this part of a page is common."""
LEVELS = (10, 12, 14, 16, 18)
"""Binary logarithms of the lengths of stretches."""

Marks = Sequence[Sequence[str]]
"""Of each of them, one."""
Voices = Sequence[tuple[str, str | None]]
"""In which texts a term may stand: what their words begin with, and the mark that stands beside them, if there must be one."""
ALOUD: Voices = (("", None),)


def clear(tx: Transaction) -> None:
    tx.exec_driver_sql("INSERT INTO search (search) VALUES ('delete-all')" if _is_sqlite(tx) else "TRUNCATE search")


def put_in(tx: Transaction, rows: Mapping[int, tuple[Sequence[str], Sequence[str]]]) -> None:
    """The words and the marks of texts, by `seq`."""
    cursor: Any = tx.connection.cursor()
    try:
        if _is_sqlite(tx):
            texts = [(seq, " ".join((*words, *marks))) for seq, (words, marks) in rows.items()]
            cursor.executemany("INSERT INTO search (rowid, words) VALUES (?, ?)", texts)
        elif rows:
            with cursor.copy("COPY search (seq, words) FROM STDIN") as copy:
                for seq, (words, marks) in rows.items():
                    copy.write_row((seq, _vector(words, (*marks, *_stretches(seq)))))
            # Else the next question would have to read what waits to be sorted in.
            cursor.execute("SELECT gin_clean_pending_list('search_words')")
    finally:
        cursor.close()


def take_out(tx: Transaction, rows: Mapping[int, tuple[Sequence[str], Sequence[str]]]) -> None:
    """The same words and marks that were put in: SQLite keeps no text by which it could find its words again."""
    if _is_sqlite(tx):
        texts = [(seq, " ".join((*words, *marks))) for seq, (words, marks) in rows.items()]
        run(tx, "INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)", *texts)
    else:
        change(tx, "DELETE FROM search WHERE seq", (), rows)


def find(
    tx: Transaction, query: Query, marks: Marks, before: int, size: int, voices: Voices = ALOUD
) -> Iterator[list[int]]:
    """The `seq` below `before` of what has all terms and marks, newest first: `size` of them, then more at a time."""
    if not query or not all(marks):
        return
    enough = size // COMMON
    seen: list[int] = []
    ask = _ask_fts5 if _is_sqlite(tx) else _ask_gin
    for wanted in _questions(tx, query, marks, before, lambda: len(seen) >= enough, voices):
        while found := ask(tx, wanted, before, size):
            seen.extend(found)
            yield found
            if len(found) < size:
                break
            before, size = found[-1], min(2 * size, MOST)


def _ask_fts5(tx: Transaction, wanted: str, before: int, size: int) -> list[int]:
    query = "SELECT rowid FROM search WHERE search MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    return [row[0] for row in fetch(tx, query, (wanted, before, size))]


def _ask_gin(tx: Transaction, wanted: str, before: int, size: int) -> list[int]:
    """Every text of the registry is here, and reading them all is never the way, though statistics may not know it yet. That
    is said for this question alone, and on one way to the server: other plans are slow without it.

    In two steps: an order inside would tempt the planner to go through all texts in that order.
    """
    cursor: Any = tx.connection.cursor()
    asked = Literal(wanted).as_string(cursor)
    found = f"WITH found AS MATERIALIZED (SELECT seq FROM search WHERE words @@ {asked}::tsquery)"  # noqa: S608 - quoted
    page = f"SELECT seq FROM found WHERE seq < {int(before)} ORDER BY seq DESC LIMIT {int(size)}"  # noqa: S608 - numbers
    try:
        cursor.execute(f"SET LOCAL enable_seqscan = off; {found} {page}; SET LOCAL enable_seqscan = on", prepare=False)
        cursor.nextset()
        return [row[0] for row in cursor.fetchall()]
    finally:
        cursor.close()


def _questions(
    tx: Transaction, query: Query, marks: Marks, before: int, is_common: Callable[[], bool], voices: Voices
) -> Iterator[str]:
    """One after the other, newest first, in the engine's words."""
    if _is_sqlite(tx):
        groups = [" OR ".join(f'"{mark}"' for mark in each) for each in marks]
        terms = [" OR ".join(_in_fts5(term, *voice) for voice in voices) for term in query]
        yield " AND ".join(f"({group})" for group in (*terms, *groups))
        return
    groups = [" | ".join(f"'{mark}'" for mark in each) for each in marks]
    terms = [" | ".join(_in_tsquery(term, *voice) for voice in voices) for term in query]
    wanted = " & ".join(f"({group})" for group in (*terms, *groups))
    for stretches in _backwards(before, is_common):
        here = " | ".join(f"'{stretch}'" for stretch in stretches)
        yield f"({here}) & {wanted}"


def _in_fts5(term: Term, mark: str, beside: str | None) -> str:
    words = f'"{" ".join(mark + word for word in term.words)}"' + (" *" if term.prefix else "")
    return words if beside is None else f'({words} AND "{beside}")'


def _in_tsquery(term: Term, mark: str, beside: str | None) -> str:
    words = "(" + " <-> ".join(f"'{mark}{word}'" for word in term.words) + (":*)" if term.prefix else ")")
    return words if beside is None else f"({words} & '{beside}')"


def _vector(words: Sequence[str], marks: Sequence[str]) -> str:
    """Each word with its places, as PostgreSQL reads a tsvector; marks need none."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words, 1):
        if word != GAP:
            places.setdefault(word, []).append(str(place))
    return " ".join([*(f"'{word}':{','.join(at)}" for word, at in places.items()), *(f"'{mark}'" for mark in marks)])


def _stretches(seq: int) -> list[str]:
    return [_stretch(level, seq >> level) for level in LEVELS]


def _backwards(end: int, is_common: Callable[[], bool]) -> Iterator[list[str]]:
    """Stretches from `end` back to the first: those of one length up to a border of the next length, then longer ones.

    What turns out to be common is asked for in one stretch at a time, since the next one has enough of it.
    """
    for level, above in zip(LEVELS, (*LEVELS[1:], None), strict=True):
        while end > 0:
            last = (end - 1) >> level
            first = max(0, last - 3) if above is None else (end - 1) >> above << above - level
            if is_common():
                first = last
            yield [_stretch(level, number) for number in range(first, last + 1)]
            end = first << level
            if above is not None and end % (1 << above) == 0:
                break


def _stretch(level: int, number: int) -> str:
    return f"{GAP}b{level}n{number}"


def _is_sqlite(tx: Transaction) -> bool:
    return tx.dialect.name == "sqlite"
