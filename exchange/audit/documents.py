"""Documents as they are offered to an audit: entry by entry, each proven against the commitment that was signed.

schemas/README.md section 8. A document vouches for itself through its opening; what a row or a line says of it counts
for nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from exchange.core.document import OPENING_SIZE, SMALL_DOCUMENT, Committer, commit, parse_name
from exchange.errors import ExchangeError, Malformed

OVERSIZED = bytes(SMALL_DOCUMENT + 1)  # stands for a content that lies apart: larger than any form takes

Row = tuple[Any, ...]
"""(index, slot, ordinal, commitment, media_type, language, audience, held, name, size, content, opening), and from a database the
keys by which slot and document are found: size None where there is none, content None where it lies apart; ordinal to held None
where only its node sees them."""

Pieces = Callable[[bytes], Iterator[bytes]]
"""The content of a document that lies apart, by its commitment. Raises Malformed where it does not read."""


class Offered:
    """The rows of a run, handed out entry by entry. `stray` is told of those of an entry that is not there."""

    def __init__(self, rows: Iterable[Row], stray: Callable[[Row], None]) -> None:
        self._rows, self._stray = iter(rows), stray
        self._next = next(self._rows, None)
        self.count = 0

    def of(self, index: int) -> list[Row]:
        found: list[Row] = []
        row = self._next
        while row is not None and row[0] <= index:
            if row[0] == index:
                found.append(row)
            else:
                self._stray(row)
            self.count += 1
            row = self._next = next(self._rows, None)
        return found


def prove(commitment: bytes, row: Row, pieces: Pieces) -> tuple[int, str | None]:
    """(its length, why this is not the document committed to: None if it is)."""
    content, opening = row[10], row[11]
    try:
        if type(opening) is not bytes or len(opening) != OPENING_SIZE:
            return 0, "it has no opening"
        if content is not None:
            length, found = len(content), commit(opening, content)
        else:
            committer, length = Committer(opening), 0
            for piece in pieces(commitment):
                committer.update(piece)
                length += len(piece)
            found = committer.commitment()
    except (ExchangeError, TypeError) as error:  # TypeError: a text where bytes should stand
        return 0, str(error)
    return length, None if found == commitment.hex() else "content and opening are not those committed to"


@lru_cache(maxsize=1024)
def why_not_named(name: object) -> str | None:
    """Why nobody should be offered a file under that name; None if one may."""
    if type(name) is not str:
        return f"a file name is a text, this is {str(name)[:80]!r}"
    try:
        parse_name(name)
    except Malformed as error:
        return str(error)
    return None
