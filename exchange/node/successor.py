"""A log that cannot go on ends where it stands, and the node goes on with another: a new name, a new key, the same database.

For a log key that is lost, was seen by others, or has to change. The State's record says where the old log ended, and every node
reads both as one sequence. With `peers.json` this writes the record; with the founders' list the State signed it before
(`cbm participant close-log`), and this puts the node in its place. A crash between any two steps leaves a node that does not
start and says so; begun again, it goes on from there.
"""

import re
from datetime import datetime

from exchange.config import SETTINGS_FILE, Settings
from exchange.core.keys import Kind
from exchange.core.note import ED25519, Vkey
from exchange.errors import Malformed, Misuse, NotFound
from exchange.files import fsync, locked, write_whole
from exchange.node.founding import NODE_KEYS, PUBLIC, read_participants, write_participants
from exchange.node.inbox import read_inbox
from exchange.node.keyfile import create_key, open_key
from exchange.store import log as logs
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.snapshot import snapshot
from exchange.store.trust import held_since
from exchange.trust.choice import choose, pin
from exchange.trust.closing import close_log
from exchange.trust.participants import ParticipantLog, ParticipantRecord, Participants

NEXT_LOG_KEY = "log.next.key"

_LINE = re.compile(r'^origin\s*=\s*"[^"]*"', re.MULTILINE)


def record_of(settings: Settings, tx: Transaction, now: datetime) -> ParticipantRecord | None:
    """This State's own record as it will come into force; under the founders it may have come by hand while the node stood still."""
    if settings.root is None:
        return read_participants(settings.peers).records.get(settings.participant)
    held = held_since(tx, pin(settings.root.read_bytes()))
    return choose(read_inbox(settings.trust_inbox), held, now).held.records.get(settings.participant)


def succeed(settings: Settings, origin: str | None, now: datetime) -> ParticipantRecord:
    """Close the log where it stands and set the node up for the next one. The node must not run. Raises Misuse, RecordRefused, InUse.

    1. The record closes the log and names the next, with its key. 2. That key takes the old one's place, which is kept. 3. So does
    the name in the settings.
    """
    with locked(settings.directory / "lock", f"runs the node in {settings.directory}"):
        record, log = _standing(settings, now)
        if record.current_log.origin == settings.origin:  # 1
            if settings.root is not None:
                raise Misuse(
                    "the founders' list is followed here: sign the record first, with `cbm participant close-log`"
                )
            record = _close(settings, record, log, origin)
        elif origin is not None and origin != record.current_log.origin:
            raise Misuse(f"the record goes on in {record.current_log.origin}, not in {origin}")
        ended = len(record.logs) - 1
        _put_key(settings, record.current_log.vkey.raw, ended)  # 2
        _put_origin(settings, record.current_log.origin)  # 3
    return record


def _standing(settings: Settings, now: datetime) -> tuple[ParticipantRecord, LogState]:
    try:
        with snapshot(settings.database_url) as tx:
            record, log = record_of(settings, tx, now), logs.log_of(tx, settings.origin)
    except NotFound:
        raise Misuse(f"the log {settings.origin} was never begun here; there is nothing to close") from None
    if record is None:
        raise Misuse(f"no record of {settings.participant} is here")
    if log.note is None or log.stored != log.size:
        raise Misuse(f"the log {settings.origin} does not end at a signed head here; start the node once, and stop it")
    return record, log


def _close(settings: Settings, record: ParticipantRecord, log: LogState, origin: str | None) -> ParticipantRecord:
    if origin is None:
        raise Misuse("name the log that goes on: --origin, such as cbm.example.at/log-2")
    path = settings.keys / NEXT_LOG_KEY
    made = open_key(path, kind=Kind.LOG) if path.exists() else create_key(path, Kind.LOG)
    closed = close_log(record, log.size, log.root, ParticipantLog(origin, Vkey(origin, ED25519, made.key.public)))
    known = read_participants(settings.peers)
    write_participants(
        settings.peers, Participants(known.federation, known.live, {**known.records, record.participant: closed})
    )
    return closed


def _put_key(settings: Settings, wanted: bytes, ended: int) -> None:
    current, following = settings.keys / NODE_KEYS[Kind.LOG], settings.keys / NEXT_LOG_KEY
    if current.exists() and open_key(current, kind=Kind.LOG).key.public.raw == wanted:
        return
    if not following.exists() or open_key(following, kind=Kind.LOG).key.public.raw != wanted:
        raise Misuse(f"{following} is not the key that the record names for the next log")
    for suffix in ("", ".pub"):
        old = current.with_name(current.name + suffix)
        if old.exists():
            old.rename(current.with_name(f"log-{ended}.key{suffix}"))
    for suffix in (".pub", ""):  # the private half last: as long as it is not there, this is done again
        new = following.with_name(following.name + suffix)
        if new.exists():
            new.rename(current.with_name(current.name + suffix))
    fsync(settings.keys)


def _put_origin(settings: Settings, origin: str) -> None:
    path = settings.directory / SETTINGS_FILE
    text, found = _LINE.subn(f'origin = "{origin}"', path.read_text())
    if found != 1:
        raise Malformed(f'{path}: expected one line origin = "...", found {found}')
    write_whole(path, text.encode(), PUBLIC)
