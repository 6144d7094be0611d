"""The contact directory: full returns in force on forms that answer contact look-ups, and that fit them."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import case, func, select

from exchange.core.catalogue import FITS
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.readers import readable
from exchange.trust.audience import PUBLIC_REACH, Reach


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact point as its State stated it (`body`), where that stands, and when the series was last confirmed."""

    id: str
    participant: str
    form: str
    status: str
    origin: str
    index: int
    issued: str
    confirmed: str
    body: dict[str, Any]


_S, _LAST = tables.SUBMISSION.c, tables.SUBMISSION.alias("last").c

# Most often the return in force is the last word of its series; else that came later, and names the series.
_LATER = (
    select(func.max(_LAST.issued))
    .where(_LAST.series == func.coalesce(_S.series, _S.id), _LAST.participant == _S.participant)
    .where(_LAST.status == _S.status, _LAST.current.is_(True))
    .scalar_subquery()
)
# Made once: putting it together takes longer than asking it. The first two conditions are those of the index.
_IN_FORCE = (
    select(
        _S.id,
        _S.participant,
        _S.form,
        _S.status,
        tables.LOG.c.origin,
        _S.index,
        _S.issued,
        case((_S.current.is_(True), _S.issued), else_=_LATER),
        tables.DOCUMENT.c.content,
    )
    .join(tables.LOG, tables.LOG.c.id == _S.log_id)
    .join(
        tables.SLOT,
        (tables.SLOT.c.log_id == _S.log_id) & (tables.SLOT.c.index == _S.index) & (tables.SLOT.c.slot == "body"),
    )
    .join(tables.DOCUMENT, tables.DOCUMENT.c.id == tables.SLOT.c.document)
    .where(_S.directory.is_(True), _S.in_force.is_(True), _S.fits == FITS, tables.SLOT.c.erased.is_(None))
    .order_by(_S.participant, _S.form, _S.seq)
)


_PUBLIC = _IN_FORCE.where(readable(PUBLIC_REACH))


def contacts(
    tx: Transaction,
    reach: Reach = PUBLIC_REACH,
    *,
    participant: str | None = None,
    statuses: tuple[str, ...] | None = None,
) -> list[StoredContact]:
    """All contacts in force that may be read, by participant and form. `confirmed` is the issued time of the last entry of the series."""
    query = _PUBLIC if reach == PUBLIC_REACH else _IN_FORCE.where(readable(reach))
    if participant is not None:
        query = query.where(_S.participant == participant)
    if statuses is not None:
        query = query.where(_S.status.in_(statuses))
    return [StoredContact(bytes(row[0]).hex(), *row[1:8], orjson.loads(row[8])) for row in tx.execute(query)]
