"""A node laid out once more on an empty disk, from what is left: its keys out of the safe, and its record in a `peers.json` of anybody.

1. Nothing is there yet. 2. The keys are those that one record names; the settings follow from it. 3. The database is new, and marked
before it holds anything: it appends nothing until enough of the others have told what they know of its log (recovery.py). 4. Only
then does the node's folder get its name. Until the log was rebuilt from the mirrors (federation/recover.py) the others know more than
it does, and that stops it.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from exchange.config import SETTINGS_FILE, Settings, read_settings
from exchange.core.keys import Kind, PublicKey
from exchange.core.note import ED25519, Vkey
from exchange.errors import Misuse
from exchange.files import refuse_existing, whole_folder, write_new
from exchange.node.founding import NODE_KEYS, PUBLIC, read_participants, settings_text
from exchange.node.keyfile import open_key
from exchange.store.backup import beginning
from exchange.store.restored import mark_restored
from exchange.trust.participants import ParticipantRecord, Participants


def lay_out_anew(
    directory: Path,
    *,
    keys: Path,
    peers: Path,
    participant: str | None,
    listen: str | None,
    database: str | None,
    now: datetime,
) -> Settings:
    """The node in `directory`, with an empty log that it may not append to. Raises Misuse, Malformed, RecordRefused, Unavailable; then
    nothing was put in place."""
    refuse_existing(directory)  # 1
    participants = read_participants(peers)
    record = _whose(participants, keys, participant)  # 2
    settings = _settings(directory, participants.federation, record, listen)
    text = settings_text(settings)
    if database is not None:
        text += f"database = {orjson.dumps(database).decode()}\n"  # a JSON string is a TOML string too
    with whole_folder(directory, last=SETTINGS_FILE) as stage:
        write_new(stage / SETTINGS_FILE, text.encode(), PUBLIC)
        write_new(stage / "peers.json", peers.read_bytes(), PUBLIC)
        (stage / "keys").mkdir(mode=0o700)
        for path in sorted(path for path in keys.iterdir() if path.is_file()):
            write_new(stage / "keys" / path.name, path.read_bytes())
        with beginning(read_settings(stage).database_url) as tx:
            mark_restored(tx, f"its keys and the mirrors of the others, on {now.isoformat(timespec='seconds')}")  # 3
        # A crash here leaves a marked PostgreSQL database and no folder: a second attempt says that the database is not empty.
    return read_settings(directory)  # 4


def _whose(participants: Participants, keys: Path, participant: str | None) -> ParticipantRecord:
    """The record whose present log has that log key, and which names the other keys as well."""
    publics = {kind: open_key(keys / name, kind=kind).key.public for kind, name in NODE_KEYS.items()}
    found = [record for record in participants.records.values() if _logs_with(record, publics[Kind.LOG])]
    if participant is not None:
        found = [record for record in found if record.participant == participant]
    if not found:
        whom = "no record" if participant is None else f"the record of {participant} is not there, or not one that"
        raise Misuse(
            f"{keys / 'log.key'} is the key of another log: {whom} in these records names it for its present log"
        )
    _check_others(found[0], publics)
    return found[0]


def _logs_with(record: ParticipantRecord, key: PublicKey) -> bool:
    return record.current_log.vkey == Vkey(record.current_log.origin, ED25519, key)


def _check_others(record: ParticipantRecord, publics: Mapping[Kind, PublicKey]) -> None:
    named = {(key.kind, key.public_key.raw) for key in record.keys}
    for kind, public in publics.items():
        if kind is not Kind.LOG and (kind, public.raw) not in named:
            raise Misuse(
                f"the record of {record.participant} does not name {NODE_KEYS[kind]}: it is the key of another node"
            )


def _settings(directory: Path, federation: str, record: ParticipantRecord, listen: str | None) -> Settings:
    settings = Settings(
        directory=directory,
        participant=record.participant,
        url=record.node_url,
        origin=record.current_log.origin,
        federation=federation,
        listen=listen or f"127.0.0.1:{urlsplit(record.node_url).port or 8750}",
    )
    if (settings.participant, settings.url, settings.origin) != (
        record.participant,
        record.node_url,
        record.current_log.origin,
    ):  # the environment wins over what is given here
        raise Misuse("CBM_ variables in the environment name another node than the record does; unset them")
    return settings
