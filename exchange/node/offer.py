"""A submission as it is sent, in JSON, decoded and not yet looked at: strict, and each text in its one spelling.

    {"envelope": BASE64, "documents": [{"slot": "body", "name": "POC-02.json", "opening": BASE64, "content": BASE64}]}

Duplicate or unknown fields are refused. A batch is one of these a line (lines.py).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from exchange.core.base64text import parse_base64
from exchange.core.document import OPENING_SIZE, SMALL_DOCUMENT, Document
from exchange.core.document import parse_name as parse_any_name
from exchange.core.jsontext import parse_json
from exchange.errors import Malformed, TooLarge

MAX_JSON = 4 * 1024 * 1024  # bytes of a submission in JSON
MAX_OPENING_PART = 2048  # bytes

_parse_name = lru_cache(maxsize=1024)(parse_any_name)  # most are called like their form


@dataclass(frozen=True, slots=True)
class Offered:
    """A submission with its small documents as it comes in JSON, decoded and not yet looked at."""

    envelope: bytes
    documents: tuple[Document, ...]


def parse_submission(body: bytes) -> Offered:
    fields = _fields(parse_json(body, limit=MAX_JSON), ("envelope", "documents"), "")
    if not isinstance(fields["documents"], list):
        raise Malformed("documents is a list", pointer="/documents")
    documents = tuple([_document(value, f"/documents/{number}") for number, value in enumerate(fields["documents"])])
    return Offered(_bytes(fields, "envelope", ""), documents)


def _document(value: Any, pointer: str) -> Document:
    fields = _fields(value, ("slot", "name", "opening", "content"), pointer)
    content = _bytes(fields, "content", pointer)
    if len(content) > SMALL_DOCUMENT:
        limit = f"a document of at most {SMALL_DOCUMENT} bytes was expected; a larger one comes as multipart/form-data"
        raise TooLarge(limit, pointer=f"{pointer}/content")
    opening = _bytes(fields, "opening", pointer, OPENING_SIZE)
    return Document(_text(fields, "slot", pointer), _name(fields, pointer), opening, content)


def _text(fields: dict[str, Any], name: str, pointer: str) -> str:
    if not isinstance(fields[name], str):
        raise Malformed(f"{name} is a text", pointer=f"{pointer}/{name}")
    return str(fields[name])


def _name(fields: dict[str, Any], pointer: str) -> str:
    try:
        return _parse_name(_text(fields, "name", pointer))
    except Malformed as error:
        raise Malformed(str(error), pointer=f"{pointer}/name") from None


def _bytes(fields: dict[str, Any], name: str, pointer: str, length: int | None = None) -> bytes:
    try:
        return parse_base64(_text(fields, name, pointer), length=length)
    except Malformed as error:
        raise Malformed(str(error), pointer=f"{pointer}/{name}") from None


def _fields(value: Any, names: tuple[str, ...], pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise Malformed(f"expected an object with exactly the fields {', '.join(names)}", pointer=pointer)
    return value


@dataclass(frozen=True, slots=True)
class OfferedOpening:
    slot: str
    name: str
    opening: bytes


def parse_opening_part(data: bytes) -> OfferedOpening:
    fields = _fields(parse_json(data, limit=MAX_OPENING_PART), ("slot", "name", "opening"), "")
    return OfferedOpening(_text(fields, "slot", ""), _name(fields, ""), _bytes(fields, "opening", "", OPENING_SIZE))
