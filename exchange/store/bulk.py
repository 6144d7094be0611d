"""Many rows at once, by the driver's own fastest way: executemany on SQLite, binary COPY on PostgreSQL.

One statement a row through a query builder costs more than checking the row's signature; these do not.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.shortkey import shortkey

IN_ONE_QUESTION = 1_000  # values of an IN list


def insert_rows(tx: Transaction, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert `rows`, each with the values of the columns `names` in that order."""
    if not rows:
        return
    columns = ", ".join(f'"{name}"' for name in names)
    cursor = tx.connection.cursor()
    try:
        if tx.dialect.name == "sqlite":
            marks = ", ".join("?" * len(names))
            cursor.executemany(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', rows)  # noqa: S608 - our own names
            return
        with cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types([_TYPES[str(table.c[name].type)] for name in names])
            for row in rows:
                copy.write_row(row)
    finally:
        cursor.close()


_TYPES = {"INTEGER": "int4", "BIGINT": "int8", "VARCHAR": "varchar", "BLOB": "bytea", "BOOLEAN": "bool"}


def among(
    tx: Transaction, table: Table, column: str, values: Collection[Any], also: Sequence[str] = (), condition: str = ""
) -> Iterator[tuple[Any, ...]]:
    """The rows (column, *also) whose column is one of `values`, hundreds to a question. `condition` is SQL of our own."""
    names = ", ".join(f'"{name}"' for name in (column, *also))
    yield from ask(tx, f'SELECT {names} FROM "{table.name}" WHERE "{column}"', values, condition)  # noqa: S608 - our own names


def by_digest(tx: Transaction, idents: Collection[bytes], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """(id, *columns) of the submissions with these ids."""
    wanted = {shortkey(ident) for ident in idents}
    for row in ask(tx, _submissions_by_key(tuple(columns)), wanted):
        if (ident := bytes(row[0])) in idents:
            yield ident, *row[1:]


@cache
def _submissions_by_key(columns: tuple[str, ...]) -> str:
    names = ", ".join(f's."{name}"' for name in ("id", *columns))
    entry, submission = tables.ENTRY.name, tables.SUBMISSION.name
    return (
        f"SELECT {names} FROM {entry} e JOIN {submission} s"  # noqa: S608 - our own names
        ' ON s.log_id = e.log_id AND s."index" = e."index" WHERE e.key'
    )


def ask(tx: Transaction, start: str, values: Collection[Any], condition: str = "") -> Iterator[tuple[Any, ...]]:
    """The rows of `start`, a query of our own that ends with the column that is one of `values`, and of `condition` behind it."""
    sqlite = tx.dialect.name == "sqlite"
    wanted = list(values)
    cursor = tx.connection.cursor()
    try:
        for at in range(0, len(wanted), IN_ONE_QUESTION):
            some = wanted[at : at + IN_ONE_QUESTION]
            marks = f"IN ({', '.join('?' * len(some))})" if sqlite else "= ANY(%s)"
            cursor.execute(f"{start} {marks} {condition}", some if sqlite else (some,))
            yield from cursor.fetchall()
    finally:
        cursor.close()
