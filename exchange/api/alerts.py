"""What this node found wrong elsewhere, with the evidence."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from fastapi import APIRouter, Request

from exchange.api import shapes
from exchange.api.contract import refusals
from exchange.api.room import Limit, NodeDep, Number, Word, page
from exchange.core.evidence import evidence_id
from exchange.node.node import Node
from exchange.store import log as logs
from exchange.store import registry
from exchange.store.alerts import Alert, list_alerts
from exchange.store.convictions import Proof, evidence_of
from exchange.store.database import Transaction
from exchange.store.findings import Told, told_of
from exchange.store.withheld import withheld

router = APIRouter(prefix="/v1")


@router.get("/alerts", response_model=shapes.Alerts)
def alerts(request: Request, node: NodeDep, after: Number = 0, limit: Limit = 100) -> dict[str, Any]:
    """In the order in which they were raised; what convicts, with the entries of all logs that tell of it."""
    with node.db.read() as tx:
        found = list_alerts(tx, after=after, limit=limit)
        proofs = {alert.seq: proof for alert in found if (proof := evidence_of(alert)) is not None}
        told = told_of(tx, {evidence.accused for _, evidence in proofs.values()})
        found = [_shown(tx, alert) for alert in found]
    items = [_answer(node, alert, proofs.get(alert.seq), told) for alert in found]
    return page(request, items, limit, "after", found[-1].seq if found else None)


def _shown(tx: Transaction, alert: Alert) -> Alert:
    """An entry that is withheld is not handed out as evidence either."""
    entry = alert.evidence.get("entry"), alert.evidence.get("index")
    if alert.kind != "refused-entry/v1" or not isinstance(entry[1], int):
        return alert
    why = withheld(tx, logs.log_of(tx, alert.origin).id, entry[1], entry[1] + 1).get(entry[1])
    return alert if why is None else replace(alert, evidence={**alert.evidence, "entry": None, "withheld": why})


def _answer(node: Node, alert: Alert, proof: Proof | None, told: Sequence[Told]) -> dict[str, Any]:
    """The alert, and who else tells of the same key."""
    said = {name: value for name, value in asdict(alert).items() if name != "seq"}
    if proof is None:
        return {**said, "evidence_id": None, "found_by": [], "local": None}
    text, evidence = proof
    found_by = [
        {name: value for name, value in asdict(one).items() if name != "accused"}
        for one in told
        if one.accused == evidence.accused
    ]
    local = node.local_findings.get(evidence.accused)
    return {**said, "evidence_id": evidence_id(text), "found_by": found_by, "local": local}


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
        hushed = withheld(tx, log.id, found[0].index, found[-1].index + 1) if found else {}
    items = [
        {"index": entry.index, "id": entry.id, "verdict": entry.verdict, "code": entry.code, "reason": entry.reason}
        | {"withheld": hushed.get(entry.index)}
        for entry in found
    ]
    return page(request, items, limit, "start", found[-1].index + 1 if found else None)
