"""The processes of an audit: jobs go out in order and their results come back in order, whoever was faster.

Each process is a fresh interpreter on two pipes (`python -m exchange.audit.crew`): nothing is inherited from whoever
started it, threads and open databases least of all. It ends when its pipe closes, so that none outlives the audit,
however that ends. At most `AHEAD` jobs a process are given out beyond the oldest that is not done: memory stays flat.

A message is its length in four bytes, most significant first, and a pickle; both ends are this program on this machine.
"""

import os
import pickle
import selectors
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from exchange.audit.desk import Desk
from exchange.audit.sources import Place
from exchange.errors import ExchangeError, Unavailable

AHEAD = 4
GRACE_SECONDS = 5.0

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


class _Member:
    """A process at the other end of two pipes."""

    def __init__(self, place: Place) -> None:
        root = str(Path(__file__).resolve().parents[2])
        known = [path for path in [root, os.environ.get("PYTHONPATH")] if path]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "exchange.audit.crew"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(known)},
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 - asked for above
        self._jobs, self.answers = self._process.stdin, self._process.stdout
        self.doing: deque[int] = deque()
        self.give(place)

    def give(self, job: object) -> None:
        try:
            _write(self._jobs, job)
        except OSError:
            raise self._gone() from None

    def take(self) -> Any:
        try:
            failed, value = _read(self.answers)
        except EOFError:
            raise self._gone() from None
        if isinstance(value, ExchangeError) and failed:
            raise value
        if failed:
            raise RuntimeError(f"a process of the audit failed:\n{value}")
        return value

    def _gone(self) -> Unavailable:
        return Unavailable(f"a process of the audit ended by itself (exit status {self._process.wait(GRACE_SECONDS)})")

    def dismiss(self) -> None:
        """It only reads, so there is nothing to wait for."""
        self._process.terminate()
        for pipe in (self._jobs, self.answers):
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what was still buffered is for nobody
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _write(pipe: IO[bytes], value: object) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    pipe.write(len(data).to_bytes(4, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    length = pipe.read(4)
    data = pipe.read(int.from_bytes(length, "big"))
    if len(length) < 4 or len(data) < int.from_bytes(length, "big"):
        raise EOFError
    return pickle.loads(data)  # noqa: S301 - from the process that started this one, or that this one started


def main() -> None:
    """Work off jobs until the pipe closes. Ctrl-C is for the parent, which then lets go of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    desk: Desk | None = None
    try:
        place: Place = _read(jobs)
        while True:
            job = _read(jobs)
            try:
                desk = desk or Desk(place.open())
                answer = (False, job(desk))
            except ExchangeError as error:
                answer = (True, error)
            except Exception:
                answer = (True, traceback.format_exc())
            _write(answers, answer)
    except (EOFError, BrokenPipeError):
        return
    finally:
        if desk is not None:
            desk.source.close()


if __name__ == "__main__":
    main()
