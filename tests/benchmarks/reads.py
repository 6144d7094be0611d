"""How much of the database a question reads: statements, and the rows that come back, counted at the engine.

with Reads() as reads: ...; reads.statements, reads.rows
"""

import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, event


class Reads:
    """Everything that any engine of this process reads while the block runs. For connections opened within it on SQLite."""

    def __init__(self) -> None:
        self.statements = self.rows = 0
        self.tiles = 0  # statements that ask for a tile of hashes

    def __enter__(self) -> Self:
        event.listen(Engine, "after_cursor_execute", self._executed)
        event.listen(Engine, "connect", self._connected)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        event.remove(Engine, "after_cursor_execute", self._executed)
        event.remove(Engine, "connect", self._connected)

    def of(self, act: Callable[[int], object], place: int) -> tuple[int, int, int]:
        """(rows, statements, tiles) that this one act reads."""
        before = self.rows, self.statements, self.tiles
        act(place)
        return self.rows - before[0], self.statements - before[1], self.tiles - before[2]

    def _executed(self, _connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            return
        self.statements += 1
        self.tiles += "FROM tile" in statement
        if not isinstance(cursor, sqlite3.Cursor):
            self.rows += max(0, cursor.rowcount)

    def _connected(self, connection: Any, _record: Any) -> None:
        """SQLite does not say how many rows there are: each is counted where the driver makes it."""
        inner = getattr(connection, "driver_connection", connection)
        if isinstance(inner, sqlite3.Connection):
            inner.row_factory = self._count

    def _count(self, _cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.rows += 1
        return row
