"""Who participates, and the forms they use."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from exchange.api import shapes
from exchange.api.contacts import Moment, parse_moment
from exchange.api.contract import CONDITIONAL, raw, refusals, tagged
from exchange.api.etags import etag_of, is_held
from exchange.api.room import NodeDep, Number, RoomDep, Word
from exchange.api.standing import moment
from exchange.errors import NotFound
from exchange.node.packing import policy_file
from exchange.trust.participants import ParticipantRecord, format_record

router = APIRouter(prefix="/v1")


@router.get("/participants", response_model=shapes.Participants)
def participants(room: RoomDep, node: NodeDep) -> dict[str, Any]:
    """The records in force here, whole: with them and a pack, anybody can verify."""
    known = node.participants
    replaced = [
        {"participant": code, "published": moment(each.published), "origin": _origin(known.records.get(code), each.log)}
        for code, changes in sorted(known.replaced.items())
        for each in changes
    ]
    items = [format_record(record) for _, record in sorted(known.records.items())]
    return {
        "federation": known.federation,
        "live": known.live,
        "stale_since": None if room.trust is None else moment(room.trust.now_standing.held.stale_since),
        "identity_replacements": replaced,
        "items": items,
        "next": None,
    }


def _origin(record: ParticipantRecord | None, ordinal: int) -> str | None:
    return None if record is None or ordinal >= len(record.logs) else record.logs[ordinal].origin


@router.get(
    "/participants/{participant}/policy",
    response_class=Response,
    responses={**raw("text/plain"), **refusals(404)},
)
def policy(node: NodeDep, participant: str, origin: Word | None = None, at: Moment | None = None) -> Response:
    """Who witnesses for a log, and how many of them must have cosigned: a C2SP tlog-policy for verifiers of any make.

    For the participant's current log and the roster in force now, unless another `origin` of it or another time is asked for.
    """
    record = node.participants.records.get(participant)
    if record is None or (origin is not None and record.log_ordinal(origin) is None):
        raise NotFound(f"no such participant or log is known here: {participant[:20]!r}")
    when = node.clock() if at is None else parse_moment(at)
    content = policy_file(node.participants, origin or record.current_log.origin, when)
    return Response(content, headers={"Cache-Control": "no-cache"}, media_type="text/plain; charset=utf-8")


@router.get("/forms", response_model=shapes.Forms)
def forms(node: NodeDep) -> dict[str, Any]:
    items = [
        {
            "code": form.code,
            "version": form.version,
            "sha256": form.sha256,
            "title": dict(form.meta["title"]),
            "obligations": list(form.obligations),
            "audience": form.audience_now,
        }
        for _, form in sorted(node.catalogue.forms.items())
    ]
    return {"items": items, "next": None}


@router.get(
    "/forms/{code}",
    response_class=Response,
    responses={**tagged("application/schema+json"), **refusals(404)},
    openapi_extra=CONDITIONAL,
)
def form(node: NodeDep, request: Request, code: str, version: Number | None = None) -> Response:
    """The form file itself, byte for byte: its SHA-256 is what statements name. The newest version unless another is asked for."""
    found = node.catalogue.newest(code) if version is None else node.catalogue.forms.get((code, version))
    if found is None:
        raise NotFound(f"no form {code[:20]!r}{'' if version is None else f' version {version}'} is known here")
    headers = {"ETag": etag_of(found.content), "Cache-Control": "no-cache"}
    if is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type="application/schema+json")
