"""Participant records as they came into force here; every version is kept."""

import hashlib
from datetime import datetime

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


def keep_record(tx: Transaction, record: ParticipantRecord, imported: datetime) -> bool:
    """Bring a record into force; False where the very same one is in force already."""
    text = orjson.dumps(format_record(record)).decode()
    if newest_records(tx).get(record.participant) == record:
        return False
    digest = hashlib.sha256(text.encode()).digest()
    row = {"participant": record.participant, "sha256": digest, "record": text, "imported": imported.isoformat()}
    tx.execute(insert(tables.RECORD).values(row))
    return True
