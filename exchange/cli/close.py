"""cbm key close: from here on, a key signs nothing more for the State."""

from typing import Annotated

import typer

from exchange.cli.options import Directory, refuse_on_list
from exchange.cli.output import answer, say
from exchange.config import Settings, read_settings
from exchange.errors import Misuse, NotFound
from exchange.node.checks import officers
from exchange.node.founding import read_participants, write_participants
from exchange.trust.closing import SIGNS, closed_key
from exchange.trust.participants import ParticipantKey, ParticipantRecord, Participants

SHORTEST = 8  # hex digits of a fingerprint that may stand for all of it


def close(
    directory: Directory,
    fingerprint: Annotated[
        str,
        typer.Argument(
            metavar="FINGERPRINT", help="Of the key, as `cbm federation show` lists it; its beginning will do."
        ),
    ],
    since: Annotated[
        int | None,
        typer.Option(
            "--from",
            min=0,
            metavar="INDEX",
            help="For a key in the wrong hands: from this entry of the log on. What it signed from there on stays and is shown as disputed.",
        ),
    ] = None,
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
    if since is not None and since > size:
        raise Misuse(f"the log has {size} entries; what comes after them cannot be disputed yet, so leave --from out")
    index = size if since is None else since
    shrunk = closed_key(record, key.public_key.keyid, max(key.start, (len(record.logs) - 1, index)))
    write_participants(
        settings.peers,
        Participants(participants.federation, participants.live, {**participants.records, record.participant: shrunk}),
    )
    say(f"From index {index} on, this key signs nothing more for {record.name()}; what it signed before stays.")
    if index < size:
        say(
            f"What it signed of the entries {index} to {size - 1} stays too, and every node shows it as disputed by {record.name()}: "
            "it is never current, and no contact look-up answers from it."
        )
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
    if key.kind not in SIGNS:
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
