"""Evidence packs and parcels: one zip file for people and their tools, of which no byte is unaccounted for.

Guarantee: `parse_pack` accepts exactly the bytes that `format_pack` writes for what they hold: no compression (no
bombs), no encryption, no comments, extra fields, dates, data before, between or after, no second member of a name, no
zip64. So two readers that look into the zip in two ways (by its local headers or by its directory) see the same
members. Specification: APPNOTE.TXT 6.3.10 sections 4.3.7, 4.3.12, 4.3.16, method 0 (stored), all dates 1980-01-01
00:00.

    envelope.json  [receipt.tlog-proof]  [trust.json]  [trust.bundle]  [witnesses.tlog-policy]  [content.key]
    then for each document, in the order of slots:
    documents/<slot>.opening.json     {"name":"return.json","opening":"<base64 of 32 bytes>"}
    documents/<slot>

A *parcel* (what `cbm sign` writes and `cbm submit` sends) is a pack without receipt, trust, bundle and policy. A *disclosure* holds a
sealed letter and its content key, 32 bytes (core/sealed.py). Nothing here is verified
yet: a pack never vouches for itself.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, Document, parse_name, parse_opening
from exchange.core.dsse import MAX_ENVELOPE
from exchange.core.jsontext import canonical_json, parse_canonical
from exchange.core.policy import MAX_POLICY
from exchange.core.receipt import MAX_RECEIPT
from exchange.core.statement import slot_order
from exchange.core.vocabulary import is_slot
from exchange.errors import Malformed, TooLarge

MAX_PACK = 256 * 1024 * 1024
"""Bytes; far below the 4 GiB where zip64 would begin."""
MAX_TRUST = 32 * 1024 * 1024
"""Bytes."""
MAX_OPENING = 2 * 1024
"""Bytes of the small JSON file with a document's name and opening."""
KEY_SIZE = 32
"""Bytes of the key that a sealed letter was encrypted with."""
MAX_DOCUMENTS = 128
"""More than a statement of 16,384 bytes can name."""

_ENVELOPE, _RECEIPT, _TRUST, _BUNDLE, _POLICY, _KEY, _FOLDER, _OPENING = (
    "envelope.json",
    "receipt.tlog-proof",
    "trust.json",
    "trust.bundle",
    "witnesses.tlog-policy",
    "content.key",
    "documents/",
    ".opening.json",
)

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION = 20
_DATE = 0x0021  # 1980-01-01, the zip epoch: a real date would be a second, unsigned claim about time

_Members = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Pack:
    """An envelope with its documents, and in an evidence pack what proves its place in the log, who may sign, and who may witness."""

    envelope: bytes
    documents: tuple[Document, ...]
    receipt: bytes | None
    trust: bytes | None
    policy: bytes | None = None
    bundle: bytes | None = None
    """The founders' signed list, whole, where it was followed: with the root, and nothing else, it says who may sign and witness."""
    content_key: bytes | None = field(default=None, repr=False)


def format_pack(pack: Pack) -> bytes:
    """The one zip file for this pack; refuses what `parse_pack` would refuse."""
    members = list(_members(pack))
    pieces: list[bytes] = []
    for name, content in members:
        pieces += (_local_header(name, content), content)
    pieces.append(_directory(members))
    size = sum(map(len, pieces))
    if size > MAX_PACK:
        raise TooLarge(f"a pack of at most {MAX_PACK:,} bytes was expected, this one takes {size:,}")
    return b"".join(pieces)


def parse_pack(data: bytes) -> Pack:
    """The pack in these bytes.

    1. Bounded. 2. Members read one after the other from the first byte, each header exactly as we write it.
    3. The rest is exactly the directory of these members. 4. The members are those of a pack, in order.
    """
    if len(data) > MAX_PACK:  # 1
        raise TooLarge(f"a pack of at most {MAX_PACK:,} bytes was expected, {len(data):,} came")
    members: _Members = []
    position = 0
    while data[position : position + 4] == _LOCAL_MARK:  # 2
        if len(members) > 2 * MAX_DOCUMENTS + 5:
            raise Malformed(f"a pack of at most {MAX_DOCUMENTS} documents was expected, more came")
        name, content, position = _read_member(data, position)
        members.append((name, content))
    if not members:
        raise Malformed("a pack was expected: a zip file that starts with its first member")
    if data[position:] != _directory(members):  # 3
        raise Malformed("a zip directory of exactly the members before it, and nothing after it, was expected")
    return _assemble(members)  # 4


def _read_member(data: bytes, position: int) -> tuple[str, bytes, int]:
    """One member and where the next begins. The header is believed only once all of it is what we would write."""
    start = position + _LOCAL.size
    if start > len(data):
        raise Malformed("a zip member was expected, the file ends within its header")
    header = _LOCAL.unpack_from(data, position)
    flags, method, size, name_size = header[2], header[3], header[8], header[9]
    if method != 0 or flags != 0:
        raise Malformed("members stored as they are were expected; one is compressed, encrypted or streamed")
    end = start + name_size + size
    if end > len(data):
        raise Malformed("a zip member was expected, the file ends within its content")
    try:
        name = data[start : start + name_size].decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("a zip member with an ASCII name was expected") from None
    content = bytes(data[start + name_size : end])
    if data[position : start + name_size] != _local_header(name, content):
        raise Malformed(
            f"the member {name[:80]!r} does not have the one header that we write: no dates, extra fields, wrong sums"
        )
    return name, content, end


def _local_header(name: str, content: bytes) -> bytes:
    size, encoded = len(content), name.encode("ascii")
    return (
        _LOCAL.pack(_LOCAL_MARK, _VERSION, 0, 0, 0, _DATE, zlib.crc32(content), size, size, len(encoded), 0) + encoded
    )


def _directory(members: _Members) -> bytes:
    """Central directory and its end record; everything that follows the last member."""
    entries: list[bytes] = []
    offset = 0
    for name, content in members:
        local, size, encoded = _local_header(name, content), len(content), name.encode("ascii")
        sums = local[14:26]  # checksum and both sizes, as in the local header
        fixed = (
            _CENTRAL_MARK,
            _VERSION,
            _VERSION,
            0,
            0,
            0,
            _DATE,
            *struct.unpack("<3L", sums),
            len(encoded),
            0,
            0,
            0,
            0,
            0,
            offset,
        )
        entries.append(_CENTRAL.pack(*fixed) + encoded)
        offset += len(local) + size
    directory = b"".join(entries)
    return directory + _END.pack(_END_MARK, 0, 0, len(members), len(members), len(directory), offset, 0)


def _members(pack: Pack) -> Iterator[tuple[str, bytes]]:
    _check_size(_ENVELOPE, pack.envelope, MAX_ENVELOPE)
    yield _ENVELOPE, pack.envelope
    if pack.receipt is not None:
        _check_size(_RECEIPT, pack.receipt, MAX_RECEIPT)
        yield _RECEIPT, pack.receipt
    if pack.trust is not None:
        _check_size(_TRUST, pack.trust, MAX_TRUST)
        yield _TRUST, pack.trust
    if pack.bundle is not None:
        _check_size(_BUNDLE, pack.bundle, MAX_TRUST)
        yield _BUNDLE, pack.bundle
    if pack.policy is not None:
        _check_size(_POLICY, pack.policy, MAX_POLICY)
        yield _POLICY, pack.policy
    if pack.content_key is not None:
        yield _KEY, _parse_key(pack.content_key)
    _check_documents(pack.documents)
    for doc in pack.documents:
        opening = {"name": parse_name(doc.name), "opening": format_base64(parse_opening(doc.opening))}
        yield f"{_FOLDER}{doc.slot}{_OPENING}", canonical_json(opening)
        yield f"{_FOLDER}{doc.slot}", doc.content


def _assemble(members: _Members) -> Pack:
    """The pack of these members; names are only ever compared with those expected next, never used as paths."""
    waiting = iter(members)
    name, envelope = next(waiting)
    if name != _ENVELOPE:
        raise Malformed(f"the member {_ENVELOPE} was expected first, {name[:80]!r} came")
    _check_size(_ENVELOPE, envelope, MAX_ENVELOPE)
    following = next(waiting, None)
    receipt = trust = bundle = policy = key = None
    if following and following[0] == _RECEIPT:
        receipt, following = following[1], next(waiting, None)
        _check_size(_RECEIPT, receipt, MAX_RECEIPT)
    if following and following[0] == _TRUST:
        trust, following = following[1], next(waiting, None)
        _check_size(_TRUST, trust, MAX_TRUST)
    if following and following[0] == _BUNDLE:
        bundle, following = following[1], next(waiting, None)
        _check_size(_BUNDLE, bundle, MAX_TRUST)
    if following and following[0] == _POLICY:
        policy, following = following[1], next(waiting, None)
        _check_size(_POLICY, policy, MAX_POLICY)
    if following and following[0] == _KEY:
        key, following = _parse_key(following[1]), next(waiting, None)
    documents: list[Document] = []
    while following:
        documents.append(_document(following, next(waiting, None)))
        following = next(waiting, None)
    _check_documents(documents)
    return Pack(envelope, tuple(documents), receipt, trust, policy, bundle, key)


def _parse_key(key: bytes) -> bytes:
    if len(key) != KEY_SIZE:
        raise Malformed(f"a content key of {KEY_SIZE} bytes was expected, {len(key)} came")
    return key


def _document(opening_member: tuple[str, bytes], content_member: tuple[str, bytes] | None) -> Document:
    name, data = opening_member
    slot = name.removeprefix(_FOLDER).removesuffix(_OPENING)
    if name != f"{_FOLDER}{slot}{_OPENING}" or not is_slot(slot):
        raise Malformed(
            f"the opening of a document ({_FOLDER}<slot>{_OPENING}) was expected, the member {name[:80]!r} came"
        )
    if content_member is None or content_member[0] != f"{_FOLDER}{slot}":
        raise Malformed(f"the member {_FOLDER}{slot} was expected right after its opening")
    file_name, opening = _parse_opening(data, name)
    return Document(slot, file_name, opening, content_member[1])


def _parse_opening(data: bytes, member: str) -> tuple[str, bytes]:
    value: Any = parse_canonical(data, limit=MAX_OPENING)
    if type(value) is not dict or tuple(value) != ("name", "opening"):
        raise Malformed(f"an object with exactly the keys name, opening was expected in {member}")
    if type(value["name"]) is not str or type(value["opening"]) is not str:
        raise Malformed(f"a name and a base64 text were expected in {member}")
    return parse_name(value["name"]), parse_base64(value["opening"], length=OPENING_SIZE)


def _check_documents(documents: list[Document] | tuple[Document, ...]) -> None:
    if len(documents) > MAX_DOCUMENTS:
        raise Malformed(f"a pack of at most {MAX_DOCUMENTS} documents was expected, {len(documents)} came")
    for doc in documents:
        if not is_slot(doc.slot):
            raise Malformed("a document in a slot such as body, body.fr or a1 was expected")
        _check_size(doc.slot, doc.content, MAX_DOCUMENT)
    for one, next_one in pairwise(documents):
        if slot_order(one.slot) >= slot_order(next_one.slot):
            raise Malformed("documents in the order of their slots (body, body.de, a1, a2), each once, were expected")


def _check_size(what: str, content: bytes, limit: int) -> None:
    if len(content) > limit:
        raise TooLarge(f"at most {limit:,} bytes of {what} were expected, {len(content):,} came")
