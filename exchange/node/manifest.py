"""What a backup consists of: every file with its size and SHA-256, and the head of the log that it holds.

It tells a damaged or incomplete backup from a whole one. It is not signed: whoever can write the backup can write a manifest; what
proves the log is the checkpoint in it, under the log's own key. `manifest.json`, written last:

    {"v": 1, "made": "2026-11-21T03:00:00Z", "program": "0.1.0", "participant": "XR", "federation": "test.example",
     "origin": "xr.test.example/log", "vkey": "xr.test.example/log+...", "size": 1, "root": B64, "checkpoint": "...",
     "engine": "sqlite", "schema": "0001", "tables": [], "keys": false, "lost": [], "files": [{"path": "peers.json", "size": 3012, "sha256": HEX}]}
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from exchange.core.jsontext import parse_json
from exchange.errors import ExchangeError, Malformed, Misuse
from exchange.files import write_new
from exchange.store.backup import Copied, Table

MANIFEST = "manifest.json"
MAX_MANIFEST = 64 * 1024 * 1024  # bytes: a line for each large document
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file of the backup, as it was when the backup was made."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`lost` are the commitments of documents that were missing or damaged on the node's own disk already."""

    made: str
    program: str
    participant: str
    federation: str
    origin: str
    vkey: str
    size: int
    root: str
    checkpoint: str
    copied: Copied
    keys: bool
    lost: tuple[str, ...]
    files: tuple[Sealed, ...]


def seal(folder: Path) -> tuple[Sealed, ...]:
    """Every file under `folder`, in the order of their names."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return tuple(_sealed(folder, path) for path in paths if path != folder / MANIFEST)


def _sealed(folder: Path, path: Path) -> Sealed:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return Sealed(path.relative_to(folder).as_posix(), size, digest.hexdigest())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    fields = asdict(manifest)
    copied = fields.pop("copied")
    write_new(folder / MANIFEST, orjson.dumps({"v": 1, **fields, **copied}, option=orjson.OPT_INDENT_2))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup, every file of which is there and unchanged. Raises Misuse, Malformed."""
    path = folder / MANIFEST
    if not path.is_file():
        raise Misuse(f"{folder} is no backup: {MANIFEST} is missing")
    with open(path, "rb") as file:
        content = file.read(MAX_MANIFEST + 1)
    manifest = _parse(content, path)
    promised, found = set(manifest.files), set(seal(folder))
    if promised != found:
        wrong = sorted({sealed.path for sealed in promised ^ found})
        raise Malformed(
            f"the backup {folder} is damaged: {wrong[0]!r} is not what the manifest says ({len(wrong)} such files); take another one"
        )
    return manifest


def _parse(content: bytes, path: Path) -> Manifest:
    try:
        fields: dict[str, Any] = parse_json(content, limit=MAX_MANIFEST)
        if fields.pop("v") != 1:
            raise Malformed(f"{path} is of a newer kind than this program knows")
        tables = tuple(Table(table["name"], tuple(map(str, table["columns"]))) for table in fields.pop("tables"))
        copied = Copied(str(fields.pop("engine")), str(fields.pop("schema")), tables)
        files = tuple(Sealed(**sealed) for sealed in fields.pop("files"))
        lost = tuple(map(str, fields.pop("lost")))
        manifest = Manifest(copied=copied, files=files, lost=lost, **fields)
    except (KeyError, TypeError, AttributeError, ExchangeError):
        raise Malformed(f"{path} is not the manifest of a backup") from None
    names = [sealed.path for sealed in files] + [table.file for table in tables]
    if not all(map(_is_inside, names)):
        raise Malformed(f"{path} names a file outside of its folder")
    return manifest


def _is_inside(name: object) -> bool:
    if not isinstance(name, str):
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
