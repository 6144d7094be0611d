"""What a State may change in its own record, alone and at once: let a key in, close a key's range, close a log and go on in another.

Guarantees: each of these returns a record that may follow the one given (`check_successor`), or raises RecordRefused in words for
the person who is about to sign. Nothing is ever reopened, widened, dropped or taken over: what was closed stays closed, and
a key that stood in the record once, or belongs to a log, never begins anew.

Specification: DESIGN.md section 2 (Participant record), section 4 (rules 4 and 8). Positions are in the State's own sequence of
logs; a closing may reach back over entries, which then stay and are shown as disputed (admission.py).
"""

from dataclasses import replace

from exchange.core.keys import Kind
from exchange.core.merkle import EMPTY_ROOT, HASH_SIZE
from exchange.errors import RecordRefused
from exchange.trust.participants import Participants, check_successor
from exchange.trust.record import Closed, ParticipantKey, ParticipantLog, ParticipantRecord, Position, show

SIGNS = (Kind.SIGNING, Kind.NODE_SUBMISSION)


def with_key(record: ParticipantRecord, key: ParticipantKey) -> ParticipantRecord:
    """The record with one more key, in force from a position of the open log on."""
    here = f"{record.participant}: the key {key.public_key.keyid}"
    known = record.key(key.public_key.keyid)
    if known is not None and known.before is not None:
        raise RecordRefused(f"{here} was closed at {show(known.before)}; it cannot be reopened, make a new key")
    if known is not None:
        raise RecordRefused(f"{here} stands in the record already, as a {known.kind} key")
    if any(log.vkey.raw == key.public_key.raw for log in record.logs):
        raise RecordRefused(f"{here} is the key of a log, which does no other work")
    if key.kind is Kind.LOG:
        raise RecordRefused(f"{here} is a log key; it comes with its log, and a log has one for life")
    open_log = len(record.logs) - 1
    if key.start[0] != open_log:
        raise RecordRefused(f"{here} would begin at {show(key.start)}; it begins in the open log, number {open_log}")
    if key.before is not None:
        raise RecordRefused(f"{here} would be closed before it was ever open")
    return _followed(record, replace(record, keys=(*record.keys, key)))


def closed_key(record: ParticipantRecord, keyid: str, position: Position) -> ParticipantRecord:
    """The record in which that key signs nothing from `position` on. What it signed there already stays, and is disputed."""
    key = record.key(keyid)
    here = f"{record.participant}: the key {keyid}"
    if key is None:
        raise RecordRefused(f"{here} does not stand in the record")
    if key.kind is Kind.LOG:
        raise RecordRefused(f"{here} is the key of a log; it ends where its log is closed")
    if key.before is not None and position >= key.before:
        raise RecordRefused(
            f"{here} was closed at {show(key.before)} already; a range is never reopened or widened, so {show(position)} is too late"
        )
    if position < key.start:
        raise RecordRefused(f"{here} counts from {show(key.start)} on; there is nothing to close at {show(position)}")
    if position[0] >= len(record.logs):
        raise RecordRefused(f"{here}: there is no log number {position[0]}; the open one is {len(record.logs) - 1}")
    closed = replace(key, before=position)
    return _followed(record, replace(record, keys=tuple(closed if known is key else known for known in record.keys)))


def close_log(record: ParticipantRecord, size: int, root: bytes, successor: ParticipantLog) -> ParticipantRecord:
    """The record whose open log ends at that size and root, and goes on in `successor`, under a new name and a new key.

    Size and root must be those of a checkpoint that others hold: a node that mirrored another tree of that size says so.
    """
    log = record.current_log
    here = f"{record.participant}: {log.origin}"
    if log.closed is not None:
        raise RecordRefused(f"{here} was closed at size {log.closed.size} already; that stays")
    if size < 0 or len(root) != HASH_SIZE or (size == 0) != (root == EMPTY_ROOT):
        raise RecordRefused(f"{here}: size {size} and the root {root.hex()[:16]}... do not belong together")
    if successor.origin in (known.origin for known in record.logs):
        raise RecordRefused(
            f"{here}: a successor has a name of its own; {successor.origin} is taken, and names never change"
        )
    held = {known.vkey.raw for known in record.logs} | {key.public_key.raw for key in record.keys}
    if successor.vkey.raw in held:
        raise RecordRefused(f"{here}: the successor needs a new key; {successor.vkey.keyid.hex()} was used before")
    if successor.closed is not None:
        raise RecordRefused(f"{here}: the successor {successor.origin} would be closed from the beginning")
    return _followed(
        record, replace(record, logs=(*record.logs[:-1], replace(log, closed=Closed(size, root)), successor))
    )


def _followed(before: ParticipantRecord, after: ParticipantRecord) -> ParticipantRecord:
    """Both rules that every node applies: what a record is, and what may follow."""
    check_successor(before, after)
    Participants("x", False, {after.participant: after})
    return after
