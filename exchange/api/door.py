"""The door through which a State's own submissions come in, each answered after the commit that made it durable.

`application/json` where all documents are small, `application/x-ndjson` for many of those at once (batch.py),
`multipart/form-data` where a document is large (parts.py). A submission in JSON touches no disk before its commit, and asks
no database: whether it stands already is told by the transaction that would record it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from exchange.api import shapes
from exchange.api.bridge import Bridge
from exchange.api.contract import receipted, refusals
from exchange.api.parameters import check_parameters
from exchange.api.parts import hand_over, receive
from exchange.api.request import MAX_JSON, parse_submission, read_body
from exchange.errors import ExchangeError, Malformed
from exchange.node.appender import Recorded
from exchange.node.node import Node
from exchange.node.packing import receipts_of
from exchange.node.submit import recorded_before, whole

INLINE = (
    256 * 1024
)  # bytes of a request that is read and checked at once; a larger one in a thread, so that others are answered meanwhile

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Bare(APIRoute):
    """In the contract like every other; but its function takes the request and gives the response, and nothing stands between."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        return self.endpoint


router = APIRouter(prefix="/v1", route_class=Bare)


@router.post(
    "/submissions",
    response_model=shapes.Receipted,
    status_code=201,
    responses=receipted(shapes.Receipted) | refusals(403, 409, 413, 422),
    openapi_extra=shapes.SUBMISSION,
)
async def submit(request: Request) -> Response:
    """Takes complete envelopes signed by the State's own keys: the signature is the credential.

    `application/json` where all documents are small, `multipart/form-data` where one is large. Answered after the commit.
    """
    check_parameters(request, ())
    node: Node = request.app.state.room.node
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        recorded = await _from_json(request, node)
    elif kind == "multipart/form-data":
        recorded = await _from_parts(request, node)
    else:
        raise Malformed(f"expected application/json or multipart/form-data, got {kind[:80] or 'no content type'!r}")
    if recorded.head is not None:
        receipt = recorded.head.receipt(recorded.index)
    else:
        receipt = (await asyncio.to_thread(receipts_of, node, [recorded.index]))[recorded.index]
    return Response(
        orjson.dumps(answer(node, recorded, receipt)),
        201 if recorded.new else 200,
        {"Location": f"/v1/submissions/{recorded.id}"},
        "application/json",
    )


def answer(node: Node, recorded: Recorded, receipt: bytes) -> dict[str, str | int]:
    return {
        "id": recorded.id,
        "origin": node.origin,
        "index": recorded.index,
        "new": recorded.new,
        "receipt": receipt.decode(),
    }


async def _from_json(request: Request, node: Node) -> Recorded:
    body = await read_body(request, MAX_JSON)
    offered = await _at_once(len(body), parse_submission, body)
    try:
        candidate = await _at_once(len(body), whole, node, offered.envelope, offered.documents)
        outcome = node.appender.submit(candidate.admitted, candidate.arrivals, candidate.participants)
        return await Bridge.of(request).wait(outcome)
    except ExchangeError:
        # What stands already is answered again, whatever speaks against it now, and whether or not its documents came along.
        [before] = await asyncio.to_thread(recorded_before, node, [offered.envelope])
        if before is None:
            raise
        return before


async def _from_parts(request: Request, node: Node) -> Recorded:
    candidate, arrivals = await receive(request, node)
    if candidate.recorded is not None:
        return candidate.recorded
    return await Bridge.of(request).wait(hand_over(node, candidate, arrivals))


async def _at_once(
    size: int, act: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
) -> Result:
    return act(*args, **named) if size <= INLINE else await asyncio.to_thread(act, *args, **named)
