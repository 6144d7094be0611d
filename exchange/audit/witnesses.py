"""Cosignatures and what they come to, counted again from schemas/README.md section 19, by nothing that counted them before.

Every line that is kept must verify, under a witness key of the State it is said to be of, over the checkpoint that is kept; and a quorum
that is said to be there must be there, by the same numbers. What this node signed as a witness itself must bear both signatures.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from exchange.core.checkpoint import verify_checkpoint
from exchange.core.cosignature import verify_line
from exchange.core.keys import Kind, PublicKey
from exchange.core.note import COSIGNATURE, Vkey, parse_lines, parse_note
from exchange.errors import ExchangeError
from exchange.trust.record import ParticipantRecord
from exchange.trust.roster import Rosters

Row = tuple[Any, ...]
Wrong = tuple[int, str]
"""The size of the checkpoint, and what is wrong with it."""


@dataclass
class Counted:
    """Of one log: lines that hold, and the largest size under which enough of them do."""

    lines: int = 0
    witnessed: int = 0
    times: dict[int, dict[str, datetime]] = field(default_factory=dict)


def check_lines(
    rows: Iterable[Row], federation: str, records: Mapping[str, ParticipantRecord], owner: str, counted: Counted
) -> Iterator[Wrong]:
    """`rows`: size, State, earliest, its line, newest, its line, the note of that size or None."""
    for size, code, earliest, first, newest, last, note in rows:
        try:
            text = None if note is None else parse_note(note).text
            why = None
            if text is None:
                why = "a checkpoint is cosigned that is not kept"
            elif code == owner:
                why = f"{code} is said to have cosigned its own log"
            elif earliest > newest:
                why = f"the earliest time of {code} is after its newest"
            elif not (
                _holds(text, federation, records.get(code), first, earliest)
                and _holds(text, federation, records.get(code), last, newest)
            ):
                why = f"a line of {code} is not of a witness key of its record, or not of its time"
        except (ExchangeError, TypeError, AttributeError) as error:  # not bytes, not a text, not a number
            why = f"a line of {code} does not verify: {error}"
        if why is not None:
            yield size, why
            continue
        counted.lines += 1 if first == last else 2
        moment = _moment(earliest)
        if moment is not None:
            counted.times.setdefault(size, {})[code] = moment


def _holds(text: bytes, federation: str, record: ParticipantRecord | None, line: bytes, time: int) -> bool:
    """Raises BadSignature, Malformed."""
    [signed] = parse_lines(line)
    if record is None:
        return False
    for key in record.keys:
        if key.kind is Kind.WITNESS and isinstance(key.public_key, PublicKey):
            vkey = Vkey(f"{federation}/witness/{record.participant}", COSIGNATURE, key.public_key)
            if (signed.name, signed.keyid) == (vkey.name, vkey.keyid):
                return verify_line(text, signed, vkey).time == time
    return False


def witnesses_of(
    federation: str, records: Mapping[str, ParticipantRecord]
) -> dict[tuple[str, bytes], tuple[str, Vkey]]:
    """Whose each witness key is that a record ever held, by the name and key id under which it signs."""
    found = {}
    for code, record in records.items():
        for key in record.keys:
            if key.kind is Kind.WITNESS and isinstance(key.public_key, PublicKey):
                vkey = Vkey(f"{federation}/witness/{code}", COSIGNATURE, key.public_key)
                found[vkey.name, vkey.keyid] = code, vkey
    return found


def times_of(
    note: bytes, witnesses: Mapping[tuple[str, bytes], tuple[str, Vkey]], owner: str
) -> tuple[int, dict[str, datetime]]:
    """(lines that hold, when each State but the owner cosigned first); lines of nobody here are left aside. Raises BadSignature, Malformed."""
    parsed = parse_note(note)
    times: dict[str, datetime] = {}
    lines = 0
    for signed in parsed.signatures:
        code, vkey = witnesses.get((signed.name, signed.keyid), ("", None))
        if vkey is None or code == owner:
            continue
        moment = _moment(verify_line(parsed.text, signed, vkey).time)
        lines += 1
        if moment is not None:
            times[code] = min(moment, times.get(code, moment))
    return lines, times


def check_quorums(rows: Iterable[Row], rosters: Rosters, owner: ParticipantRecord, counted: Counted) -> Iterator[Wrong]:
    """`rows`: size, rosters, cosigned, of, asked, not later than. Those judged by other rosters than ours are left to others."""
    own = hashlib.sha256(repr(rosters).encode()).hexdigest()[:16]
    for size, stamp, cosigned, of, asked, since in rows:
        if stamp != own:
            continue
        found = recount(counted.times.get(size, {}), rosters, owner)
        said = (cosigned, of, asked, since)
        if found is None or (*found[:3], found[3].isoformat()) != said:
            yield size, f"a quorum is claimed that the lines kept do not give: {said}, counted {found}"
    for size, times in counted.times.items():
        if size > counted.witnessed and recount(times, rosters, owner) is not None:
            counted.witnessed = size


def recount(
    times: Mapping[str, datetime], rosters: Rosters, owner: ParticipantRecord
) -> tuple[int, int, int, datetime] | None:
    """(cosigned, of, asked, not later than) under the first roster that has its quorum; None where none has."""
    history = rosters.history
    for number, roster in enumerate(history):
        end = history[number + 1].since if number + 1 < len(history) else None
        operators = {seat.participant: seat.operator for seat in roster.seats}
        own = operators.get(owner.participant, owner.operator)
        others = [code for code, operator in operators.items() if code != owner.participant and operator != own]
        then = sorted(
            times[code]
            for code in others
            if code in times and times[code] >= roster.since and (end is None or times[code] < end)
        )
        asked = (2 * len(others)) // 3 + 1
        if others and len(then) >= asked:
            return len(then), len(others), asked, then[len(others) - asked]
    return None


def check_own_heads(
    rows: Sequence[Row], vkeys: Mapping[Any, Vkey | None], federation: str, mine: ParticipantRecord | None
) -> Iterator[tuple[Any, Wrong]]:
    """`rows`: log, size, root, note, time, line of what this node signed last as a witness."""
    for log, size, root, note, time, line in rows:
        try:
            vkey = vkeys.get(log)
            signed = None if vkey is None else verify_checkpoint(note, vkey)
            if signed is None or (signed.size, signed.root) != (size, bytes(root)):
                yield log, (size, "what it signed last as a witness is not what the log signed")
            elif not _holds(parse_note(note).text, federation, mine, line, time):
                yield log, (size, "its own line as a witness is not of its key or its time")
        except (ExchangeError, TypeError) as error:
            yield log, (size, f"what it signed last as a witness does not verify: {error}")


def _moment(time: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        return None
