"""Whom this machine believes: records and founders' roots, given on the command line or pinned here before."""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from exchange.cli.sign import read_bounded
from exchange.core.vocabulary import is_federation
from exchange.errors import Misuse
from exchange.files import write_whole
from exchange.node.founding import PUBLIC, read_participants
from exchange.node.stick import Stick
from exchange.resources import ROOTS
from exchange.trust.anchor import Anchor, FoundersRoot
from exchange.trust.bundle import FIRST_LINE, MAX_BUNDLE, parse_bundle
from exchange.trust.choice import pin
from exchange.trust.rolefile import LIMITS, ROOT

Files = list[tuple[str, bytes]]


def pins() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "cbm" / "anchors"


def pinned() -> list[Path]:
    """The records that were pinned on this machine."""
    return sorted(pins().glob("*.json"))


def pinned_roots() -> list[Path]:
    """The founders' roots that were."""
    return sorted((pins() / "roots").glob("*.json"))


def is_root(content: bytes) -> bool:
    """Whether a file is the root of founders, and not records."""
    return b'"_type":"root"' in content.replace(b" ", b"")


def pin_root(content: bytes) -> tuple[Path, str]:
    """Keep a root, under its fingerprint. Raises Malformed, RecordRefused, TooFewSignatures where it is none that its own founders signed."""
    pin(content)
    fingerprint = hashlib.sha256(content).hexdigest()
    target = pins() / "roots" / f"{fingerprint}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, content, PUBLIC)
    return target, fingerprint


def read_anchors(trust: Sequence[Path], roots: Sequence[str], now: datetime) -> list[Anchor]:
    """Given on the command line, roots first; else pinned on this machine."""
    files: Files = []
    records: list[Anchor] = []
    for path in trust:
        listed = _listed(path)
        if listed is None:
            records.append(read_participants(path))
        else:
            files += listed
    if files and not roots and not pinned_roots():
        raise Misuse("a founders' list vouches for nothing without their root: give it with --root FILE")
    named = [read_root(name) for name in roots]
    if not trust and not roots:
        records += [read_participants(path) for path in pinned()]
    if not named and (files or not trust):
        named = [read_bounded(path, LIMITS[ROOT]) for path in pinned_roots()]
    for content in named:
        pin(content)  # what is wrong with the root itself is said at once
    return [*(FoundersRoot(content, tuple(files), now) for content in named), *records]


def _listed(path: Path) -> Files | None:
    """The files of a stick or a bundle; None for a file of another kind."""
    if path.is_dir():
        return [(file.name, file.raw) for file in Stick(path).published()]
    content = read_bounded(path, MAX_BUNDLE)
    return parse_bundle(content) if content.startswith(FIRST_LINE) else None


def read_root(name: str) -> bytes:
    """A root by its file, or by the name of a federation whose root came with this program."""
    path = Path(name)
    if not path.exists() and is_federation(name) and (ROOTS / f"{name}.json").is_file():
        path = ROOTS / f"{name}.json"
    return read_bounded(path, LIMITS[ROOT])
