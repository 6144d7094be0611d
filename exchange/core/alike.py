"""Texts that are the same but for digests and times, read once: most statements of a log are alike in all the rest.

Guarantee: `Alike(read, ...)` answers what `read` answers, for every text. What stands between the digests (64 lower-case hex
digits) and the times of a text is its *frame*. A frame that was read before is right, since it is the same, byte for byte;
what fills it is of one alphabet and one length, so the whole is as canonical as the first was; and where a filling could be
wrong by itself, as the 31st of February, `fill` looks and `read` says so. `read` must compare no filling with another.

    >>> alike = Alike(int, values=lambda number: [], fill=lambda number, filling: number)
    >>> alike(b"42")
    42
"""

import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from exchange.errors import Malformed

T = TypeVar("T")

MAX_FRAMES = 1_024  # then all are forgotten and learnt anew
MAX_TEXT = 2_048  # bytes of a text that is remembered: together no more than 2 MB, whatever stands in a log

_split = re.compile(rb'"([0-9a-f]{64}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"').split


class Alike(Generic[T]):
    """Reads texts, and remembers their frames.

    `values` are the digests and times of what was read, in the order of the text; `fill` makes the same of other ones, or
    raises Malformed.
    """

    def __init__(
        self,
        read: Callable[[bytes], T],
        *,
        values: Callable[[T], Sequence[str]],
        fill: Callable[[T, Sequence[str]], T],
    ) -> None:
        self._read, self._values, self._fill = read, values, fill
        self._known: dict[tuple[object, ...], T] = {}

    def __call__(self, text: bytes) -> T:
        if len(text) > MAX_TEXT:
            return self._read(text)
        parts = _split(text)
        filling = [part.decode() for part in parts[1::2]]
        # A time does not stand for a digest: lengths belong to the frame.
        frame = (*parts[::2], *map(len, filling))
        first = self._known.get(frame)
        if first is not None:
            try:
                return self._fill(first, filling)
            except Malformed:
                return self._read(text)  # which says what is wrong with it
        found = self._read(text)
        if filling == self._values(found):  # else something stands in a field that `values` knows nothing of
            if len(self._known) >= MAX_FRAMES:
                self._known.clear()
            self._known[frame] = found
        return found
