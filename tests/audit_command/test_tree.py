"""The tree as an audit puts it together, against hashing everything from the beginning."""

from collections.abc import Iterable
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.audit.tree import Growth, Mark, Signed, hash_tile, why_unsigned
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.merkle import EMPTY_ROOT, leaf_hash, root_of
from exchange.core.tiles import TILE_WIDTH, tiles_of
from tests import key_named
from tests.builders import vkey

pytestmark = pytest.mark.once

LEAVES = [leaf_hash(str(number).encode()) for number in range(3 * TILE_WIDTH + 5)]
ORIGIN = "xr.test.example/log"
KEY = key_named("XR log")


def grown(size: int, signed: Iterable[tuple[int, bytes]]) -> tuple[Growth, list[Mark]]:
    growth = Growth()
    wrong: list[Mark] = []
    signed = list(signed)
    for start in range(0, size, TILE_WIDTH):
        leaves = LEAVES[start : min(start + TILE_WIDTH, size)]
        inside = [(at, root) for at, root in signed if start < at <= start + TILE_WIDTH]
        wrong += growth.extend(hash_tile(leaves, start, inside), len(leaves))
    assert growth.size == size
    return growth, wrong


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LEAVES)), st.sets(st.integers(1, len(LEAVES)), max_size=12), st.data())
def test_every_checkpoint_is_compared_with_the_tree_of_its_size(
    size: int, sizes: set[int], data: st.DataObject
) -> None:
    true = [(at, root_of(LEAVES[:at])) for at in sorted(sizes) if at <= size]
    assert grown(size, true)[1] == []
    if true:
        spoilt = data.draw(st.sampled_from(true))
        false = [(at, sha256(root).digest() if at == spoilt[0] else root) for at, root in true]
        assert [mark.size for mark in grown(size, false)[1]] == [spoilt[0]]


def test_upper_tiles_are_those_of_the_tree() -> None:
    for size in (0, 1, 255, 256, 257, 600, len(LEAVES)):
        expected = {
            (path.level, path.index): b"".join(
                root_of(LEAVES[at * 256**path.level : (at + 1) * 256**path.level])
                for at in range(path.index * TILE_WIDTH, path.index * TILE_WIDTH + path.width)
            )
            for path in tiles_of(size)
            if path.level
        }
        growth, _ = grown(size, [])
        assert {(level, index): hashes for level, index, hashes in growth.upper_tiles()} == expected


def test_a_third_level_of_tiles_is_built() -> None:
    growth = Growth()
    tile = hash_tile(LEAVES[:TILE_WIDTH], 0, [])
    for _ in range(TILE_WIDTH + 1):
        assert not list(growth.extend(tile, TILE_WIDTH))
    assert tile.root is not None
    row = [tile.root] * TILE_WIDTH
    paths = {(level, index): hashes for level, index, hashes in growth.upper_tiles()}
    assert paths == {(1, 0): b"".join(row), (1, 1): tile.root, (2, 0): root_of(row)}


def test_two_checkpoints_of_one_size_are_both_compared() -> None:
    root = root_of(LEAVES[:10])
    assert [mark.root for mark in grown(20, [(10, root), (10, b"x" * 32)])[1]] == [b"x" * 32]


def test_a_last_tile_seen_again_with_more_in_it_leaves_what_was_before() -> None:
    growth, _ = grown(300, [])
    again = hash_tile(LEAVES[256:400], 256, [(300, root_of(LEAVES[:300])), (400, root_of(LEAVES[:400]))])
    assert not list(growth.extend(again, 144)) and growth.size == 400


def test_a_checkpoint_is_its_logs_own_and_what_its_row_says() -> None:
    root = root_of(LEAVES[:5])
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, root), KEY)
    log = vkey(ORIGIN, KEY)
    assert why_unsigned(Signed(5, root, note), log) is None
    assert why_unsigned(Signed(0, EMPTY_ROOT, sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), KEY)), log) is None
    stranger = vkey(ORIGIN, key_named("a stranger"))
    for signed, key in (
        (Signed(6, root, note), log),
        (Signed(5, EMPTY_ROOT, note), log),
        (Signed(5, root, note), stranger),
        (Signed(5, root, note), vkey("xa.test.example/log", KEY)),
        (Signed(5, root, note[:-1]), log),
        (Signed(5, root, note.decode()), log),  # type: ignore[arg-type]
    ):
        assert why_unsigned(signed, key)
