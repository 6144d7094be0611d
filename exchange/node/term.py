"""What is kept for a time only at a State's own node, let go when that is over: looked for at each round of visits."""

from exchange.node.node import Node
from exchange.store.acts import acts_due, keep_acts


def let_go(node: Node) -> None:
    """Lines of the local record beyond the setting `acts_days`."""
    now, days = node.clock(), node.settings.acts_days
    with node.db.read() as tx:
        due = acts_due(tx, now, days)
    if due:
        with node.db.write() as tx:
            keep_acts(tx, now, days)
