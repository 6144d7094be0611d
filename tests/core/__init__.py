"""What tests of core share: a tree that is RFC 6962 word for word, and every way to flip one bit."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from exchange.core.merkle import EMPTY_ROOT, leaf_hash, node_hash


def flipped(data: bytes) -> Iterator[bytes]:
    """`data` with one bit flipped, at every position."""
    for position in range(len(data) * 8):
        at, bit = divmod(position, 8)
        yield data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]


def flipped_in_each_byte(data: bytes) -> Iterator[bytes]:
    """`data` with one bit flipped in each byte in turn, for formats too long to try every bit."""
    for at in range(len(data)):
        yield data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :]


@lru_cache(maxsize=100_000)
def _root(leaves: tuple[bytes, ...]) -> bytes:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return node_hash(_root(leaves[:k]), _root(leaves[k:]))


def _split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Tree:
    """An honest tree, slow and recursive: MTH, PATH and PROOF are the definitions of RFC 6962 section 2.1."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.leaves = tuple(leaf_hash(entry) for entry in entries)

    @classmethod
    def of(cls, size: int, seed: str = "entry") -> "Tree":
        return cls([f"{seed} {n}".encode() for n in range(size)])

    def root(self, size: int) -> bytes:
        return _root(self.leaves[:size])

    def read(self, level: int, index: int) -> bytes:
        """A HashReader over all leaves; a subtree that is not complete is an error of the code under test."""
        start, end = index << level, (index + 1) << level
        assert 0 <= start < end <= len(self.leaves), f"read ({level}, {index}) of {len(self.leaves)} entries"
        return _root(self.leaves[start:end])

    def path(self, index: int, size: int) -> tuple[bytes, ...]:
        return self._path(index, self.leaves[:size])

    def _path(self, m: int, d: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if len(d) == 1:
            return ()
        k = _split(len(d))
        if m < k:
            return (*self._path(m, d[:k]), _root(d[k:]))
        return (*self._path(m - k, d[k:]), _root(d[:k]))

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        return self._subproof(old, self.leaves[:new], True) if old else ()

    def _subproof(self, m: int, d: tuple[bytes, ...], known: bool) -> tuple[bytes, ...]:
        if m == len(d):
            return () if known else (_root(d),)
        k = _split(len(d))
        if m <= k:
            return (*self._subproof(m, d[:k], known), _root(d[k:]))
        return (*self._subproof(m - k, d[k:], False), _root(d[:k]))
