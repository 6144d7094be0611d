"""Every storage call of an act, one run each: what happens when this very call fails, or is the last.

An act is what somebody asks of a running node. A first run counts its calls, by kind and file; then each of them gets runs of its
own from the same photograph, in which it meets its fault. Files with random names are told by their place.
"""

import errno
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exchange.client import Client
from exchange.errors import Unreachable
from tests.crash.survivor import run_node
from tests.crash.tracer import NEED_ROOM, WRITES, Call, Fault, How, Traced

_ROLES = tuple(
    (re.compile(pattern + r"\Z"), role)
    for pattern, role in (
        (r".*cbm\.sqlite", "the database"),
        (r".*cbm\.sqlite-wal", "the WAL"),
        (r".*cbm\.sqlite-shm", "the WAL's index"),
        (r".*/documents/incoming/[0-9a-f]{32}", "an arriving document"),
        (r".*/documents/[0-9a-f]{2}/[0-9a-f]{64}", "a document"),
        (r".*/documents/[0-9a-f]{2}", "a folder of documents"),
        (r".*/documents", "the documents' folder"),
        (r"(.*/)?data", "the data folder"),
    )
)


def kind_of(call: Call) -> str:
    """What is called, and on which file."""
    path = call.path or call.target or ""
    role = next((role for pattern, role in _ROLES if pattern.match(path)), path)
    return f"{call.name} {role}"


@dataclass(frozen=True, order=True)
class Point:
    """One call of an act: the `number`-th of its kind."""

    kind: str
    number: int


def points(met: Counter[str]) -> list[Point]:
    """Every call that was met, in a fixed order."""
    return [Point(kind, number) for kind, times in sorted(met.items()) for number in range(1, times + 1)]


def hows(kind: str) -> Iterator[How]:
    """What may become of a call of that kind."""
    name = kind.partition(" ")[0]
    for how in How:
        if (how is not How.HALF or name in WRITES) and (how is not How.FULL or name in NEED_ROOM):
            yield how


@dataclass
class Strike:
    """Decides about calls while it is armed: the one at `point` meets its fault; a disk that is full stays full."""

    point: Point | None = None
    how: How = How.LOST
    armed: bool = False
    struck: int = 0
    met: Counter[str] = field(default_factory=Counter)

    def __call__(self, call: Call) -> Fault | None:
        if not self.armed:
            return None
        kind = kind_of(call)
        self.met[kind] += 1
        here = self.point is not None and kind == self.point.kind and self.met[kind] == self.point.number
        if here or (self.struck and self.how is How.FULL and call.name in NEED_ROOM):
            self.struck += 1
            return Fault(self.how, errno.ENOSPC if self.how is How.FULL else errno.EIO)
        return None


@contextmanager
def running(directory: Path, strike: Strike, *, indexing: bool = False) -> Iterator[Traced]:
    """The node of that directory in a traced process, which has ended when this is left."""
    said = str(directory.with_name(f"{directory.name}.said"))
    node = Traced(run_node, str(directory), said, indexing, root=directory, decide=strike)
    try:
        yield node
    finally:
        end(node, strike.how)


def answers(node: Traced, url: str) -> bool:
    """Whether it comes to answer, or ends before."""
    with Client(url) as client:
        while node.alive:
            try:
                client.node()
                return True
            except Unreachable:
                time.sleep(0.02)
    return False


def settle(node: Traced, seconds: float = 0.03) -> None:
    """Until it has been quiet for a moment: what it cleans up behind its answer belongs to the act."""
    before, since = -1, time.monotonic()
    while node.alive and time.monotonic() - since < seconds:
        if len(node.calls) != before:
            before, since = len(node.calls), time.monotonic()
        time.sleep(0.005)


def end(node: Traced, how: How) -> None:
    """Not always the same way: a kill leaves the WAL to the next start, a good end folds it in."""
    if node.alive:
        node.send(signal.SIGTERM if how is How.KEPT else signal.SIGKILL)
    node.join()
