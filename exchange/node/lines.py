"""A batch: submissions, one a line, each judged as if it came alone. Checking their signatures takes longer than all else.

A part of a batch is one job, for this process or for another (workers.py); what crosses are plain tuples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from exchange.core.catalogue import Catalogue
from exchange.errors import ExchangeError
from exchange.node.judge import Candidate, Door, Passed, whole
from exchange.node.offer import parse_submission
from exchange.store.folder import Arrival
from exchange.trust.participants import Participants


class Judged(NamedTuple):
    """What the door says of a line. `envelope` is None where the line had none; documents are the fields of arrivals."""

    envelope: bytes | None
    outcome: Passed | ExchangeError
    documents: tuple[tuple[Any, ...], ...] = ()

    def candidate(self, participants: Participants) -> Candidate | ExchangeError:
        if isinstance(self.outcome, ExchangeError):
            return self.outcome
        return Candidate(self.outcome, tuple([Arrival(*fields) for fields in self.documents]), participants)


def judge_lines(lines: Sequence[bytes], door: Door) -> list[Judged]:
    return [judge_line(line, door) for line in lines]


def judge_line(line: bytes, door: Door) -> Judged:
    envelope: bytes | None = None
    try:
        offered = parse_submission(line)
        envelope = offered.envelope
        candidate = whole(door, envelope, offered.documents)
    except ExchangeError as error:
        return Judged(envelope, error.with_traceback(None))  # stack frames would keep the whole line
    return Judged(envelope, candidate.passed, tuple([_fields(arrival) for arrival in candidate.arrivals]))


def _fields(arrival: Arrival) -> tuple[Any, ...]:
    return arrival.slot, arrival.name, arrival.opening, arrival.commitment, arrival.size, arrival.content


@dataclass(frozen=True)
class JudgeLines:
    """One job. `participants` need hold no more than the record of the log's owner."""

    lines: Sequence[bytes]
    origin: str
    size: int
    participants: Participants
    now: datetime

    @classmethod
    def by(cls, door: Door, lines: Sequence[bytes]) -> "JudgeLines":
        """With no more than it takes: everything that is sent to a worker is copied."""
        return cls(lines, door.origin, door.size, _of_one(door.participants, door.origin), door.now)

    def __call__(self, catalogue: Catalogue) -> list[Judged]:
        return judge_lines(self.lines, Door(self.origin, self.size, self.participants, catalogue, self.now))


def _of_one(known: Participants, origin: str) -> Participants:
    """With the record of this log's owner alone: the others tell nothing of it."""
    owner = known.by_origin(origin)
    return Participants(known.federation, known.live, {} if owner is None else {owner.participant: owner})
