"""The index of texts: made from documents that are held, after they were recorded, and only a way to find submissions again.

Nothing waits for it and nothing is lost with it: `index_some` takes the submissions behind those that are in it, a bounded
number at a time, each with its filters as further words (marks.py). A submission that leaves the registry leaves the index
in the same transaction; one whose documents come later is due again. SQLite keeps the index without the texts (an
FTS5 table without content), so to take a text out is to say it again: it is made anew from the same documents, which never change.

What not everybody may read is said in other words: each bears a mark of its readers in front (`behind_mark`), and only a question of
somebody who may read it asks for words so marked. So the index itself keeps apart what the public finds, and is no oracle.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain, takewhile
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.search import GAP, MAX_WORDS, behind_mark, sequence, texts_of
from exchange.core.vocabulary import PUBLIC
from exchange.core.words import FOLDING
from exchange.store import inverted, tables
from exchange.store.bulk import among, ask, fetch, insert_rows, run
from exchange.store.database import Database, Transaction
from exchange.store.marks import Filters, mark_of, marks_of
from exchange.store.registry import SlotState

AT_ONCE = 256  # submissions in one transaction
COUNTED = 1_000
BYTES_AT_ONCE = 1024 * 1024  # of their documents; one submission may have more

_OWED, _S = tables.SEARCH_OWED.c, tables.SUBMISSION.c


class Piece(NamedTuple):
    """A document of which something is searched: the texts of a body, or the name of an attachment."""

    document: int
    is_body: bool
    size: int
    readers: str


class Source(NamedTuple):
    """What a submission has to be searched. `whole`: all of its documents are held."""

    seq: int
    filters: Filters
    pieces: tuple[Piece, ...]
    whole: bool

    def without(self, held: Collection[int]) -> "Source":
        """As it was when only these documents were held."""
        return self._replace(pieces=tuple(piece for piece in self.pieces if piece.document in held), whole=False)


Words = Mapping[Source, Sequence[str]]


def upto(tx: Transaction) -> int | None:
    """The last `seq` in the index; None where there is none yet, or it was made by another folding."""
    found = fetch(tx, "SELECT upto FROM search_state WHERE folding = ?", (FOLDING,))
    return found[0][0] if found else None


def behind(tx: Transaction) -> int:
    """How many submissions cannot be found by their text yet, or not by all of it. Exact to a thousand, and then at most so many."""
    newest, end = fetch(tx, _ENDS, (FOLDING,))[0]
    after = fetch(tx, "SELECT seq FROM submission WHERE seq > ? LIMIT ?", (end, COUNTED)) if newest > end else []
    return len(_due(tx)) + (len(after) if len(after) < COUNTED else newest - end)


def _due(tx: Transaction) -> list[int]:
    return [row[0] for row in tx.execute(_DUE)]


_DUE = select(_OWED.seq).where(_OWED.due.is_(True)).order_by(_OWED.seq).limit(AT_ONCE)
_ENDS = (
    "SELECT coalesce((SELECT seq FROM submission ORDER BY seq DESC LIMIT 1), 0),"
    " coalesce((SELECT upto FROM search_state WHERE folding = ?), 0)"
)


def index_some(db: Database) -> bool:
    """Index what is due, or else the submissions next to those that are in it. False where nothing was left to do.

    The texts are read and cut before the write lock is taken, and compared under it. A kill at any moment leaves an index
    that says how far it goes.
    """
    with db.read() as tx:
        start = upto(tx)
        due = _due(tx) if start is not None else []
        after = select(_S.seq).where(_S.seq > (start or 0)).order_by(_S.seq).limit(AT_ONCE)
        seqs = due or [row[0] for row in tx.execute(after)]
        if not seqs and start is not None:
            return False
        seen = _bounded(sources(tx, seqs))
        found = dict(words_of(tx, seen))
    with db.write() as tx:
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("SET LOCAL synchronous_commit = off")  # what a power cut takes of it is indexed again
        if upto(tx) != start:
            return True  # the registry lost its end meanwhile
        if start is None:
            _begin_anew(tx)
        now = sources(tx, [source.seq for source in seen])
        found |= words_of(tx, [source for source in now if source not in found])
        if due:
            _take_out(tx, now)
        elif seen:
            tx.execute(update(tables.SEARCH_STATE).values(upto=seen[-1].seq))
        _put_in(tx, {source: found[source] for source in now})
    return True


def arrived(tx: Transaction, places: Iterable[tuple[int, int]]) -> None:
    """Documents came to the submissions at these places (log id, index): what was indexed without them is due again."""
    query = (
        'UPDATE search_owed SET due = true WHERE seq = (SELECT seq FROM submission WHERE log_id = ? AND "index" = ?)'
    )
    if at := dict.fromkeys(places):
        run(tx, query, *at)


def forget(tx: Transaction, log_id: int, index: int) -> None:
    """Take the submission at this place out, before it leaves the registry."""
    seq = tx.execute(select(_S.seq).where(_S.log_id == log_id, _S.index == index)).scalar()
    end = upto(tx)
    if seq is None or end is None:
        return
    if seq <= end:
        _take_out(tx, sources(tx, [seq]))
    # The number of the last one is given again: what gets it then must not pass for one that is in the index.
    last = tx.execute(select(_S.seq).where(_S.seq != seq).order_by(_S.seq.desc()).limit(1)).scalar() or 0
    if last < end:
        tx.execute(update(tables.SEARCH_STATE).values(upto=last))


@contextmanager
def taken_out(tx: Transaction, log_id: int, index: int) -> Iterator[None]:
    """For a change of who may read the documents of the submission at this place: out of the index before it, and in again behind it."""
    seq = tx.execute(select(_S.seq).where(_S.log_id == log_id, _S.index == index)).scalar()
    end = upto(tx)
    if seq is None or end is None or seq > end:
        yield
        return
    _take_out(tx, sources(tx, [seq]))
    yield
    now = sources(tx, [seq])
    _put_in(tx, dict(words_of(tx, now)))


@contextmanager
def changing(tx: Transaction, places: Collection[tuple[int, int]]) -> Iterator[None]:
    """What is searched of the submissions at these places (log id, index) becomes another in the block: out of the index before, in after."""
    end = upto(tx) or 0
    seqs = [row[0] for place in places for row in fetch(tx, _SEQ_AT, place) if row[0] <= end]
    _take_out(tx, sources(tx, seqs))
    yield
    _put_in(tx, dict(words_of(tx, sources(tx, seqs))))


_SEQ_AT = 'SELECT seq FROM submission WHERE log_id = ? AND "index" = ?'


def _begin_anew(tx: Transaction) -> None:
    inverted.clear(tx)
    for table in (tables.SEARCH_OWED, tables.SEARCH_STATE):
        tx.execute(delete(table))
    tx.execute(insert(tables.SEARCH_STATE).values(folding=FOLDING, upto=0))


def _bounded(of: Sequence[Source]) -> list[Source]:
    """As many as have a bounded size together, and one at least."""
    sizes = accumulate(sum(piece.size for piece in each.pieces if piece.is_body) for each in of)
    return list(of[: max(1, len(list(takewhile(lambda size: size <= BYTES_AT_ONCE, sizes))))])


def _put_in(tx: Transaction, words: Words) -> None:
    inverted.put_in(tx, {each.seq: (found, marks_of(each.filters)) for each, found in words.items() if found})
    owed = [
        (each.seq, " ".join(str(piece.document) for piece in each.pieces), False) for each in words if not each.whole
    ]
    insert_rows(tx, tables.SEARCH_OWED, ("seq", "documents", "due"), owed)


def _take_out(tx: Transaction, of: Sequence[Source]) -> None:
    """What the index has of these, which may be less than they have now."""
    seqs = [each.seq for each in of]
    held = {
        seq: set(map(int, documents.split()))
        for seq, documents in among(tx, tables.SEARCH_OWED, "seq", seqs, ("documents",))
    }
    then = [each.without(held[each.seq]) if each.seq in held else each for each in of]
    words = {each.seq: (found, marks_of(each.filters)) for each, found in words_of(tx, then) if found}
    inverted.take_out(tx, words)
    tx.execute(delete(tables.SEARCH_OWED).where(_OWED.seq.in_(seqs)))


_SOURCES = (
    "SELECT s.seq, s.participant, s.form, s.status, s.period_start, s.period_end, s.series, s.id, t.slot, t.readers, d.id, d.size"
    ' FROM submission s LEFT JOIN slot t ON t.log_id = s.log_id AND t."index" = s."index" AND t.readers <> \'sealed\' AND t.erased IS NULL'
    " LEFT JOIN document d ON d.id = t.document WHERE s.seq"
)


def sources(tx: Transaction, seqs: Collection[int]) -> list[Source]:
    """In the order of their `seq`; those that left the registry are left out."""
    filters: dict[int, Filters] = {}
    pieces: dict[int, list[Piece]] = {}
    missing: set[int] = set()
    for seq, *named, series, ident, slot, readers, document, size in ask(
        tx, _SOURCES, seqs, "ORDER BY s.seq, t.ordinal"
    ):
        participant, form, status, start, end = named
        filters[seq] = Filters(participant, form, status, start, end, bytes(series or ident))
        held = pieces.setdefault(seq, [])
        if document is not None:
            held.append(Piece(document, _is_body(slot), size, readers))
        elif slot is not None:
            missing.add(seq)
    return [Source(seq, of, tuple(pieces[seq]), seq not in missing) for seq, of in sorted(filters.items())]


def searched(documents: Iterable[SlotState]) -> tuple[Piece, ...]:
    """The pieces of a submission as the registry shows it to somebody: of what `sources` tells, those that they may read."""
    return tuple(
        Piece(each.document, _is_body(each.slot), each.size or 0, each.readers)
        for each in documents
        if each.document is not None
    )


def _is_body(slot: str) -> bool:
    return slot == "body" or slot.startswith("body.")


def texts(tx: Transaction, of: Sequence[Sequence[Piece]]) -> Iterator[Iterable[str]]:
    """What is searched of each, in the order of its statement."""
    said = _read(tx, of)
    for each in of:
        yield chain.from_iterable(map(said, each))


def _read(tx: Transaction, of: Sequence[Sequence[Piece]]) -> Callable[[Piece], list[str]]:
    """The texts of each of these pieces."""
    bodies = {piece.document for each in of for piece in each if piece.is_body and piece.size <= SMALL_DOCUMENT}
    others = {piece.document for each in of for piece in each if not piece.is_body}
    contents = dict(among(tx, tables.DOCUMENT, "id", bodies, ("content",)))
    names = dict(among(tx, tables.DOCUMENT, "id", others, ("name",)))

    def of_piece(piece: Piece) -> list[str]:
        if piece.is_body:
            return texts_of(bytes(contents.get(piece.document) or b""))
        return [names[piece.document]]

    return of_piece


def words_of(tx: Transaction, of: Sequence[Source]) -> Iterator[tuple[Source, list[str]]]:
    """The words of each in their order; nothing where there is no word. What is public comes first, and is cut by nothing else."""
    said = _read(tx, [each.pieces for each in of])
    for each in of:
        words: list[str] = []
        for readers in sorted({piece.readers for piece in each.pieces}, key=lambda word: (word != PUBLIC, word)):
            mine = (piece for piece in each.pieces if piece.readers == readers)
            found = sequence(chain.from_iterable(map(said, mine)))
            if found.count(GAP) < len(found):
                words += behind_mark(found, mark_of(readers))
        yield each, words[:MAX_WORDS]
