"""Drafts: for officers of this node who signed in, and for nobody else. No other route, feed, export or log line has anything of them."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Response

from exchange.api import deskshapes, shapes
from exchange.api.contract import refusals
from exchange.api.officers import OFFICERS, SignedInDep, fields_of, json_body, text_of
from exchange.api.room import RoomDep
from exchange.core.base64text import format_base64, parse_base64
from exchange.core.dsse import Signature
from exchange.core.jsonfields import is_digest
from exchange.core.keys import SIGNATURE_SIZE
from exchange.errors import Malformed
from exchange.node.difference import differences
from exchange.node.drafting import MAX_DRAFT, Drafting, Read
from exchange.node.earlier import current_before
from exchange.node.node import Node
from exchange.node.packing import receipts_of
from exchange.node.wording import in_words

MAX_BODY = MAX_DRAFT * 4 // 3 + 256 * 1024  # bytes of JSON: base64 and the answers
MAX_SIGNATURE = 4_096  # bytes of JSON

router = APIRouter(prefix="/v1/drafts", tags=[OFFICERS])
WrittenBody = Annotated[Any, Depends(json_body(MAX_BODY))]
SignatureBody = Annotated[Any, Depends(json_body(MAX_SIGNATURE))]

_WRITTEN = deskshapes.asked(
    **{"return": {"type": "object"}, "body": {"type": ["object", "null"]}},
    attachments={"type": "array", "items": {"type": "object"}},
)
_SAYS_NO = refusals(400, 401, 403, 413, 422)


async def drafting(room: RoomDep) -> Drafting:
    return Drafting(room.node)


DraftingDep = Annotated[Drafting, Depends(drafting)]


@router.post("", response_model=deskshapes.DraftWhole, status_code=201, responses=_SAYS_NO, openapi_extra=_WRITTEN)
def create(
    room: RoomDep, asks: SignedInDep, desk: DraftingDep, response: Response, body: WrittenBody
) -> dict[str, Any]:
    """A new draft: `return` as in a draft file's heading, `body` the answers, `attachments` with their content in base64."""
    return _whole(room.node, desk.create(asks.officer, body), response)


@router.get("", response_model=deskshapes.Drafts, responses=refusals(401))
def listed(asks: SignedInDep, desk: DraftingDep) -> dict[str, Any]:
    """All that this officer may see, the newest change first; at most 200 there are."""
    return {"items": [_answer(one) for one in desk.listed(asks.officer)], "next": None}


@router.get("/{ident}", response_model=deskshapes.DraftWhole, responses=refusals(401, 403, 404))
def show(room: RoomDep, asks: SignedInDep, desk: DraftingDep, ident: str, response: Response) -> dict[str, Any]:
    """The draft with the exact bytes to sign (`payload`), in words, and what it changes in the version that is current."""
    return _whole(room.node, desk.show(asks.officer, ident), response)


@router.put(
    "/{ident}",
    response_model=deskshapes.DraftWhole,
    responses={**_SAYS_NO, **refusals(404, 409, 412)},
    openapi_extra=_WRITTEN,
)
def change(
    room: RoomDep,
    asks: SignedInDep,
    desk: DraftingDep,
    ident: str,
    response: Response,
    body: WrittenBody,
    if_match: Annotated[str, Header()] = "",
) -> dict[str, Any]:
    """Another text for it: with the ETag of the one that was read (If-Match), and before anybody signed."""
    if not if_match:
        raise Malformed("If-Match with the ETag of the draft that was read was expected", pointer="/If-Match")
    return _whole(room.node, desk.change(asks.officer, ident, if_match, body), response)


@router.delete("/{ident}", response_model=deskshapes.DraftDeleted, responses=refusals(401, 403, 404))
def delete(asks: SignedInDep, desk: DraftingDep, ident: str) -> dict[str, Any]:
    """Signed or not."""
    desk.delete(asks.officer, ident)
    return {"deleted": True}


@router.post(
    "/{ident}/signatures",
    response_model=deskshapes.DraftWhole,
    responses={**_SAYS_NO, **refusals(404, 409, 412)},
    openapi_extra=deskshapes.asked(submission=shapes.DIGEST, keyid=shapes.DIGEST, sig=shapes.BASE64),
)
def sign(
    room: RoomDep, asks: SignedInDep, desk: DraftingDep, ident: str, response: Response, body: SignatureBody
) -> dict[str, Any]:
    """A signature over the payload as an envelope has it (DSSE), and the id of what was signed."""
    submission, keyid, sig = fields_of(body, "submission", "keyid", "sig")
    if not is_digest(text_of(keyid, "keyid")):
        raise Malformed("the id of a key is 64 lower-case hex digits", pointer="/keyid")
    signature = Signature(keyid, parse_base64(text_of(sig, "sig"), length=SIGNATURE_SIZE))
    return _whole(room.node, desk.sign(asks.officer, ident, text_of(submission, "submission"), signature), response)


@router.post(
    "/{ident}/release",
    response_model=shapes.Receipted,
    responses={**refusals(401, 403, 404, 409, 422), 200: {"description": "Recorded, durably: now, or before"}},
)
def release(room: RoomDep, asks: SignedInDep, desk: DraftingDep, ident: str) -> dict[str, Any]:
    """Bring it to the door, which judges all of it as of anything that comes there; then the draft is gone."""
    recorded = desk.release(asks.officer, ident)
    if recorded.head is not None:
        receipt = recorded.head.receipt(recorded.index)
    else:
        receipt = receipts_of(room.node, [recorded.index])[recorded.index]
    said = {"id": recorded.id, "origin": room.node.origin, "index": recorded.index, "new": recorded.new}
    return {**said, "receipt": receipt.decode()}


def _answer(read: Read) -> dict[str, Any]:
    draft, statement = read.draft, read.statement
    period = statement.period
    return {
        "id": draft.id,
        "etag": draft.etag,
        "form": draft.form,
        "form_version": statement.form.version,
        "return": statement.return_,
        "message": statement.message,
        "status": statement.status,
        "period": None if period is None else {"from": period.start, "to": period.end},
        "series": statement.series,
        "submission": draft.submission,
        "created_by": draft.created_by,
        "changed_by": draft.changed_by,
        "changed": draft.changed,
        "expires": draft.expires,
        "threshold": read.threshold,
        "signed_by": [one.keyid for one in draft.signatures],
    }


def _whole(node: Node, read: Read, response: Response) -> dict[str, Any]:
    draft, statement, before = read.draft, read.statement, current_before(node, read.statement)
    record = node.participants.records.get(statement.participant)
    response.headers["ETag"] = draft.etag
    return {
        **_answer(read),
        "written": orjson.loads(draft.written),
        "payload": format_base64(draft.payload),
        "documents": [
            {
                "slot": one.slot,
                "name": one.name,
                "opening": format_base64(one.opening),
                "content": format_base64(one.content),
            }
            for one in draft.documents
        ],
        "signatures": [{"keyid": one.keyid, "sig": format_base64(one.sig)} for one in draft.signatures],
        "faults": [{"pointer": one.pointer, "detail": one.detail} for one in read.faults],
        "words": in_words(
            statement, draft.documents, read.form, statement.participant if record is None else record.name()
        ),
        "before": None if before is None else before.id,
        "difference": differences(before, statement, draft.documents, read.form),
    }
