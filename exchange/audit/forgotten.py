"""What a node shows of forgetting, asked from outside: what is gone is explained by an order, what an order names is shown no more."""

import itertools
from collections.abc import Sequence
from typing import Any

from exchange.audit.ledger import Ledger
from exchange.audit.orders import UNEXPLAINED, Forgotten
from exchange.audit.outside import Reader
from exchange.audit.sources import LogClaim
from exchange.audit.work import Said
from exchange.client.wire import Ask, json_of
from exchange.errors import NotFound

MAX_ORDERS = 1_000  # orders to forget, of which each is asked about


def check_forgotten(reader: Reader, ledger: Ledger, logs: Sequence[LogClaim], own: str) -> None:
    """`own` is the log of the node that is asked."""
    forgotten, numbers = Forgotten(ledger), {log.origin: number for number, log in enumerate(logs)}
    for said, slot in list(forgotten.explain(whole=False, own=own))[:MAX_ORDERS]:
        if slot in [one["slot"] for one in _asked(reader, said.id) if not one["held"] and one.get("erased") is None]:
            ledger.fault("unexplained", UNEXPLAINED.format(slot), log=said.log, index=said.at)
    for order in itertools.islice(forgotten.in_force(), MAX_ORDERS):
        for one in _asked(reader, order.subject):
            said = Said(numbers.get(one["origin"], 0), one["index"], order.subject, one["form"], one["status"])
            if one["held"] and order.covers(one["slot"]) and forgotten.hits(order, said):
                detail = f"{one['slot']} of {order.subject.hex()[:16]} is shown still, after this order"
                ledger.fault("document", detail, log=order.told.log, index=order.told.at)


def _asked(reader: Reader, ident: bytes) -> list[dict[str, Any]]:
    """The documents of a submission as the node tells of them, each with where that stands."""
    try:
        found = reader.ask(Ask(f"/v1/submissions/{ident.hex()}", json_of(dict[str, Any])))
        where = {name: found[name] for name in ("origin", "index", "form", "status")}
        return [{**where, **one, "slot": str(one["slot"]), "held": bool(one["held"])} for one in found["documents"]]
    except (NotFound, KeyError, TypeError):
        return []
