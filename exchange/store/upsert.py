"""Insert, or leave what stands, or replace it: one statement on either engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from exchange.store.database import Transaction


def keep(tx: Transaction, table: Table, row: Mapping[str, Any]) -> None:
    """Insert the row; where its key stands already, nothing happens."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    tx.execute(insert(table).values(**row).on_conflict_do_nothing())


def keep_all(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `keep`, for many rows with the same columns."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    if rows:
        tx.execute(insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])


def put_all(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `put`, for many rows with every column."""
    if not rows:
        return
    insert = (sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert)(table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    tx.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest), [dict(row) for row in rows])


def put(tx: Transaction, table: Table, row: Mapping[str, Any]) -> None:
    """Insert the row; where its primary key stands already, take its place."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in row.items() if name not in keys}
    tx.execute(insert(table).values(**row).on_conflict_do_update(index_elements=keys, set_=rest))
