import doctest
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import tiles
from exchange.core.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    Frontier,
    HashReader,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_inclusion,
)
from exchange.core.tiles import (
    MAX_ENTRY,
    MAX_INDEX,
    TilePath,
    authenticated_reader,
    format_bundle,
    format_tile_path,
    parse_bundle,
    parse_tile_path,
    tile_reader,
    tiles_of,
    width_at,
)
from exchange.errors import BadProof, Malformed, TooLarge
from tests.core import Tree, flipped, flipped_in_each_byte

Fetch = Callable[[TilePath], bytes]
LARGE = (
    66_000  # 257 full tiles and a partial one at level 0, one full and a partial one at level 1, one hash at level 2
)


class Log:
    """The complete subtrees of a log, as a store keeps them; serves tiles of any size up to its own."""

    def __init__(self, size: int) -> None:
        self.leaves = [leaf_hash(n.to_bytes(4, "big")) for n in range(size)]
        frontier = Frontier()
        self.nodes = {(level, index): h for leaf in self.leaves for level, index, h in frontier.append(leaf)}

    def root(self, size: int) -> bytes:
        return tree_root(size, lambda level, index: self.nodes[level, index])

    def fetch(self, path: TilePath) -> bytes:
        assert path.level is not None
        return b"".join(self.nodes[path.level * 8, path.index * 256 + n] for n in range(path.width))


LOG = Log(LARGE)


def test_the_examples_in_the_module_are_true() -> None:
    assert doctest.testmod(tiles) == (0, 2)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("0/000", TilePath(0, 0, 256)),
        ("0/x001/234.p/5", TilePath(0, 1234, 5)),
        ("1/x001/x234/067", TilePath(1, 1234067, 256)),
        ("0/x001/000", TilePath(0, 1000, 256)),
        ("0/x001/x000/000.p/255", TilePath(0, 1000000, 255)),
        ("63/999.p/1", TilePath(63, 999, 1)),
        ("entries/000", TilePath(None, 0, 256)),
        ("entries/x273/273.p/112", TilePath(None, 273273, 112)),
    ],
)
def test_a_path_has_one_spelling(path: str, tile: TilePath) -> None:
    assert parse_tile_path(path) == tile
    assert format_tile_path(tile) == path


@pytest.mark.parametrize(
    "path",
    [
        "0/000.p/256", "0/000.p/0", "0/000.p/01", "0/000.p/", "0/000.p", "0/000.p/257", "0/000.p/1000", "0/000.p/-1",
        "00/000", "01/000", "64/000", "99/000", "100/000", "-1/000", "+1/000", "/000", "data/000", "8/0/000",
        "0/0", "0/00", "0/0000", "0/x000/000", "0/x000/001", "0/x001/x000", "0/001/000", "0/x01/000", "0/X001/000",
        "0/-01", "0/+01", "0/ 01", "0/1_0", "0/000/", "0//000", "0/000 ", " 0/000", "0/000\n", "0/000\0", "0/../000",
        "0/\u0660\u0660\u0660", "\u0661/000", "0/000.p/\u0665", "0/\u00b2\u00b2\u00b2", "\uff10/000",
        "entries", "entries/", "entries/0", "entries/000.p/256", "Entries/000", "entries/0/000", "tile/0/000", "", "0",
        "0/" + "x001/" * 9 + "000", "0/" + "x001/" * 9_000 + "000",
    ],
)  # fmt: skip
def test_every_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(Malformed):
        parse_tile_path(path)


def test_an_index_beyond_the_largest_tree_is_refused() -> None:
    largest = TilePath(0, MAX_INDEX, 256)
    assert parse_tile_path(format_tile_path(largest)) == largest
    with pytest.raises(Malformed):
        parse_tile_path(format_tile_path(TilePath(0, MAX_INDEX + 1, 256)))


@given(st.none() | st.integers(0, 63), st.integers(0, MAX_INDEX), st.integers(1, 256))
def test_every_tile_path_comes_back(level: int | None, index: int, width: int) -> None:
    tile = TilePath(level, index, width)
    assert parse_tile_path(format_tile_path(tile)) == tile


@given(st.text(max_size=30) | st.text("0123456789x/.pentris", max_size=30))
def test_any_text_is_refused_or_is_the_only_spelling(path: str) -> None:
    try:
        tile = parse_tile_path(path)
    except Malformed:
        return
    assert format_tile_path(tile) == path


def test_tiles_of_the_sizes_in_the_specification() -> None:
    assert list(tiles_of(0)) == []
    assert list(tiles_of(1)) == [TilePath(0, 0, 1)]
    assert list(tiles_of(255)) == [TilePath(0, 0, 255)]
    assert list(tiles_of(256)) == [TilePath(0, 0, 256), TilePath(1, 0, 1)]
    assert list(tiles_of(257)) == [TilePath(0, 0, 256), TilePath(0, 1, 1), TilePath(1, 0, 1)]
    full = [TilePath(0, n, 256) for n in range(273)]
    rest = [TilePath(0, 273, 112), TilePath(1, 0, 256), TilePath(1, 1, 17), TilePath(2, 0, 1)]
    assert list(tiles_of(70_000)) == full + rest


def test_a_tile_never_reaches_beyond_the_size() -> None:
    for size in (0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537):
        for level in range(4):
            widths = [width_at(level, index, size) for index in range(259)]
            assert sum(widths) == size >> 8 * level
            assert all(width in (0, 256) for width in widths if width != (size >> 8 * level) % 256)
        assert all(tile.width == width_at(tile.level or 0, tile.index, size) > 0 for tile in tiles_of(size))
    assert width_at(63, 0, 2**63 - 1) == 0


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_bundles_come_back_and_no_other_width_reads_them(entries: list[bytes]) -> None:
    data = format_bundle(entries)
    assert parse_bundle(data, len(entries)) == entries
    for width in (len(entries) - 1, len(entries) + 1):
        with pytest.raises(Malformed):
            parse_bundle(data, width)
    with pytest.raises(Malformed):
        parse_bundle(data + b"\0", len(entries))


def test_a_bundle_cut_anywhere_is_refused() -> None:
    data = format_bundle([b"first", b"", b"third"])
    assert data == b"\0\5first\0\0\0\5third"
    for length in range(len(data)):
        with pytest.raises(Malformed):
            parse_bundle(data[:length], 3)


def test_a_flipped_bit_anywhere_in_a_bundle_gives_other_entries_or_none() -> None:
    entries = [b"first", b"", b"third"]
    for data in flipped(format_bundle(entries)):
        with suppress(Malformed):
            assert parse_bundle(data, 3) != entries


@given(st.binary(max_size=60), st.integers(1, 256))
def test_any_bytes_are_a_bundle_that_comes_back_or_are_refused(data: bytes, width: int) -> None:
    try:
        entries = parse_bundle(data, width)
    except Malformed:
        return
    assert len(entries) == width and format_bundle(entries) == data


def test_entries_and_bundles_are_bounded() -> None:
    largest = format_bundle([bytes(MAX_ENTRY)])
    assert parse_bundle(largest, 1) == [bytes(MAX_ENTRY)]
    with pytest.raises(TooLarge):
        format_bundle([bytes(MAX_ENTRY + 1)])
    with pytest.raises(TooLarge):
        parse_bundle(largest + b"\0", 1)
    for entries in ([], [b""] * 257):
        with pytest.raises(Malformed):
            format_bundle(entries)


def readers(size: int, fetch: Fetch) -> tuple[HashReader, HashReader]:
    return tile_reader(size, fetch), authenticated_reader(size, LOG.root(size), fetch)


@pytest.mark.parametrize("size", [*range(65), 255, 256, 257, 511, 512, 513, 700])
def test_tiles_hold_every_complete_subtree_and_nothing_beyond(size: int) -> None:
    for read in readers(size, LOG.fetch):
        assert tree_root(size, read) == LOG.root(size)
        for level in range(11):
            for index in range(size >> level):
                assert read(level, index) == LOG.nodes[level, index]
            for index in (-1, size >> level):
                with pytest.raises(BadProof):
                    read(level, index)


@pytest.mark.parametrize("size", range(1, 65))
def test_proofs_from_tiles_follow_the_definition(size: int) -> None:
    tree = Tree.of(size)
    data = b"".join(tree.leaves)
    read = authenticated_reader(size, tree.root(size), lambda path: data[: path.width * HASH_SIZE])
    assert [prove_inclusion(index, size, read) for index in range(size)] == [
        tree.path(index, size) for index in range(size)
    ]
    assert [prove_consistency(old, size, read) for old in range(size)] == [tree.proof(old, size) for old in range(size)]


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, LARGE])
def test_proofs_hold_where_tiles_have_two_and_three_levels(size: int) -> None:
    for read in readers(size, LOG.fetch):
        for index in (0, 255, 256, 65_000, 65_279, 65_280, size - 1):
            verify_inclusion(index, size, LOG.leaves[index], prove_inclusion(index, size, read), LOG.root(size))


def test_each_tile_is_fetched_once_and_at_its_widest() -> None:
    for size in (700, 65_537, LARGE):
        fetched: list[TilePath] = []

        def fetch(path: TilePath, fetched: list[TilePath] = fetched) -> bytes:
            fetched.append(path)
            return LOG.fetch(path)

        for make in (tile_reader, lambda size, fetch: authenticated_reader(size, LOG.root(size), fetch)):
            read = make(size, fetch)
            for index in (0, 1, 256, size - 1):
                prove_inclusion(index, size, read)
            assert len(set(fetched)) == len(fetched) > 1
            assert set(fetched) <= set(tiles_of(size))
            fetched.clear()


@pytest.mark.parametrize(("size", "step"), [(1, 1), (7, 1), (64, 1), (255, 31), (256, 31), (300, 31)])
def test_no_hash_of_a_false_tile_is_handed_out(size: int, step: int) -> None:
    for wrong in tiles_of(size):
        for data in islice(flipped_in_each_byte(LOG.fetch(wrong)), 0, None, step):
            assert not believed(size, wrong, data)


def believed(size: int, wrong: TilePath, data: bytes) -> bool:
    """Whether a reader over one false tile hands out a hash of it."""
    try:
        read = authenticated_reader(size, LOG.root(size), lambda path: data if path == wrong else LOG.fetch(path))
        read(8 * (wrong.level or 0), wrong.index * 256)
    except BadProof:
        return False
    return True


def test_a_false_tile_deep_in_a_large_tree_is_found_when_it_is_read() -> None:
    size = LARGE
    for wrong in (TilePath(0, 3, 256), TilePath(0, 256, 256), TilePath(1, 0, 256)):
        data = bytearray(LOG.fetch(wrong))
        data[-1] ^= 1

        def fetch(path: TilePath, wrong: TilePath = wrong, data: bytes = bytes(data)) -> bytes:
            return data if path == wrong else LOG.fetch(path)

        read = authenticated_reader(size, LOG.root(size), fetch)  # the right edge is honest
        with pytest.raises(BadProof):
            read(8 * (wrong.level or 0), wrong.index * 256)
        assert read(0, size - 1) == LOG.leaves[size - 1]
    for wrong in (TilePath(0, 257, 208), TilePath(1, 1, 1), TilePath(2, 0, 1)):
        assert wrong in set(tiles_of(size))
        assert not believed(size, wrong, bytes(len(LOG.fetch(wrong))))


def test_tiles_of_another_length_are_refused() -> None:
    for change in (lambda data: data[:-1], lambda data: data + b"\0", lambda data: data[:-HASH_SIZE], lambda _: b""):

        def fetch(path: TilePath, change: Callable[[bytes], bytes] = change) -> bytes:
            return change(LOG.fetch(path))

        with pytest.raises(Malformed):
            tile_reader(300, fetch)(0, 0)
        with pytest.raises(Malformed):
            authenticated_reader(300, LOG.root(300), fetch)


def test_a_false_root_is_refused_before_anything_is_read() -> None:
    for size in (1, 256, 300):
        with pytest.raises(BadProof):
            authenticated_reader(size, LOG.root(size - 1), LOG.fetch)
    with pytest.raises(BadProof):
        authenticated_reader(0, bytes(32), LOG.fetch)
    with pytest.raises(BadProof):
        authenticated_reader(0, EMPTY_ROOT, LOG.fetch)(0, 0)
