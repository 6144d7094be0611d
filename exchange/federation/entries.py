"""Fetch entries in whole bundles and prove them: a run of entries counts once it hashes, behind the tree that is held, to a signed root.

What stands between us and the signed head may be more than one transaction takes. Then the root in between comes from
the peer's tiles, each proven under the signed head before it is believed (`core.tiles.authenticated_reader`).
"""

from collections.abc import Sequence

from exchange.core.checkpoint import Checkpoint
from exchange.core.merkle import Frontier, HashReader, tree_root
from exchange.core.tiles import TILE_WIDTH, TilePath, authenticated_reader, parse_bundle, width_at
from exchange.errors import BadProof, LogStopped, NotFound
from exchange.federation.peer import PeerLog
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.log import LogState

MAX_RUN = 16 * TILE_WIDTH  # entries of one transaction
MAX_RUN_BYTES = 16 * 1024 * 1024  # bytes after which no further bundle is added; one bundle may have as many itself


class SignedTree:
    """The tree under a signed head as the peer's tiles show it: nothing is fetched before it is asked for, nothing believed unproven."""

    def __init__(self, peer: PeerLog, head: Checkpoint) -> None:
        self.peer, self.head = peer, head
        self._reader: HashReader | None = None

    def read(self, level: int, index: int) -> bytes:
        if self._reader is None:
            self._reader = authenticated_reader(self.head.size, self.head.root, self.peer.tile)
        return self._reader(level, index)

    def root(self, size: int) -> bytes:
        """The root that the signed tree has at `size`."""
        return self.head.root if size == self.head.size else tree_root(size, self.read)


def fetch_run(tree: SignedTree, start: int, most: int) -> list[bytes]:
    """Entries from `start` on, up to the head or to the end of the bundle that fills one transaction. Nothing proven yet."""
    run: list[bytes] = []
    weight, size = 0, tree.head.size
    while start + len(run) < size and len(run) < most and weight < MAX_RUN_BYTES:
        index, skip = divmod(start + len(run), TILE_WIDTH)
        width = width_at(0, index, size)
        fresh = parse_bundle(tree.peer.tile(TilePath(None, index, width)), width)[skip:]
        weight += sum(map(len, fresh))
        run += fresh
    return run


def prove_run(frontier: Frontier, leaves: Sequence[bytes], tree: SignedTree) -> bytes:
    """The root behind a run of leaf hashes, now proven to lie under the head together with all before it, which `frontier` holds and goes on from.

    Raises BadProof; the frontier is then of no more use.
    """
    start = frontier.size
    for leaf in leaves:
        frontier.append(leaf)
    root = frontier.root()
    if tree.root(frontier.size) != root:
        raise BadProof(
            f"entries {start} to {frontier.size} as served do not lead to the root signed at size {tree.head.size}"
        )
    return root


def held_tree(db: Database, log: LogState) -> Frontier:
    """The tree held here. Where our own disk is at fault, no peer is accused: LogStopped."""
    try:
        with db.read() as tx:
            frontier = Frontier.from_reader(log.stored, logs.reader(tx, log, log.stored))
    except NotFound as error:
        raise LogStopped(f"the stored tree of {log.origin} has holes: {error}") from None
    if log.stored == log.size and frontier.root() != log.root:
        raise LogStopped(f"the stored tree of {log.origin} no longer leads to its signed root at size {log.size}")
    return frontier
