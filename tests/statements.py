"""SQL compiled once in a session, and not by every node: engines of one kind share their dialect and the statements it compiled.

SQLAlchemy keeps what it compiles for each engine, and asks a PostgreSQL server what it is at each engine's first connection.
A node lives long and pays once. Here hundreds live for a second, and most of what they would do is compile the same SQL again.
"""

from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine

_compiled: dict[Any, Any] = {}
_dialects: dict[Any, Any] = {}  # by class and options: an engine that commits each statement by itself has another one
_connected: set[Any] = set()


class _Shared:
    """One for all engines of its options. What it finds out about its server it finds out once, since there is one server."""

    def __new__(cls, **options: Any) -> Any:
        key = cls, frozenset(options.items())
        if key not in _dialects:
            _dialects[key] = super().__new__(cls)
        return _dialects[key]

    def __init__(self, **options: Any) -> None:
        if not vars(self):
            super().__init__(**options)

    def initialize(self, connection: Connection) -> None:
        if self not in _connected:
            super().initialize(connection)  # type: ignore[misc]
            _connected.add(self)


class SharedSqlite(_Shared, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class SharedPostgresql(_Shared, PGDialect_psycopg):
    supports_statement_cache = True


def share() -> None:
    registry.register("sqlite", __name__, "SharedSqlite")
    registry.register("sqlite.pysqlite", __name__, "SharedSqlite")
    registry.register("postgresql.psycopg", __name__, "SharedPostgresql")
    event.listen(Engine, "engine_connect", _keep)


def _keep(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_compiled)
