"""The web server: one socket, bound before anything is promised, and an end that returns to its caller. What it reads: wire.py."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from exchange.config import Settings
from exchange.errors import Misuse
from exchange.wire import Protocol


def listen(settings: Settings) -> socket.socket:
    """The port, before anything is promised. Raises Misuse where another program has it, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise Misuse(
            f"cannot listen on {settings.listen} ({error.strerror}); the setting `listen`, or CBM_LISTEN, names another port"
        ) from None


class Server(uvicorn.Server):
    """Says when it answers, and ends by returning: the original raises the signal again, which would skip our own closing."""

    def __init__(self, app: ASGIApp, log_level: str, on_ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            # Said, for uvicorn would take whatever happens to be installed.
            http=Protocol,
            loop="uvloop",
            ws="none",
            log_level=log_level,
            access_log=log_level == "debug",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            # asyncio does it only for sockets that it made: head and body go out by themselves, and the second would wait
            # 40 ms for the first to be acknowledged. Connections inherit it.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
