"""A node in figures, for its operator. Each is read through an index, so that asking every few seconds costs little.

`unknown_forms` alone looks at every submission: that is for a person who asks once.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text

from exchange.core.catalogue import NOT_KNOWN
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.documents import is_missing
from exchange.store.readers import readable
from exchange.trust.audience import PUBLIC_REACH, Reach


@dataclass(frozen=True, slots=True)
class LogFigures:
    """A log in figures; `owed` documents are named by its entries and not held here, `overdue` for longer than allowed."""

    participant: str
    origin: str
    own: bool
    halted: bool
    size: int
    stored: int
    refused: int
    waiting: int
    disputed: int
    owed: int
    overdue: int

    @property
    def admitted(self) -> int:
        return self.stored - self.refused - self.waiting - self.disputed


def log_figures(tx: Transaction, overdue_before: datetime, reach: Reach = PUBLIC_REACH) -> list[LogFigures]:
    """Every log known here, by participant and then in the order in which the participant kept them.

    `reach` is that of this node: what it may not read is owed by nobody.
    """
    every = select(tables.LOG.c.id)
    entry, slot = tables.ENTRY.c, tables.SLOT.c
    refused, waiting, disputed = (
        _counts(tx, tables.ENTRY.c.log_id, entry.log_id.in_(every), entry.code.is_not(None), entry.verdict == verdict)
        for verdict in ("refused", "waiting", "disputed")
    )
    missing = (slot.log_id.in_(every), *is_missing(), readable(reach))
    owed = _counts(tx, slot.log_id, *missing)
    overdue = _counts(tx, slot.log_id, *missing, slot.missing_since < overdue_before.isoformat())
    log = tables.LOG.c
    query = select(log.id, log.participant, log.origin, log.own, log.halted, log.size, log.stored)
    return [
        LogFigures(
            participant,
            origin,
            bool(own),
            halted is not None,
            size,
            stored,
            *(counts.get(ident, 0) for counts in (refused, waiting, disputed, owed, overdue)),
        )
        for ident, participant, origin, own, halted, size, stored in tx.execute(
            query.order_by(log.participant, log.ordinal)
        )
    ]


def _counts(tx: Transaction, by: ColumnElement[int], *where: ColumnElement[bool]) -> dict[int, int]:
    query = select(by, func.count()).where(*where).group_by(by)
    return {row[0]: row[1] for row in tx.execute(query)}


def alerts_by_kind(tx: Transaction) -> dict[str, int]:
    kind = tables.ALERT.c.kind
    return {row[0]: row[1] for row in tx.execute(select(kind, func.count()).group_by(kind).order_by(kind))}


def unknown_forms(tx: Transaction) -> dict[str, int]:
    """Submissions whose form is not known here, by the form's code."""
    form = tables.SUBMISSION.c.form
    query = select(form, func.count()).where(tables.SUBMISSION.c.fits == NOT_KNOWN).group_by(form).order_by(form)
    return {row[0]: row[1] for row in tx.execute(query)}


def database_bytes(tx: Transaction) -> int:
    """What the database takes on its disk, but for the files of larger documents."""
    if tx.dialect.name == "sqlite":
        pages, size = (int(tx.exec_driver_sql(f"PRAGMA {what}").scalar_one()) for what in ("page_count", "page_size"))
        return pages * size
    return int(tx.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
