"""The version of a series that is current at this node, with what it takes to tell what another changes in it."""

import orjson

from exchange.core.catalogue import FITS
from exchange.core.dsse import parse_envelope
from exchange.core.statement import Statement, parse_statement
from exchange.node.difference import Earlier, EarlierDocument
from exchange.node.node import Node
from exchange.store import documents, registry
from exchange.store import log as logs
from exchange.store.query import Filter, submissions


def current_before(node: Node, statement: Statement) -> Earlier | None:
    """None where the statement begins a series, or nothing of its series and status is current."""
    if statement.series is None:
        return None
    wanted = Filter(
        participant=statement.participant, statuses=(statement.status,), current=True, series=statement.series
    )
    with node.db.read() as tx:
        for state in submissions(tx, wanted, limit=1):
            envelope = parse_envelope(registry.position_of(tx, state.id).envelope)
            held = documents.documents_of(tx, logs.log_of(tx, state.origin).id, state.index)
            openings = {one.slot: one.opening for one in held}
            bodies = [one.content for one in held if one.slot == "body" and one.content is not None]
            body = orjson.loads(bodies[0]) if bodies and state.fits == FITS else None
            found = tuple(
                EarlierDocument(one.slot, one.name or one.slot, one.commitment, openings.get(one.slot))
                for one in state.documents
            )
            return Earlier(state.id, parse_statement(envelope.payload), body, found)
    return None
