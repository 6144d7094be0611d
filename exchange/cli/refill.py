"""cbm node refill: a log back from the mirrors of the others."""

import typer

from exchange.cli.options import Directory
from exchange.cli.output import Exit, answer, say
from exchange.config import read_settings


def refill(directory: Directory) -> None:
    """Take back from the other nodes what they hold of this node's own log: after an old backup was restored. The node must not run."""
    from exchange.app import Exchange  # here, so that the other verbs start without a web server's half second
    from exchange.federation.peer import open_client
    from exchange.federation.pull import Puller
    from exchange.federation.refill import refill as take_back
    from exchange.node.node import utc_now

    settings = read_settings(directory)
    exchange = Exchange(settings)
    try:
        node = exchange.node
        puller = Puller(node.db, node.files, lambda: node.participants, node.catalogue, utc_now)
        brought, answered = 0, 0
        with open_client() as client:
            for visit in take_back(
                puller,
                client,
                own=settings.participant,
                origin=settings.origin,
                timeout=settings.peer_timeout,
                progress=lambda _who, held, signed: say(f"  {held:,} of {signed:,} entries"),
            ):
                entries = sum(pulled.entries for pulled in visit.pulled)
                say(f"{visit.participant}: {visit.error or f'{entries} entries'}")
                answered += visit.error is None
                brought += entries
    finally:
        exchange.close()
    answer(f"{brought} entries taken back from {answered} other nodes")
    if not answered:
        raise typer.Exit(Exit.UNREACHABLE)
