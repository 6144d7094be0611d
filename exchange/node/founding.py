"""Make a node: its directory, its own keys, its settings and the record that other nodes will know it by."""

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from exchange.config import SETTINGS_FILE, Settings
from exchange.core.keys import ALGORITHM, Kind, PublicKey, parse_public_key
from exchange.core.note import ED25519, Vkey
from exchange.core.sealing import SEALING_ALGORITHM, SealingKey, SealingPrivate
from exchange.errors import Malformed, Misuse, RecordRefused
from exchange.files import make_folder, write_whole
from exchange.node.keyfile import keep_key, keep_sealing, new_key, read_public
from exchange.trust.participants import (
    ParticipantKey,
    ParticipantLog,
    ParticipantRecord,
    Participants,
    Standing,
    Thresholds,
    format_participants,
    parse_participants,
)
from exchange.trust.roles import ROLES, Officer, Right

PLATFORM_FORMS = ("PLT-01", "PLT-02", "PLT-03")  # what a new node may sign by itself
PUBLIC = 0o644  # the mode of files that hold no secret
NODE_KEYS = {
    Kind.LOG: "log.key",
    Kind.WITNESS: "witness.key",
    Kind.TRANSPORT: "transport.key",
    Kind.NODE_SUBMISSION: "node-submission.key",
}
SEALING_KEY = "sealing.key"
"""The first; those that follow it are called sealing-2.key and so on, and none is ever removed (`open_sealings`)."""


def default_origin(url: str) -> str:
    """The name of the log, out of the node's address: it never changes, even when the address does."""
    return re.sub(r"^https?://", "", url).lower().rstrip("/") + "/log"


def found(settings: Settings, *, name: str, officers: Sequence[PublicKey], now: datetime) -> Participants:
    """Lay out `settings.directory`: keys, node.toml, and a peers.json that holds this State alone. Never over an existing node.

    1. Nothing of a node is there. 2. The record is one that every node will take. 3. Only then is anything written.
    Raises Misuse, Malformed, RecordRefused.
    """
    directory = settings.directory
    keys = {settings.keys / file: new_key(kind) for kind, file in NODE_KEYS.items()}
    seed, sealing = secrets.token_bytes(32), settings.keys / SEALING_KEY
    for path in (directory / SETTINGS_FILE, settings.peers, settings.database_file, *keys, sealing):  # 1
        if os.path.lexists(path):
            raise Misuse(
                f"{directory} holds a node already ({path.name}); its log key and its log belong together, so nothing is made anew"
            )
    publics = {made.kind: made.key.public for made in keys.values()}
    record = _record(settings, name, officers, publics, SealingPrivate.from_seed(seed).public, now)
    participants = Participants(settings.federation, False, {settings.participant: record})
    content = format_participants(participants)
    parse_participants(content)  # 2
    make_folder(settings.keys)  # 3
    for path, made in keys.items():
        keep_key(path, made)
    keep_sealing(sealing, seed)
    write_whole(settings.peers, content, PUBLIC)
    write_whole(directory / SETTINGS_FILE, settings_text(settings).encode(), PUBLIC)
    return participants


def _record(
    settings: Settings,
    name: str,
    officers: Sequence[PublicKey],
    publics: Mapping[Kind, PublicKey],
    sealing: SealingKey,
    now: datetime,
) -> ParticipantRecord:
    return ParticipantRecord(
        participant=settings.participant,
        kind="organisation" if settings.participant.startswith("ORG-") else "participating State",
        names={"en": name},
        node_url=settings.url,
        operator=name,
        status=(Standing("active", f"{now:%Y-%m-%d}"),),
        logs=(ParticipantLog(settings.origin, Vkey(settings.origin, ED25519, publics[Kind.LOG])),),
        keys=(
            *(officer_key(key) for key in officers),
            ParticipantKey(
                Kind.NODE_SUBMISSION,
                ALGORITHM,
                publics[Kind.NODE_SUBMISSION],
                ("node",),
                PLATFORM_FORMS,
                (0, 0),
                None,
            ),
            ParticipantKey(Kind.WITNESS, ALGORITHM, publics[Kind.WITNESS], ("node",), (), (0, 0), None),
            ParticipantKey(Kind.TRANSPORT, ALGORITHM, publics[Kind.TRANSPORT], ("node",), (), (0, 0), None),
            sealing_key(sealing),
        ),
        thresholds=Thresholds({"*": 1}, 2),
    )


def officer_key(
    key: PublicKey,
    forms: Sequence[str] = ("*",),
    log: int = 0,
    index: int = 0,
    roles: Sequence[str] = ("releaser",),
) -> ParticipantKey:
    """An officer's signing key, in force from a position of the State's own log. Raises Misuse for a role that gives nothing."""
    for role in roles:
        if role not in ROLES:
            raise Misuse(f"no role {role!r} is known here; the roles are {', '.join(ROLES)}")
    return ParticipantKey(Kind.SIGNING, ALGORITHM, key, tuple(roles), tuple(forms), (log, index), None)


def forms_for(roles: Sequence[str], forms: Sequence[str] | None) -> tuple[str, ...]:
    """What a key with these roles may sign: the forms named; else all of them for who releases, and none for who does not."""
    if forms:
        return tuple(forms)
    return ("*",) if Officer("", frozenset(roles)).may(Right.SIGN, contacts=True) else ()


def sealing_key(key: SealingKey, log: int = 0, index: int = 0) -> ParticipantKey:
    """A key of the node that letters are sealed to, from a position of the State's own log on."""
    return ParticipantKey(Kind.SEALING, SEALING_ALGORITHM, key, ("node",), (), (log, index), None)


def read_officer(path: Path) -> PublicKey:
    """The public half of an officer's key. Raises Misuse for a key of another kind."""
    kind, key = read_public(path)
    if kind is not Kind.SIGNING:
        raise Misuse(f"{path} is a {kind.value} key; officers sign with signing keys, and kinds are never mixed")
    return parse_public_key(key.raw)


def read_participants(path: Path) -> Participants:
    try:
        return parse_participants(path.read_bytes())
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except (Malformed, RecordRefused) as error:
        raise type(error)(f"{path}: {error}", pointer=error.pointer) from None


def write_participants(path: Path, participants: Participants) -> None:
    """All or nothing: a running node reads the file when it changes."""
    write_whole(path, format_participants(participants), PUBLIC)


def settings_text(settings: Settings) -> str:
    return f'''# The settings of this node; CBM_ variables of the environment win over them. No secret belongs here.
participant = "{settings.participant}"
federation = "{settings.federation}"
url = "{settings.url}"
origin = "{settings.origin}"        # the name of the log: it never changes, even when the url does
listen = "{settings.listen}"
pull_every = {settings.pull_every}                 # seconds between visits to the other nodes
pull_at_start = {str(settings.pull_at_start).lower()}
peer_timeout = {settings.peer_timeout}                # seconds for one visit
log_level = "{settings.log_level}"
# database = "postgresql://..."   # instead of the SQLite file in data/; with a password, give it as CBM_DATABASE
'''
