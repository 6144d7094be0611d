"""The two engines as this program wants them: one line that writes, several that read, each transaction of its own kind.

On PostgreSQL writers queue behind an advisory lock of their transaction, so that each sees what the one before committed, and the
process that runs the node holds another one for as long as its writing line lives.
"""

import logging
import secrets
from typing import Any

from psycopg.types.string import BytesBinaryDumper
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, Engine
from sqlalchemy.pool import QueuePool

from exchange.errors import InUse, Misuse

BUSY_SECONDS = 30
READERS = 16
_WRITER_LOCK = 0x63626D01  # advisory locks of PostgreSQL: one write transaction at a time, whoever asks
_NODE_LOCK = 0x63626D02  # and one running node a database

# A line that was cut without a word is noticed within half a minute at both ends; until then the server keeps its locks.
_KEEPALIVE = {"idle": 15, "interval": 5, "count": 3}  # seconds, seconds, tries
_SILENCE = 30_000  # milliseconds that sent bytes may stay unanswered


# Values of rows are documents and openings: they stand in no error, and in no log however talkative.
logging.getLogger("sqlalchemy.engine.Engine").addFilter(lambda record: record.levelno > logging.DEBUG)


class NodeLock:
    """On PostgreSQL: a lock of the session, which every new writing line takes while it is `wanted`."""

    def __init__(self) -> None:
        self.wanted = False
        self.session = f"cbm-node-{secrets.token_hex(8)}"

    def take(self, connection: Any) -> None:
        """Raises InUse where another process has it."""
        if not self.wanted:
            return
        with connection.cursor() as cursor:
            if not (_try(cursor) or (self._end_own(cursor) and _try(cursor))):
                connection.close()
                raise InUse("another process runs a node on this database")
        connection.commit()

    def _end_own(self, cursor: Any) -> bool:
        """A line of this very process that was cut while the server has not noticed: its lock is ours, and so is what it still does."""
        cursor.execute(
            "SELECT pg_terminate_backend(held.pid, 5000) FROM pg_locks held JOIN pg_stat_activity line ON line.pid = held.pid"
            " WHERE held.locktype = 'advisory' AND held.granted AND held.classid = 0 AND held.objid = %s"
            " AND line.datname = current_database() AND line.application_name = %s",
            (_NODE_LOCK, self.session),
        )
        return bool(cursor.fetchall())


def _try(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", (_NODE_LOCK,))
    return bool(cursor.fetchone()[0])


def open_engines(address: URL) -> tuple[Engine, Engine, NodeLock]:
    """The engine that writes, the one that reads, and the lock of the running node. Raises Misuse."""
    lock, kind = NodeLock(), address.get_backend_name()
    if kind == "sqlite":
        options: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    elif kind == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
        told = {f"keepalives_{name}": value for name, value in _KEEPALIVE.items()} | {"tcp_user_timeout": _SILENCE}
        options = {
            "connect_args": {"connect_timeout": 10, "application_name": lock.session, **told},
            "pool_pre_ping": True,
        }
    else:
        raise Misuse(f"a database of the kind {kind!r} is not known here; use sqlite or postgresql")
    writer = create_engine(address, poolclass=QueuePool, pool_size=1, max_overflow=0, hide_parameters=True, **options)
    many = {"pool_size": READERS, "max_overflow": READERS}
    reader = create_engine(address, poolclass=QueuePool, hide_parameters=True, **many, **options)
    if kind == "sqlite":
        _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", query_only=False)
        _prepare_sqlite(reader, begin="BEGIN", query_only=True)
    else:
        _prepare_postgresql(writer, reader, lock)
    return writer, reader, lock


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


def _prepare_postgresql(writer: Engine, reader: Engine, lock: NodeLock) -> None:
    @event.listens_for(writer, "connect")
    def connect_writer(connection: Any, _record: Any) -> None:
        # Bytes by the driver's compiled way; the one that it prefers goes through Python for each value of a COPY.
        connection.adapters.register_dumper(bytes, BytesBinaryDumper)
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            for name, value in _KEEPALIVE.items():
                cursor.execute(f"SET tcp_keepalives_{name} = {value}")
            cursor.execute(f"SET tcp_user_timeout = {_SILENCE}")
        connection.commit()
        lock.take(connection)

    @event.listens_for(reader, "connect")
    def connect_reader(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_isolation = 'repeatable read'")
            cursor.execute("SET default_transaction_read_only = on")
        connection.commit()

    @event.listens_for(writer, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
