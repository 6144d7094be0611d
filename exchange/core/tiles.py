"""Tiles: a log as small files that never change once full, and proofs made from them.

C2SP tlog-tiles (`tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`); each tile has one path and no other spelling.

- A hash tile at level L holds the subtrees of 256**L entries, 32 bytes each, 256 of them when full.
- An entry bundle holds the same run of entries as the level-0 tile, each as `uint16 big-endian length || bytes`.
- N is written in groups of three digits, all but the last prefixed with x; W, 1 to 255, stands in partial tiles only.

    >>> parse_tile_path("0/x001/234.p/5")
    TilePath(level=0, index=1234, width=5)
    >>> parse_bundle(b"\\x00\\x01a\\x00\\x02bc", 2)
    [b'a', b'bc']
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from exchange.core.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE, HashReader, root_of, tree_root
from exchange.errors import BadProof, Malformed, TooLarge

TILE_HEIGHT = 8  # levels of the tree in one tile
TILE_WIDTH = 256  # hashes or entries in a full tile
MAX_ENTRY = 65_535  # bytes: the length is a uint16
MAX_LEVEL = 63
MAX_INDEX = MAX_SIZE // TILE_WIDTH
MAX_PATH = 64  # characters
KEPT_RUNS = 256  # of at most 4 KiB each

_PATH = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class TilePath:
    """Which tile: `level` is None for an entry bundle, `width` is 256 for a full one."""

    level: int | None
    index: int
    width: int


def parse_tile_path(path: str) -> TilePath:
    """What stands after `tile/`; any other spelling of the same tile is Malformed, so that no cache holds it twice."""
    match = _PATH.fullmatch(path) if len(path) <= MAX_PATH else None
    if match is None:
        raise Malformed(f"expected a tile path such as 0/x001/234.p/5 or entries/000, got {path[:MAX_PATH]!r}")
    level, index, width = match.groups()
    tile = TilePath(
        None if level == "entries" else int(level),
        int(index.replace("x", "").replace("/", "")),
        TILE_WIDTH if width is None else int(width),
    )
    if (tile.level or 0) > MAX_LEVEL or tile.index > MAX_INDEX or not 1 <= tile.width <= TILE_WIDTH:
        raise Malformed(f"no tree has a tile {path!r}")
    # Leading zeros, x000 groups and `.p/256` read well and are never written.
    if format_tile_path(tile) != path:
        raise Malformed(f"expected {format_tile_path(tile)!r}, got {path!r}")
    return tile


def format_tile_path(path: TilePath) -> str:
    """What stands after `tile/`."""
    groups = [f"{path.index % 1000:03}"]
    rest = path.index // 1000
    while rest:
        groups.append(f"x{rest % 1000:03}")
        rest //= 1000
    level = "entries" if path.level is None else str(path.level)
    partial = "" if path.width == TILE_WIDTH else f".p/{path.width}"
    return f"{level}/{'/'.join(reversed(groups))}{partial}"


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes of tile (level, index) a tree of `size` entries has, 0 to 256; entry bundles count as level 0."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def tiles_of(size: int) -> Iterator[TilePath]:
    """Every hash tile of a tree of `size` entries that is not empty, level by level, left to right."""
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        for index in range((hashes + TILE_WIDTH - 1) // TILE_WIDTH):
            yield TilePath(level, index, width_at(level, index, size))
        level += 1


def right_edge(size: int) -> list[tuple[int, int]]:
    """(level, index) of the partial hash tiles of a tree of `size` entries: they hold its peaks."""
    return [
        (level, hashes // TILE_WIDTH)
        for level in range(MAX_LEVEL // TILE_HEIGHT + 1)
        if (hashes := size >> TILE_HEIGHT * level) % TILE_WIDTH
    ]


def format_bundle(entries: Sequence[bytes]) -> bytes:
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise Malformed(f"expected 1 to {TILE_WIDTH} entries, got {len(entries)}")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise TooLarge(f"expected an entry of at most {MAX_ENTRY} bytes, got {len(entry)}")
        parts += len(entry).to_bytes(2, "big"), entry
    return b"".join(parts)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle; one more or less, or a byte left over, is Malformed."""
    if len(data) > width * (2 + MAX_ENTRY):
        raise TooLarge(f"no bundle of {width} entries has {len(data)} bytes")
    entries: list[bytes] = []
    position, total = 0, len(data)
    for _ in range(width):
        start = position + 2
        if start > total:
            raise Malformed(f"expected {width} entries, got {len(entries)}")
        position = start + (data[position] << 8 | data[position + 1])
        if position > total:
            raise Malformed(f"entry {len(entries)} of the bundle is cut short")
        entries.append(data[start:position])
    if position != total:
        raise Malformed(f"{total - position} bytes after the last of {width} entries")
    return entries


_ReadTile = Callable[[int, int], bytes]


def _tile_fetcher(size: int, fetch: Callable[[TilePath], bytes]) -> _ReadTile:
    """Tile (level, index) at its widest in a tree of `size`, each fetched once."""

    def read_tile(level: int, index: int) -> bytes:
        width = width_at(level, index, size)
        data = fetch(TilePath(level, index, width))
        if len(data) != width * HASH_SIZE:
            raise Malformed(f"expected a tile of {width * HASH_SIZE} bytes, got {len(data)}")
        return data

    return read_tile


def run_root(hashes: bytes) -> bytes:
    """The root over a run of hashes of a tile."""
    return root_of([hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)])


# By content: whoever adds to a tree looks at the same runs behind its edge each time.
_kept_run_root = lru_cache(maxsize=KEPT_RUNS)(run_root)


def _hash_reader(size: int, read_tile: _ReadTile) -> HashReader:
    """Complete subtrees out of tiles: either a hash in a tile, or the root over a run of them."""

    def read(level: int, index: int) -> bytes:
        if level < 0 or index < 0 or index + 1 << level > size:
            raise BadProof(f"subtree ({level}, {index}) is not complete in a tree of {size} entries")
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, start = divmod(index << height, TILE_WIDTH)
        hashes = read_tile(tile_level, tile_index)[start * HASH_SIZE : (start + (1 << height)) * HASH_SIZE]
        return _kept_run_root(hashes) if height else hashes

    return read


def _remembered(read_tile: _ReadTile) -> _ReadTile:
    tiles: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        key = level, index
        if key not in tiles:
            tiles[key] = read_tile(level, index)
        return tiles[key]

    return read


def tile_reader(size: int, fetch: Callable[[TilePath], bytes]) -> HashReader:
    """Read a tree of `size` entries from one's own tiles, each fetched at most once and believed as it is."""
    return _hash_reader(size, _remembered(_tile_fetcher(size, fetch)))


def authenticated_reader(size: int, root: bytes, fetch: Callable[[TilePath], bytes]) -> HashReader:
    """Read somebody else's tiles: no hash is handed out before its tile is shown to lie under `root`; else BadProof.

    1. The partial tiles at the right edge hold the peaks of the tree, and nothing else: they are fetched here, and
       folded must give `root`. That proves every hash in them.
    2. A full tile is proven by its own root, which stands in the tile above, proven before it.
    """
    fetch_tile = _remembered(_tile_fetcher(size, fetch))

    # 1. the right edge
    found = tree_root(size, _hash_reader(size, fetch_tile)) if size else EMPTY_ROOT
    if found != root:
        raise BadProof(f"the tiles at the right edge of {size} entries do not lead to the signed root")

    # 2. full tiles, from above
    def read_tile(level: int, index: int) -> bytes:
        hashes = fetch_tile(level, index)
        if len(hashes) == TILE_WIDTH * HASH_SIZE:
            start = index % TILE_WIDTH * HASH_SIZE
            if run_root(hashes) != proven_tile(level + 1, index // TILE_WIDTH)[start : start + HASH_SIZE]:
                raise BadProof(f"tile {level}/{index} does not lead to the signed root")
        return hashes

    proven_tile = _remembered(read_tile)
    return _hash_reader(size, proven_tile)
