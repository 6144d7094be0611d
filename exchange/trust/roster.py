"""The roster: which States witness for the others, from when on, and who runs their nodes.

Guarantees: one seat a State; the rosters of a federation follow one another in time without a gap, so every moment has exactly
one (before the first, nobody sits). The founders' trust list says what they are; until there is one, the records do: every
State, Partner and organisation in good standing whose record holds a witness key, since ever.

Specification: DESIGN.md section 2 (Quorum). How many of them must have cosigned: quorum.py.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from exchange.core.keys import Kind, PublicKey
from exchange.errors import RecordRefused
from exchange.trust.record import ParticipantRecord

EVER = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
ACTIVE = "active"
WITHOUT_SEAT = ("Secretariat",)
"""Kinds of participants that witness nothing: a secretariat is an office of the States, and would be a second voice of its host."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A State's place among the witnesses; `operator` is whoever runs its node, which may run those of others."""

    participant: str
    operator: str


@dataclass(frozen=True, slots=True)
class Quota:
    """What one participant may enter into its log in a day, at most, before others may ask why."""

    entries_per_day: int = 10_000
    bytes_per_day: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Roster:
    """In force from `since` until the next one begins."""

    since: datetime
    seats: tuple[Seat, ...]

    def __post_init__(self) -> None:
        if self.since.tzinfo is None:
            raise RecordRefused("a roster begins at an aware time")
        codes = [seat.participant for seat in self.seats]
        if codes != sorted(set(codes)):
            raise RecordRefused("a roster lists each State once, by code: two seats would be two votes")

    def operator_of(self, participant: str) -> str | None:
        return next((seat.operator for seat in self.seats if seat.participant == participant), None)


NOBODY = Roster(EVER, ())


@dataclass(frozen=True, slots=True)
class Rosters:
    """Every roster that ever was, oldest first."""

    history: tuple[Roster, ...] = ()

    def __post_init__(self) -> None:
        for one, following in zip(self.history, self.history[1:], strict=False):
            if following.since <= one.since:
                raise RecordRefused("each roster begins after the one before it")

    def at(self, time: datetime) -> Roster:
        """The roster in force at that moment."""
        return next((roster for roster in reversed(self.history) if roster.since <= time), NOBODY)

    def spans(self) -> Iterator[tuple[Roster, datetime, datetime]]:
        """Each roster with the time from which on and the time before which it is in force."""
        ends = [roster.since for roster in self.history[1:]] + [NEVER]
        for roster, end in zip(self.history, ends, strict=True):
            yield roster, roster.since, end


def roster_of_records(records: Mapping[str, ParticipantRecord]) -> Rosters:
    """Where no founders sign a roster: one since ever, of everybody who can witness now."""
    return Rosters((Roster(EVER, tuple(_seats(records.values()))),))


def _seats(records: Iterable[ParticipantRecord]) -> Iterator[Seat]:
    for record in sorted(records, key=lambda record: record.participant):
        witnesses = any(key.kind is Kind.WITNESS and isinstance(key.public_key, PublicKey) for key in record.keys)
        if witnesses and record.status and record.status[-1].state == ACTIVE and record.kind not in WITHOUT_SEAT:
            yield Seat(record.participant, record.operator)
