"""One database, one writer at a time, nothing answered before it is durable.

SQLite in WAL mode with synchronous=FULL: a transaction that returned survives power loss. Readers never wait for the
writer. The schema's version stands in the database; a newer one than this program knows is refused.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool, QueuePool
from sqlmodel import SQLModel

from exchange.errors import Misuse
from exchange.store.tables import SETTING

# An open transaction or snapshot, handed back to the functions of this floor and looked into by nobody else.
Transaction = Connection

SCHEMA_VERSION = "1"
BUSY_SECONDS = 30
READERS = 16

# No row that proves something is ever changed or removed: a bug, or a hand in the database, meets the engine's own refusal.
_REFUSALS = (
    ("checkpoint_is_final", "UPDATE ON checkpoint", "a checkpoint never changes"),
    ("checkpoint_stays", "DELETE ON checkpoint", "a checkpoint is never deleted"),
    ("entry_is_final", 'UPDATE OF envelope, "index", log_id ON entry', "an entry never changes"),
    ("entry_stays", "DELETE ON entry", "an entry is never deleted"),
    ("log_never_shrinks", "UPDATE OF size ON log WHEN NEW.size < OLD.size", "a log never shrinks"),
)


class Database:
    """An open database. `write()` is the only way to change it, `read()` gives a consistent snapshot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        url = f"sqlite:///{path}"
        self._writer = create_engine(
            url, poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args={"check_same_thread": False}
        )
        self._reader = create_engine(
            url, poolclass=QueuePool, pool_size=READERS, max_overflow=READERS, connect_args={"check_same_thread": False}
        )
        _prepare(self._writer, begin="BEGIN IMMEDIATE", query_only=False)
        _prepare(self._reader, begin="BEGIN", query_only=True)
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        """Tables and triggers, and the schema version they belong to. Refuses a database of another version."""
        bootstrap = create_engine(f"sqlite:///{self.path}", poolclass=NullPool)
        try:
            with bootstrap.connect() as conn:
                conn.exec_driver_sql("PRAGMA journal_mode=WAL")
            SQLModel.metadata.create_all(bootstrap)
        except DatabaseError as error:
            raise Misuse(f"{self.path} cannot be opened as a database ({error.orig}): restore it") from None
        finally:
            bootstrap.dispose()
        with self.write() as conn:
            for name, when, why in _REFUSALS:
                refusal = f"BEFORE {when} BEGIN SELECT RAISE(ABORT, '{why}'); END"
                conn.exec_driver_sql(f"CREATE TRIGGER IF NOT EXISTS {name} {refusal}")
            self._settle(conn, "schema", SCHEMA_VERSION)

    def claim(self, **settings: str) -> None:
        """Settings that must never change under this data. Raises Misuse where they differ from what stands here."""
        with self.write() as conn:
            for name, value in settings.items():
                self._settle(conn, name, value)

    def _settle(self, conn: Transaction, name: str, value: str) -> None:
        stands = conn.execute(select(SETTING.c.value).where(SETTING.c.name == name)).scalar()
        if stands is None:
            conn.execute(SETTING.insert().values(name=name, value=value))
        elif stands != value:
            raise Misuse(f"the database {self.path} was made for {name} {stands!r}, this node is set up for {value!r}")

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """The one write transaction of this process. Leaving the block without an error is the commit."""
        with self._lock, self._writer.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot: everything read inside one block belongs together."""
        with self._reader.begin() as conn:
            yield conn

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


def _prepare(engine: Engine, *, begin: str, query_only: bool) -> None:
    """Take transactions out of the driver's hands: it would begin them late and without the write lock."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA recursive_triggers=ON")  # else INSERT OR REPLACE deletes a row past its triggers
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        connection.execute(f"PRAGMA query_only={'ON' if query_only else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
