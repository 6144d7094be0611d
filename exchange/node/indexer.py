"""A thread that keeps the index of texts behind the registry: woken by every commit, a bounded batch at a time, at nobody's cost.

A submission is acknowledged, and a pull ends, without waiting for it. Where others write too it stands back for several times as
long as its own last batch took. Whatever ends it, the index says how far it goes, and the next start goes on from there.
"""

import logging
import threading
import time
from collections.abc import Callable

from exchange.store.database import Database
from exchange.store.fulltext import index_some

LINGER = 0.1  # seconds in which more may come, to be indexed at once
STAND_BACK = 4  # times what its last batch took: a fifth of the time is its own, and of the one interpreter and the one write lock
LONGEST = 2.0  # seconds
RETRY = 30.0  # seconds after a failure

_logger = logging.getLogger("exchange.indexer")


class Indexer:
    """`why_not` says why nothing is to be written now, or None."""

    def __init__(self, db: Database, why_not: Callable[[], str | None]) -> None:
        self._db, self._why_not = db, why_not
        self._woken, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)

    def start(self) -> None:
        self._woken.set()
        self._db.on_write = self._woken.set
        self._thread.start()

    def close(self) -> None:
        """After the batch that is being written."""
        self._stop.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def catch_up(self) -> None:
        """Index all there is, here and now."""
        while index_some(self._db):
            pass

    def _run(self) -> None:
        while not self._stop.is_set():
            self._woken.wait()
            self._stop.wait(LINGER)
            self._woken.clear()
            try:
                self._index()
            except Exception:
                # The log goes on without it; what is not indexed is told with every answer.
                _logger.exception("texts could not be indexed")
                self._stop.wait(RETRY)
                self._woken.set()

    def _index(self) -> None:
        while not self._stop.is_set() and self._why_not() is None:
            began, before = time.monotonic(), self._db.generation
            if not index_some(self._db):
                return
            self._stop.wait(pause(time.monotonic() - began, alone=self._db.generation == before + 1))


def pause(took: float, *, alone: bool) -> float:
    """Seconds between two batches. Never none: the lock is not a queue, and who waits for it must get it."""
    return 0.001 if alone else min(LONGEST, STAND_BACK * took)
