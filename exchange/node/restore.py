"""A node out of a backup: everything is checked and put together aside, then appears at once.

1. Nothing is there yet. 2. Every file of the backup is what its manifest says. 3. The log key, where it is at hand, is the one of this log.
4. The database is filled in, and every log in it recomputed from its entries and compared with its signed checkpoint. 5. The
mark of a restored node is set with it: it appends nothing before it asked the other nodes (recovery.py). 6. Only then
does the node's folder get its name.
"""

import re
import shutil
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from exchange.config import SETTINGS_FILE, Settings, read_settings
from exchange.core.keys import Kind
from exchange.core.note import ED25519, Vkey, format_vkey
from exchange.errors import LogStopped, Malformed, Misuse
from exchange.files import refuse_existing, whole_folder, write_new
from exchange.node.backup import DATABASE, DOCUMENTS, FORMS, KEYS, own_log, prove
from exchange.node.keyfile import open_key
from exchange.node.manifest import Manifest, read_manifest
from exchange.store import log as logs
from exchange.store.backup import filling_in
from exchange.store.database import Transaction
from exchange.store.restored import mark_restored

TRUST = "trust"
_DATABASE_LINE = re.compile(r"^[ \t]*database[ \t]*=.*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands now, and whether the node's keys are with it."""

    manifest: Manifest
    has_keys: bool


def restore(backup: Path, directory: Path, *, database: str | None, keys: Path | None, now: datetime) -> Restored:
    """Make the node of `backup` anew in `directory`. `database` and `keys` stand in for those that the backup does not have.

    Raises Misuse, Malformed, LogStopped, Unavailable; then nothing was put in place.
    """
    refuse_existing(directory)  # 1
    manifest = read_manifest(backup)  # 2
    with whole_folder(directory, last=SETTINGS_FILE) as stage:
        _lay_out(backup, stage, database)
        has_keys = _bring_keys(backup, keys, stage)
        settings = read_settings(stage)
        if has_keys:
            _check_key(settings, manifest)  # 3
        with filling_in(settings.database_url, backup / DATABASE, manifest.copied) as tx:
            _check_logs(tx, settings, manifest)  # 4
            mark_restored(tx, _mark(manifest, now))  # 5
        # A crash here leaves a filled PostgreSQL database and no folder: a second restore says that the database is not empty.
    return Restored(manifest, has_keys)  # 6


def _lay_out(backup: Path, stage: Path, database: str | None) -> None:
    """Settings, records, forms and documents."""
    text = (backup / SETTINGS_FILE).read_text(encoding="utf-8")
    if database is not None:
        line = f"database = {orjson.dumps(database).decode()}\n"  # a JSON string is a TOML string too
        text = line + _DATABASE_LINE.sub("", text)
    write_new(stage / SETTINGS_FILE, text.encode())
    shutil.copy(backup / "peers.json", stage / "peers.json")
    root = tomllib.loads(text).get("trust_root")
    if isinstance(root, str) and (backup / root).is_file() and not Path(root).is_absolute():
        (stage / root).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(backup / root, stage / root)
    for name, place in ((FORMS, stage / FORMS), (TRUST, stage / TRUST), (DOCUMENTS, stage / "data" / DOCUMENTS)):
        if (backup / name).is_dir():
            shutil.copytree(backup / name, place)


def _bring_keys(backup: Path, keys: Path | None, stage: Path) -> bool:
    """From the folder named, or from the backup itself."""
    source = keys if keys is not None else backup / KEYS
    if not source.is_dir():
        if keys is not None:
            raise Misuse(f"there is no folder {keys} with the keys of the node")
        return False
    (stage / KEYS).mkdir(mode=0o700)
    for path in sorted(source.iterdir()):
        if path.is_file():
            write_new(stage / KEYS / path.name, path.read_bytes())
    return True


def _check_key(settings: Settings, manifest: Manifest) -> None:
    key = open_key(settings.keys / "log.key", kind=Kind.LOG).key.public
    if format_vkey(Vkey(manifest.origin, ED25519, key)) != manifest.vkey:
        raise Misuse(f"log.key is not the key of {manifest.origin}: these are the keys of another node")


def _check_logs(tx: Transaction, settings: Settings, manifest: Manifest) -> None:
    if (settings.participant, settings.origin) != (manifest.participant, manifest.origin):
        raise Malformed(
            f"the settings in the backup are those of {settings.origin}, the manifest says {manifest.origin}"
        )
    own = own_log(tx, manifest.origin)
    if (own.size, own.vkey, (own.note or b"").decode()) != (manifest.size, manifest.vkey, manifest.checkpoint):
        raise LogStopped("the log in the backup is not the one that its manifest names: take another backup")
    for log in logs.all_logs(tx):
        if log.origin != own.origin and log.note is not None:
            prove(tx, log)


def _mark(manifest: Manifest, now: datetime) -> str:
    return f"the backup of {manifest.made}, with {manifest.size} entries, on {now.isoformat(timespec='seconds')}"
