"""Insert, or leave what stands, or replace it: one statement on either engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from exchange.store.bulk import insert_rows
from exchange.store.database import Transaction


def keep(tx: Transaction, table: Table, row: Mapping[str, Any]) -> None:
    """Insert the row; where its key stands already, nothing happens."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    tx.execute(insert(table).values(**row).on_conflict_do_nothing())


def keep_all(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `keep`, for many rows with the same columns."""
    if rows:
        insert_rows(tx, table, tuple(rows[0]), [tuple(row.values()) for row in rows], "ON CONFLICT DO NOTHING")


def put_all(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `put`, for many rows with every column, no key twice."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    rest = ", ".join(f'"{name}" = excluded."{name}"' for name in rows[0] if name not in keys)
    key = ", ".join(f'"{name}"' for name in keys)
    replace = f"ON CONFLICT ({key}) DO UPDATE SET {rest}"
    insert_rows(tx, table, tuple(rows[0]), [tuple(row.values()) for row in rows], replace)


def put(tx: Transaction, table: Table, row: Mapping[str, Any]) -> None:
    """Insert the row; where its primary key stands already, take its place."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in row.items() if name not in keys}
    tx.execute(insert(table).values(**row).on_conflict_do_update(index_elements=keys, set_=rest))
