"""The Merkle tree of a log: a root fixes every entry, its place and all that came before.

RFC 6962 section 2.1 (hashing, proofs); proofs are checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say. A proof that is
too short, too long, or has one bit changed is refused.

    leaf = SHA-256(00 || entry)      node = SHA-256(01 || left || right)      root of an empty tree = SHA-256("")

Everything is said in complete subtrees: (level, index) covers the entries [index << level, (index + 1) << level). They
never change once complete, so a store keeps them, tiles are slices of them, and each proof is a list of look-ups.

    >>> root_of([leaf_hash(b"a"), leaf_hash(b"b")]).hex()
    'b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb'
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from exchange.errors import BadProof, Malformed

HASH_SIZE = 32  # bytes
MAX_SIZE = 2**63 - 1  # entries: what SQL and other verifiers hold in a signed 64-bit integer
MAX_PROOF = 63  # hashes: the longest path in the largest tree
EMPTY_ROOT = sha256(b"").digest()

HashReader = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    row = list(leaves)
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []  # moves up unchanged: its other half is still to come
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


def _peaks(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that tile [start, end), largest first; `start` is a multiple of the first one's size."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _fold(peaks: Sequence[bytes]) -> bytes:
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def _range_root(start: int, end: int, read: HashReader) -> bytes:
    return _fold([read(level, index) for level, index in _peaks(start, end)])


def tree_root(size: int, read: HashReader) -> bytes:
    """The root of the first `size` entries."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """The hashes that lead from entry `index` to the root of `size` entries, the leaf's sibling first."""
    if not 0 <= index < size:
        raise BadProof(f"entry {index} is not in a tree of {size} entries")
    proof = []
    level, last = 0, size - 1
    while last:
        if index & 1:
            proof.append(read(level, index - 1))
        elif index < last:
            start = index + 1 << level
            proof.append(_range_root(start, min(start + (1 << level), size), read))
        level, index, last = level + 1, index >> 1, last >> 1
    return tuple(proof)


def _check_shape(proof: Sequence[bytes], *hashes: bytes) -> None:
    # A hash of another length would move the border between left and right under node_hash.
    if any(len(value) != HASH_SIZE for value in (*hashes, *proof)):
        raise BadProof(f"expected hashes of {HASH_SIZE} bytes")


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Return if the leaf hash `leaf` stands at `index` under `root`; else BadProof. RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        raise BadProof(f"entry {index} is not in a tree of {size} entries")
    _check_shape(proof, leaf, root)
    node, last, value = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise BadProof(f"the proof for entry {index} of {size} is too long")
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while node and not node & 1:  # levels at which this node has no sibling yet
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProof(f"the proof for entry {index} of {size} is too short")
    if value != root:
        raise BadProof(f"the proof for entry {index} of {size} leads to another root")


def prove_consistency(old: int, new: int, read: HashReader) -> tuple[bytes, ...]:
    """The hashes showing that the first `old` of `new` entries are the tree of `old` entries."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} entries does not contain one of {old}")
    if old in (0, new):
        return ()
    start, end = 0, new
    proof = []
    while old != end:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if old <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    if start:  # otherwise this subtree is the old tree itself, whose root the verifier knows
        proof.append(_range_root(start, end, read))
    return tuple(reversed(proof))


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Return if the tree (new, new_root) begins with the tree (old, old_root); else BadProof. RFC 9162, 2.1.4.2."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} entries does not contain one of {old}")
    _check_shape(proof, old_root, new_root)
    if not old and old_root != EMPTY_ROOT:
        raise BadProof("the root of an empty tree is SHA-256 of nothing")
    if old in (0, new):
        if proof:
            raise BadProof(f"from {old} to {new} entries the proof is empty, got {len(proof)} hashes")
        if old == new and old_root != new_root:
            raise BadProof(f"two different roots of {new} entries")
        return
    # Where `old` is a power of two its root is itself the first subtree, and the proof leaves it out.
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise BadProof(f"the proof from {old} to {new} entries is too short")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_value = new_value = path[0]
    for sibling in path[1:]:
        if not last:
            raise BadProof(f"the proof from {old} to {new} entries is too long")
        if node & 1 or node == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new_value = node_hash(new_value, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProof(f"the proof from {old} to {new} entries is too short")
    if old_value != old_root or new_value != new_root:
        raise BadProof(f"the proof from {old} to {new} entries leads to other roots")


class Frontier:
    """The right edge of a growing tree: enough to append for ever and to know the root, in at most 63 hashes.

    `hashes` are the complete subtrees that make up `size` entries, largest first.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if not 0 <= size <= MAX_SIZE or len(hashes) != size.bit_count() or any(len(h) != HASH_SIZE for h in hashes):
            raise Malformed(f"a frontier has one hash of {HASH_SIZE} bytes for each 1 in its binary size {size}")
        self._size = size
        self._hashes = list(hashes)

    @classmethod
    def from_reader(cls, size: int, read: HashReader) -> "Frontier":
        return cls(size, [read(level, index) for level, index in _peaks(0, size)])

    @property
    def size(self) -> int:
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf hash; the subtrees that it completes, as (level, index, hash), the leaf itself first."""
        hashes, index, level = self._hashes, self._size, 0
        complete = [(0, index, leaf)]
        while index & 1:
            leaf = node_hash(hashes.pop(), leaf)
            level, index = level + 1, index >> 1
            complete.append((level, index, leaf))
        hashes.append(leaf)
        self._size += 1
        return complete

    def root(self) -> bytes:
        return _fold(self._hashes) if self._hashes else EMPTY_ROOT


def grow(frontier: Frontier, leaves: Iterable[bytes]) -> HashReader:
    """Append these leaf hashes. The reader knows the subtrees of which the proofs of these leaves consist, and no others.

    Left of the first of them a path meets nothing but the subtrees at the old edge.
    """
    known = dict(zip(_peaks(0, frontier.size), frontier.hashes, strict=True))
    for leaf in leaves:
        known.update({(level, index): value for level, index, value in frontier.append(leaf)})

    def read(level: int, index: int) -> bytes:
        if (level, index) not in known:
            raise BadProof(f"subtree ({level}, {index}) is none that a path of the new entries meets")
        return known[level, index]

    return read
