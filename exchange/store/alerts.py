"""Alerts: what this node found wrong elsewhere, with the evidence. Raised once each, never deleted."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, literal, select

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.upsert import keep


@dataclass(frozen=True, slots=True)
class Alert:
    """One finding. `evidence` is JSON; where it convicts by itself its `kind` is that of core/evidence.py."""

    seq: int
    id: str
    kind: str
    participant: str
    origin: str
    raised: str
    summary: str
    evidence: dict[str, Any]


def raise_alert(
    tx: Transaction,
    *,
    kind: str,
    participant: str,
    origin: str,
    raised: datetime,
    summary: str,
    evidence: Mapping[str, Any],
    about: str | None = None,
) -> str:
    """Keep a finding; the same kind with the same evidence (or `about` the same thing) is one alert, however often it is met.

    Returns its id.
    """
    text = orjson.dumps(evidence)  # in its own order: what convicts by itself has one canonical text
    same = text if about is None else about.encode()
    ident = hashlib.sha256(b"\0".join([kind.encode(), participant.encode(), origin.encode(), same])).hexdigest()
    row = {
        "id": ident,
        "kind": kind,
        "participant": participant,
        "origin": origin,
        "raised": raised.isoformat(),
        "summary": summary,
        "evidence": text.decode(),
    }
    keep(tx, tables.ALERT, row)
    return ident


def list_alerts(tx: Transaction, *, after: int = 0, limit: int = 100) -> list[Alert]:
    """Alerts in the order in which they were raised, behind the one numbered `after`."""
    # As 64 bits: a cursor that was made up may be larger than the column.
    place = literal(after, BigInteger)
    return _alerts(tx, tables.ALERT.c.seq > place, limit)


def alerts_of_kind(tx: Transaction, kind: str) -> list[Alert]:
    """All of one kind, oldest first."""
    return _alerts(tx, tables.ALERT.c.kind == kind, None)


def _alerts(tx: Transaction, where: ColumnElement[bool], limit: int | None) -> list[Alert]:
    columns = [tables.ALERT.c[name] for name in Alert.__slots__]
    query = select(*columns).where(where).order_by(tables.ALERT.c.seq).limit(limit)
    return [Alert(**{**row, "evidence": orjson.loads(row["evidence"])}) for row in tx.execute(query).mappings()]
