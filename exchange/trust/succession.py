"""May this checkpoint follow the one we hold? Decided from the two alone, before a single entry is fetched.

Guarantees: a head is never replaced by a smaller one, by another of the same size, or by one of another log. That a
larger head really continues the smaller one is not known yet: `Step.GROWS` is leave to fetch, not a proof. The caller
hashes every new entry onto the tree it holds, and stores nothing unless that leads to the new root.

Specification: DESIGN.md section 4 rule 3; RFC 6962 section 2.1. Both checkpoints have passed `verify_checkpoint`; for
`check_cosigning`, which is C2SP tlog-witness, `verify_authorship` is enough.
"""

from collections.abc import Sequence
from enum import Enum

from exchange.core.checkpoint import Checkpoint
from exchange.core.merkle import EMPTY_ROOT, verify_consistency
from exchange.errors import Forked, Malformed, RolledBack, WrongOldSize, WrongOrigin


class Step(Enum):
    SAME = "same"
    GROWS = "grows"


def follows(last: Checkpoint | None, new: Checkpoint) -> Step:
    """`last` is the head we hold (None: nothing yet), `new` what the log signs now.

    1. One log: WrongOrigin otherwise, since two logs say nothing about each other.
    2. No smaller: RolledBack.
    3. Same size, same root: Forked otherwise, and the two signed notes are the evidence.
    """
    if last is None:
        return Step.GROWS  # a first head is a change to store, even that of the empty tree
    if new.origin != last.origin:  # 1
        raise WrongOrigin(f"expected a checkpoint of {last.origin}, got one of {new.origin}")
    if new.size < last.size:  # 2
        raise RolledBack(f"{new.origin} signed size {last.size} before and offers size {new.size} now")
    if new.size > last.size:
        return Step.GROWS
    if new.root != last.root:  # 3
        raise Forked(f"{new.origin} signed two roots at size {new.size}: {last.root.hex()} and {new.root.hex()}")
    return Step.SAME


def check_cosigning(last: Checkpoint | None, old: int, proof: Sequence[bytes], new: Checkpoint) -> None:
    """Raises unless a witness that signed `last` last (None: nothing yet) may sign `new` on a request with `old` and `proof`.

    In this order, which is that of the specification:
    1. `old` is not beyond the new size: Malformed.
    2. `old` is the size signed last: WrongOldSize, which names it.
    3. The proof leads from the one to the other and is no longer than it must be; of one size there is one root, and of
       nothing only that of nothing: BadProof.
    """
    if old > new.size:  # 1
        raise Malformed(f"the old size {old} is beyond the new one, {new.size}")
    held, root = (0, EMPTY_ROOT) if last is None else (last.size, last.root)
    if old != held:  # 2
        raise WrongOldSize(f"{new.origin} was cosigned at size {held} last, not {old}", held)
    verify_consistency(old, root, new.size, new.root, proof)  # 3
