"""Submissions: the registry as it stands, and the proofs that go out. How they come in is in door.py."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from exchange.api import shapes
from exchange.api.contract import CONDITIONAL, refusals, tagged
from exchange.api.etags import etag_of, is_held
from exchange.api.proof import ReachDep
from exchange.api.room import Flag, Id, Limit, NodeDep, Number, PathId, Question, RoomDep, Span, Statuses, Word, page
from exchange.api.standing import standing_answer
from exchange.core.dsse import parse_envelope
from exchange.core.receipt import format_receipt
from exchange.core.search import parse_query
from exchange.core.vocabulary import SEALED
from exchange.node.node import Node
from exchange.node.packing import pack_of, receipt_of
from exchange.store import documents, registry
from exchange.store import log as logs
from exchange.store.database import Transaction
from exchange.store.erasures import orders_of
from exchange.store.fulltext import behind
from exchange.store.query import Filter, history, submission, submissions
from exchange.store.registry import Erased, SubmissionState
from exchange.store.search import contexts, search
from exchange.store.standing import standings
from exchange.trust.quorum import Tally

router = APIRouter(prefix="/v1")

ENVELOPE = "application/vnd.dsse.envelope.v1+json"


def _answers(tx: Transaction, node: Node, states: Sequence[SubmissionState]) -> list[dict[str, Any]]:
    found = standings(tx, node.participants, [(state.origin, state.index) for state in states])
    return [_answer(node, state, found[state.origin, state.index].tally) for state in states]


def _answer(node: Node, state: SubmissionState, tally: Tally) -> dict[str, Any]:
    return {
        "id": state.id,
        "participant": state.participant,
        "origin": state.origin,
        "index": state.index,
        "form": state.form,
        "form_version": state.version,
        "obligations": list(state.obligations),
        "series": state.series,
        "issued": state.issued,
        "period": None if state.period is None else {"from": state.period[0], "to": state.period[1]},
        "return": state.return_,
        "message": state.message,
        "status": state.status,
        "current": state.current,
        "fits": state.fits,
        "disputed": None if state.disputed is None else {"origin": state.disputed[0], "index": state.disputed[1]},
        **standing_answer(node.participants, state.origin, tally, state.issued),
        "account": account_of(state),
        "documents": [
            {
                "slot": slot.slot,
                "media_type": slot.media_type,
                "language": slot.language,
                "audience": slot.audience,
                "readers": slot.readers,
                "commitment": slot.commitment,
                # Whether a sealed letter lies here would tell for whom it is, and its size what is in it.
                "held": slot.held and slot.audience != SEALED,
                "name": None if slot.audience == SEALED else slot.name,
                "size": None if slot.audience == SEALED else slot.size,
                "erased": None if slot.audience == SEALED else erased_answer(slot.erased),
            }
            for slot in state.documents
        ],
    }


def account_of(state: SubmissionState) -> str:
    """What became of its documents here, in the words of an audit: of several the one that somebody should look at."""
    if any(not slot.open or slot.audience == SEALED for slot in state.documents):
        return "restricted"
    if any(not slot.held and slot.erased is None for slot in state.documents):
        return "undelivered"
    orders = [slot.erased for slot in state.documents if slot.erased is not None]
    if not orders:
        return "opened"
    return "erased as foreseen" if all(order.place is None for order in orders) else "erased afterwards"


def erased_answer(order: Erased | None) -> dict[str, Any] | None:
    """By which order a document is not shown."""
    if order is None:
        return None
    place = None if order.place is None else {"origin": order.place[0], "index": order.place[1]}
    return {"by": "retain_until" if place is None else "erasure", "order": place, "destroyed": order.destroyed}


@router.get("/submissions", response_model=shapes.Submissions, responses=refusals(401))
def list_submissions(
    request: Request,
    node: NodeDep,
    reach: ReachDep,
    participant: Word | None = None,
    form: Word | None = None,
    obligation: Word | None = None,
    period: Span | None = None,
    status: Statuses = None,
    series: Id | None = None,
    current: Flag | None = None,
    q: Question | None = None,
    before: Number | None = None,
    limit: Limit = 100,
) -> Response:
    """Newest arrival first; with `q`, those whose texts have all of it.

    A live node lists only actual submissions unless `status` asks for others.
    """
    statuses = tuple(status) if status else ("actual",) if node.participants.live else None
    forms = None if obligation is None else node.catalogue.serving(obligation)
    wanted = Filter(participant, form, obligation, period, statuses, current, series, forms=forms)
    with node.db.read() as tx:
        if q is None:
            found, more = submissions(tx, wanted, reach, before=before, limit=limit), {}
            items = _answers(tx, node, found)
        else:
            query = parse_query(q)
            found = search(tx, wanted, query, reach, before=before, limit=limit)
            around = contexts(tx, found, query)
            items = [{**one, "context": text} for one, text in zip(_answers(tx, node, found), around, strict=True)]
            more = {"unsearched": behind(tx)}
    answer = page(request, items, limit, "before", found[-1].seq if found else None)
    # Not through the model: it would look at each field of what we have just written ourselves, for longer than the search took.
    return Response(orjson.dumps({**answer, **more}), media_type="application/json")


@router.get("/submissions/{ident}", response_model=shapes.SubmissionWhole, responses=refusals(401, 404))
def show_submission(node: NodeDep, reach: ReachDep, ident: PathId) -> dict[str, Any]:
    """One submission with its statement, its body where it is held here, and the history of its series."""
    with node.db.read() as tx:
        state = submission(tx, ident, reach)
        envelope = parse_envelope(registry.position_of(tx, ident).envelope)
        ids = history(tx, state)
        log = logs.log_of(tx, state.origin)
        held, orders = documents.documents_of(tx, log.id, state.index, reach), orders_of(tx, log.id, state.index)
        [answer] = _answers(tx, node, [state])
    bodies = [document.content for document in held if document.slot == "body" and document.content is not None]
    body = orjson.loads(bodies[0]) if bodies and state.fits == "fits" else None
    more = {"orders": [asdict(order) for order in orders], "history": ids}
    return {**answer, "statement": orjson.loads(envelope.payload), "body": body, **more}


def _proof(content: bytes, request: Request, media_type: str, name: str) -> Response:
    etag = etag_of(content)
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Disposition": f'attachment; filename="{name}"'}
    if is_held(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


@router.get(
    "/submissions/{ident}/envelope",
    response_class=Response,
    responses={**tagged(ENVELOPE), **refusals(404)},
    openapi_extra=CONDITIONAL,
)
def envelope(node: NodeDep, request: Request, ident: PathId) -> Response:
    """The signed envelope, byte for byte as it stands in the log."""
    with node.db.read() as tx:
        content = registry.position_of(tx, ident).envelope
    return _proof(content, request, ENVELOPE, f"{ident}.json")


@router.get(
    "/submissions/{ident}/receipt",
    response_class=Response,
    responses={**tagged("text/plain"), **refusals(404)},
    openapi_extra=CONDITIONAL,
)
def receipt(node: NodeDep, request: Request, ident: PathId) -> Response:
    """The receipt (C2SP tlog-proof): that the envelope stands in the log, under the log's signature and the earliest of each State that cosigned."""
    return _proof(format_receipt(receipt_of(node, ident)), request, "text/plain; charset=utf-8", f"{ident}.tlog-proof")


@router.get(
    "/submissions/{ident}/pack",
    response_class=Response,
    responses={**tagged("application/zip"), **refusals(401, 404)},
    openapi_extra=CONDITIONAL,
)
def pack(room: RoomDep, node: NodeDep, reach: ReachDep, request: Request, ident: PathId) -> Response:
    """The evidence pack: everything to verify the submission offline, but for the anchor; with the documents that the asker may read."""
    bundle = None if room.trust is None else room.trust.now_standing.bundle
    return _proof(pack_of(node, ident, reach, bundle), request, "application/zip", f"{ident}.zip")
