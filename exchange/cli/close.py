"""cbm key close: from here on, a key signs nothing more for the State."""

from dataclasses import replace
from typing import Annotated

import typer

from exchange.cli.options import Directory, refuse_on_list
from exchange.cli.output import answer, say
from exchange.config import Settings, read_settings
from exchange.core.keys import Kind
from exchange.errors import Misuse, NotFound
from exchange.node.checks import officers
from exchange.node.founding import read_participants, write_participants
from exchange.trust.participants import ParticipantKey, ParticipantRecord, Participants, check_successor

SHORTEST = 8  # hex digits of a fingerprint that may stand for all of it


def close(
    directory: Directory,
    fingerprint: Annotated[
        str,
        typer.Argument(
            metavar="FINGERPRINT", help="Of the key, as `cbm federation show` lists it; its beginning will do."
        ),
    ],
) -> None:
    """Let a key sign nothing from the next position of the log on. What it signed before stays the State's word; it cannot be reopened."""
    settings = read_settings(directory)
    refuse_on_list(settings)
    participants = read_participants(settings.peers)
    record = participants.records.get(settings.participant)
    if record is None:
        raise Misuse(f"{settings.peers} holds no record of {settings.participant}")
    key = _named(record, fingerprint)
    size = _size(settings)
    closed = replace(key, before=max(key.start, (len(record.logs) - 1, size)))
    shrunk = replace(record, keys=tuple(closed if known is key else known for known in record.keys))
    check_successor(record, shrunk)
    write_participants(
        settings.peers,
        Participants(participants.federation, participants.live, {**participants.records, record.participant: shrunk}),
    )
    say(f"From index {size} on, this key signs nothing more for {record.name()}; what it signed before stays.")
    if not officers(shrunk, size):
        say(f"Nobody may sign now: `cbm key enrol {directory} officer.key.pub` lets another officer.")
    say(f"A running node learns it on its next round of visits, or now with `cbm pull {directory}`.")
    say(f"Give {settings.peers} to the other operators.")
    answer(key.public_key.keyid)


def _named(record: ParticipantRecord, fingerprint: str) -> ParticipantKey:
    if len(fingerprint) < SHORTEST:
        raise Misuse(f"give at least {SHORTEST} characters of the fingerprint")
    found = [key for key in record.keys if key.public_key.keyid.startswith(fingerprint.lower())]
    if len(found) != 1:
        how = "no key" if not found else f"{len(found)} keys"
        raise Misuse(f"{how} in the record of {record.name()} with a fingerprint that begins with {fingerprint[:64]}")
    key = found[0]
    if key.kind not in (Kind.SIGNING, Kind.NODE_SUBMISSION):
        raise Misuse(f"this is the {key.kind} key of the node, not one that signs submissions")
    if key.before is not None:
        raise Misuse(f"this key was closed at index {key.before[1]} already")
    return key


def _size(settings: Settings) -> int:
    """Where the log stands; 0 for a node that never ran."""
    from exchange.store import log as logs  # here, so that the other verbs start without a database's half second
    from exchange.store.snapshot import snapshot

    try:
        with snapshot(settings.database_url) as tx:
            return logs.log_of(tx, settings.origin).size
    except NotFound:
        return 0
