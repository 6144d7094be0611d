"""Checkpoints: what a log says of itself, three lines and the log's signature.

C2SP tlog-checkpoint on C2SP signed-note, Ed25519 (type 01), as a profile: no extension lines (older witnesses do not
sign them), the key name is the origin, and the size fits a signed 64-bit integer. Two roots of one size convict the log
(evidence.py).

    checkpoint = origin "\\n" size "\\n" base64(root) "\\n"         size: decimal, no leading zeros

The empty log whose key is `example.org/log+4e933303+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop` signs:

    example.org/log
    0
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

    — example.org/log TpMzA6Z7ZOSHsImqvddnnopsbJgrm/tBXzlyTjshiksUowj0ahDyq91rgFAiTW6hYL/Bqa2HCtiAzvZ97M8s1voLZwg=

An origin is a name for ever, not an address: lower-case ASCII like a host with a path, at most 128 characters.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.keys import PrivateKey
from exchange.core.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE
from exchange.core.note import Note, Vkey, format_note, parse_note, sign_note, verify_note
from exchange.errors import BadProof, Malformed, WrongOrigin

MAX_ORIGIN = 128  # characters

_ORIGIN = re.compile(r"[a-z0-9]([a-z0-9.:-]*[a-z0-9])?(/[a-z0-9._-]+)*")
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


@lru_cache(maxsize=1024)
def parse_origin(text: str) -> str:
    if len(text) > MAX_ORIGIN or not _ORIGIN.fullmatch(text):
        raise Malformed(f"expected an origin such as example.org/log, got {text[: MAX_ORIGIN + 1]!r}")
    return text


def origin_digest(origin: str) -> str:
    """The name of a log in the paths of mirrors and witnesses: lower-case hex SHA-256 of its origin (C2SP tlog-witness)."""
    return sha256(origin.encode()).hexdigest()


def parse_decimal(text: bytes) -> int:
    """A size or an index as it is written: no sign, space, leading zero, underscore or digit of another script."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise Malformed(f"expected a decimal number from 0 to {MAX_SIZE}, got {text[:40]!r}")
    return int(text)


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The three lines, unsigned."""
    text = f"{parse_origin(checkpoint.origin)}\n{checkpoint.size}\n{format_base64(checkpoint.root)}\n".encode()
    if parse_checkpoint(text) != checkpoint:
        raise Malformed("this checkpoint does not read back the same")
    return text


def parse_checkpoint(text: bytes) -> Checkpoint:
    """The three lines, unsigned; a fourth is Malformed."""
    lines = text.split(b"\n")
    if len(lines) != 4 or lines[3]:
        raise Malformed(f"expected origin, size and root, each ending in a newline, got {len(lines) - 1} lines")
    try:
        origin = parse_origin(lines[0].decode("ascii"))
    except UnicodeDecodeError:
        raise Malformed("expected an origin in ASCII") from None
    return Checkpoint(origin, parse_decimal(lines[1]), parse_base64(lines[2], length=HASH_SIZE))


def _check_empty(checkpoint: Checkpoint) -> Checkpoint:
    if not checkpoint.size and checkpoint.root != EMPTY_ROOT:
        raise BadProof(f"{checkpoint.origin}: the root of an empty tree is SHA-256 of nothing")
    return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, key: PrivateKey) -> bytes:
    """The signed note. It is binding from the moment it leaves the process: make it durable first."""
    return sign_note(format_checkpoint(_check_empty(checkpoint)), checkpoint.origin, key)


def verify_authorship(data: bytes, vkey: Vkey) -> Checkpoint:
    """What the log signed, true or not; evidence needs the false ones too."""
    note, _ = verify_note(data, (vkey,))
    checkpoint = parse_checkpoint(note.text)
    # One key under two names would let a log disown what it signed.
    if checkpoint.origin != vkey.name:
        raise WrongOrigin(f"expected a checkpoint of {vkey.name}, got one of {checkpoint.origin}")
    return checkpoint


def verify_checkpoint(data: bytes, vkey: Vkey) -> Checkpoint:
    """The checkpoint in a signed note, if `vkey` signed it and it speaks for the log of that name."""
    return _check_empty(verify_authorship(data, vkey))


def signed_alone(data: bytes, vkey: Vkey) -> bytes:
    """The note with one line of `vkey` and no other: what somebody else put under it is not ours to keep or hand on."""
    note = parse_note(data)
    mine = [line for line in note.signatures if (line.name, line.keyid) == (vkey.name, vkey.keyid)]
    return format_note(Note(note.text, tuple(mine[:1])))
