"""The tree of a log, from its entries: every tile and every checkpoint ever kept follows from them, or something is wrong.

RFC 6962 section 2.1 and C2SP tlog-tiles, by the hashing of `core`. A run of entries is hashed where it was read, tile by
tile; what is left of a full tile is one hash, and of a checkpoint in the middle of one the hash over the part before it.
`Growth` puts these together in order. So the work is spread over processes, and a million entries weigh as four thousand
hashes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exchange.core.checkpoint import verify_checkpoint
from exchange.core.merkle import HASH_SIZE, Frontier, node_hash, root_of
from exchange.core.note import Vkey
from exchange.core.tiles import TILE_WIDTH
from exchange.errors import ExchangeError


class Signed(NamedTuple):
    """A checkpoint as it was kept: what the row says, and the note."""

    size: int
    root: bytes
    note: bytes


class Mark(NamedTuple):
    """A checkpoint to be compared with the tree: `inside` is the root over the leaves of its last tile, if that is not full."""

    size: int
    root: bytes
    inside: bytes | None


class Tile(NamedTuple):
    """What the tree needs of 256 entries: `root` if they are all there, and the checkpoints that end among them."""

    root: bytes | None
    marks: tuple[Mark, ...]


def why_unsigned(signed: Signed, vkey: Vkey) -> str | None:
    """Why this is no checkpoint of the log, under the log's key, of the size and root that its row says; None if it is."""
    try:
        checkpoint = verify_checkpoint(signed.note, vkey)
    except (ExchangeError, TypeError) as error:  # TypeError: a text where bytes should stand
        return str(error)
    if (checkpoint.size, checkpoint.root) != (signed.size, signed.root):
        return f"the note is signed for size {checkpoint.size} and root {checkpoint.root.hex()}"
    return None


def hash_tile(leaves: Sequence[bytes], start: int, checkpoints: Sequence[tuple[int, bytes]]) -> Tile:
    """The tile whose first entry is `start`, with the (size, root) that were signed in it: sizes from start + 1 to its end."""
    full = root_of(leaves) if len(leaves) == TILE_WIDTH else None
    inside: dict[int, bytes] = {}
    wanted = {size for size, _ in checkpoints if size < start + TILE_WIDTH}
    if wanted:
        frontier = Frontier()
        for size, leaf in enumerate(leaves, start + 1):
            frontier.append(leaf)
            if size in wanted:
                inside[size] = frontier.root()
    return Tile(full, tuple([Mark(size, root, inside.get(size)) for size, root in checkpoints]))


class Growth:
    """The tree as far as it has been put together. Tiles come in order; only the last may be less than full."""

    def __init__(self) -> None:
        self._frontier = Frontier()
        self._roots = bytearray()
        self.size = 0

    def extend(self, tile: Tile, entries: int) -> Iterator[Mark]:
        """Take the next tile, of `entries` entries; the checkpoints that its entries do not lead to."""
        self.size = self._frontier.size * TILE_WIDTH + entries
        before = self._frontier.hashes
        if tile.root is not None:
            self._frontier.append(tile.root)
            self._roots += tile.root
        for mark in tile.marks:
            if (self._frontier.root() if mark.inside is None else _above(before, mark.inside)) != mark.root:
                yield mark

    def upper_tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """(level, index, hashes) of every tile above the lowest level, for the tree as it stands."""
        row = [bytes(self._roots[at : at + HASH_SIZE]) for at in range(0, len(self._roots), HASH_SIZE)]
        level = 1
        while row:
            for first in range(0, len(row), TILE_WIDTH):
                yield level, first // TILE_WIDTH, b"".join(row[first : first + TILE_WIDTH])
            whole = len(row) // TILE_WIDTH * TILE_WIDTH
            row = [root_of(row[first : first + TILE_WIDTH]) for first in range(0, whole, TILE_WIDTH)]
            level += 1


def _above(peaks: Sequence[bytes], root: bytes) -> bytes:
    for peak in reversed(peaks):
        root = node_hash(peak, root)
    return root
