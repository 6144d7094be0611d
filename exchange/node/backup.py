"""A backup of a node that may be running: database, documents, settings, records and forms; its keys only when asked for.

The database is copied first, in one snapshot; the files of large documents that it names were durable before they were named, and
are checked against their commitments while they are copied. The log is recomputed from the copy and compared with its signed
checkpoint: a backup that would not restore is refused when it is made, not on the day it is needed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import orjson

from exchange import __version__
from exchange.config import SETTINGS_FILE, Settings
from exchange.core.base64text import format_base64
from exchange.core.checkpoint import verify_authorship
from exchange.core.document import Committer
from exchange.core.jsontext import parse_json
from exchange.core.note import parse_vkey
from exchange.errors import ExchangeError, LogStopped, Misuse, NotFound
from exchange.files import whole_folder, write_new, write_whole
from exchange.node.manifest import MANIFEST, Manifest, seal, write_manifest
from exchange.store import documents
from exchange.store import log as logs
from exchange.store.backup import copying_out
from exchange.store.database import Transaction
from exchange.store.log import LogState

LAST_BACKUP = "last-backup.json"  # in the node's own folder: when, where to, and how much of the log
DATABASE, DOCUMENTS, KEYS, FORMS = "database", "documents", "keys", "forms"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LastBackup:
    made: datetime
    target: str
    size: int


def back_up(settings: Settings, target: Path, *, with_keys: bool, now: datetime) -> Manifest:
    """Write a whole backup to `target`, which must not exist. Raises Misuse, NotFound, Unavailable, LogStopped."""
    if target.resolve().is_relative_to(settings.directory.resolve()):
        raise Misuse(f"{target} lies inside of {settings.directory}, and would be lost with it: name another disk")
    with whole_folder(target, last=MANIFEST) as stage:
        (stage / DATABASE).mkdir(mode=0o700)
        with copying_out(settings.database_url, stage / DATABASE) as (tx, copied):
            log = own_log(tx, settings.origin)
            lost = tuple(_copy_documents(tx, settings.documents, stage / DOCUMENTS))
        for path in _small_files(settings, with_keys):
            (stage / path.relative_to(settings.directory).parent).mkdir(mode=0o700, exist_ok=True)
            write_new(stage / path.relative_to(settings.directory), path.read_bytes())
        manifest = Manifest(
            made=now.isoformat(timespec="seconds"),
            program=__version__,
            participant=settings.participant,
            federation=settings.federation,
            origin=log.origin,
            vkey=log.vkey,
            size=log.size,
            root=format_base64(log.root),
            checkpoint=(log.note or b"").decode(),
            copied=copied,
            keys=with_keys,
            lost=lost,
            files=seal(stage),
        )
        write_manifest(stage, manifest)
    note = {"made": manifest.made, "target": str(target.resolve()), "size": manifest.size}
    write_whole(settings.directory / LAST_BACKUP, orjson.dumps(note) + b"\n")
    return manifest


def own_log(tx: Transaction, origin: str) -> LogState:
    """The log of that origin, recomputed from its entries and found to lead to its own last signature. Raises NotFound, LogStopped."""
    log = logs.log_of(tx, origin)
    prove(tx, log)
    return log


def prove(tx: Transaction, log: LogState) -> None:
    """No stored hash is trusted: entries, root, signature. Raises LogStopped, NotFound where nothing was ever signed."""
    if log.note is None:
        raise NotFound(f"nothing of {log.origin} was ever signed here: run the node once")
    try:
        signed = verify_authorship(log.note, parse_vkey(log.vkey))
    except ExchangeError as error:
        raise LogStopped(f"the last checkpoint of {log.origin} is not signed by its log's key: {error}") from None
    if (signed.size, signed.root) != (log.size, logs.rebuild(tx, log)):
        raise LogStopped(f"the entries of {log.origin} do not lead to the root that was signed at size {signed.size}")


def _small_files(settings: Settings, with_keys: bool) -> Iterator[Path]:
    yield settings.directory / SETTINGS_FILE
    yield settings.peers
    if settings.root is not None and settings.root.is_relative_to(settings.directory):
        yield settings.root
    yield from sorted(path for path in settings.trust_inbox.glob("*") if path.is_file())
    yield from sorted(settings.forms.glob("*.json"))
    if with_keys:
        yield from sorted(path for path in settings.keys.iterdir() if path.is_file())


def _copy_documents(tx: Transaction, source: Path, target: Path) -> Iterator[str]:
    """Copy the files that the snapshot names; gives the commitments of those that are gone or damaged."""
    for commitment, opening in documents.in_files(tx):
        try:
            file = open(source / commitment[:2] / commitment, "rb")  # noqa: SIM115 - closed below; missing is an answer
        except FileNotFoundError:
            yield commitment
            continue
        copy = target / commitment[:2] / commitment
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file, os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            whole = _copy(file, out, opening) == commitment
        if not whole:
            copy.unlink()
            yield commitment


def _copy(source: IO[bytes], target: IO[bytes], opening: bytes) -> str | None:
    """The commitment of what was copied; None where it is larger than any document."""
    committer = Committer(opening)
    while block := source.read(_BLOCK):
        try:
            committer.update(block)
        except ExchangeError:
            return None
        target.write(block)
    return committer.commitment()


def last_backup(directory: Path) -> LastBackup | None:
    """What the newest backup was; None where there was none, or the note of it cannot be read."""
    try:
        fields = parse_json((directory / LAST_BACKUP).read_bytes(), limit=4096)
        return LastBackup(datetime.fromisoformat(fields["made"]), str(fields["target"]), int(fields["size"]))
    except (OSError, KeyError, TypeError, ValueError, ExchangeError):
        return None
