"""The door through which a State's own submissions come in, each answered after the commit that made it durable.

`application/json` where all documents are small, `application/x-ndjson` for many of those at once (batch.py),
`multipart/form-data` where a document is large (parts.py). A submission in JSON touches no disk before its commit, and asks
no database: whether it stands already is told by the transaction that would record it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from exchange.api import parcels, shapes
from exchange.api.batch import LINES, receipted, submit_lines
from exchange.api.bridge import Bridge
from exchange.api.contract import refusals, submitted
from exchange.api.parameters import check_parameters
from exchange.api.parts import hand_over
from exchange.api.parts import receive as receive_parts
from exchange.api.problems import problem, unforeseen
from exchange.api.request import read_body
from exchange.api.room import Room
from exchange.errors import ExchangeError, Malformed
from exchange.node.appender import Recorded
from exchange.node.lines import judge_line
from exchange.node.node import Node
from exchange.node.offer import MAX_JSON
from exchange.node.packing import receipts_of
from exchange.node.submit import again, door_of, recorded_before

INLINE = (
    256 * 1024
)  # bytes of a request that is read and checked at once; a larger one in a thread, so that others are answered meanwhile


class Bare(APIRoute):
    """In the contract like every other; but its function takes the request and gives the response, as `Front` calls it."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        return self.endpoint


PATH = "/v1/submissions"
router = APIRouter(route_class=Bare)


@router.post(
    PATH,
    response_model=shapes.Receipted,
    status_code=201,
    responses=submitted(shapes.Receipted) | refusals(403, 409, 413, 422),
    openapi_extra=parcels.SUBMISSION,
)
async def submit(request: Request) -> Response:
    """Takes complete envelopes signed by the State's own keys: the signature is the credential.

    `application/json` where all documents are small, `multipart/form-data` where one is large. Answered after the commit.
    `application/x-ndjson` takes up to 1,000 at once, one a line, and answers with a line for each: what it would be told alone.
    """
    check_parameters(request, ())
    room: Room = request.app.state.room
    node = room.node
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == LINES:
        return await submit_lines(request, room)
    if kind == "application/json":
        recorded = await _from_json(request, node)
    elif kind == "multipart/form-data":
        recorded = await _from_parts(request, node)
    else:
        expected = f"application/json, {LINES} or multipart/form-data"
        raise Malformed(f"expected {expected}, got {kind[:80] or 'no content type'!r}")
    if recorded.head is not None:
        receipt = recorded.head.receipt(recorded.index)
    else:
        receipt = (await asyncio.to_thread(receipts_of, node, [recorded.index]))[recorded.index]
    return Response(
        receipted(node, recorded, receipt),
        201 if recorded.new else 200,
        {"Location": f"/v1/submissions/{recorded.id}"},
        "application/json",
    )


async def _from_json(request: Request, node: Node) -> Recorded:
    body = await read_body(request, MAX_JSON)
    if len(body) <= INLINE:
        envelope, answer = await Bridge.of(request).submit(body)
    else:
        door = door_of(node)
        judged = await asyncio.to_thread(judge_line, body, door)
        envelope, answer = await Bridge.of(request).record(judged, door.participants)
    if isinstance(answer, Recorded):
        return answer
    # What stands already is answered again, whatever speaks against it now, and whether or not its documents came along.
    before = None if envelope is None else (await asyncio.to_thread(recorded_before, node, [envelope]))[0]
    if before is None:
        raise answer
    return before


async def _from_parts(request: Request, node: Node) -> Recorded:
    submission, arrivals = await receive_parts(request, node)
    before = again(submission)
    return before if before is not None else await Bridge.of(request).wait(hand_over(node, submission, arrivals))


class Front:
    """Stands before the routing, through which the way takes longer than to check a signature. What is not for the door goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await submit(request)
        except ExchangeError as error:
            response = problem(error)
        except Exception as error:
            await unforeseen(request, error)(scope, receive, send)
            raise  # for the server's log, as the framework does it
        await response(scope, receive, send)
