"""May this checkpoint follow the one we hold?"""

from hashlib import sha256
from itertools import product

import pytest

from exchange.core.checkpoint import Checkpoint
from exchange.core.merkle import EMPTY_ROOT, leaf_hash, root_of
from exchange.errors import ExchangeError, Forked, RolledBack, WrongOrigin
from exchange.trust.succession import Step, follows

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
