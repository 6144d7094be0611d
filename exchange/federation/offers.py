"""A line of the documents stream: a document that a peer offers, well formed or nothing (schemas/README.md, documents in bulk)."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from exchange.core.base64text import parse_base64
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.document import parse_name as parse_any_name
from exchange.core.jsontext import parse_json
from exchange.errors import ExchangeError, Malformed

MAX_LINE = 2 * SMALL_DOCUMENT  # bytes of one line

parse_name = lru_cache(maxsize=1024)(parse_any_name)  # most are called body.json
# As the nodes of this program write them, but for what is rare: such a line needs no reader of JSON.
_usual = re.compile(
    rb'\{"index":(0|[1-9][0-9]{0,14}),"slot":"([a-zA-Z0-9.-]+)","commitment":"([0-9a-f]{64})",'
    rb'"name":"([A-Za-z0-9][A-Za-z0-9._-]*)","opening":"([A-Za-z0-9+/=]+)","size":(0|[1-9][0-9]{0,14}),'
    rb'"content":"([A-Za-z0-9+/=]*)"\}\n?'
).fullmatch


@dataclass(frozen=True, slots=True)
class OfferedDocument:
    """One line of the documents stream, well formed and not yet checked; `content` is None where it must be fetched by itself."""

    index: int
    slot: str
    commitment: str
    name: str
    opening: bytes = field(repr=False)
    size: int
    content: bytes | None = field(repr=False)


def parse_offer(line: bytes) -> OfferedDocument | None:
    """One bad line must not keep back the documents behind it: nothing is taken from it, and the stream goes on."""
    try:
        if len(line) <= MAX_LINE and (usual := _usual(line)) is not None:
            number, slot, commitment, name, opening, size, content = usual.groups()
            return OfferedDocument(
                int(number),
                slot.decode(),
                commitment.decode(),
                parse_name(name.decode()),
                parse_base64(opening, length=32),
                int(size),
                parse_base64(content),
            )
        fields = parse_json(line, limit=MAX_LINE)
        index, named, committed, length = fields["index"], fields["slot"], fields["commitment"], fields["size"]
        if not (
            isinstance(index, int) and isinstance(named, str) and isinstance(committed, str) and isinstance(length, int)
        ):
            raise Malformed("index and size are numbers, slot and commitment are texts")
        return OfferedDocument(
            index,
            named,
            committed,
            parse_name(fields["name"]),
            parse_base64(fields["opening"], length=32),
            length,
            None if fields["content"] is None else parse_base64(fields["content"]),
        )
    except (KeyError, TypeError, AttributeError, ExchangeError):
        return None
