"""The letter inside a sealed submission: a signed envelope of its own kind, and its documents with openings and names.

Guarantee: one letter has one text, and a text that `read_contents` takes is a letter and zeros, nothing else. The inner envelope is an ordinary
one (dsse.py) whose payload type the door never takes, so that what was said to a few cannot be posted for all by whoever
opened it: no signature over one type is a signature over the other.

    length of the index, 4 bytes, big-endian
    index, canonical JSON on one line:
        {"envelope":"<base64>","documents":[{"slot":"body","name":"return.json","opening":"<base64 of 32 bytes>","size":17}]}
    the contents of the documents, one after the other, in the order of the index
    zeros, up to the end of what was sealed
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, Document, parse_name, parse_opening
from exchange.core.dsse import MAX_ENVELOPE, PAYLOAD_TYPE, Envelope, parse_envelope
from exchange.core.jsonfields import check_keys, read_text
from exchange.core.jsontext import canonical_json, parse_canonical
from exchange.core.pack import MAX_DOCUMENTS
from exchange.core.sealed import PIECE, Read, read_exactly
from exchange.core.statement import slot_order
from exchange.core.vocabulary import is_slot
from exchange.errors import Malformed, TooLarge

INNER_TYPE = "application/vnd.cbm.sealed-inner.v1+json"
"""The payload type of the inner envelope."""
CARRIED_TYPE = "application/vnd.cbm.sealed-inner.v1+zip"
"""The media type of a document that is an older letter, as a parcel (pack.py): how a recipient is added."""
MAX_INDEX = 256 * 1024
"""Bytes."""

_LENGTH = 4
_DOCUMENT_KEYS = ("slot", "name", "opening", "size")


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A document of a letter, without its content."""

    slot: str
    name: str = field(repr=False)
    opening: bytes = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands before the documents' contents. Nothing of it is verified yet."""

    envelope: bytes = field(repr=False)
    documents: tuple[Enclosed, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.envelope) <= MAX_ENVELOPE or len(self.documents) > MAX_DOCUMENTS:
            raise TooLarge(f"one envelope and at most {MAX_DOCUMENTS} documents were expected in a letter")
        for one, next_one in pairwise(self.documents):
            if slot_order(one.slot) >= slot_order(next_one.slot):
                raise Malformed("documents in the order of their slots (body, body.de, a1), each once, were expected")


def parse_either(data: bytes) -> Envelope:
    """A signed envelope of a parcel, which may be a letter: the one place where either will do."""
    return parse_envelope(data, INNER_TYPE if f'"payloadType":"{INNER_TYPE}"'.encode() in data else PAYLOAD_TYPE)


def contents_of(envelope: bytes, documents: Sequence[Document]) -> Contents:
    return Contents(envelope, tuple(Enclosed(one.slot, one.name, one.opening, len(one.content)) for one in documents))


def format_letter(contents: Contents, bodies: Iterable[bytes]) -> tuple[int, Iterator[bytes]]:
    """The size of the letter without padding, and its bytes; `bodies` are the documents' contents, in pieces of any size."""
    index = canonical_json(
        {
            "envelope": format_base64(contents.envelope),
            "documents": [
                {
                    "slot": one.slot,
                    "name": parse_name(one.name),
                    "opening": format_base64(parse_opening(one.opening)),
                    "size": one.size,
                }
                for one in contents.documents
            ],
        }
    )
    _parse_index(index)
    size = _LENGTH + len(index) + sum(one.size for one in contents.documents)
    return size, _chain(len(index).to_bytes(_LENGTH, "big") + index, bodies)


def _chain(head: bytes, bodies: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    for body in bodies:
        for at in range(0, len(body), PIECE):
            yield body[at : at + PIECE]


def read_contents(read: Read) -> tuple[Contents, int]:
    """The index, and the size of the whole letter without padding. `read` then gives the documents' contents (`pieces_of`)."""
    prefix = read_exactly(read, _LENGTH)
    length = int.from_bytes(prefix, "big")
    if not 1 <= length <= MAX_INDEX:
        raise TooLarge(f"an index of at most {MAX_INDEX:,} bytes was expected, one of {length:,} is announced")
    contents = _parse_index(read_exactly(read, length))
    return contents, _LENGTH + length + sum(one.size for one in contents.documents)


def pieces_of(read: Read, size: int) -> Iterator[bytes]:
    """The next so many bytes. Raises Malformed where there are fewer."""
    while size > 0:
        piece = read(min(size, PIECE))
        if not piece:
            raise Malformed("a letter breaks off within a document")
        size -= len(piece)
        yield piece


def check_rest(read: Read) -> None:
    """Zeros, to the end: nothing is hidden behind a letter. Raises Malformed."""
    while piece := read(PIECE):
        if piece.count(0) != len(piece):
            raise Malformed("nothing but zeros was expected behind a letter")


def _parse_index(data: bytes) -> Contents:
    value = parse_canonical(data, limit=MAX_INDEX)
    check_keys(value, ("envelope", "documents"), "")
    listed = value["documents"]
    if type(value["envelope"]) is not str or type(listed) is not list:
        raise Malformed("an envelope in base64 and a list of documents were expected in a letter")
    documents = tuple([_parse_enclosed(entry, f"/documents/{number}") for number, entry in enumerate(listed)])
    return Contents(parse_base64(value["envelope"]), documents)


def _parse_enclosed(value: Any, at: str) -> Enclosed:
    check_keys(value, _DOCUMENT_KEYS, at)
    slot, name, opening, size = value.values()
    if type(name) is not str or type(opening) is not str:
        raise Malformed("a name and an opening in base64 were expected", pointer=at)
    if type(size) is not int or not 0 <= size <= MAX_DOCUMENT:
        raise Malformed(f"a size from 0 to {MAX_DOCUMENT:,} was expected", pointer=f"{at}/size")
    slot = read_text(slot, is_slot, at, "slot", "a slot such as body, body.fr or a1")
    return Enclosed(slot, parse_name(name), parse_base64(opening, length=OPENING_SIZE), size)
