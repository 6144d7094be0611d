"""Which forms serve which clause of the decisions, and what each participant chose to share. No counts, no ranks (rule 7)."""

from collections import defaultdict
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from exchange.api import shapes
from exchange.api.contract import CONDITIONAL, held, refusals
from exchange.api.etags import etag_of, is_held
from exchange.api.room import NodeDep, Word
from exchange.core.obligations import Obligation, parse_obligations
from exchange.errors import NotFound
from exchange.node.node import Node
from exchange.resources import obligations_file
from exchange.store.query import shared

router = APIRouter(prefix="/v1")


@router.get("/obligations", response_model=shapes.Obligations, responses=held(refusals(404)), openapi_extra=CONDITIONAL)
def obligations(
    node: NodeDep, request: Request, obligation: Word | None = None, participant: Word | None = None
) -> Response:
    """The clauses in their order, with the forms that serve each, and by participant the forms of which a return is current.

    On a live node returns of status actual count, elsewhere all. Returns themselves: `/v1/submissions?obligation=`.
    """
    if participant is not None and participant not in node.participants.records:
        raise NotFound(f"no participant {participant[:20]!r} is known here")
    with node.db.read() as tx:
        found = shared(tx, participant=participant, statuses=("actual",) if node.participants.live else None)
    by_form: dict[str, list[str]] = defaultdict(list)
    for code, form in found:
        by_form[form].append(code)
    items = [_answer(node, one, by_form) for one in _clauses(node) if obligation is None or one.id == obligation]
    if obligation is not None and not items:
        raise NotFound(f"no obligation {obligation[:60]!r} is known here")
    content = orjson.dumps({"items": items, "next": None})
    headers = {"ETag": etag_of(content), "Cache-Control": "no-cache"}
    if is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _clauses(node: Node) -> list[Obligation]:
    """Those of the file, and behind them what else the forms known here name: a new form needs no code."""
    known = parse_obligations(obligations_file())
    ids = {one.id for one in known}
    named = {one for form in node.catalogue.forms.values() for one in form.obligations}
    return [*known, *(Obligation(one, "", "", {}) for one in sorted(named - ids))]


def _answer(node: Node, one: Obligation, by_form: dict[str, list[str]]) -> dict[str, Any]:
    forms = node.catalogue.serving(one.id)
    by_participant: dict[str, list[str]] = defaultdict(list)
    for form in forms:
        for code in by_form.get(form, ()):
            by_participant[code].append(form)
    return {
        "id": one.id,
        "decision": one.decision,
        "clause": one.clause,
        "title": dict(one.title),
        "forms": list(forms),
        "shared": [{"participant": code, "forms": shown} for code, shown in sorted(by_participant.items())],
    }
