"""Participant records as they came into force here; every version is kept."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from exchange.store import tables
from exchange.store.bulk import fetch, insert_rows
from exchange.store.database import Transaction
from exchange.trust.participants import ParticipantRecord, format_record, parse_record


def newest_records(tx: Transaction) -> dict[str, ParticipantRecord]:
    """The record in force of every participant, by code."""
    newest = "SELECT max(seq) FROM record GROUP BY participant"
    rows = fetch(tx, f"SELECT record FROM record WHERE seq IN ({newest}) ORDER BY participant")  # noqa: S608 - our own words
    records = (parse_record(orjson.loads(row[0])) for row in rows)
    return {record.participant: record for record in records}


def keep_records(tx: Transaction, records: Iterable[ParticipantRecord], imported: datetime) -> None:
    """Bring records into force; the caller leaves out those that are already."""
    rows = [_row(record, imported) for record in records]
    insert_rows(
        tx, tables.RECORD, ("participant", "sha256", "record", "imported"), [tuple(row.values()) for row in rows]
    )


def _row(record: ParticipantRecord, imported: datetime) -> dict[str, Any]:
    text = orjson.dumps(format_record(record))
    digest = hashlib.sha256(text).digest()
    named = {"participant": record.participant, "sha256": digest}
    return {**named, "record": text.decode(), "imported": imported.isoformat()}
