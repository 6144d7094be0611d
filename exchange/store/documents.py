"""Documents and their openings, apart from the log so that they can be erased while every proof holds.

Small ones live in the row. Larger ones are files named by their commitment, written and fsynced before the
transaction that names them: a crash between the two leaves an orphan file, which the next start sweeps away,
and never a row without its file.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, update

from exchange.core.jsonfields import is_digest
from exchange.core.vocabulary import PUBLIC
from exchange.errors import Malformed, NotFound, Restricted
from exchange.store import tables
from exchange.store.bulk import among, fetch, insert_rows
from exchange.store.database import Transaction
from exchange.store.folder import Arrival, DocumentFolder
from exchange.store.fulltext import arrived
from exchange.store.readers import readable
from exchange.store.shortkey import shortkey
from exchange.trust.audience import PUBLIC_REACH, SEALED, Reach


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document on its way out: `content` in hand, or to be read from `file`."""

    index: int
    slot: str
    media_type: str
    commitment: str
    name: str
    opening: bytes = field(repr=False)
    size: int
    content: bytes | None = field(repr=False)


def sweep(tx: Transaction, files: DocumentFolder) -> int:
    """Remove half-received files and those that no row names; returns how many. Only at start, when nothing arrives."""
    query = select(tables.DOCUMENT.c.commitment).where(tables.DOCUMENT.c.content.is_(None))
    return files.keep_only({bytes(row[0]).hex() for row in tx.execute(query)})


class Kept(NamedTuple):
    """Where a document is held; `content` is None where it lies in a file."""

    id: int
    content: bytes | None

    def __repr__(self) -> str:
        return f"Kept({self.id})"


def hold(
    tx: Transaction, arrivals: Sequence[Arrival], participant: str
) -> tuple[dict[str, Kept], list[tuple[int, int]]]:
    """Keep documents and their openings. Their files, if they have any, are durable, and stand in their place before the commit.

    They came as documents of this participant, and are held for its entries alone: anybody may write the commitment of somebody
    else's document into a log, and must not get it served, or judged, under an audience of their own.
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
    return found, _answer(tx, found, participant)


def _answer(tx: Transaction, found: Mapping[str, Kept], participant: str) -> list[tuple[int, int]]:
    """Tell the slots of this participant that miss these documents where they are."""
    if not found:
        return []
    mine = {row[0] for row in tx.execute(select(tables.LOG.c.id).where(tables.LOG.c.participant == participant))}
    keys = {shortkey(bytes.fromhex(commitment)) for commitment in found}
    also = ("commitment", "log_id", "index", "slot")
    answered = []
    for _, commitment, log_id, index, slot in list(
        among(tx, tables.SLOT, "key", keys, also, condition="AND document IS NULL AND erased IS NULL")
    ):
        there = found.get(bytes(commitment).hex())
        if there is not None and log_id in mine:
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


def kept_for(tx: Transaction, participant: str, commitments: Collection[str]) -> dict[str, Kept]:
    """Those of these documents that are held here for an entry of this participant, or for nobody's any more."""
    found = kept(tx, commitments)
    if not found:
        return {}
    mine = {row[0] for row in tx.execute(select(tables.LOG.c.id).where(tables.LOG.c.participant == participant))}
    numbers = {there.id for there in found.values()}
    owners = list(among(tx, tables.SLOT, "document", numbers, ("log_id",)))
    others = {number for number, _ in owners} - {number for number, log_id in owners if log_id in mine}
    return {commitment: there for commitment, there in found.items() if there.id not in others}


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


def _leaving(tx: Transaction, reach: Reach, *where: ColumnElement[bool], limit: int) -> Iterator[HeldDocument]:
    """Documents of admitted entries that may be read."""
    return _held(tx, readable(reach), *where, limit=limit)


def sealed(tx: Transaction, commitment: str) -> HeldDocument | None:
    """A sealed letter of this State itself. To whom it may be given stands in it (node/sealed.py): a mirror gives none away."""
    digest = bytes.fromhex(commitment)
    this = (tables.DOCUMENT.c.key == shortkey(digest), tables.DOCUMENT.c.commitment == digest)
    own = select(tables.LOG.c.id).where(tables.LOG.c.own.is_(True)).scalar_subquery()
    return next(_held(tx, tables.SLOT.c.audience == SEALED, tables.SLOT.c.log_id.in_(own), *this, limit=1), None)


def _held(tx: Transaction, *where: ColumnElement[bool], limit: int) -> Iterator[HeldDocument]:
    """The one query behind both doors through which a document leaves a node."""
    query = (
        select(*_LEAVING)
        .select_from(tables.SLOT)
        .join(tables.DOCUMENT, tables.DOCUMENT.c.id == tables.SLOT.c.document)
        .join(tables.OPENING, tables.OPENING.c.document == tables.SLOT.c.document)
        .where(tables.SLOT.c.erased.is_(None), *where)
        .order_by(tables.SLOT.c.log_id, tables.SLOT.c.index, tables.SLOT.c.ordinal)
        .limit(limit)
    )
    for index, slot, media_type, commitment, name, opening, size, content in tx.execute(query):
        yield HeldDocument(index, slot, media_type, bytes(commitment).hex(), name, bytes(opening), size, content)


_NAMED = ("commitment", "audience", "readers", "log_id")
_CLOSED = "AND readers <> 'public'"  # as the index says it


def document(tx: Transaction, commitment: str, reach: Reach = PUBLIC_REACH) -> HeldDocument:
    """The document with that commitment, under any name by which it may be read. Raises NotFound where it never was, or is not held.

    Restricted, held here or not, where a statement names it for others: that stands in a public log. What is sealed does not exist.
    """
    if not is_digest(commitment):  # one spelling: fromhex() would take capitals and blanks as well
        raise Malformed(f"a commitment is 64 lower-case hex digits, not {commitment[:80]!r}")
    digest = bytes.fromhex(commitment)
    this = (tables.DOCUMENT.c.key == shortkey(digest), tables.DOCUMENT.c.commitment == digest)
    for held in _leaving(tx, reach, *this, limit=1):
        return held
    named = [
        (audience, readers, log_id)
        for _, found, audience, readers, log_id in among(tx, tables.SLOT, "key", {shortkey(digest)}, _NAMED, _CLOSED)
        if bytes(found) == digest and readers != SEALED
    ]
    owners = {row[0]: row[1] for row in tx.execute(select(tables.LOG.c.id, tables.LOG.c.participant))} if named else {}
    for audience, readers, log_id in named:
        if not reach.opens(readers, owners[log_id]):
            why = f"a document of {owners[log_id]} for {audience}: it is not for whoever asks here, or not yet"
            raise Restricted(why)
    raise NotFound("no document with this commitment is held here for whoever asks")


def documents_between(
    tx: Transaction, log_id: int, start: int, end: int, limit: int, reach: Reach = PUBLIC_REACH
) -> list[HeldDocument]:
    """Held documents of entries [start, end) that may be read, in log order, at most `limit`."""
    these = (tables.SLOT.c.log_id == log_id, tables.SLOT.c.index >= start, tables.SLOT.c.index < end)
    return list(_leaving(tx, reach, *these, limit=limit))


def documents_of(tx: Transaction, log_id: int, index: int, reach: Reach = PUBLIC_REACH) -> list[HeldDocument]:
    """Held documents of one entry that may be read, in the statement's order."""
    return documents_between(tx, log_id, index, index + 1, limit=128, reach=reach)


def is_missing() -> tuple[ColumnElement[bool], ...]:
    """What is named, not held, and under no order to be forgotten: that is owed, and asked for."""
    return tables.SLOT.c.document.is_(None), tables.SLOT.c.erased.is_(None)


class Missing(NamedTuple):
    """A document that an admitted entry names and that this node does not hold. `is_public`: whoever has it gives it to anybody."""

    entry: int
    slot: str
    commitment: str
    is_public: bool


def missing(tx: Transaction, log_id: int, limit: int, start: int = 0, reach: Reach = PUBLIC_REACH) -> list[Missing]:
    """What entries from `start` on lack of what this node may read, oldest entry first."""
    slot = tables.SLOT.c
    where = (slot.log_id == log_id, *is_missing(), slot.index >= start, readable(reach))
    query = select(slot.index, slot.slot, slot.commitment, slot.readers).where(*where)
    return [
        Missing(row[0], row[1], bytes(row[2]).hex(), row[3] == PUBLIC)
        for row in tx.execute(query.order_by(slot.index, slot.ordinal).limit(limit))
    ]


def count_missing(tx: Transaction, reach: Reach = PUBLIC_REACH) -> dict[int, int]:
    """How many documents of each log are named, may be read with this reach, and are not held here."""
    query = (
        select(tables.SLOT.c.log_id, func.count()).where(*is_missing(), readable(reach)).group_by(tables.SLOT.c.log_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def in_files(tx: Transaction) -> Iterator[tuple[str, bytes]]:
    """(commitment, opening) of every document that lies in a file."""
    held, opening = tables.DOCUMENT.c, tables.OPENING.c
    query = select(held.commitment, opening.key).join(tables.OPENING, opening.document == held.id)
    for commitment, key in tx.execute(query.where(held.content.is_(None)).order_by(held.commitment)):
        yield bytes(commitment).hex(), bytes(key)
