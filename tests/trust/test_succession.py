"""May this checkpoint follow the one we hold?"""

from hashlib import sha256
from itertools import product

import pytest

from exchange.core.checkpoint import Checkpoint
from exchange.core.merkle import EMPTY_ROOT, leaf_hash, root_of
from exchange.errors import BadProof, ExchangeError, Forked, Malformed, RolledBack, WrongOldSize, WrongOrigin
from exchange.trust.succession import Step, check_cosigning, follows
from tests.core import Tree

HONEST = [leaf_hash(b"entry %d" % number) for number in range(8)]
OTHER = sha256(b"another history").digest()


def head(size: int, root: bytes | None = None, origin: str = "at.test.example/log") -> Checkpoint:
    return Checkpoint(origin, size, root_of(HONEST[:size]) if root is None else root)


def test_a_first_checkpoint_is_always_a_step() -> None:
    assert follows(None, head(0)) is Step.GROWS
    assert follows(None, head(5)) is Step.GROWS


def test_an_honest_log_only_grows_or_stays() -> None:
    for old, new in product(range(9), repeat=2):
        if new >= old:
            assert follows(head(old), head(new)) is (Step.SAME if new == old else Step.GROWS)


def test_every_smaller_head_is_rolled_back() -> None:
    for old in range(1, 9):
        for new in range(old):
            with pytest.raises(RolledBack, match=f"size {old} before and offers size {new} now"):
                follows(head(old), head(new))


def test_a_smaller_head_with_another_root_is_rolled_back_too() -> None:
    with pytest.raises(RolledBack):
        follows(head(5), head(4, OTHER))


def test_two_roots_of_one_size_are_a_fork() -> None:
    for size in range(9):
        with pytest.raises(Forked, match=OTHER.hex()):
            follows(head(size), head(size, OTHER))


def test_one_flipped_bit_of_the_root_is_a_fork() -> None:
    good = head(5)
    for bit in range(256):
        root = bytearray(good.root)
        root[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Forked):
            follows(good, head(5, bytes(root)))


def test_growth_is_leave_to_fetch_and_no_proof() -> None:
    """What the larger root hides is found by hashing the entries; nothing here can know it."""
    assert follows(head(4), head(5, OTHER)) is Step.GROWS


def test_a_checkpoint_of_another_log_follows_nothing() -> None:
    elsewhere = "ch.test.example/log"
    for size, root in ((4, None), (5, None), (5, OTHER), (6, None)):
        with pytest.raises(WrongOrigin):
            follows(head(5), head(size, root, elsewhere))


def test_the_empty_tree_can_be_followed_by_anything_larger() -> None:
    assert follows(head(0), head(1)) is Step.GROWS
    assert follows(head(0), head(0, EMPTY_ROOT)) is Step.SAME


def test_all_answers_are_ours() -> None:
    for last, new in product((None, head(0), head(3), head(3, OTHER)), (head(0), head(3), head(4), head(3, OTHER))):
        try:
            assert follows(last, new) in Step
        except ExchangeError as error:
            assert error.code in {"rolled-back", "forked"}


CHAIN = Tree.of(9)


def at(size: int, tree: Tree = CHAIN) -> Checkpoint:
    return Checkpoint("xr.test.example/log", size, tree.root(size))


@pytest.mark.parametrize("old", range(10))
@pytest.mark.parametrize("new", range(10))
def test_a_witness_may_sign_what_continues_the_last_and_proves_it(old: int, new: int) -> None:
    last = at(old) if old else None
    if new < old:
        with pytest.raises(Malformed):
            check_cosigning(last, old, (), at(new))
        return
    proof = CHAIN.proof(old, new)
    check_cosigning(last, old, proof, at(new))
    if not old:
        check_cosigning(at(0), 0, (), at(new))
    wrong: list[tuple[bytes, ...]] = [(*proof, bytes(32)), (bytes(32), *proof)]  # pitfall 7: longer than needed
    wrong += [proof[:-1]] if proof else []
    for each in wrong:
        with pytest.raises(BadProof):
            check_cosigning(last, old, each, at(new))
    if new:
        with pytest.raises(BadProof):
            check_cosigning(at(old), old, proof or (bytes(32),), at(new, Tree.of(9, "another")))


def test_a_witness_names_the_size_it_signed_last() -> None:
    for last, size in ((None, 0), (at(3), 3), (at(0), 0)):
        with pytest.raises(WrongOldSize) as caught:
            check_cosigning(last, size + 1, (), at(5))
        assert caught.value.size == size
    with pytest.raises(Malformed):  # before the size is compared
        check_cosigning(at(3), 6, (), at(5))


def test_of_nothing_there_is_one_root() -> None:
    """Pitfall 8: size 0 with a false root; proof lines with old 0."""
    false = Checkpoint("xr.test.example/log", 0, bytes(32))
    for last in (None, at(0)):
        check_cosigning(last, 0, (), at(0))
        with pytest.raises(BadProof):
            check_cosigning(last, 0, (), false)
        with pytest.raises(BadProof):
            check_cosigning(last, 0, (bytes(32),), at(5))
