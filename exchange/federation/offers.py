"""A line of the documents stream: a document that a peer offers, well formed or nothing (schemas/README.md, documents in bulk)."""

from dataclasses import dataclass
from functools import lru_cache

from exchange.core.base64text import parse_base64
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.document import parse_name as parse_any_name
from exchange.core.jsontext import parse_json
from exchange.errors import ExchangeError, Malformed

MAX_LINE = 2 * SMALL_DOCUMENT  # bytes of one line

parse_name = lru_cache(maxsize=1024)(parse_any_name)  # most are called body.json


@dataclass(frozen=True, slots=True)
class OfferedDocument:
    """One line of the documents stream, well formed and not yet checked; `content` is None where it must be fetched by itself."""

    index: int
    slot: str
    commitment: str
    name: str
    opening: bytes
    size: int
    content: bytes | None


def parse_offer(line: bytes) -> OfferedDocument | None:
    """One bad line must not keep back the documents behind it: nothing is taken from it, and the stream goes on."""
    try:
        fields = parse_json(line, limit=MAX_LINE)
        index, slot, commitment, size = fields["index"], fields["slot"], fields["commitment"], fields["size"]
        if not (
            isinstance(index, int) and isinstance(slot, str) and isinstance(commitment, str) and isinstance(size, int)
        ):
            raise Malformed("index and size are numbers, slot and commitment are texts")
        content = None if fields["content"] is None else parse_base64(fields["content"])
        return OfferedDocument(
            index,
            slot,
            commitment,
            parse_name(fields["name"]),
            parse_base64(fields["opening"], length=32),
            size,
            content,
        )
    except (KeyError, TypeError, AttributeError, ExchangeError):
        return None
