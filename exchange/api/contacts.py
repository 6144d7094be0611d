"""Contact points: who answers, reachable at a moment, phone first."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import WithJsonSchema

from exchange.api import shapes
from exchange.api.contract import CONDITIONAL, held, refusals
from exchange.api.etags import etag_of
from exchange.api.proof import ReachDep
from exchange.api.room import Flag, NodeDep, Statuses, Word
from exchange.api.standing import standing_answer
from exchange.errors import Malformed, NotFound
from exchange.node.directory import Contact, look_up, to_the_minute
from exchange.node.node import Node
from exchange.store.standing import standings
from exchange.trust.quorum import Tally

router = APIRouter(prefix="/v1")

# A zone of the contact's own shifts it by a day at most: the calendar has one more on either side.
_YEARS = range(1970, 9999)
_MOMENT = {"type": "string", "format": "date-time", "pattern": "^(?!9999)(19[7-9]|[2-9][0-9])"}
Moment = Annotated[str, WithJsonSchema(_MOMENT)]


@router.get("/contacts", response_model=shapes.Contacts, responses=held(refusals(401, 404)), openapi_extra=CONDITIONAL)
def contacts(
    node: NodeDep,
    reach: ReachDep,
    participant: Word | None = None,
    role: Word | None = None,
    language: Word | None = None,
    at: Moment | None = None,
    status: Statuses = None,
    now: Annotated[Flag, Query(description="leave out those who are outside their stated hours")] = False,
) -> Response:
    """Contacts in force at the moment `at` (ISO 8601 with a zone; default the present minute) that the asker may read, those reachable first."""
    moment = to_the_minute(node.clock()) if at is None else parse_moment(at)
    if participant is not None and participant not in node.participants.records:
        raise NotFound(f"no participant {participant[:20]!r} is known here")
    found = look_up(
        node,
        reach,
        participant=participant,
        role=role,
        language=language,
        statuses=tuple(status) if status else None,
        at=moment,
        reachable_only=now,
    )
    with node.db.read() as tx:
        places = standings(tx, node.participants, [(one.stored.origin, one.stored.index) for one in found])
    items = [_answer(node, contact, places[contact.stored.origin, contact.stored.index].tally) for contact in found]
    content = orjson.dumps({"at": moment.isoformat(timespec="seconds"), "items": items, "next": None})
    headers = {"ETag": etag_of(content), "Cache-Control": "no-cache"}
    return Response(content, headers=headers, media_type="application/json")


def parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"expected a time like 2026-11-21T03:00:00Z, got {text[:40]!r}", pointer="/at") from None
    if moment.year not in _YEARS:
        raise Malformed(
            f"a time from {_YEARS.start} to {_YEARS.stop - 1} was expected, got {text[:40]!r}", pointer="/at"
        )
    if moment.tzinfo is None:
        raise Malformed(f"the time {text[:40]!r} needs a zone: add Z, or an offset like +01:00", pointer="/at")
    return moment


def _answer(node: Node, contact: Contact, tally: Tally) -> dict[str, Any]:
    stored = contact.stored
    return {
        "participant": stored.participant,
        "name": contact.name,
        "form": stored.form,
        "role": contact.field("role"),
        "status": stored.status,
        "reachable": contact.reachability.answer,
        "reachable_until": contact.reachability.until,
        "local_time": contact.reachability.local_time,
        "phone": contact.field("phone"),
        "email": contact.field("email"),
        "institution": contact.field("institution"),
        "languages": contact.field("languages"),
        "freshness": contact.freshness,
        "confirmed": stored.confirmed,
        "confirm_by": contact.field("confirm_by"),
        "contact": stored.body,
        "source": {
            "id": stored.id,
            "origin": stored.origin,
            "index": stored.index,
            **standing_answer(node.participants, stored.origin, tally, stored.issued),
        },
    }
