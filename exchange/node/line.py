"""Who waits for the writing thread: a line of bounded length, in which whoever came together is served together.

Guarantee: everybody who was let in is answered, once. After `close` nobody is let in, and `take` hands out whoever is left.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from exchange.errors import LogStopped

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Group(Generic[Asked, Answer]):
    """Some that belong together; `answer` is told what became of each of them, in their order."""

    asked: tuple[Asked, ...]
    answer: Callable[[list[Answer]], None]


class Line(Generic[Asked, Answer]):
    """At most `limit` of those who ask."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._groups: deque[Group[Asked, Answer]] = deque()
        self._length = 0
        self._closed = False

    def __len__(self) -> int:
        return self._length

    def join(self, group: Group[Asked, Answer]) -> None:
        """Raises LogStopped where the line is too long, or closed."""
        with self._changed:
            if self._closed:
                raise LogStopped("this node takes no submissions now: it is shutting down")
            if self._length + len(group.asked) > self._limit:
                raise LogStopped("too many submissions are waiting; try again in a minute")
            self._groups.append(group)
            self._length += len(group.asked)
            self._changed.notify()

    def take(self, most: int) -> list[Group[Asked, Answer]]:
        """The next to be served, once there is somebody: at least one, and as many as ask for `most` together. None are left: closed."""
        with self._changed:
            while not self._groups and not self._closed:
                self._changed.wait()
            taken: list[Group[Asked, Answer]] = []
            while self._groups and (not taken or len(self._groups[0].asked) <= most):
                taken.append(self._groups.popleft())
                most -= len(taken[-1].asked)
                self._length -= len(taken[-1].asked)
            return taken

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
