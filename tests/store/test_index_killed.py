"""A process that indexes is killed (SIGKILL) again and again: the index never says that it goes further than it does."""

import os
import random
import signal
import time

from exchange.store import fulltext
from exchange.store.database import Database
from exchange.store.fulltext import behind, index_some
from tests.processes import Forked, end_with_parent
from tests.store import Books
from tests.store.shelves import asked, catch_up, deliver, put

SUBMISSIONS, AT_ONCE, SECONDS = 48, 4, 60.0


def index(url: str, at_once: int) -> None:
    """The child: until there is nothing left to do."""
    end_with_parent()
    fulltext.AT_ONCE = at_once
    db = Database(url)
    while index_some(db):
        pass
    db.close()


def left(books: Books) -> int:
    with books.db.read() as tx:
        return behind(tx)


def test_whatever_moment_it_is_killed_at_the_index_is_right(books: Books) -> None:
    chance = random.Random(int.from_bytes(os.urandom(4), "big"))
    url = str(books.db._writer.url.render_as_string(hide_password=False))
    owed = []
    for number in range(SUBMISSIONS):
        _, made = put(books, f"common word{number}", held=("body",), attached={"a1": f"late{number}.pdf"})
        owed.append(made[1])
    kills = 0
    for deliveries in (0, SUBMISSIONS // 2):
        deliver(books, *owed[:deliveries])
        while (before := left(books)) > 0:
            child = Forked(index, url, AT_ONCE)
            deadline = time.monotonic() + SECONDS
            while child.alive and left(books) == before and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.005))  # a batch of an idle machine takes a few milliseconds
            if child.alive:
                child.send(signal.SIGKILL)
                kills += 1
            child.join()
            assert left(books) < before
            assert len(asked(books, "common")) == SUBMISSIONS - (left(books) if not deliveries else 0)
    assert kills > 2, "it was not killed in the middle"
    catch_up(books)
    for number in range(SUBMISSIONS):
        (ident,) = asked(books, f"word{number}")
        assert asked(books, f"word{number} late{number}") == ([ident] if number < SUBMISSIONS // 2 else [])
