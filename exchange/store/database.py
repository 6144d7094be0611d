"""One database, one writer at a time, nothing answered before it is durable; SQLite by default, PostgreSQL by URL.

SQLite runs in WAL mode with synchronous=FULL, PostgreSQL with synchronous_commit=on: a transaction that returned survives
power loss. Readers see a snapshot and never wait for the writer. Rows that prove something are protected by the
engine itself. The schema grows by migrations (migrations/), forward only; a database newer than this program is refused.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from exchange.errors import InUse, Misuse, StorageFailed, Unavailable
from exchange.files import fsync
from exchange.store.schema import bring_up_to_date
from exchange.store.tables import SETTING

# An open transaction or snapshot, handed back to the functions of this floor and looked into by nobody else.
Transaction = Connection

BUSY_SECONDS = 30
_CHUNK = 1 << 20  # bytes
READERS = 16
_WRITER_LOCK = 0x63626D01  # advisory locks of PostgreSQL: one write transaction at a time, whoever asks
_NODE_LOCK = 0x63626D02  # and one running node a database


class Database:
    """An open database. `write()` is the only way to change it, `read()` gives a consistent snapshot."""

    def __init__(self, url: str) -> None:
        """`url` is sqlite:///PATH or postgresql://...; raises Misuse, and Unavailable where no server answers."""
        self._lock = threading.Lock()
        self._holder: Connection | None = None
        self.generation = 0  # grows with every write: while it stands still, so do the data
        self.on_write: Callable[[], None] = lambda: None  # called after each
        try:
            parts = make_url(url)
        except ArgumentError:
            raise Misuse(
                "the database is named by an address like sqlite:///DIR/cbm.sqlite or postgresql://..."
            ) from None
        self.name = parts.render_as_string(hide_password=True)
        if parts.get_backend_name() == "sqlite":
            options: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
        elif parts.get_backend_name() == "postgresql":
            parts = parts.set(drivername="postgresql+psycopg")
            options = {"connect_args": {"connect_timeout": 10}, "pool_pre_ping": True}
        else:
            raise Misuse(
                f"a database of the kind {parts.get_backend_name()!r} is not known here; use sqlite or postgresql"
            )
        self._writer = create_engine(parts, poolclass=QueuePool, pool_size=1, max_overflow=0, **options)
        self._reader = create_engine(parts, poolclass=QueuePool, pool_size=READERS, max_overflow=READERS, **options)
        if parts.get_backend_name() == "sqlite":
            _prepare_sqlite(self._writer, begin="BEGIN IMMEDIATE", query_only=False)
            _prepare_sqlite(self._reader, begin="BEGIN", query_only=True)
        else:
            _prepare_postgresql(self._writer, self._reader)
        try:
            with self.write() as tx:
                bring_up_to_date(tx)
        except DBAPIError as error:
            self.close()
            why = f"{self.name} cannot be opened as a database ({str(error.orig).splitlines()[0]})"
            raise (Misuse(f"{why}: restore it") if parts.get_backend_name() == "sqlite" else Unavailable(why)) from None
        except BaseException:
            self.close()
            raise

    @classmethod
    def at(cls, path: Path) -> "Database":
        """The SQLite database in a file."""
        return cls(f"sqlite:///{path}")

    def hold(self) -> None:
        """Claim the database for the running node, until `close`. Raises InUse, StorageFailed.

        On SQLite the lock of the data directory keeps others out; what is read here is first made as durable as it looks.
        """
        if self._writer.dialect.name == "sqlite":
            return self._write_again()
        if self._holder is not None:
            return
        holder = self._reader.connect()
        if not holder.exec_driver_sql(f"SELECT pg_try_advisory_lock({_NODE_LOCK})").scalar():
            holder.close()
            raise InUse(f"another process runs a node on the database {self.name}")
        holder.commit()
        self._holder = holder

    def _write_again(self) -> None:
        """Write SQLite's WAL over itself, and fsync it and its folder.

        An fsync that failed leaves pages that can be read and are never saved: the system counts them as clean. A process that
        starts then reads a commit out of them that a power cut takes away, and with it all that was built on it. So what is
        believed is written once more. SQLite also overlooks an fsync of the folder that failed, which holds the names of its files.
        """
        file = Path(self._writer.url.database or "")
        wal = file.with_name(file.name + "-wal")
        try:
            with self.write():  # nobody else writes meanwhile
                if wal.exists():
                    with open(wal, "r+b") as handle:
                        while chunk := handle.read(_CHUNK):
                            handle.seek(-len(chunk), os.SEEK_CUR)
                            handle.write(chunk)
                        handle.flush()
                        os.fsync(handle.fileno())
                fsync(file.parent)
        except OSError as error:
            raise StorageFailed(f"{file.parent} cannot be made durable: {error.strerror}; see to the disk") from error

    def claim(self, **settings: str) -> None:
        """Settings that must never change under this data. Raises Misuse where they differ from what stands here."""
        with self.write() as tx:
            for name, value in settings.items():
                stands = tx.execute(select(SETTING.c.value).where(SETTING.c.name == name)).scalar()
                if stands is None:
                    tx.execute(SETTING.insert().values(name=name, value=value))
                elif stands != value:
                    raise Misuse(
                        f"the database {self.name} was made for {name} {stands!r}, this node is set up for {value!r}"
                    )

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """The one write transaction of this process. Leaving the block without an error is the commit."""
        with self._lock:
            try:
                with self._writer.begin() as tx:
                    yield tx
            finally:  # a commit that seems to have failed may have reached the disk
                self.generation += 1
                self.on_write()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot: everything read inside one block belongs together."""
        with self._reader.begin() as tx:
            yield tx

    def close(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None
        self._reader.dispose()
        self._writer.dispose()


def _prepare_sqlite(engine: Engine, *, begin: str, query_only: bool) -> None:
    """Take transactions out of the driver's hands: it would begin them late and without the write lock."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA recursive_triggers=ON")  # else INSERT OR REPLACE deletes a row past its triggers
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        connection.execute(f"PRAGMA query_only={'ON' if query_only else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _prepare_postgresql(writer: Engine, reader: Engine) -> None:
    """Writers queue behind one advisory lock, so that each sees what the one before committed; readers get a snapshot."""

    @event.listens_for(writer, "connect")
    def connect_writer(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
        connection.commit()

    @event.listens_for(reader, "connect")
    def connect_reader(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_isolation = 'repeatable read'")
            cursor.execute("SET default_transaction_read_only = on")
        connection.commit()

    @event.listens_for(writer, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
