import doctest
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import merkle
from exchange.core.merkle import (
    EMPTY_ROOT,
    MAX_PROOF,
    MAX_SIZE,
    Frontier,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from exchange.errors import BadProof, Malformed
from tests.core import Tree, flipped

SIZES = range(65)
TREE = Tree.of(64)
OTHER = leaf_hash(b"some other entry")


def included(index: int, size: int, leaf: bytes, proof: tuple[bytes, ...], root: bytes) -> bool:
    try:
        verify_inclusion(index, size, leaf, proof, root)
    except BadProof:
        return False
    return True


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: tuple[bytes, ...]) -> bool:
    try:
        verify_consistency(old, old_root, new, new_root, proof)
    except BadProof:
        return False
    return True


def spoilt(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Each hash with one bit flipped, each left out, each doubled, cut short or made longer, one added at each end."""
    others = []
    for at, value in enumerate(proof):
        wrong = bytes((value[0] ^ 1,)) + value[1:]
        others += [
            (*proof[:at], *middle, *proof[at + 1 :])
            for middle in ((wrong,), (), (value, value), (value[:-1],), (value + b"\0",))
        ]
    return [*others, (*proof, OTHER), (OTHER, *proof), (*proof, EMPTY_ROOT), (*proof, b"")]


def test_the_example_in_the_module_is_true() -> None:
    assert doctest.testmod(merkle) == (0, 1)


def test_the_tree_of_the_reference_implementation_comes_out(vectors: Path | None) -> None:
    if vectors is None:
        return
    reference = json.loads((vectors / "rfc6962-reference" / "reference.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in reference["leaf_inputs_hex"]]
    by_level = [[bytes.fromhex(value) for value in row] for row in reference["node_hashes_by_level"]]
    assert by_level[0] == leaves
    frontier = Frontier()
    for size, root in enumerate(map(bytes.fromhex, reference["roots_by_size"])):
        assert root == root_of(leaves[:size]) == frontier.root() == tree_root(size, lambda level, n: by_level[level][n])
        if size < len(leaves):
            for level, index, value in frontier.append(leaves[size]):
                assert by_level[level][index] == value


def test_the_root_of_an_empty_tree_is_sha256_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == tree_root(0, TREE.read) == Frontier().root() == EMPTY_ROOT


def test_a_leaf_is_never_a_node() -> None:
    assert leaf_hash(OTHER + OTHER) != node_hash(OTHER, OTHER)


@pytest.mark.parametrize("size", SIZES)
def test_roots_of_every_size_follow_the_definition(size: int) -> None:
    assert TREE.root(size) == root_of(TREE.leaves[:size]) == tree_root(size, TREE.read)


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_proofs_of_every_entry_follow_the_definition_and_spoilt_ones_fail(size: int) -> None:
    root = TREE.root(size)
    for index in range(size):
        leaf, proof = TREE.leaves[index], prove_inclusion(index, size, TREE.read)
        assert proof == TREE.path(index, size)
        verify_inclusion(index, size, leaf, proof, root)
        assert not any(included(index, size, leaf, other, root) for other in spoilt(proof))
        assert not any(included(other, size, leaf, proof, root) for other in range(-1, size + 2) if other != index)
        assert not included(index, size, OTHER, proof, root)
        assert not included(index, size, leaf, proof, OTHER)


@pytest.mark.parametrize("new", SIZES)
def test_consistency_proofs_of_every_pair_follow_the_definition_and_spoilt_ones_fail(new: int) -> None:
    for old in range(new + 1):
        old_root, new_root = TREE.root(old), TREE.root(new)
        proof = prove_consistency(old, new, TREE.read)
        assert proof == TREE.proof(old, new)
        verify_consistency(old, old_root, new, new_root, proof)
        assert not any(consistent(old, old_root, new, new_root, other) for other in spoilt(proof))
        assert not consistent(old, OTHER, new, new_root, proof)
        if old:  # every tree begins with the empty one
            assert not consistent(old, old_root, new, OTHER, proof)
        if old < new:
            assert not consistent(new, new_root, old, old_root, proof)


def test_a_flipped_bit_anywhere_in_a_proof_is_refused() -> None:
    path, proof = TREE.path(5, 13), TREE.proof(6, 13)
    for at in range(len(path)):
        for value in flipped(path[at]):
            assert not included(5, 13, TREE.leaves[5], (*path[:at], value, *path[at + 1 :]), TREE.root(13))
    for at in range(len(proof)):
        for value in flipped(proof[at]):
            assert not consistent(6, TREE.root(6), 13, TREE.root(13), (*proof[:at], value, *proof[at + 1 :]))


def test_equal_sizes_need_an_empty_proof_and_equal_roots() -> None:
    for size in (0, 1, 7, 8):
        root = TREE.root(size)
        verify_consistency(size, root, size, root, ())
        assert not consistent(size, root, size, root, (root,))
        assert not consistent(size, root, size, OTHER, ())


def test_from_the_empty_tree_the_proof_is_empty_and_its_root_is_checked() -> None:
    verify_consistency(0, EMPTY_ROOT, 5, TREE.root(5), ())
    assert not consistent(0, EMPTY_ROOT, 5, TREE.root(5), (TREE.root(5),))
    assert not consistent(0, bytes(32), 5, TREE.root(5), ())
    assert not consistent(0, bytes(32), 0, bytes(32), ())


def test_a_hash_of_another_length_cannot_move_the_border_between_left_and_right() -> None:
    left, right = TREE.leaves[:2]
    root = node_hash(left, right)
    assert node_hash(left[:-1], left[-1:] + right) == root
    assert not included(0, 2, left[:-1], (left[-1:] + right,), root)
    assert not included(1, 2, left[-1:] + right, (left[:-1],), root)
    assert not consistent(1, left[:-1], 2, root, (left[-1:] + right,))


def test_a_root_that_a_log_made_for_another_size_does_not_pass_with_a_longer_or_shorter_proof() -> None:
    first, root = TREE.leaves[0], TREE.root(4)
    assert not included(0, 1, first, (OTHER,), node_hash(OTHER, first))
    assert not included(0, 2, first, (), first)
    assert not included(0, 4, first, TREE.path(0, 2), TREE.root(2))
    assert not consistent(2, root, 4, root, ())
    assert not consistent(3, root, 4, root, (root,))
    longer = (*TREE.proof(3, 4), OTHER)
    assert not consistent(3, node_hash(OTHER, TREE.root(3)), 4, node_hash(OTHER, root), longer)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (6, 5), (-1, 5)])
def test_no_proof_is_made_for_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(BadProof):
        prove_inclusion(index, size, TREE.read)


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5), (-2, -1)])
def test_no_proof_is_made_from_a_larger_tree_to_a_smaller(old: int, new: int) -> None:
    with pytest.raises(BadProof):
        prove_consistency(old, new, TREE.read)
    assert not consistent(old, TREE.root(5), new, TREE.root(5), ())


def test_a_frontier_knows_every_root_and_names_each_subtree_once_complete() -> None:
    frontier = Frontier()
    for size in SIZES:
        assert frontier.size == size and frontier.root() == TREE.root(size)
        again = Frontier.from_reader(size, TREE.read)
        assert again.hashes == frontier.hashes and Frontier(size, frontier.hashes).root() == frontier.root()
        if size < len(TREE.leaves):
            expected = [(level, size >> level) for level in range(7) if (size + 1) % 2**level == 0]
            complete = frontier.append(TREE.leaves[size])
            assert complete == [(level, index, TREE.read(level, index)) for level, index in expected]


def test_a_frontier_refuses_hashes_that_do_not_match_its_size() -> None:
    for size, hashes in (
        (0, (OTHER,)),
        (3, (OTHER,)),
        (4, (OTHER, OTHER)),
        (1, (b"",)),
        (-1, ()),
        (-1, (OTHER,)),
        (MAX_SIZE + 1, (OTHER,)),
    ):
        with pytest.raises(Malformed):
            Frontier(size, hashes)


def uniform(level: int, _index: int) -> bytes:
    """A reader of a tree in which all entries are alike, so that trees of any size can be tried."""
    value = OTHER
    for _ in range(level):
        value = node_hash(value, value)
    return value


@settings(max_examples=60)
@given(st.data())
def test_proofs_hold_in_trees_of_every_size_up_to_the_largest(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, MAX_SIZE))
    old, index = data.draw(st.integers(0, new)), data.draw(st.integers(0, new - 1))
    path, proof = prove_inclusion(index, new, uniform), prove_consistency(old, new, uniform)
    assert len(path) <= MAX_PROOF and len(proof) <= MAX_PROOF + 1
    root, old_root = tree_root(new, uniform), tree_root(old, uniform)
    verify_inclusion(index, new, OTHER, path, root)
    verify_consistency(old, old_root, new, root, proof)
    assert not any(
        included(index, new, OTHER, other, root) for other in ((*path, OTHER), path[1:], path[:-1]) if other != path
    )
    assert not any(
        consistent(old, old_root, new, root, other)
        for other in ((*proof, OTHER), proof[1:], proof[:-1])
        if other != proof
    )


@given(
    st.integers(-2, 2**70),
    st.integers(-2, 2**70),
    st.lists(st.binary(min_size=32, max_size=32) | st.binary(max_size=40), max_size=70),
)
def test_any_proof_is_refused_and_nothing_else_is_raised(a: int, b: int, proof: list[bytes]) -> None:
    assert not included(a, b, OTHER, tuple(proof), TREE.root(64))
    if a:
        assert not consistent(a, OTHER, b, TREE.root(64), tuple(proof))


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=20), max_size=300), st.data())
def test_a_frontier_a_root_and_proofs_agree_on_any_entries(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    frontier = Frontier()
    stored = {(level, index): value for leaf in leaves for level, index, value in frontier.append(leaf)}
    assert frontier.root() == root_of(leaves) == tree_root(len(leaves), lambda level, index: stored[level, index])
    if entries:
        index = data.draw(st.integers(0, len(entries) - 1))
        proof = prove_inclusion(index, len(leaves), lambda level, n: stored[level, n])
        verify_inclusion(index, len(leaves), leaves[index], proof, frontier.root())
