"""The two doors through which a document leaves a node: one by its commitment, and many in log order."""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from exchange.api import shapes
from exchange.api.contract import CONDITIONAL, raw, refusals, tagged
from exchange.api.etags import is_held
from exchange.api.proof import AskerDep, ReachDep
from exchange.api.room import NodeDep, Number, PathId, Word
from exchange.core.base64text import format_base64
from exchange.errors import NotFound
from exchange.node.node import Node
from exchange.node.sealed import letter_for
from exchange.store import documents
from exchange.store import log as logs
from exchange.store.documents import HeldDocument
from exchange.trust.audience import Reach

router = APIRouter(prefix="/v1")

BATCH = 256  # documents read at a time while streaming
PIECE = 64 * 1024  # bytes that are sent at once
ENTRIES = 4_096  # entries that one bulk answer covers at most


class WholeFile(FileResponse):
    """The file from beginning to end: a document is checked as a whole, and the framework's own words on ranges are no problem+json."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


@router.get(
    "/documents/{commitment}",
    response_class=Response,
    responses={**tagged("*/*", CBM_Opening=shapes.BASE64), **refusals(401, 403, 404)},
    openapi_extra=CONDITIONAL,
)
def document(node: NodeDep, asker: AskerDep, reach: ReachDep, request: Request, commitment: PathId) -> Response:
    """The bytes, with the opening (`CBM-Opening`) that proves them to be the document committed to. Always a download.

    403 where a public log names it for others than whoever asks, whether it is held here or not. What is sealed is there for the
    nodes of its recipients; for all others it is not there.
    """
    with node.db.read() as tx:
        held = letter_for(tx, node.files, commitment, asker) or documents.document(tx, commitment, reach)
    headers = {
        "CBM-Opening": format_base64(held.opening),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(held.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        # The bytes behind a commitment never change, but they may be erased: caches ask again.
        "Cache-Control": "no-cache",
        "ETag": f'"{held.commitment}"',
        "Accept-Ranges": "none",
    }
    if is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if held.content is not None:
        return Response(held.content, headers=headers, media_type=held.media_type)
    return WholeFile(node.files.path(held.commitment), headers=headers, media_type=held.media_type)


@router.get("/documents", response_class=Response, responses={**raw("application/x-ndjson"), **refusals(401, 404)})
def documents_in_bulk(
    node: NodeDep,
    reach: ReachDep,
    participant: Word,
    start: Annotated[Number, Query(alias="from")] = 0,
    to: Number | None = None,
    origin: Word | None = None,
) -> Response:
    """Documents of the entries [from, to) of a participant's log that the asker may read, one JSON line each, at most 4,096 entries an answer.

    Larger ones come with `content` null: fetch them by their commitment.
    """
    record = node.participants.records.get(participant)
    if record is None:
        raise NotFound(f"no participant {participant[:20]!r} is known here")
    with node.db.read() as tx:
        log = logs.log_of(tx, record.current_log.origin if origin is None else origin)
    if log.participant != participant:
        raise NotFound(f"the log {log.origin} is not one of {participant}")
    # A mirror may have stored more than its newest checkpoint covers; that is not served yet, here as in the tiles.
    end = min(log.size, start + ENTRIES, log.size if to is None else to)
    return StreamingResponse(
        _lines(node, reach, log.id, start, end),
        media_type="application/x-ndjson",
        headers={"Cache-Control": "no-store"},
    )


def _lines(node: Node, reach: Reach, log_id: int, start: int, end: int) -> Iterator[bytes]:
    """A few rows at a time, so that memory stays flat however long the stream is; in pieces, since each costs the server a turn."""
    while start < end:
        with node.db.read() as tx:
            batch = documents.documents_between(tx, log_id, start, end, BATCH, reach)
        if not batch:
            return
        last = batch[-1].index
        whole = batch if len(batch) < BATCH or batch[0].index == last else [held for held in batch if held.index < last]
        piece = bytearray()
        for held in whole:
            piece += orjson.dumps(_line(held), option=orjson.OPT_APPEND_NEWLINE)
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)
        start = whole[-1].index + 1


def _line(held: HeldDocument) -> dict[str, Any]:
    return {
        "index": held.index,
        "slot": held.slot,
        "commitment": held.commitment,
        "name": held.name,
        "opening": format_base64(held.opening),
        "size": held.size,
        "content": None if held.content is None else format_base64(held.content),
    }
