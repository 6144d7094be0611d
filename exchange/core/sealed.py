"""Sealed letters: one ciphertext for named participants, as it lies in the document of a sealed submission.

Guarantees: whoever opens it reads what all others read, since the content key is committed to in the header (AES-GCM itself commits
to no key: one ciphertext can be made that says two things under two keys). Each wrap opens for its recipient alone and with
this header alone; no byte before the ciphertext can change without the tag failing, and no plaintext may be used before the
tag was right. The size tells next to nothing (padding.py). The parser refuses rather than repairs.

Specification: DESIGN.md section 2 (Sealed), HPKE (RFC 9180, base mode) with the suite in sealing.py, AES-256-GCM (NIST SP
800-38D). It says nothing of the sender by itself: envelopes inside and outside do (trust/letter.py).

    "cbm-sealed/1" LF
    length of the header, 4 bytes, big-endian
    header, canonical JSON on one line:
        {"federation":"osce-cbm.example","origin":"cbm.example.at/log","suite":"MLKEM768-X25519/HKDF-SHA256/AES-256-GCM",
         "commit":"<hex SHA-256 of "cbm-commit/1" NUL content key>",
         "sender":{"participant":"AT","keyid":"<64 hex digits>"},
         "recipients":[{"participant":"CH","keyid":"<64 hex digits>"}]}
    the content key, wrapped with HPKE for the sender, then for each recipient in order: 1,168 bytes each, with
        info = "cbm-seal/1" NUL SHA-256(header) participant NUL keyid
    AES-256-GCM(content key, nonce of 12 zero bytes, associated data = all bytes before), then its tag, 16 bytes

A content key encrypts once, so its nonce can be zero. The plaintext is a letter (core/letter.py), filled up with zeros to the
size that `padded` gives for everything from the first byte to the tag.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

from exchange.core.checkpoint import parse_origin
from exchange.core.document import MAX_DOCUMENT
from exchange.core.jsonfields import check_keys, is_digest, read_text
from exchange.core.jsontext import canonical_json, parse_canonical
from exchange.core.pack import KEY_SIZE
from exchange.core.padding import padded
from exchange.core.sealing import SUITE, WRAP_SIZE, SealingKey, SealingPrivate
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.errors import BadSeal, Malformed, NotFound, TooLarge

MAGIC = b"cbm-sealed/1\n"
TAG_SIZE = 16  # bytes
MAX_RECIPIENTS = 128
MAX_HEADER = 32 * 1024
"""Bytes."""
MAX_SEALED = MAX_DOCUMENT
"""Bytes from the first to the last of the tag: a sealed letter is one document of its outer submission."""
PIECE = 64 * 1024
"""Bytes at a time: memory does not grow with the letter."""

Read = Callable[[int], bytes]
"""At most so many bytes, as `file.read` gives them; nothing at the end."""

_HEADER_KEYS = ("federation", "origin", "suite", "commit", "sender", "recipients")
_ADDRESSEE_KEYS = ("participant", "keyid")
_LENGTH = 4
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class ContentKey:
    """What opens one letter. Its repr keeps the secret."""

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise Malformed(f"a content key of {KEY_SIZE} bytes was expected, {len(self.raw)} came")

    @property
    def commit(self) -> str:
        return sha256(b"cbm-commit/1\0" + self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Addressee:
    """A participant, and the sealing key of its record that a content key was wrapped for."""

    participant: str
    keyid: str


@dataclass(frozen=True, slots=True)
class Header:
    federation: str
    origin: str
    commit: str
    sender: Addressee
    recipients: tuple[Addressee, ...]

    @property
    def audience(self) -> tuple[str, ...]:
        """The codes of the recipients."""
        return tuple([one.participant for one in self.recipients])

    def __post_init__(self) -> None:
        if not 1 <= len(self.recipients) <= MAX_RECIPIENTS:
            raise Malformed(f"1 to {MAX_RECIPIENTS} recipients were expected, {len(self.recipients)} came")
        if any(one >= next_one for one, next_one in pairwise(self.audience)):
            raise Malformed("recipients in the order of their codes, each once, were expected")
        if self.sender.participant in self.audience:
            raise Malformed(f"{self.sender.participant} is the sender, and no recipient")


@dataclass(frozen=True, slots=True)
class Preface:
    """All that stands before the ciphertext, and is read without any key. Nothing of it is verified yet."""

    header: Header
    raw: bytes = field(repr=False)
    wraps: Mapping[Addressee, bytes] = field(repr=False)

    def unwrap(self, participant: str, keys: Mapping[str, SealingPrivate]) -> ContentKey:
        """The content key, for that participant, with its own keys (by keyid). Raises NotFound, BadSeal."""
        addressee = next((one for one in self.wraps if one.participant == participant), None)
        if addressee is None:
            raise NotFound(f"this letter is not addressed to {participant}")
        private = keys.get(addressee.keyid)
        if private is None or private.public.keyid != addressee.keyid:
            raise NotFound(f"the sealing key {addressee.keyid} of {participant}, for which this is sealed, is not here")
        key = ContentKey(private.unwrap(self.wraps[addressee], self.info(addressee)))
        self.check_key(key)
        return key

    def info(self, one: Addressee) -> bytes:
        """What binds a wrap to this header, and to this addressee."""
        start = len(MAGIC) + _LENGTH
        return _info(self.raw[start : start + int.from_bytes(self.raw[len(MAGIC) : start], "big")], one)

    def check_key(self, key: ContentKey) -> None:
        """Raises BadSeal unless it is the one key that the header commits to."""
        # Without this, two recipients could be given two keys under which the same bytes say two things, both tags right.
        if not hmac.compare_digest(key.commit, self.header.commit):
            raise BadSeal("the content key is not the one that the header commits to: others would read something else")

    def decrypt(self, key: ContentKey, read: Read, write: Callable[[bytes], object]) -> int:
        """Write the padded plaintext, and return its size. Nothing of it counts unless this returns. Raises BadSeal, Malformed.

        1. The key is the one committed to. 2. Piece by piece. 3. The tag is right. 4. The size is one that padding gives.
        """
        self.check_key(key)  # 1
        decryptor = Cipher(AES256(key.raw), GCM(_NONCE)).decryptor()
        decryptor.authenticate_additional_data(self.raw)
        size, last = 0, b""
        while piece := read(PIECE):  # 2
            last += piece
            whole, last = last[:-TAG_SIZE], last[-TAG_SIZE:]
            size += len(whole)
            if len(self.raw) + size + TAG_SIZE > MAX_SEALED:
                raise TooLarge(f"a sealed letter of at most {MAX_SEALED:,} bytes was expected, more came")
            write(decryptor.update(whole))
        if len(last) != TAG_SIZE:
            raise Malformed("a sealed letter breaks off before its tag")
        try:
            decryptor.finalize_with_tag(last)  # 3
        except InvalidTag:
            raise BadSeal("the sealed letter was changed since it was sealed: its tag is wrong") from None
        if padded(total := len(self.raw) + size + TAG_SIZE) != total:  # 4
            raise Malformed(f"a sealed letter of a size that padding gives was expected, {total} bytes came")
        return size

    def room(self, size: int) -> int:
        """How many bytes of plaintext there are, padding included, if `size` of them say something."""
        around = len(self.raw) + TAG_SIZE
        return padded(around + size) - around


def seal(
    header: Header, key: ContentKey, keys: Mapping[str, SealingKey], size: int, plaintext: Iterable[bytes]
) -> Iterator[bytes]:
    """The letter, piece by piece; `plaintext` has `size` bytes in all, and `keys` are the public ones, by keyid."""
    if key.commit != header.commit:
        raise Malformed("a header that commits to another key")
    head = _format_header(header)
    wraps = {one: keys[one.keyid].wrap(key.raw, _info(head, one)) for one in (header.sender, *header.recipients)}
    raw = MAGIC + len(head).to_bytes(_LENGTH, "big") + head + b"".join(wraps.values())
    room = Preface(header, raw, wraps).room(size)
    if len(raw) + room + TAG_SIZE > MAX_SEALED:
        raise TooLarge(f"a sealed letter has at most {MAX_SEALED:,} bytes in all, padding and recipients included")
    encryptor = Cipher(AES256(key.raw), GCM(_NONCE)).encryptor()
    encryptor.authenticate_additional_data(raw)
    yield raw
    came = 0
    for piece in plaintext:
        came += len(piece)
        yield encryptor.update(piece)
    if came != size:
        raise Malformed(f"a letter of {size} bytes was announced, {came} came")
    for at in range(0, room - size, PIECE):
        yield encryptor.update(bytes(min(PIECE, room - size - at)))
    yield encryptor.finalize() + encryptor.tag


def address(
    federation: str, origin: str, key: ContentKey, sender: tuple[str, SealingKey], to: Sequence[tuple[str, SealingKey]]
) -> tuple[Header, dict[str, SealingKey]]:
    """The header of a letter to these, and their keys by keyid."""
    recipients = tuple(Addressee(code, public.keyid) for code, public in sorted(to, key=lambda one: one[0]))
    header = Header(federation, origin, key.commit, Addressee(sender[0], sender[1].keyid), recipients)
    return header, {public.keyid: public for _, public in (sender, *to)}


def read_preface(read: Read) -> Preface:
    """What stands before the ciphertext, strictly; the next byte that `read` gives is the first of the ciphertext."""
    if read_exactly(read, len(MAGIC)) != MAGIC:
        raise Malformed(f"a sealed letter begins with {MAGIC.decode().strip()}; this does not")
    prefix = read_exactly(read, _LENGTH)
    length = int.from_bytes(prefix, "big")
    if not 1 <= length <= MAX_HEADER:
        raise TooLarge(f"a header of at most {MAX_HEADER:,} bytes was expected, one of {length:,} is announced")
    head = read_exactly(read, length)
    header = _parse_header(head)
    all_of_them = (header.sender, *header.recipients)
    joined = read_exactly(read, WRAP_SIZE * len(all_of_them))
    wraps = {one: joined[at * WRAP_SIZE : (at + 1) * WRAP_SIZE] for at, one in enumerate(all_of_them)}
    return Preface(header, MAGIC + prefix + head + joined, wraps)


def read_exactly(read: Read, size: int) -> bytes:
    """So many bytes, in however many pieces they come. Raises Malformed where there are fewer."""
    pieces = []
    while size > 0:
        piece = read(min(size, PIECE))
        if not piece:
            raise Malformed("a sealed letter breaks off in the middle")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _info(head: bytes, one: Addressee) -> bytes:
    return b"cbm-seal/1\0" + sha256(head).digest() + one.participant.encode() + b"\0" + one.keyid.encode()


def _format_header(header: Header) -> bytes:
    data = canonical_json(
        {
            "federation": header.federation,
            "origin": header.origin,
            "suite": SUITE,
            "commit": header.commit,
            "sender": _format_addressee(header.sender),
            "recipients": [_format_addressee(one) for one in header.recipients],
        }
    )
    _parse_header(data)
    return data


def _format_addressee(one: Addressee) -> dict[str, str]:
    return {"participant": one.participant, "keyid": one.keyid}


def _parse_header(data: bytes) -> Header:
    value = parse_canonical(data, limit=MAX_HEADER)
    check_keys(value, _HEADER_KEYS, "")
    read_text(value["suite"], SUITE.__eq__, "", "suite", f"the suite {SUITE}, the only one that this version opens,")
    listed = value["recipients"]
    if type(listed) is not list:
        raise Malformed("a list of recipients was expected", pointer="/recipients")
    origin = read_text(value["origin"], lambda text: text, "", "origin", "a log's origin")
    return Header(
        read_text(value["federation"], is_federation, "", "federation", "a federation's name"),
        parse_origin(origin),
        read_text(value["commit"], is_digest, "", "commit", "64 lower-case hex digits"),
        _parse_addressee(value["sender"], "/sender"),
        tuple([_parse_addressee(one, f"/recipients/{number}") for number, one in enumerate(listed)]),
    )


def _parse_addressee(value: Any, at: str) -> Addressee:
    check_keys(value, _ADDRESSEE_KEYS, at)
    return Addressee(
        read_text(value["participant"], is_participant_code, at, "participant", "a participant code"),
        read_text(value["keyid"], is_digest, at, "keyid", "64 lower-case hex digits"),
    )
