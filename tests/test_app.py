"""The wiring: what only the web server around a node can get wrong."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from exchange.server import Server
from tests.world import World


def test_no_answer_waits_for_an_acknowledgement(tmp_path: Path) -> None:
    """Head and body of an answer are two writes: without TCP_NODELAY the second waits 40 ms on every connection that is kept."""
    with World(tmp_path, "XR") as world, socket.create_server(("127.0.0.1", 0)) as listener:
        ready = asyncio.Event()
        server = Server(world["XR"].running.app, "critical", ready.set)

        async def ask() -> int:
            running = asyncio.create_task(server.serve([listener]))
            await ready.wait()
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            connections: set[Any] = server.server_state.connections
            [connection] = connections
            kept = connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            await writer.wait_closed()
            server.should_exit = True
            await running
            return int(kept)

        assert asyncio.run(ask()) == 1
