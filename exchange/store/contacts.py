"""The contact directory: full returns in force on forms that answer contact look-ups, and that fit them."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import func, select

from exchange.core.catalogue import FITS
from exchange.store import tables
from exchange.store.database import Transaction

_SERIES = func.coalesce(tables.SUBMISSION.c.series, tables.SUBMISSION.c.id)


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact point as its State stated it (`body`), where that stands, and when the series was last confirmed."""

    id: str
    participant: str
    form: str
    status: str
    origin: str
    index: int
    confirmed: str
    body: dict[str, Any]


def contacts(
    tx: Transaction, *, participant: str | None = None, statuses: tuple[str, ...] | None = None
) -> list[StoredContact]:
    """All contacts in force, by participant and form. `confirmed` is the issued time of the last entry of the series."""
    s = tables.SUBMISSION.c
    later = (
        select(
            s.participant,
            _SERIES.label("series"),
            s.status,
            func.max(s.issued).label("confirmed"),
        )
        .where(s.current.is_(True))
        .group_by(s.participant, _SERIES, s.status)
        .subquery()
    )
    query = (
        select(
            s.id,
            s.participant,
            s.form,
            s.status,
            tables.LOG.c.origin,
            s.index,
            later.c.confirmed,
            tables.DOCUMENT.c.content,
        )
        .join(tables.LOG, tables.LOG.c.id == s.log_id)
        .join(
            later, (later.c.participant == s.participant) & (later.c.series == _SERIES) & (later.c.status == s.status)
        )
        .join(
            tables.SLOT,
            (tables.SLOT.c.log_id == s.log_id) & (tables.SLOT.c.index == s.index) & (tables.SLOT.c.slot == "body"),
        )
        .join(tables.DOCUMENT, tables.DOCUMENT.c.id == tables.SLOT.c.document)
        .where(s.in_force.is_(True), s.directory.is_(True), s.fits == FITS)
        .order_by(s.participant, s.form, s.seq)
    )
    if participant is not None:
        query = query.where(s.participant == participant)
    if statuses is not None:
        query = query.where(s.status.in_(statuses))
    return [StoredContact(bytes(row[0]).hex(), *row[1:7], orjson.loads(row[7])) for row in tx.execute(query)]
