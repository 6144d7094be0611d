"""Cosignature lines that came from outside: verified one by one, and only then kept.

Who brings a line does not matter, for each proves itself: a log asks its witnesses, a visit finds lines under a log's checkpoint
or a mirror's. One that does not verify under a witness key of its State's record is left behind, and spoils nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from exchange.core.checkpoint import verify_authorship
from exchange.core.cosignature import verified_lines
from exchange.core.note import Note, NoteSignature, format_lines, parse_note, parse_vkey
from exchange.store import log as logs
from exchange.store.cosignatures import Line, keep_lines, kept_lines
from exchange.store.database import Database
from exchange.store.log import LogState
from exchange.store.standing import judge_anew
from exchange.trust.participants import Participants
from exchange.trust.quorum import witness_keys

AHEAD = timedelta(minutes=5)  # a line dated later than that is no line yet: it would look fresh for as long as it likes


def take_note(db: Database, participants: Participants, origin: str, data: bytes, now: datetime) -> dict[str, int]:
    """The States whose lines under this checkpoint are kept here, with their times. Raises where the log did not sign it."""
    with db.read() as tx:
        log = logs.log_of(tx, origin)
    head = verify_authorship(data, parse_vkey(log.vkey))
    note = parse_note(data)
    return take_lines(db, participants, log, head.size, note.text, note.signatures, now)


def take_lines(
    db: Database,
    participants: Participants,
    log: LogState,
    size: int,
    text: bytes,
    lines: Iterable[NoteSignature],
    now: datetime,
) -> dict[str, int]:
    """Keep what verifies among lines under the text of a checkpoint that is kept here; of another one nothing is kept.

    Returns the States whose lines these are, each with its newest time among them.
    """
    with db.read() as tx:
        checkpoint, known = logs.kept_checkpoint(tx, log, size), kept_lines(tx, log, size)
    if log.participant not in participants.records:
        return {}
    if checkpoint is None or size > log.size or parse_note(checkpoint[1]).text != text:
        return {}
    held = {one.line: one for kept in known.values() for one in (kept.earliest, kept.newest)}
    keys, found, fresh = witness_keys(participants), [], []
    for line in lines:
        if (before := held.get(format_lines([line]))) is not None:
            found.append(before)  # verified when it came first
        else:
            fresh.append(line)
    new = [
        Line(keys[one.vkey], one.time, format_lines([one.line]))
        for one in verified_lines(Note(text, tuple(fresh)), keys)
        if one.time <= (now + AHEAD).timestamp() and keys[one.vkey] != log.participant
    ]
    if new:
        with db.write() as tx:
            if keep_lines(tx, log, size, new):
                judge_anew(tx, participants, log, size)
    taken: dict[str, int] = {}
    for one in (*found, *new):
        taken[one.participant] = max(one.time, taken.get(one.participant, 0))
    return taken
