"""One database, one writer at a time, nothing answered before it is durable; SQLite by default, PostgreSQL by URL.

SQLite runs in WAL mode with synchronous=FULL, PostgreSQL with synchronous_commit=on: a transaction that returned survives
power loss. Readers see a snapshot and never wait for the writer. Rows that prove something are protected by the
engine itself. The schema grows by migrations (migrations/), forward only; a database newer than this program is refused.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from exchange.errors import Misuse, StorageFailed, Unavailable
from exchange.files import fsync, locked
from exchange.store.engines import BUSY_SECONDS, open_engines
from exchange.store.schema import bring_up_to_date
from exchange.store.tables import SETTING

# An open transaction or snapshot, handed back to the functions of this floor and looked into by nobody else.
Transaction = Connection

_CHUNK = 1 << 20  # bytes

_FULL = "SQLITE_FULL"
_OURS = "SQLITE_ERROR"  # a statement that cannot be run here: a fault of the program or its tables, and no trouble with the storage

_logger = logging.getLogger("exchange.store")


class Database:
    """An open database. `write()` is the only way to change it, `read()` gives a consistent snapshot."""

    def __init__(self, url: str, *, held: bool = False) -> None:
        """`url` is sqlite:///PATH or postgresql://...; raises Misuse, and Unavailable where no server answers.

        `held`: for the running node alone, until `close`; then what is read here is first made as durable as it looks. Raises InUse, StorageFailed.
        """
        self._lock = threading.Lock()
        self._file_lock: IO[str] | None = None
        self.generation = 0  # grows with every write: while it stands still, so do the data
        self.on_write: Callable[[], None] = lambda: None  # called after each
        try:
            parts = make_url(url)
        except ArgumentError:
            raise Misuse(
                "the database is named by an address like sqlite:///DIR/cbm.sqlite or postgresql://..."
            ) from None
        self.name = parts.render_as_string(hide_password=True)
        self._is_file = parts.get_backend_name() == "sqlite"
        self._writer, self._reader, self._node_lock = open_engines(parts)
        driver: Any = self._writer.dialect.loaded_dbapi  # what goes past SQLAlchemy (store/bulk.py) raises its own
        self._refusals = (OperationalError, InterfaceError, driver.OperationalError, driver.InterfaceError)
        try:
            if held:
                self._hold()
            with self.write() as tx:
                bring_up_to_date(tx)
        except (DBAPIError, StorageFailed, OSError) as error:
            self.close()
            why = f"{self.name} cannot be opened as a database ({_first_line(error.__cause__ or error)})"
            raise (Misuse(f"{why}: restore it") if self._is_file else Unavailable(why)) from None
        except BaseException:
            self.close()
            raise
        if held and self._is_file:
            try:
                self._write_again()
            except BaseException:
                self.close()
                raise

    @classmethod
    def at(cls, path: Path) -> "Database":
        """The SQLite database in a file."""
        return cls(f"sqlite:///{path}")

    def _hold(self) -> None:
        """Claim the database for the running node, before anything is read or written. Raises InUse.

        On SQLite a file beside the data is locked, since two data directories may name the same database. On PostgreSQL every line on
        which this process writes takes the node's lock, also one that comes after the server was away.
        """
        if self._is_file:
            file = Path(self._writer.url.database or "")
            self._file_lock = locked(file.with_name(file.name + ".lock"), f"runs a node on the database {self.name}")
        self._node_lock.wanted = True

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
    def write(self, *, silent: bool = False) -> Iterator[Transaction]:
        """The one write transaction of this process. Leaving the block without an error is the commit.

        `silent`: of what nothing that is answered depends on, so that no answer has to be made anew.

        Raises StorageFailed where the storage refused. Then nothing was committed; or, on PostgreSQL, the answer to the commit was lost, and
        the next transaction sees what became of it, since it waits for the lock of the one before. What became of a commit that failed on
        SQLite is seen by the next process alone: its own error is raised, after which nothing more may be built on this data here.
        A full disk is the exception: a write met it, before the frame that commits was whole, and no fsync failed.
        """
        committing = False
        with self._lock:
            try:
                with self._writer.begin() as tx:
                    yield tx
                    committing = True
            except self._refusals as error:
                name = _sqlite_name(error)
                if name == _OURS or (committing and self._is_file and name != _FULL):
                    raise
                raise self._refused(error) from error
            finally:  # a commit that seems to have failed may have reached the disk
                if not silent:
                    self.generation += 1
                    self.on_write()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot: everything read inside one block belongs together. Raises StorageFailed."""
        try:
            with self._reader.begin() as tx:
                yield tx
        except self._refusals as error:
            if _sqlite_name(error) == _OURS:
                raise
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> StorageFailed:
        """Said to anybody who asks, so nothing of where the data lies; the operator reads the rest in the log."""
        _logger.error("%s: %s", self.name, _first_line(error))
        what = _first_line(error) if self._is_file else "its server does not answer, or ended the connection"
        return StorageFailed(f"the database of this node failed: {what}")

    def forget(self) -> bool:
        """Let go of what was deleted: SQLite's log of what was written, PostgreSQL's dead rows. False where somebody reads still: ask again."""
        with self._lock:
            line = self._writer.raw_connection()
            try:
                driver: Any = line.driver_connection
                if self._is_file:
                    driver.execute("PRAGMA busy_timeout=100")
                    busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                    driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
                    return not busy
                driver.autocommit = True
                try:
                    driver.execute("VACUUM document, opening, slot, search")
                finally:
                    driver.autocommit = False
                return True
            except self._refusals as error:
                raise self._refused(error) from error
            finally:
                line.close()

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()
        if self._file_lock is not None:
            self._file_lock.close()


def _sqlite_name(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))


def _first_line(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    return (str(original).splitlines() or [type(original).__name__])[0]
