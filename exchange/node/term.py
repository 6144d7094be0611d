"""What is kept for a time only at a State's own node, let go when that is over: looked for at each round of visits."""

from exchange.node.node import Node
from exchange.store.acts import acts_due, keep_acts
from exchange.store.drafts import drafts_due, sweep_drafts


def let_go(node: Node) -> None:
    """Lines of the local record beyond the setting `acts_days`, and drafts after their seven days."""
    clock, days = node.clock(), node.settings.acts_days
    now = int(clock.timestamp())
    with node.db.read() as tx:
        due = acts_due(tx, clock, days), drafts_due(tx, now)
    if any(due):
        with node.db.write() as tx:
            keep_acts(tx, clock, days)
            sweep_drafts(tx, now)
