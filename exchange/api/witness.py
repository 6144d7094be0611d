"""The witness of this node, as C2SP tlog-witness says: `add-checkpoint` for logs, and what it signed last for whoever monitors.

Statuses and their order are the specification's: 404 unknown log, 403 not signed by it (or known to have forked), 400 malformed or old
size beyond the new, 409 with the size signed last, 422 no proof, 200 our line. 503 with Retry-After while entries are not
here, and nothing has changed then. Nobody logs in: the log's signature is the credential.
"""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exchange.api.problems import NO_STORE, problem
from exchange.api.request import read_body
from exchange.core.addcheckpoint import MAX_REQUEST, SIZE_TYPE
from exchange.errors import Contradiction, NotFound, WrongOldSize
from exchange.node.witness import Witness

LINES = "text/plain; charset=utf-8"

_DIGEST = re.compile(r"[0-9a-f]{64}")


async def add_checkpoint(request: Request) -> Response:
    witness: Witness = request.app.state.room.node.witness
    body = await read_body(request, MAX_REQUEST)
    try:
        line = await asyncio.to_thread(witness.add_checkpoint, body)
    except WrongOldSize as error:
        return Response(f"{error.size}\n", 409, {**NO_STORE, "Content-Type": SIZE_TYPE})
    except Contradiction as error:  # elsewhere 409, which is another thing here
        return problem(error, 403)
    return Response(line, headers=NO_STORE, media_type=LINES)


def checkpoint(request: Request) -> Response:
    witness: Witness = request.app.state.room.node.witness
    digest = request.path_params["digest"]
    if not _DIGEST.fullmatch(digest):
        raise NotFound("a log is named by the lower-case hex SHA-256 of its origin here")
    headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    return Response(witness.checkpoint(digest), headers=headers, media_type=LINES)


ROUTES = [
    Route("/witness/add-checkpoint", add_checkpoint, methods=["POST"]),
    Route("/witness/{digest}/checkpoint", checkpoint, methods=["GET"]),
]
