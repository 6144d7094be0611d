"""Documents under an order: hidden at once from every door, list, look-up and search, then destroyed; shown again where the order falls.

Hidden means marked (`slot.erased`), with the bytes still here: everything that hands out, shows or searches a document leaves it out from
the transaction on that marks it. Destroyed means that row, opening and index are gone with the transaction, the file behind it. A crash
between the two leaves a file that no row names, which the next start sweeps away.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, select, update

from exchange.core.catalogue import Catalogue
from exchange.store import documents, tables
from exchange.store.bulk import among, change, fetch, run
from exchange.store.database import Transaction
from exchange.store.fitting import judge_places
from exchange.store.fulltext import changing

AT_ONCE = 256  # submissions, or documents, in one transaction

Place = tuple[int, int]
"""Log id and index."""


class Hidden(NamedTuple):
    """A document that is hidden, and still here."""

    log_id: int
    at: int
    slot: str
    order: str
    retain_until: str | None


def mark(tx: Transaction, changes: Mapping[Place, Mapping[str, str | None]], catalogue: Catalogue, now: str) -> None:
    """Hide these slots, each by its order, or show them again (None): what is not here any more is then missing since `now`."""
    places = [place for place, slots in changes.items() if slots]
    if not places:
        return
    with changing(tx, places):
        for (log_id, index), slots in changes.items():
            for slot, order in slots.items():
                values = _shown_again(tx, log_id, index, slot, now) if order is None else {"missing_since": None}
                tx.execute(update(tables.SLOT).where(*_at(log_id, index, slot)).values(erased=order, **values))
    judge_places(tx, places, catalogue)


def _shown_again(tx: Transaction, log_id: int, index: int, slot: str, now: str) -> dict[str, int | str | None]:
    s = tables.SLOT.c
    row = tx.execute(select(s.document, s.commitment).where(*_at(log_id, index, slot))).one()
    document: int | None = row[0]
    if document is None:
        commitment = bytes(row[1]).hex()
        whose = fetch(tx, "SELECT participant FROM log WHERE id = ?", (log_id,))[0][0]
        there = documents.kept_for(tx, whose, {commitment}).get(commitment)
        document = None if there is None else there.id
    return {"document": document, "missing_since": now if document is None else None}


def _at(log_id: int, index: int, slot: str) -> tuple[ColumnElement[bool], ...]:
    s = tables.SLOT.c
    return s.log_id == log_id, s.index == index, s.slot == slot


def overdue_to_hide(tx: Transaction, today: str) -> dict[Place, dict[str, str | None]]:
    """Slots whose statement let them be kept until a day before this one, of at most `AT_ONCE` submissions."""
    query = (
        'SELECT log_id, "index", slot FROM slot WHERE retain_until IS NOT NULL AND erased IS NULL AND retain_until < ?'
        " ORDER BY retain_until LIMIT ?"
    )
    found: dict[Place, dict[str, str | None]] = {}
    for log_id, index, slot in fetch(tx, query, (today, AT_ONCE)):
        found.setdefault((log_id, index), {})[slot] = tables.FORESEEN
    return found


def hidden_too_early(tx: Transaction, today: str) -> dict[Place, dict[str, str | None]]:
    """Slots that a clock hid which was set forward: it is not their day yet."""
    query = (
        'SELECT log_id, "index", slot FROM slot WHERE erased IS NOT NULL AND erased = ? AND retain_until >= ? LIMIT ?'
    )
    found: dict[Place, dict[str, str | None]] = {}
    for log_id, index, slot in fetch(tx, query, (tables.FORESEEN, today, AT_ONCE)):
        found.setdefault((log_id, index), {})[slot] = None
    return found


def hidden(tx: Transaction) -> list[Hidden]:
    """All that is hidden and still here."""
    query = (
        'SELECT log_id, "index", slot, erased, retain_until FROM slot WHERE erased IS NOT NULL AND document IS NOT NULL'
        ' ORDER BY log_id, "index"'
    )
    return [Hidden(*row) for row in fetch(tx, query)]


def destroy(tx: Transaction, slots: Sequence[Hidden]) -> list[str]:
    """Take these documents out of the database, but for those that another slot still names. Returns the commitments of the files
    that are to be removed once this is committed."""
    ids: set[int] = set()
    for one in slots:
        found = fetch(tx, _DOCUMENT_AT, (one.log_id, one.at, one.slot))
        ids |= {row[0] for row in found if row[0] is not None}
        run(tx, _LET_GO, (one.log_id, one.at, one.slot))
    ids -= {row[0] for row in among(tx, tables.SLOT, "document", ids)}
    files = [
        bytes(commitment).hex()
        for _, commitment in among(tx, tables.DOCUMENT, "id", ids, ("commitment",), "AND content IS NULL")
    ]
    _wipe(tx, ids)
    return files


_DOCUMENT_AT = 'SELECT document FROM slot WHERE log_id = ? AND "index" = ? AND slot = ?'
_LET_GO = 'UPDATE slot SET document = NULL WHERE log_id = ? AND "index" = ? AND slot = ?'


def _wipe(tx: Transaction, ids: Collection[int]) -> None:
    """SQLite writes zeros over what it frees, here and in the index of texts, which it then writes anew: deleted words would stay in it."""
    sqlite = tx.dialect.name == "sqlite"
    if sqlite:
        tx.exec_driver_sql("PRAGMA secure_delete=ON")
    change(tx, "DELETE FROM opening WHERE document", (), ids)
    change(tx, "DELETE FROM document WHERE id", (), ids)
    if sqlite:
        tx.exec_driver_sql("INSERT INTO search (search) VALUES ('optimize')")
        tx.exec_driver_sql("PRAGMA secure_delete=OFF")
