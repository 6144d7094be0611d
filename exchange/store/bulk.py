"""Statements by the driver's own fastest way, on either engine; many rows at once.

One statement through a query builder costs more than checking a row's signature; these do not. On SQLite a statement carries many
rows: the driver lets go of the interpreter for each, and beside a busy thread it is the waiting to get it back that costs.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Integer, Table, any_, literal

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.shortkey import shortkey

IN_ONE_QUESTION = 1_000  # values of an IN list
IN_ONE_INSERT = 64  # rows; fewer go in halves of it, so that few statements are ever prepared


def fetch(tx: Transaction, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows that a statement of our own gives; `?` stands for a value."""
    cursor = tx.connection.cursor()
    try:
        cursor.execute(_spelt(tx, statement), values)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def run(tx: Transaction, statement: str, *rows: Sequence[Any]) -> None:
    """Do what a statement of our own says, once with each of these rows of values."""
    cursor = tx.connection.cursor()
    try:
        if len(rows) == 1:
            cursor.execute(_spelt(tx, statement), rows[0])
        else:
            cursor.executemany(_spelt(tx, statement), rows)
    finally:
        cursor.close()


def _spelt(tx: Transaction, statement: str) -> str:
    return statement if tx.dialect.name == "sqlite" else statement.replace("?", "%s")


def insert_rows(
    tx: Transaction, table: Table, names: tuple[str, ...], rows: Sequence[Sequence[Any]], conflict: str = ""
) -> None:
    """Insert `rows`, each with the values of the columns `names` in that order. `conflict` is SQL of our own: what to do where a key stands."""
    if not rows:
        return
    into, marks, types = _insertion(table, names)
    cursor = tx.connection.cursor()
    try:
        if tx.dialect.name == "sqlite":
            at, size = 0, IN_ONE_INSERT
            while at < len(rows):
                while size > len(rows) - at:
                    size //= 2
                several = ", ".join([marks] * size)
                statement = f"INSERT INTO {into} VALUES {several} {conflict}"  # noqa: S608 - our own names
                cursor.execute(statement, [*chain.from_iterable(rows[at : at + size])])
                at += size
            return
        if conflict:  # COPY knows no conflicts; a list for each column is one question as well
            lists = ", ".join(f"%b::{name}[]" for name in types)
            values = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(f"INSERT INTO {into} SELECT * FROM unnest({lists}) {conflict}", values)  # noqa: S608 - our own names
            return
        with cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
    finally:
        cursor.close()


@cache
def _insertion(table: Table, names: tuple[str, ...]) -> tuple[str, str, list[str]]:
    """(table and columns, marks of a row, types of the columns for COPY)."""
    columns = ", ".join(f'"{name}"' for name in names)
    return (
        f'"{table.name}" ({columns})',
        f"({', '.join('?' * len(names))})",
        [_TYPES[str(table.c[name].type)] for name in names],
    )


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


def one_of(tx: Transaction, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
    """That a column is one of these numbers: one value to PostgreSQL, which would plan anew for each number of values."""
    if tx.dialect.name == "sqlite":
        return column.in_(numbers)
    return column == any_(literal(list(numbers), ARRAY(Integer)))


def ask(tx: Transaction, start: str, values: Collection[Any], condition: str = "") -> Iterator[tuple[Any, ...]]:
    """The rows of `start`, a query of our own that ends with the column that is one of `values`, and of `condition` behind it."""
    cursor = tx.connection.cursor()
    try:
        for is_one, some in _lists(tx, values):
            cursor.execute(f"{start} {is_one} {condition}", some)
            yield from cursor.fetchall()
    finally:
        cursor.close()


def change(tx: Transaction, start: str, new: Sequence[Any], numbers: Collection[int]) -> None:
    """Do what `start` says, an UPDATE with the values `new` or a DELETE of our own, which ends with the column that is one of `numbers`."""
    cursor = tx.connection.cursor()
    try:
        for is_one, some in _lists(tx, numbers):
            cursor.execute(f"{_spelt(tx, start)} {is_one}", [*new, *some])
    finally:
        cursor.close()


def _lists(tx: Transaction, values: Collection[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """These numbers or hashes in lists, each with what stands behind a column that is one of them."""
    wanted = list(values)
    for at in range(0, len(wanted), IN_ONE_QUESTION):
        some = wanted[at : at + IN_ONE_QUESTION]
        if tx.dialect.name == "sqlite":
            yield f"IN ({', '.join('?' * len(some))})", some
        # A list that is written here costs a tenth of what the driver takes, which asks of each value what it is.
        elif isinstance(some[0], int):
            yield "= ANY(%s::bigint[])", ["{" + ",".join(map(str, some)) + "}"]
        else:
            yield "= ANY(%s::bytea[])", ["{" + ",".join([f'"\\\\x{value.hex()}"' for value in some]) + "}"]
