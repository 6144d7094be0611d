"""Signed notes: a text and the signatures under it, readable by people and by every verifier of the field.

C2SP signed-note. Stricter than others in one thing: a repeated line of a known key must verify like the first.

    note     = text "\\n" sigline+                                  text ends in "\\n"; the LAST empty line separates
    sigline  = "\\u2014 " name " " base64(keyid || signature) "\\n"
    vkey     = name "+" hex(keyid) "+" base64(type || public key)
    keyid    = SHA-256(name || 0A || type || public key)[:4]

The specification's own example, under the vkey `example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k`:

    This is an example message.

    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=

Only lines of type 01 are judged here: a cosignature (04) signs other bytes than the text, and never counts as the log's
own word.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.keys import PrivateKey, PublicKey, parse_public_key
from exchange.errors import Malformed, TooLarge, UnknownKey

ED25519 = 0x01
COSIGNATURE = 0x04
MAX_NOTE = 64 * 1024  # bytes
MAX_SIGNATURES = 100  # lines, known and unknown; golang stops there too
MAX_VKEY = 4_096  # characters: an ML-DSA-44 key takes 1,751
KEYID_SIZE = 4  # bytes

_DASH = "\u2014 "
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_HEX_KEYID = re.compile(r"[0-9a-f]{8}")


def _check_name(name: str) -> str:
    # The surrogates are no characters: no file can hold them.
    if not name or "+" in name or any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise Malformed(f"expected a key name without spaces and plus signs, got {name[:80]!r}")
    return name


@dataclass(frozen=True, slots=True)
class Vkey:
    """A key under the name that it signs as: a `PublicKey` in types 01 and 04, else raw bytes, kept but not judged."""

    name: str
    type: int
    key: PublicKey | bytes

    @property
    def raw(self) -> bytes:
        return self.key.raw if isinstance(self.key, PublicKey) else self.key

    @property
    def keyid(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes((self.type,)) + self.raw).digest()[:KEYID_SIZE]


def parse_vkey(text: str) -> Vkey:
    """The key in `name+keyid+key`; Malformed if the key id is not its own, WeakKey if anybody could sign for it."""
    if len(text) > MAX_VKEY:
        raise TooLarge(f"expected a vkey of at most {MAX_VKEY} characters, got {len(text)}")
    name, keyid, key = [*text.split("+", 2), "", ""][:3]
    _check_name(name)
    if not _HEX_KEYID.fullmatch(keyid):
        raise Malformed(f"expected eight lower-case hex digits after the name {name!r}")
    data = parse_base64(key)
    if len(data) < 2:
        raise Malformed(f"expected a type and a key under the name {name!r}")
    kind, raw = data[0], data[1:]
    vkey = Vkey(name, kind, parse_public_key(raw) if kind in (ED25519, COSIGNATURE) else raw)
    if vkey.keyid.hex() != keyid:
        raise Malformed(f"the key under the name {name!r} has the id {vkey.keyid.hex()}, not {keyid}")
    return vkey


def format_vkey(vkey: Vkey) -> str:
    return f"{vkey.name}+{vkey.keyid.hex()}+{format_base64(bytes((vkey.type,)) + vkey.raw)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line, believed or not; `signature` is what follows the four bytes of key id."""

    name: str
    keyid: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    text: bytes
    signatures: tuple[NoteSignature, ...]


def _parse_line(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise Malformed(f"expected a signature line, got {line[:80]!r}")
    data = parse_base64(encoded)
    if len(data) <= KEYID_SIZE:
        raise Malformed(f"expected a key id and a signature by {name[:80]!r}")
    return NoteSignature(_check_name(name), data[:KEYID_SIZE], data[KEYID_SIZE:])


def parse_note(data: bytes) -> Note:
    """Text and lines, nothing verified; `format_note` gives the same bytes back."""
    if len(data) > MAX_NOTE:
        raise TooLarge(f"expected a note of at most {MAX_NOTE} bytes, got {len(data)}")
    if _CONTROL.search(data):
        raise Malformed("a note has no control character but the newline")
    # The text itself may hold empty lines: cutting at the first one would let others choose what was signed.
    text, separator, block = data.rpartition(b"\n\n")
    if not separator:
        raise Malformed("expected a text, an empty line and signature lines, each ending in a newline")
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Malformed("expected a note in UTF-8") from None
    return Note(text + b"\n", parse_lines(block))


def parse_lines(block: bytes) -> tuple[NoteSignature, ...]:
    """Signature lines by themselves, as they stand under a note and as a witness answers them."""
    if len(block) > MAX_NOTE:
        raise TooLarge(f"expected signature lines of at most {MAX_NOTE} bytes, got {len(block)}")
    if not block.endswith(b"\n") or _CONTROL.search(block):
        raise Malformed("expected signature lines, each ending in a newline")
    try:
        lines = block[:-1].decode().split("\n")  # splitlines() would also cut at U+2028 and U+0085
    except UnicodeDecodeError:
        raise Malformed("expected a note in UTF-8") from None
    if len(lines) > MAX_SIGNATURES:
        raise TooLarge(f"expected at most {MAX_SIGNATURES} signatures, got {len(lines)}")
    return tuple(_parse_line(line) for line in lines)


def format_lines(signatures: Iterable[NoteSignature]) -> bytes:
    return "".join(f"{_DASH}{s.name} {format_base64(s.keyid + s.signature)}\n" for s in signatures).encode()


def format_note(note: Note) -> bytes:
    data = note.text + b"\n" + format_lines(note.signatures)
    if parse_note(data) != note:
        raise Malformed("this text and these lines do not make a note that reads back the same")
    return data


def sign_note(text: bytes, name: str, key: PrivateKey) -> bytes:
    """The note over `text` with one line of type 01."""
    keyid = Vkey(_check_name(name), ED25519, key.public).keyid
    return format_note(Note(text, (NoteSignature(name, keyid, key.sign(text)),)))


def verify_note(data: bytes, vkeys: Iterable[Vkey]) -> tuple[Note, tuple[Vkey, ...]]:
    """The note and those of `vkeys` that signed it, at least one.

    1. A line of a key that is not among `vkeys` is ignored, whatever it holds.
    2. Every line of a known key must verify, a repeated one too: else BadSignature, for which one is meant?
    3. No line of a known key at all: UnknownKey.
    """
    known: dict[tuple[str, bytes], tuple[Vkey, PublicKey]] = {}
    for vkey in vkeys:
        if vkey.type != ED25519 or not isinstance(vkey.key, PublicKey):
            continue
        # A key id has 32 bits only: a second key with the same name and id can be ground out.
        if known.setdefault((vkey.name, vkey.keyid), (vkey, vkey.key))[0] != vkey:
            raise UnknownKey(f"two keys answer to {vkey.name} and {vkey.keyid.hex()}")
    note = parse_note(data)
    signers: dict[Vkey, None] = {}
    for line in note.signatures:
        match = known.get((line.name, line.keyid))
        if match is None:  # 1
            continue
        match[1].verify(note.text, line.signature)  # 2
        signers[match[0]] = None
    if not signers:  # 3
        raise UnknownKey("no signature under this note is by a key given")
    return note, tuple(signers)
