"""The real application with a sentence on it: it kills itself (SIGKILL) at a chosen moment around its commit.

    python -m tests.crash.node_that_dies DIR --moment "after the commit" --seed 7

Nothing of the application is replaced: the driver's statements and SQLAlchemy's events tell when it is time. The seed says which of the
coming appends is the last, and for the moments that are left to chance, when exactly.
"""

import argparse
import os
import random
import re
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from exchange.app import serve
from exchange.config import read_settings

BEFORE, AFTER = "before the commit", "after the commit"
BETWEEN = "between file and transaction"
WITHIN = "within the transaction"
ANY = "at any moment"
MOMENTS = (BEFORE, AFTER, BETWEEN, WITHIN, ANY)

MAX_APPENDS = 8  # transactions that append, until it is the last
STATEMENTS = 10  # of such a transaction behind its first entry
_ENTRIES = re.compile(r'(?:INSERT INTO|COPY) "entry"')
SOON = (0.001, 0.01, 0.1)  # seconds: within the transaction, around its end, some transactions later


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _on_the_writing_thread() -> bool:
    """Readers of the same database raise the same events."""
    return threading.current_thread().name == "appender"


class Sentence:
    """Counts the transactions that append; in the last of them, at `moment`, the process dies."""

    def __init__(self, moment: str, seed: int, documents: Path) -> None:
        chance = random.Random(seed)
        self.moment = moment
        self._documents = documents
        self._left = chance.randint(1, MAX_APPENDS)
        self._statements = chance.randrange(STATEMENTS)
        self._delay = chance.uniform(0, chance.choice(SOON))
        self._files = self._count_files()
        self._appending = False

    def execute(self) -> None:
        event.listen(Engine, "connect", self._watch)
        event.listen(Engine, "begin", self._on_begin)
        event.listen(Engine, "commit", self._on_commit)
        event.listen(Engine, "checkin", self._on_checkin)

    def _watch(self, connection: Any, _record: Any) -> None:
        """Hear every statement, also those that go past SQLAlchemy."""
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(self._on_statement)
            return
        hear = self._on_statement

        class Heard(psycopg.Cursor[Any]):
            def execute(self, query: Any, *args: Any, **named: Any) -> Any:
                hear(str(query))
                return super().execute(query, *args, **named)

            def executemany(self, query: Any, *args: Any, **named: Any) -> None:
                hear(str(query))
                super().executemany(query, *args, **named)

            def copy(self, statement: Any, *args: Any, **named: Any) -> Any:
                hear(str(statement))
                return super().copy(statement, *args, **named)

        connection.cursor_factory = Heard

    def _on_statement(self, statement: str) -> None:
        if not _on_the_writing_thread():
            return
        if _ENTRIES.match(statement) and not self._appending:
            self._appending = True
            if self.moment != BETWEEN:
                self._left -= 1
            if self._left == 0 and self.moment == ANY:
                threading.Timer(self._delay, die).start()
        elif self._appending and self._left == 0 and self.moment == WITHIN:
            self._statements -= 1
            if self._statements <= 0:
                die()

    def _on_begin(self, _conn: Any) -> None:
        """A large document lies in its file, and the transaction that will name it begins."""
        if not _on_the_writing_thread():
            return
        self._appending = False
        files = self._count_files()
        if self.moment == BETWEEN and files > self._files:
            self._left -= 1
            if self._left <= 0:
                die()
        self._files = files

    def _count_files(self) -> int:
        return sum(1 for path in self._documents.rglob("*") if path.is_file())

    def _on_commit(self, _conn: Any) -> None:
        """SQLAlchemy tells before it hands COMMIT to the driver."""
        if _on_the_writing_thread() and self._appending and self._left == 0 and self.moment in (BEFORE, WITHIN):
            die()

    def _on_checkin(self, _connection: Any, _record: Any) -> None:
        """The connection is back in its pool: the transaction is over, and nobody was answered yet."""
        if _on_the_writing_thread() and self._appending and self._left == 0 and self.moment == AFTER:
            die()


def run(directory: str, moment: str, seed: int) -> None:
    settings = read_settings(Path(directory))
    Sentence(moment, seed, settings.documents).execute()
    serve(settings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--moment", choices=MOMENTS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    run(given.directory, given.moment, given.seed)
