"""Entries whose documents are not shown here, and why: owed by somebody for too long, or under an order to be forgotten.

Of public documents alone: what is owed or hidden of others is told to nobody.
Each question is answered from the partial index of its few rows. A page is behind a place, one number for log and index, so it stays right
while others come and go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.store.bulk import fetch
from exchange.store.database import Transaction
from exchange.store.query import place_of
from exchange.store.registry import Erased
from exchange.store.tables import FORESEEN

_LOG = 1 << 40  # entries that a log never has: log and index in one number


@dataclass(frozen=True, slots=True)
class SlotOwed:
    """`since` is when this node first missed it; `erased` by which order it is not shown."""

    slot: str
    commitment: str
    since: str | None
    erased: Erased | None


@dataclass(frozen=True, slots=True)
class EntryOwed:
    """`place` is where the next page begins behind."""

    place: int
    participant: str
    origin: str
    index: int
    id: str
    slots: tuple[SlotOwed, ...]


def undelivered(
    tx: Transaction, before: datetime, *, participant: str | None, after: int, limit: int
) -> list[EntryOwed]:
    """What entries name, no order forgets, and this node has missed since before that time."""
    return _entries(
        tx,
        "t.document IS NULL AND t.erased IS NULL AND t.missing_since < ?",
        [before.isoformat()],
        participant,
        after,
        limit,
    )


def forgotten(
    tx: Transaction, *, held: bool | None, participant: str | None, after: int, limit: int
) -> list[EntryOwed]:
    """What is under an order: still here and hidden (`held`), not here any more, or both."""
    here = "" if held is None else f" AND t.document IS {'NOT ' if held else ''}NULL"
    return _entries(tx, f"t.erased IS NOT NULL{here}", [], participant, after, limit)


def count_hidden(tx: Transaction) -> int:
    """Documents that are hidden, and not destroyed yet."""
    query = "SELECT count(*) FROM slot WHERE erased IS NOT NULL AND document IS NOT NULL"
    return int(fetch(tx, query)[0][0])


def _entries(
    tx: Transaction, condition: str, values: Sequence[Any], participant: str | None, after: int, limit: int
) -> list[EntryOwed]:
    """`condition` is SQL of our own about the slot `t`."""
    log, index = divmod(after, _LOG)
    whose = "" if participant is None else " AND l.participant = ?"
    query = (
        'SELECT t.log_id, t."index", l.participant, l.origin, s.id FROM slot t JOIN log l ON l.id = t.log_id'  # noqa: S608 - our own words
        ' JOIN submission s ON s.log_id = t.log_id AND s."index" = t."index"'
        f" WHERE t.readers = 'public' AND {condition}{whose}"
        ' AND (t.log_id > ? OR (t.log_id = ? AND t."index" > ?))'
        ' GROUP BY t.log_id, t."index", l.participant, l.origin, s.id ORDER BY t.log_id, t."index" LIMIT ?'
    )
    named = [] if participant is None else [participant]
    # A place is the index behind the entry, so that the first entry of the first log stands behind 0.
    rows = fetch(tx, query, (*values, *named, log, log, index - 1, limit))
    slots = (
        "SELECT t.slot, t.commitment, t.missing_since, t.erased, t.document FROM slot t"  # noqa: S608 - as above
        f" WHERE t.log_id = ? AND t.\"index\" = ? AND t.readers = 'public' AND {condition} ORDER BY t.ordinal"
    )
    return [
        EntryOwed(
            at * _LOG + place + 1,
            participant,
            origin,
            place,
            bytes(ident).hex(),
            tuple(_slot(row) for row in fetch(tx, slots, (at, place, *values))),
        )
        for at, place, participant, origin, ident in rows
    ]


def _slot(row: Sequence[Any]) -> SlotOwed:
    slot, commitment, since, order, document = row
    erased = None
    if order is not None:
        erased = Erased(None if order == FORESEEN else place_of(order), document is None)
    return SlotOwed(slot, bytes(commitment).hex(), since, erased)
