"""A document on its way from a node, proven to be the one that its commitment stands for, however large it is.

Nothing of it counts before the last byte: what was written meanwhile is worth nothing where `WrongCommitment` is raised.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

from exchange.client.wire import Beginning, check_announced, too_much
from exchange.core.base64text import parse_base64
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, Committer, parse_name
from exchange.errors import Malformed, TooLarge, WrongCommitment

T = TypeVar("T")

_NAMED = "attachment; filename*=UTF-8''"


@dataclass(frozen=True, slots=True)
class Proven:
    """A document whose bytes are the ones committed to. Its `name` is as its sender called it: nobody signed it."""

    commitment: str
    name: str
    opening: bytes = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A proven document with its content."""

    proven: Proven
    content: bytes = field(repr=False)


class Download(Generic[T]):
    """Writes what comes, and hands over what `made` makes of it once it is proven."""

    def __init__(
        self,
        beginning: Beginning,
        commitment: str,
        write: Callable[[bytes], object],
        made: Callable[[Proven], T],
    ) -> None:
        self._beginning, self._commitment, self._write, self._made = beginning, commitment, write, made
        self._size = 0
        check_announced(beginning, MAX_DOCUMENT)
        try:
            self._opening = parse_base64(beginning.headers.get("cbm-opening", ""), length=OPENING_SIZE)
            named = beginning.headers.get("content-disposition", "")
            self._name = parse_name(unquote(named.removeprefix(_NAMED), errors="strict"))
        except (Malformed, UnicodeDecodeError):
            raise beginning.nonsense("a document comes with its opening and its name") from None
        self._committer = Committer(self._opening)

    def take(self, piece: bytes) -> None:
        try:
            self._committer.update(piece)
        except TooLarge:
            raise too_much(self._beginning, MAX_DOCUMENT) from None
        self._size += len(piece)
        self._write(piece)

    def finish(self) -> T:
        if not hmac.compare_digest(self._committer.commitment(), self._commitment):
            raise WrongCommitment(f"{self._beginning.place} sent another document than the one committed to")
        return self._made(Proven(self._commitment, self._name, self._opening, self._size))
