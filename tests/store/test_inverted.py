"""An engine's index of texts finds what reading them all would find: whatever the texts, the question, the page, and what was taken out."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.search import GAP, MAX_WORDS, Query, Term, parse_query, sequence
from exchange.store import inverted
from exchange.store.database import Database, Transaction
from exchange.store.inverted import LEVELS
from tests.store import Books

WORDS = ["a", "ab", "abc", "abcd", "abd", "стр", "строй", "日", "x1", "and", "near", "ﷺ"]
MARKS = [f"{GAP}p1", f"{GAP}p2", f"{GAP}y1"]
LAST = 1_200_000
BORDERS = [1 << level for level in LEVELS]

Rows = Mapping[int, tuple[Sequence[str], Sequence[str]]]

seqs = st.one_of(
    st.integers(1, 12), st.integers(1, LAST), st.sampled_from(BORDERS), st.sampled_from([n - 1 for n in BORDERS])
)
texts = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=3)
rows = st.dictionaries(
    seqs,
    st.tuples(texts.map(sequence), st.lists(st.sampled_from(MARKS), unique=True)),
    max_size=12,
)
terms = st.builds(
    Term, st.lists(st.sampled_from([*WORDS, "nothing"]), min_size=1, max_size=3).map(tuple), st.booleans()
)
queries = st.lists(terms, min_size=1, max_size=3).map(tuple)
groups = st.lists(st.lists(st.sampled_from(MARKS), min_size=1, max_size=2), max_size=2)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    books = Books(tmp_path_factory.mktemp("books"))
    yield books.db
    books.close()


class Undone(Exception):
    """The transaction ends without a commit: the next example begins with an empty index."""


def holds(text: Sequence[str], term: Term) -> bool:
    """By looking at each place."""
    *first, last = term.words
    for at in range(len(text) - len(first)):
        end = text[at + len(first)]
        if list(text[at : at + len(first)]) == first and (end == last or (term.prefix and end.startswith(last))):
            return True
    return False


def read_all(rows: Rows, query: Query, groups: Sequence[Sequence[str]], before: int) -> list[int]:
    return [
        seq
        for seq, (text, marks) in sorted(rows.items(), reverse=True)
        if seq < before
        and all(holds(text, term) for term in query)
        and all(set(group) & set(marks) for group in groups)
    ]


def found(
    tx: Transaction, query: Query, groups: Sequence[Sequence[str]] = (), before: int = LAST + 1, size: int = 100
) -> list[int]:
    return [seq for page in inverted.find(tx, query, groups, before, size) for seq in page]


@settings(max_examples=150, deadline=None)
@given(rows=rows, gone=rows, query=queries, groups=groups, before=seqs | st.just(LAST + 1), size=st.integers(1, 5))
def test_it_finds_what_reading_everything_finds(
    db: Database, rows: Rows, gone: Rows, query: Query, groups: list[list[str]], before: int, size: int
) -> None:
    gone = {seq: row for seq, row in gone.items() if seq not in rows}
    with pytest.raises(Undone), db.write() as tx:
        inverted.put_in(tx, gone)
        inverted.put_in(tx, rows)
        assert found(tx, query, groups, before, size) == read_all({**rows, **gone}, query, groups, before)
        inverted.take_out(tx, gone)
        assert found(tx, query, groups, before, size) == read_all(rows, query, groups, before)
        again = dict(list(rows.items())[::2])
        inverted.take_out(tx, again)
        inverted.put_in(tx, {seq: gone.get(seq, row) for seq, row in again.items()})
        assert found(tx, query, groups, before, size) == read_all(rows, query, groups, before)
        inverted.clear(tx)
        assert found(tx, query, groups, before, size) == []
        raise Undone


@settings(max_examples=100, deadline=None)
@given(text=st.text(), question=st.text())
def test_any_text_can_be_put_in_and_asked_for(db: Database, text: str, question: str) -> None:
    row = (sequence([text]), [MARKS[0]])
    with pytest.raises(Undone), db.write() as tx:
        if any(word != GAP for word in row[0]):
            inverted.put_in(tx, {7: row})
            for asked in (text, question):
                query = parse_query(asked)
                assert found(tx, query) == (read_all({7: row}, query, (), 8) if query else [])
        raise Undone


@pytest.mark.parametrize(
    "said",
    [
        " ".join(f"w{number}" for number in range(MAX_WORDS)),
        " ".join(f"{number:064}" for number in range(4_000)),
        "a b " * 8_000,
        "ﷺ" * 2_000,
        "\U0001d7d8" * 4_000,
        "ы" * 30_000,
    ],
    ids=lambda said: said[:8],
)
def test_the_largest_texts_fit(db: Database, said: str) -> None:
    words = sequence([said])
    with pytest.raises(Undone), db.write() as tx:
        inverted.put_in(tx, {1: (words, MARKS), 2: (sequence(["a b"]), [])})
        for phrase in (words[:1], words[:2], words[-3:-1]):
            query = (Term(tuple(word for word in phrase if word != GAP) or ("a",)),)
            assert found(tx, query) == read_all({1: (words, ()), 2: (["a", "b"], ())}, query, (), 3)
        inverted.take_out(tx, {1: (words, MARKS)})
        assert found(tx, (Term(("a", "b")),)) == [2]
        raise Undone


def test_what_is_common_is_found_in_few_steps_and_so_is_what_is_rare(db: Database) -> None:
    """What comes first does not wait for what comes last."""
    rows = {seq: (["common", *(["rare"] if seq % 900 == 0 else [])], [f"{GAP}p{seq % 3}"]) for seq in range(1, 5_001)}
    with pytest.raises(Undone), db.write() as tx:
        inverted.put_in(tx, rows)
        pages = inverted.find(tx, parse_query("common"), [[f"{GAP}p1"]], 5_001, 100)
        assert next(pages) == list(range(4_999, 4_699, -3))
        assert next(pages) == list(range(4_699, 4_099, -3))
        assert found(tx, parse_query("rare common")) == [4500, 3600, 2700, 1800, 900]
        assert found(tx, parse_query("rare"), before=2701, size=1) == [2700, 1800, 900]
        assert found(tx, parse_query("rare"), [[]]) == found(tx, ()) == []
        raise Undone
