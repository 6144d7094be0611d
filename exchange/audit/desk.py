"""What one process of an audit does: it has a source open, knows the law of every log, and works off jobs.

A job is a small value that is sent to a desk and called there; what it returns goes back. Each is complete in itself, so
that any desk may do any of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exchange.audit.documents import prove
from exchange.audit.examine import Examiner
from exchange.audit.laws import LogLaw
from exchange.audit.series import Contact, Finding, Owner, settle
from exchange.audit.sources import DirectorySource, LogClaim, Place, Source
from exchange.audit.work import Outcome, Task
from exchange.core.catalogue import Catalogue
from exchange.core.tiles import TILE_WIDTH
from exchange.errors import Malformed

MAX_STRAYS = 100  # findings about rows that belong to nothing


class Brief(NamedTuple):
    """What every desk must know: the logs by number, what each is examined by (None: by nothing), and the forms."""

    logs: tuple[LogClaim, ...]
    laws: tuple[LogLaw | None, ...]
    catalogue: Catalogue
    today: str


class Desk:
    """An open source and, once it is briefed, an examiner for each log."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.logs: tuple[LogClaim, ...] = ()
        self.examiners: dict[int, Examiner] = {}

    def close(self) -> None:
        self.source.close()

    def brief(self, brief: Brief) -> None:
        self.logs = brief.logs
        for number, law in enumerate(brief.laws):
            if law is not None:
                self.examiners[number] = Examiner(number, *law, brief.catalogue, self.source, brief.today)


@dataclass(frozen=True)
class OpenDesk:
    """The first thing that a process of the audit does."""

    place: Place

    def __call__(self) -> Desk:
        return Desk(self.place.open())


@dataclass(frozen=True)
class Snapshot:
    """Take the snapshot of that name; SQLite has no names."""

    name: str

    def __call__(self, desk: Desk) -> None:
        if isinstance(desk.source, DirectorySource):
            desk.source.extract.begin(self.name)


@dataclass(frozen=True)
class Learn:
    brief: Brief

    def __call__(self, desk: Desk) -> None:
        desk.brief(self.brief)


@dataclass(frozen=True)
class Examine:
    """A run of entries. Where one does not read, it is taken apart: what cannot be read is absent, and nothing else."""

    task: Task

    def __call__(self, desk: Desk) -> Outcome:
        return _examine(desk, self.task)


def _examine(desk: Desk, task: Task) -> Outcome:
    examiner, log = desk.examiners[task.log], desk.logs[task.log]
    try:
        return examiner.examine(task, desk.source.rows(log, task))
    except Malformed as error:
        if desk.source.relent():
            return _examine(desk, task)
        if task.end - task.start <= TILE_WIDTH:
            return examiner.lose(task, desk.source.tiles(log, task), error)
    middle = task.start + max((task.end - task.start) // TILE_WIDTH // 2, 1) * TILE_WIDTH
    outcome = _examine(desk, task._replace(end=middle))
    outcome.add(_examine(desk, task._replace(start=middle)))
    return outcome


@dataclass(frozen=True)
class Settle:
    """The series in one bucket."""

    facts: bytes
    owners: Sequence[Owner]
    listed: bool

    def __call__(self, desk: Desk) -> list[Finding | Contact]:
        return list(settle(self.facts, self.owners, listed=self.listed))


@dataclass(frozen=True)
class Unnamed:
    """Documents that no entry of the registry names: (how many, findings). They harm nobody, and must still be what they claim."""

    def __call__(self, desk: Desk) -> tuple[int, list[str]]:
        source, found = desk.source, 0
        wrong: list[str] = []
        assert isinstance(source, DirectorySource)  # noqa: S101 - asked of no other
        for row in source.stray("documents of no slot"):
            found += 1
            commitment = row[3]
            why = prove(commitment, row, source.pieces)[1] if type(commitment) is bytes else "it has no commitment"
            if why is not None and len(wrong) < MAX_STRAYS:
                wrong.append(f"the document {_hex(commitment)}, which no entry names: {why}")
        for (commitment,) in source.stray("openings of no document"):
            if len(wrong) < MAX_STRAYS:
                wrong.append(f"the opening of {_hex(commitment)} is kept without its document")
        return found, wrong


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)
