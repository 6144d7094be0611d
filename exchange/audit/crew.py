"""The processes of an audit: jobs go out in order and their results come back in order, whoever was faster.

Each is a process of its own (workers.py). At most `AHEAD` jobs a process are given out beyond the oldest that is not done:
memory stays flat.
"""

import selectors
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from exchange.audit.desk import Desk, OpenDesk
from exchange.audit.sources import Place
from exchange.workers import Worker

AHEAD = 4

R = TypeVar("R")


class Crew(Protocol):
    """Two real ones: `Alone`, at one desk in this process, and `Processes`."""

    def everybody(self, job: Callable[[Desk], object]) -> None:
        """The same job at every desk; returns when all have done it."""

    def run(self, jobs: Iterable[Callable[[Desk], R]], deep: int = 2) -> Iterator[R]:
        """The results in the order of the jobs; a process is given up to `deep` at a time."""

    def close(self) -> None: ...


class Alone:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def everybody(self, job: Callable[[Desk], object]) -> None:
        job(self._desk)

    def run(self, jobs: Iterable[Callable[[Desk], R]], deep: int = 2) -> Iterator[R]:
        return (job(self._desk) for job in jobs)

    def close(self) -> None:
        """The desk's source belongs to whoever opened it."""


class Processes:
    def __init__(self, place: Place, number: int) -> None:
        self._members: list[_Member] = []
        try:
            for _ in range(number):
                self._members.append(_Member(place))
        except BaseException:
            self.close()
            raise

    def everybody(self, job: Callable[[Desk], object]) -> None:
        for member in self._members:
            member.give(job)
        for member in self._members:
            member.take()

    def run(self, jobs: Iterable[Callable[[Desk], R]], deep: int = 2) -> Iterator[R]:
        """Two, so that the next is there when the first is done. One where jobs are larger than a pipe takes at once:
        both ends would wait for the other to read."""
        waiting, done = iter(jobs), dict[int, R]()
        given = taken = 0
        most = AHEAD * len(self._members)
        with selectors.DefaultSelector() as selector:
            for member in self._members:
                selector.register(member.answers, selectors.EVENT_READ, member)
            while True:
                for member in self._members * deep:
                    if len(member.doing) < deep and given - taken < most and (job := next(waiting, None)) is not None:
                        member.give(job)
                        member.doing.append(given)
                        given += 1
                if given == taken:
                    return
                for key, _ in selector.select():
                    member = key.data
                    done[member.doing.popleft()] = member.take()
                while taken in done:
                    yield done.pop(taken)
                    taken += 1

    def close(self) -> None:
        for member in self._members:
            member.dismiss()


class _Member(Worker):
    """A process, and the numbers of the jobs that it was given."""

    def __init__(self, place: Place) -> None:
        super().__init__(OpenDesk(place))
        self.doing: deque[int] = deque()
