"""A node with a fault, to see that the soak finds it: a real node whose every answer leaves something behind.

python -m tests.soak.faulty DIR [memory] [files] [slow]
"""

import os
import signal
import sys
from typing import IO, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from exchange import app as wiring
from exchange.cli import main as cbm
from tests.benchmarks.child import when_parent_goes

MEMORY = 1024 * 1024  # bytes kept of each request


class Faulty:
    """Around the whole application, where a careless cache or an unclosed file would be."""

    def __init__(self, inner: ASGIApp, faults: list[str]) -> None:
        self._inner, self._faults = inner, faults
        self._kept: list[bytes] = []
        self._open: list[IO[Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if "memory" in self._faults:
                self._kept.append(b"x" * MEMORY)
            if "files" in self._faults:
                self._open.append(open(os.devnull))  # noqa: SIM115 - the leak that it is
        await self._inner(scope, receive, send)


def main() -> None:
    directory, *faults = sys.argv[1:]
    when_parent_goes(lambda: os.kill(os.getpid(), signal.SIGTERM))
    build = wiring.build_app
    wiring.build_app = lambda *arguments: Faulty(build(*arguments), faults)  # type: ignore[assignment]
    sys.argv = ["cbm", "node", "run", directory]
    cbm()


if __name__ == "__main__":
    main()
