"""Participant records as they came into force here; every version is kept."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, insert, select

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.trust.participants import ParticipantRecord, format_record, parse_record


def newest_records(tx: Transaction) -> dict[str, ParticipantRecord]:
    """The record in force of every participant, by code."""
    newest = select(func.max(tables.RECORD.c.seq)).group_by(tables.RECORD.c.participant)
    query = select(tables.RECORD.c.record).where(tables.RECORD.c.seq.in_(newest)).order_by(tables.RECORD.c.participant)
    records = (parse_record(orjson.loads(row[0])) for row in tx.execute(query))
    return {record.participant: record for record in records}


def keep_records(tx: Transaction, records: Iterable[ParticipantRecord], imported: datetime) -> None:
    """Bring records into force; the caller leaves out those that are already."""
    rows = [_row(record, imported) for record in records]
    if rows:
        tx.execute(insert(tables.RECORD), rows)


def _row(record: ParticipantRecord, imported: datetime) -> dict[str, Any]:
    text = orjson.dumps(format_record(record))
    digest = hashlib.sha256(text).digest()
    named = {"participant": record.participant, "sha256": digest}
    return {**named, "record": text.decode(), "imported": imported.isoformat()}
