"""A database copied out while its node runs, and filled in again.

SQLite: its online backup, one file. PostgreSQL: every table by binary COPY in one repeatable-read snapshot, one file a table. Which
tables there are is asked of the database, not of this program, so that a copy is whole whatever version wrote it. Filling
in is one transaction, migrations included: until the caller's block ends without an error, nothing is there.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from exchange.errors import ExchangeError, Malformed, Misuse, NotFound
from exchange.store.database import Database, Transaction
from exchange.store.schema import NEWEST, bring_up_to_date, version
from exchange.store.snapshot import (
    POSTGRESQL,
    SQLITE,
    engine_name,
    open_read_only,
    parts_of,
    postgresql,
    snapshot,
    sqlite_file,
    unavailable,
)
from exchange.store.tables import DERIVED, UNCOPIED

SQLITE_COPY = "cbm.sqlite"
_BOOKKEEPING = "alembic_version"  # written by the migrations themselves


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a copy, in the order in which tables are filled in: referred-to before referring."""

    name: str
    columns: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"{self.name}.copy"


@dataclass(frozen=True, slots=True)
class Copied:
    """What stands in the folder of a copy. `tables` is empty for SQLite, where one file has them all."""

    engine: str
    schema: str
    tables: tuple[Table, ...]


@contextmanager
def copying_out(url: str, folder: Path) -> Iterator[tuple[Transaction, Copied]]:
    """Copy the database into `folder`, and look at exactly what was copied. Raises NotFound, Unavailable."""
    if engine_name(url) == SQLITE:
        target = folder / SQLITE_COPY
        _copy_sqlite(sqlite_file(url), target)
        with snapshot(f"sqlite:///{target}") as tx:
            yield tx, Copied(SQLITE, _schema(tx), ())
    else:
        with snapshot(url) as tx:
            schema = _schema(tx)
            tables = tuple(_tables(tx))
            for table in tables:
                _copy_table(tx, table, folder / table.file)
            yield tx, Copied(POSTGRESQL, schema, tables)


def _schema(tx: Transaction) -> str:
    schema = version(tx)
    if schema is None:
        raise NotFound("this database is empty: no node ever ran on it")
    return schema


def _copy_sqlite(source: Path, target: Path) -> None:
    """In one step, from one snapshot; then made one file, which needs no log beside it to be read."""
    if not source.is_file():
        raise NotFound(f"there is no database {source} yet: run the node once")
    with closing(open_read_only(source)) as read, closing(sqlite3.connect(target)) as write:
        read.backup(write)
        write.execute("PRAGMA journal_mode=DELETE")
        _forget(write)
    target.chmod(0o600)


def _forget(copy: sqlite3.Connection) -> None:
    """What a backup must not keep longer than the node does is overwritten with zeros in the copy."""
    there = {name for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    copy.execute("PRAGMA secure_delete=ON")
    for name in UNCOPIED:
        if name in there:
            copy.execute(f"DELETE FROM {name}")  # noqa: S608 - names of our own tables
    copy.commit()


def _tables(tx: Connection) -> Iterator[Table]:
    """Every table but the migrations' own, those made from others, and those kept out; columns that the database computes stay out."""
    query = text(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() "
        "AND table_name = :name AND is_generated = 'NEVER' ORDER BY ordinal_position"
    )
    for name, _ in inspect(tx).get_sorted_table_and_fkc_names():
        if name is not None and name != _BOOKKEEPING and name not in (*DERIVED, *UNCOPIED):
            yield Table(name, tuple(row[0] for row in tx.execute(query, {"name": name})))


def _columns(table: Table) -> str:
    return ", ".join(f'"{name}"' for name in table.columns)


def _copy_table(tx: Connection, table: Table, path: Path) -> None:
    cursor = tx.connection.cursor()
    try:
        with (
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            cursor.copy(f'COPY "{table.name}" ({_columns(table)}) TO STDOUT (FORMAT BINARY)') as copy,
        ):
            for block in copy:
                file.write(block)
    finally:
        cursor.close()


@contextmanager
def filling_in(url: str, folder: Path, copied: Copied) -> Iterator[Transaction]:
    """An empty database, filled from the copy and brought up to date; it commits when the block ends well. Raises Misuse."""
    kind = engine_name(url)
    if kind != copied.engine:
        raise Misuse(
            f"the backup was made of a database of the kind {copied.engine}, and cannot fill one of the kind {kind}"
        )
    if copied.schema > NEWEST:
        raise Misuse(f"the backup was made by a newer program (schema {copied.schema}); this one knows schema {NEWEST}")
    if kind == SQLITE:
        with _filling_sqlite(sqlite_file(url), folder / SQLITE_COPY) as tx:
            yield tx
    else:
        with _filling_postgresql(url, folder, copied) as tx:
            yield tx


@contextmanager
def beginning(url: str) -> Iterator[Transaction]:
    """A new database, of which the block writes the first; nothing may stand there yet. Raises Misuse, Unavailable."""
    if engine_name(url) == SQLITE:
        target = sqlite_file(url)
        if os.path.lexists(target):
            raise Misuse(f"{target} exists already; nothing is ever written over a database")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    else:
        engine = postgresql(url)
        try:
            with engine.connect() as tx:
                _check_empty(tx, url)
        except DBAPIError as error:
            raise unavailable(parts_of(url), error) from None
        finally:
            engine.dispose()
    with closing(Database(url)) as db, db.write() as tx:
        yield tx


def _check_empty(tx: Connection, url: str) -> None:
    if inspect(tx).get_table_names():
        name = parts_of(url).render_as_string(hide_password=True)
        raise Misuse(f"the database {name} is not empty; a restore never writes over one: make a new one")


@contextmanager
def _filling_sqlite(target: Path, source: Path) -> Iterator[Transaction]:
    if os.path.lexists(target):
        raise Misuse(f"{target} exists already; a restore never writes over a database")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        shutil.copyfile(source, target)
        target.chmod(0o600)
        with closing(Database.at(target)) as db, db.write() as tx:
            yield tx
    except BaseException:
        for path in target.parent.glob(target.name + "*"):
            path.unlink()
        raise


@contextmanager
def _filling_postgresql(url: str, folder: Path, copied: Copied) -> Iterator[Transaction]:
    engine = postgresql(url, synchronous_commit="on")
    try:
        with engine.begin() as tx:
            _check_empty(tx, url)
            bring_up_to_date(tx, copied.schema)
            for table in copied.tables:
                _fill_table(tx, table, folder / table.file)
            _set_sequences(tx)
            bring_up_to_date(tx)
            yield tx
    except ExchangeError:
        raise
    except DBAPIError as error:
        raise unavailable(parts_of(url), error) from None
    finally:
        engine.dispose()


def _fill_table(tx: Connection, table: Table, path: Path) -> None:
    known = {column["name"] for column in inspect(tx).get_columns(table.name)} if _exists(tx, table.name) else set()
    if not known.issuperset(table.columns):
        raise Malformed(f"the backup holds a table {table.name!r} that this program does not know")
    cursor = tx.connection.cursor()
    try:
        with (
            open(path, "rb") as file,
            cursor.copy(f'COPY "{table.name}" ({_columns(table)}) FROM STDIN (FORMAT BINARY)') as copy,
        ):
            while block := file.read(1 << 20):
                copy.write(block)
    finally:
        cursor.close()


def _exists(tx: Connection, name: str) -> bool:
    return inspect(tx).has_table(name)


def _set_sequences(tx: Connection) -> None:
    """COPY brings numbers without counting them: let every counter go on behind the largest."""
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND column_default LIKE 'nextval(%'"
    )
    for name, column in tx.execute(query).all():
        tx.execute(
            text(
                f'SELECT setval(pg_get_serial_sequence(:name, :column), COALESCE(max("{column}"), 0) + 1, false) FROM "{name}"'  # noqa: S608 - the database's own names
            ),
            {"name": f'"{name}"', "column": column},
        )
