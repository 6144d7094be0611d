"""A node of the world behind a real web server, on a socket of this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.world import WorldNode


@contextmanager
def served(node: WorldNode) -> Iterator[str]:
    """The address of the node while it is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as exchange.server does
    server = uvicorn.Server(uvicorn.Config(node.running.app, log_level="critical", lifespan="off", server_header=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
