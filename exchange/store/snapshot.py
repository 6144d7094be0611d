"""A look at a database as it stands: one consistent snapshot, nothing written, nothing claimed, nothing migrated.

For whoever must not disturb: a check, a backup, a newer program beside a node that still runs the older one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from exchange.errors import Misuse, NotFound, Unavailable
from exchange.store.database import Transaction

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def parts_of(url: str) -> URL:
    """Raises Misuse where that is no address of a database that we know."""
    try:
        parts = make_url(url)
    except ArgumentError:
        raise Misuse(
            "a database is named by an address like sqlite:////srv/cbm.sqlite or postgresql://USER@HOST/NAME"
        ) from None
    if parts.get_backend_name() not in (SQLITE, POSTGRESQL):
        raise Misuse(f"a database of the kind {parts.get_backend_name()!r} is not known here; use sqlite or postgresql")
    return parts


def engine_name(url: str) -> str:
    return parts_of(url).get_backend_name()


def sqlite_file(url: str) -> Path:
    """The file of an SQLite database."""
    return Path(parts_of(url).database or "")


@contextmanager
def snapshot(url: str) -> Iterator[Transaction]:
    """Everything read inside one block belongs together. Raises NotFound where no database is yet, Unavailable, Misuse."""
    engine = _reader(url)
    try:
        with _connected(engine, parts_of(url)) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def _reader(url: str) -> Engine:
    if engine_name(url) == SQLITE:
        path = sqlite_file(url)
        if not path.is_file():
            raise NotFound(f"there is no database {path} yet")
        return create_engine(
            "sqlite://", creator=lambda: open_read_only(path), poolclass=NullPool, hide_parameters=True
        )
    return postgresql(url, default_transaction_read_only="on", default_transaction_isolation="repeatable\\ read")


def open_read_only(path: Path) -> sqlite3.Connection:
    """The file by SQLite's own hands, never written; a writer beside us is not kept waiting."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False)
    connection.isolation_level = None
    connection.execute("BEGIN")  # else every statement would see its own moment
    return connection


def postgresql(url: str, **options: str) -> Engine:
    """An engine of single connections, with settings of the server for each."""
    given = {"options": " ".join(f"-c {name}={value}" for name, value in options.items())} if options else {}
    parts = parts_of(url).set(drivername="postgresql+psycopg")
    told: dict[str, Any] = {"connect_timeout": 10, **given}
    return create_engine(parts, poolclass=NullPool, hide_parameters=True, connect_args=told)


@contextmanager
def _connected(engine: Engine, parts: URL) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except (DBAPIError, sqlite3.Error) as error:
        raise unavailable(parts, error) from None
    with connection:
        yield connection


def unavailable(parts: URL, error: Exception) -> Unavailable:
    """What the engine said, on one line and without the password."""
    said = str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__]
    return Unavailable(f"the database {parts.render_as_string(hide_password=True)} does not open: {said[0]}")
