"""What this node found wrong elsewhere, with the evidence."""

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Request

from exchange.api import shapes
from exchange.api.contract import refusals
from exchange.api.room import Limit, NodeDep, Number, Word, page
from exchange.store import log as logs
from exchange.store import registry
from exchange.store.alerts import list_alerts

router = APIRouter(prefix="/v1")


@router.get("/alerts", response_model=shapes.Alerts)
def alerts(request: Request, node: NodeDep, after: Number = 0, limit: Limit = 100) -> dict[str, Any]:
    """In the order in which they were raised."""
    with node.db.read() as tx:
        found = list_alerts(tx, after=after, limit=limit)
    items = [{name: value for name, value in asdict(alert).items() if name != "seq"} for alert in found]
    return page(request, items, limit, "after", found[-1].seq if found else None)


@router.get("/entries/{verdict}", response_model=shapes.Entries, responses=refusals(404))
def entries(
    request: Request,
    node: NodeDep,
    verdict: Literal["refused", "waiting", "disputed"],
    origin: Word,
    start: Number = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """The entries of a log that were `refused`, are `waiting`, or `disputed` by their State, each with its reason: nothing is dropped in silence."""
    with node.db.read() as tx:
        log = logs.log_of(tx, origin)
        found = registry.listed(tx, log, verdict, start=start, limit=limit)
    items = [
        {"index": entry.index, "id": entry.id, "verdict": entry.verdict, "code": entry.code, "reason": entry.reason}
        for entry in found
    ]
    return page(request, items, limit, "start", found[-1].index + 1 if found else None)
