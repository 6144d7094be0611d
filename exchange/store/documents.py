"""Documents and their openings, apart from the log so that they can be erased while every proof holds.

Small ones live in the row. Larger ones are files named by their commitment, written and fsynced before the
transaction that names them: a crash between the two leaves an orphan file, which the next start sweeps away,
and never a row without its file.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, update

from exchange.core.jsonfields import is_digest
from exchange.errors import Malformed, NotFound
from exchange.store import tables
from exchange.store.bulk import among, fetch, insert_rows
from exchange.store.database import Transaction
from exchange.store.folder import Arrival, DocumentFolder
from exchange.store.fulltext import arrived
from exchange.store.shortkey import shortkey


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document on its way out: `content` in hand, or to be read from `file`."""

    index: int
    slot: str
    media_type: str
    commitment: str
    name: str
    opening: bytes
    size: int
    content: bytes | None


def sweep(tx: Transaction, files: DocumentFolder) -> int:
    """Remove half-received files and those that no row names; returns how many. Only at start, when nothing arrives."""
    query = select(tables.DOCUMENT.c.commitment).where(tables.DOCUMENT.c.content.is_(None))
    return files.keep_only({bytes(row[0]).hex() for row in tx.execute(query)})


class Kept(NamedTuple):
    """Where a document is held; `content` is None where it lies in a file."""

    id: int
    content: bytes | None


def hold(tx: Transaction, arrivals: Sequence[Arrival]) -> tuple[dict[str, Kept], list[tuple[int, int]]]:
    """Keep documents and their openings. Their files, if they have any, are durable, and stand in their place before the commit.

    Returns where each is kept, by its commitment, and the entries (log id, index) that had missed one of them.
    """
    found = kept(tx, {arrival.commitment for arrival in arrivals})
    fresh = {arrival.commitment: arrival for arrival in arrivals if arrival.commitment not in found}
    turn_away([arrival for arrival in arrivals if fresh.get(arrival.commitment) is not arrival])
    if fresh:
        number = (fetch(tx, "SELECT max(id) FROM document")[0][0] or 0) + 1  # the write lock is ours
        rows, openings = [], []
        for number, (commitment, arrival) in enumerate(fresh.items(), number):  # noqa: B020 - it goes on counting
            if arrival.incoming is not None:
                arrival.incoming.settle()
            digest = bytes.fromhex(commitment)
            rows.append((number, shortkey(digest), digest, arrival.name, arrival.size, arrival.content))
            openings.append((number, arrival.opening))
            found[commitment] = Kept(number, arrival.content)
        insert_rows(tx, tables.DOCUMENT, ("id", "key", "commitment", "name", "size", "content"), rows)
        insert_rows(tx, tables.OPENING, ("document", "key"), openings)
    return found, _answer(tx, found)


def _answer(tx: Transaction, found: Mapping[str, Kept]) -> list[tuple[int, int]]:
    """Tell the slots that miss these documents where they are."""
    keys = {shortkey(bytes.fromhex(commitment)) for commitment in found}
    also = ("commitment", "log_id", "index", "slot")
    answered = []
    for _, commitment, log_id, index, slot in list(
        among(tx, tables.SLOT, "key", keys, also, condition="AND document IS NULL")
    ):
        there = found.get(bytes(commitment).hex())
        if there is not None:
            at = (tables.SLOT.c.log_id == log_id, tables.SLOT.c.index == index, tables.SLOT.c.slot == slot)
            tx.execute(update(tables.SLOT).where(*at).values(document=there.id, missing_since=None))
            answered.append((log_id, index))
    arrived(tx, answered)
    return answered


def turn_away(arrivals: Iterable[Arrival]) -> None:
    """Remove the files of documents that nothing here asks for."""
    for arrival in arrivals:
        if arrival.incoming is not None:
            arrival.incoming.discard()


def kept(tx: Transaction, commitments: Collection[str]) -> dict[str, Kept]:
    """Those of these documents that are held here."""
    keys = {shortkey(bytes.fromhex(commitment)) for commitment in commitments}
    rows = among(tx, tables.DOCUMENT, "key", keys, ("commitment", "id", "content"))
    found = {bytes(row[1]).hex(): Kept(row[2], None if row[3] is None else bytes(row[3])) for row in rows}
    return {commitment: there for commitment, there in found.items() if commitment in commitments}


_LEAVING = (
    tables.SLOT.c.index,
    tables.SLOT.c.slot,
    tables.SLOT.c.media_type,
    tables.SLOT.c.commitment,
    tables.DOCUMENT.c.name,
    tables.OPENING.c.key,
    tables.DOCUMENT.c.size,
    tables.DOCUMENT.c.content,
)


def _leaving(tx: Transaction, *where: ColumnElement[bool], limit: int) -> Iterator[HeldDocument]:
    """Public documents of admitted entries: the one query behind both doors through which a document leaves a node."""
    query = (
        select(*_LEAVING)
        .select_from(tables.SLOT)
        .join(tables.DOCUMENT, tables.DOCUMENT.c.id == tables.SLOT.c.document)
        .join(tables.OPENING, tables.OPENING.c.document == tables.SLOT.c.document)
        .where(tables.SLOT.c.audience == "public", *where)
        .order_by(tables.SLOT.c.log_id, tables.SLOT.c.index, tables.SLOT.c.ordinal)
        .limit(limit)
    )
    for index, slot, media_type, commitment, name, opening, size, content in tx.execute(query):
        yield HeldDocument(index, slot, media_type, bytes(commitment).hex(), name, bytes(opening), size, content)


def document(tx: Transaction, commitment: str) -> HeldDocument:
    """The public document with that commitment. Raises NotFound, whether it never was, is not held, or is not public."""
    if not is_digest(commitment):  # one spelling: fromhex() would take capitals and blanks as well
        raise Malformed(f"a commitment is 64 lower-case hex digits, not {commitment[:80]!r}")
    digest = bytes.fromhex(commitment)
    this = (tables.DOCUMENT.c.key == shortkey(digest), tables.DOCUMENT.c.commitment == digest)
    for held in _leaving(tx, *this, limit=1):
        return held
    raise NotFound("no public document with this commitment is held here")


def documents_between(tx: Transaction, log_id: int, start: int, end: int, limit: int) -> list[HeldDocument]:
    """Held public documents of entries [start, end), in log order, at most `limit`."""
    return list(
        _leaving(
            tx, tables.SLOT.c.log_id == log_id, tables.SLOT.c.index >= start, tables.SLOT.c.index < end, limit=limit
        )
    )


def documents_of(tx: Transaction, log_id: int, index: int) -> list[HeldDocument]:
    """Held public documents of one entry, in the statement's order."""
    return documents_between(tx, log_id, index, index + 1, limit=128)


def missing(tx: Transaction, log_id: int, limit: int, start: int = 0) -> list[tuple[int, str, str]]:
    """(index, slot, commitment) of documents that admitted entries from `start` on name and this node does not hold, oldest entry first."""
    where = (tables.SLOT.c.log_id == log_id, tables.SLOT.c.document.is_(None), tables.SLOT.c.index >= start)
    query = select(tables.SLOT.c.index, tables.SLOT.c.slot, tables.SLOT.c.commitment).where(*where)
    return [
        (row[0], row[1], bytes(row[2]).hex())
        for row in tx.execute(query.order_by(tables.SLOT.c.index, tables.SLOT.c.ordinal).limit(limit))
    ]


def count_missing(tx: Transaction) -> dict[int, int]:
    """How many documents of each log are named and not held here."""
    query = (
        select(tables.SLOT.c.log_id, func.count())
        .where(tables.SLOT.c.document.is_(None))
        .group_by(tables.SLOT.c.log_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def in_files(tx: Transaction) -> Iterator[tuple[str, bytes]]:
    """(commitment, opening) of every document that lies in a file."""
    held, opening = tables.DOCUMENT.c, tables.OPENING.c
    query = select(held.commitment, opening.key).join(tables.OPENING, opening.document == held.id)
    for commitment, key in tx.execute(query.where(held.content.is_(None)).order_by(held.commitment)):
        yield bytes(commitment).hex(), bytes(key)
