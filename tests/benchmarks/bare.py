"""What a look-up is measured against: endpoints of bare Starlette on the server that every node runs on.

python -m tests.benchmarks.bare FILE     says {"port"}; /json answers the JSON value in FILE, made anew each time, /bytes its bytes
"""

import os
import signal
import socket
import sys
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exchange.server import Server
from tests.benchmarks.child import Child, answer, when_parent_goes

JSON, BYTES = "/json", "/bytes"


class Bare(Child):
    def __init__(self, path: Path) -> None:
        super().__init__("bare", path)
        self.url = f"http://127.0.0.1:{self.hear()['port']}"


def main() -> None:
    content = Path(sys.argv[1]).read_bytes()
    value = orjson.loads(content)

    async def as_json(_: Request) -> Response:
        return JSONResponse(value)

    async def as_bytes(_: Request) -> Response:
        return Response(content, media_type="application/json")

    app = Starlette(routes=[Route(JSON, as_json), Route(BYTES, as_bytes)])
    when_parent_goes(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Server(app, "warning", lambda: answer(port=listening.getsockname()[1])).run([listening])


if __name__ == "__main__":
    main()
