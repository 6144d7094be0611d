"""Does another instance of this very node answer under its address? Two that sign would fork the log, and no lock sees both.

A lock keeps a second process out of a directory and of a database; not out of a copy of both on another machine, with the same keys and
the same address. So each start draws a name of its own, `GET /v1/node` shows it, and the node asks its own address at its start and before
each round of visits. Where its own log key answers under another name, this process signs nothing more, and its database is marked as a
restored one is (store/restored.py): a later start asks the other nodes before it appends.

It is a net and no proof: a copy that cannot reach its own address learns nothing here. Then the other nodes know more of its log than it does
(node.consider_foreign_head), or hold two checkpoints that convict the key.
"""

from collections.abc import Callable

from exchange.core.note import format_vkey
from exchange.node.node import Node
from exchange.store.restored import mark_restored

Face = tuple[str, str]  # the log key that answered, and the name of the instance


class Twin:
    """`look` tells who answers under the node's own address, or None where nobody does."""

    def __init__(self, node: Node, look: Callable[[], Face | None]) -> None:
        """The first look, before anything is appended."""
        self._node, self._look = node, look
        self.look_again()

    def look_again(self) -> None:
        """With each round of visits."""
        node, url = self._node, self._node.settings.url
        if node.appender.stopped is not None:
            return
        face = self._look()
        if face is None or face[0] != format_vkey(node.vkey) or face[1] == node.instance:
            return
        with node.db.write() as tx:
            mark_restored(tx, f"a copy, since another instance answered under {url} on {node.clock():%Y-%m-%d}")
        node.appender.stop(
            f"another instance of this node answers under {url}: two that sign would fork the log; "
            "find out which of the two is to stay, end the other for good, and start this one again only if it stays"
        )
