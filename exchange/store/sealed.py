"""Sealed letters that lie here: one's own, and those that were sealed for this State. Read by whoever holds this machine, through no door."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update

from exchange.core.vocabulary import SEALED
from exchange.errors import NotFound
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.registry import is_submission


@dataclass(frozen=True, slots=True)
class HeldSeal:
    """A sealed letter with its outer envelope, and where that stands; `content` is None where it lies in its file."""

    envelope: bytes
    origin: str
    index: int
    commitment: str
    name: str
    opening: bytes = field(repr=False)
    content: bytes | None = field(repr=False)


def sought_seals(tx: Transaction, log_id: int, limit: int) -> list[tuple[int, str, datetime]]:
    """(index, commitment, since when it stands here) of sealed letters that may be for this State: nobody has said no for good yet."""
    slot = tables.SLOT.c
    where = (slot.log_id == log_id, slot.document.is_(None), slot.audience == SEALED, slot.missing_since.is_not(None))
    query = select(slot.index, slot.commitment, slot.missing_since).where(*where).order_by(slot.index).limit(limit)
    return [(row[0], bytes(row[1]).hex(), datetime.fromisoformat(row[2])) for row in tx.execute(query)]


def seek_no_more(tx: Transaction, log_id: int, index: int) -> None:
    """A letter for others: it is asked for no more."""
    slot = tables.SLOT.c
    where = (slot.log_id == log_id, slot.index == index, slot.audience == SEALED)
    tx.execute(update(tables.SLOT).where(*where).values(missing_since=None))


def held_seal(tx: Transaction, ident: str) -> HeldSeal:
    """The letter of the sealed submission with that id. Raises NotFound, Malformed."""
    entry, slot, submission, log = tables.ENTRY.c, tables.SLOT.c, tables.SUBMISSION.c, tables.LOG.c
    query = (
        select(
            *(entry.envelope, log.origin, entry.index, slot.commitment),
            *(tables.DOCUMENT.c.name, tables.OPENING.c.key, tables.DOCUMENT.c.content),
        )
        .select_from(tables.SUBMISSION)
        .join(tables.LOG, log.id == submission.log_id)
        .join(tables.ENTRY, (entry.log_id == submission.log_id) & (entry.index == submission.index))
        .join(tables.SLOT, (slot.log_id == submission.log_id) & (slot.index == submission.index))
        .join(tables.DOCUMENT, tables.DOCUMENT.c.id == slot.document)
        .join(tables.OPENING, tables.OPENING.c.document == slot.document)
        .where(*is_submission(ident), slot.audience == SEALED)
    )
    row = tx.execute(query).first()
    if row is None:
        raise NotFound("no sealed letter with this id lies here")
    envelope, origin, index, commitment, name, opening, content = row
    found = None if content is None else bytes(content)
    return HeldSeal(bytes(envelope), origin, index, bytes(commitment).hex(), name, bytes(opening), found)
