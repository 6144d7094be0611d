"""Statements of one shape, read once: most statements of a log are alike but for their time and the ids that they name.

`issued`, `series`, the ids of references and the commitments each have one length and one alphabet, and no rule of
schemas/README.md section 5 compares them with anything. So a text that, with these blanked, is the same as one that was
read before is a statement exactly if that one was, and if each of the blanked values is right by itself. The first of
a shape is read by `core.statement`, the others by comparison, in a fifth of the time and with the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exchange.core.jsonfields import read_second
from exchange.core.outer import check_outer, is_sealed
from exchange.core.statement import (
    FormRef,
    Period,
    Statement,
    parse_statement,
)
from exchange.errors import DoesNotFit, Malformed

MAX_SHAPES = 4_096  # then all are forgotten and learnt anew: memory stays flat whatever stands in a log

EVERYBODY = "public"
# Section 13, step 6: each of these is for all of those before it, too. A list of participants is not among them.
_WIDER: Mapping[object, int] = {"participating States": 0, "States and Partners": 1, EVERYBODY: 2}

_SERIES, _ISSUED, _ID, _COMMITMENT = ',"series":', ',"issued":"', '"id":"', '"commitment":"'
_DIGEST = 64  # characters
_SECOND = 20


class Slot(NamedTuple):
    """A document as a statement names it, but for its commitment. `restricted`: not for everybody, or not at once."""

    slot: str
    media_type: str
    language: str | None
    audience: str | tuple[str, ...]
    restricted: bool


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """What the statements of one shape have in common; equal only to itself, so that what follows from it is found fast."""

    federation: str
    origin: str
    participant: str
    form: FormRef
    opens: bool
    period: Period | None
    return_: str
    message: str
    status: str
    unfit: bool
    kept: bool
    retain_until: str | None
    slots: tuple[Slot, ...]


class Reading(NamedTuple):
    """A statement, as far as an audit needs it. `series` is None in the first of a series; `erases`, of an erasure, what it names."""

    shape: Shape
    series: bytes | None
    issued: str
    commitments: Sequence[bytes]
    erases: tuple[tuple[bytes, str | None], ...] = ()


class Shapes:
    """Those that were met so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Shape] = {}

    def read(self, payload: bytes) -> Reading:
        """What `parse_statement` says of these bytes. Raises Malformed where it does."""
        blanked = _blank(payload)
        if blanked is not None:
            key, series, issued, commitments = blanked
            shape = self._known.get(key)
            if shape is not None and shape.message != "erasure":
                return Reading(shape, series, issued, commitments)
        statement = parse_statement(payload)
        shape = _shape_of(statement)
        if blanked is not None:
            if len(self._known) >= MAX_SHAPES:
                self._known.clear()
            self._known[blanked[0]] = shape
        series = None if statement.series is None else bytes.fromhex(statement.series)
        commitments = [bytes.fromhex(one.commitment) for one in statement.documents]
        erases = [(bytes.fromhex(one.id), one.slot) for one in statement.references if one.rel == "erases"]
        if shape.message != "erasure":
            erases = []
        return Reading(shape, series, statement.issued, commitments, tuple(erases))


def _blank(payload: bytes) -> tuple[tuple[str, str], bytes | None, str, list[bytes]] | None:
    """((text before the series, text behind the time, blanked), series, issued, commitments), or None for `core` to judge.

    Where a value is cut out does not matter to the answer: what is left must be the same as in a text that core took, and
    there it stood between these very words.
    """
    try:
        text = payload.decode("ascii")
        head, _, rest = text.partition(_SERIES)
        if rest.startswith("null" + _ISSUED):
            series, rest = None, rest[4 + len(_ISSUED) :]
        elif rest.startswith(_ISSUED, _DIGEST + 2) and rest[0] == '"' == rest[_DIGEST + 1]:
            series, rest = _digest(rest[1 : _DIGEST + 1]), rest[_DIGEST + 2 + len(_ISSUED) :]
            head += "+"  # the shape of those that continue a series
        else:
            return None
        issued, rest = read_second(rest[:_SECOND], "issued"), rest[_SECOND:]
        between, *named = rest.split(_COMMITMENT)
        commitments = [_digest(part[:_DIGEST]) for part in named]
        rest = _COMMITMENT.join([between, *[part[_DIGEST:] for part in named]])
        if _ID in between:
            between, *named = rest.split(_ID)
            for part in named:
                _digest(part[:_DIGEST])
            rest = _ID.join([between, *[part[_DIGEST:] for part in named]])
    except (ValueError, Malformed):
        return None
    return (head, rest), series, issued, commitments


def _digest(text: str) -> bytes:
    """Raises ValueError for anything but 64 lower-case hex digits."""
    digest = bytes.fromhex(text)
    if len(digest) * 2 != _DIGEST or digest.hex() != text:
        raise ValueError
    return digest


def _shape_of(statement: Statement) -> Shape:
    outer = _WIDER.get(statement.audience, -1)
    held_back = statement.release_on is not None
    return Shape(
        federation=statement.federation,
        origin=statement.origin,
        participant=statement.participant,
        form=statement.form,
        opens=statement.series is None,
        period=statement.period,
        return_=statement.return_,
        message=statement.message,
        status=statement.status,
        unfit=is_sealed(statement) and not _is_outer(statement),
        kept=is_sealed(statement)
        or (outer >= 0 and all(0 <= _WIDER.get(one.audience, -1) <= outer for one in statement.documents)),
        retain_until=statement.retain_until,
        slots=tuple(
            Slot(one.slot, one.media_type, one.language, one.audience, held_back or one.audience != EVERYBODY)
            for one in statement.documents
        ),
    )


def _is_outer(statement: Statement) -> bool:
    """Whether a sealed one says nothing but that it is sealed."""
    try:
        check_outer(statement)
    except DoesNotFit:
        return False
    return True
