"""The hash tiles of a log as they are stored, and how they grow: the right edge is read, extended and written, each in one statement."""

from collections.abc import Callable, Iterator
from itertools import chain

from exchange.core.merkle import HASH_SIZE
from exchange.core.tiles import TILE_WIDTH, TilePath, right_edge, run_root
from exchange.errors import NotFound
from exchange.store.bulk import fetch, run
from exchange.store.database import Transaction

Edge = Callable[[TilePath], bytes]


def read(tx: Transaction, log_id: int, path: TilePath) -> bytes:
    """A tile as wide as the path says. Raises NotFound where it is narrower."""
    return _wide(path, stored(tx, log_id, path.level or 0, path.index))


def stored(tx: Transaction, log_id: int, level: int, index: int) -> bytes | None:
    """A tile as it stands, or None."""
    rows = fetch(tx, 'SELECT hashes FROM tile WHERE log_id = ? AND level = ? AND "index" = ?', (log_id, level, index))
    return bytes(rows[0][0]) if rows else None


def edge(tx: Transaction, log_id: int, size: int) -> Edge:
    """The partial tiles at the right edge of a tree of that size, which hold its peaks."""
    paths = right_edge(size)
    found: dict[tuple[int, int], bytes] = {}
    if paths:
        where = " OR ".join(['level = ? AND "index" = ?'] * len(paths))
        values = [log_id, *chain.from_iterable(paths)]
        for level, index, hashes in fetch(tx, f"{_TILES} WHERE log_id = ? AND ({where})", values):
            found[level, index] = bytes(hashes)
    return lambda path: _wide(path, found.get((path.level or 0, path.index)))


def extend(tx: Transaction, log_id: int, start: int, hashes: list[bytes], edge: Edge) -> None:
    """Write `hashes` as leaves `start`.., behind the edge that stands."""
    rows = [(log_id, level, index, whole) for level, index, whole in _grown(start, hashes, edge)]
    if rows:
        run(tx, _PUT, *rows)


_TILES = 'SELECT level, "index", hashes FROM tile'
_PUT = (
    'INSERT INTO tile (log_id, level, "index", hashes) VALUES (?, ?, ?, ?)'
    ' ON CONFLICT (log_id, level, "index") DO UPDATE SET hashes = excluded.hashes'
)


def _grown(start: int, hashes: list[bytes], edge: Edge) -> Iterator[tuple[int, int, bytes]]:
    """The tiles that change, whole; each that becomes full gives one hash to the level above."""
    level = 0
    while hashes:
        above: list[bytes] = []
        for index in range(start // TILE_WIDTH, (start + len(hashes) - 1) // TILE_WIDTH + 1):
            low = max(index * TILE_WIDTH, start)
            width = low - index * TILE_WIDTH
            old = edge(TilePath(level, index, width)) if width else b""
            whole = old + b"".join(hashes[low - start : (index + 1) * TILE_WIDTH - start])
            yield level, index, whole
            if len(whole) == TILE_WIDTH * HASH_SIZE:
                above.append(run_root(whole))
        start, hashes, level = start // TILE_WIDTH, above, level + 1


def _wide(path: TilePath, hashes: bytes | None) -> bytes:
    """As much of a stored tile as was asked for: it may have grown since."""
    if hashes is None or len(hashes) < path.width * HASH_SIZE:
        raise NotFound(f"tile {path.level}/{path.index} is not {path.width} hashes wide here")
    return hashes[: path.width * HASH_SIZE]
