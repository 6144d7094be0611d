"""The wiring: the only file that knows every room."""

import logging
import os
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response

from exchange import __version__
from exchange.api import alerts, contacts, documents, log, node, participants, problems, submissions
from exchange.api.room import Room
from exchange.config import Settings
from exchange.errors import ExchangeError, Misuse
from exchange.federation.pull import Puller
from exchange.federation.rounds import Rounds, Visit
from exchange.federation.trustlist import import_peers
from exchange.node.node import Clock, Node, utc_now

_logger = logging.getLogger("exchange.app")


class Exchange:
    """A node with its door, its visits and its timer. `start()` may be left out by a test that drives the rounds itself."""

    def __init__(self, settings: Settings, clock: Clock = utc_now, client_for: Callable[[], Any] | None = None) -> None:
        self.settings = settings
        self.node = Node(settings, clock)
        try:
            self._peers_seen: int | None = None
            self.import_records()
            puller = Puller(self.node.db, self.node.files, lambda: self.node.participants, self.node.catalogue, clock)
            clients = {"client_for": client_for} if client_for is not None else {}
            self.rounds = Rounds(
                puller,
                own=settings.participant,
                own_origin=settings.origin,
                timeout=settings.peer_timeout,
                on_own_head=self.node.consider_foreign_head,
                **clients,
            )
            self.token = _write_token(settings.directory / "operator.token")
            self.app = build_app(Room(self.node, self.pull_now, self.token))
            self._stop = threading.Event()
            self._timer = threading.Thread(target=self._keep_pulling, name="timer", daemon=True)
            self.rounds.first_look()
            self.node.appender.start()
        except BaseException:
            self.node.close()
            raise

    def import_records(self) -> None:
        """Read peers.json if it is new or was changed. One that cannot be used is told in the log; the last good records stay."""
        path = self.settings.peers
        try:
            changed = path.stat().st_mtime_ns
            if changed == self._peers_seen:
                return
            found = import_peers(
                self.node.db, path.read_bytes(), self.settings.federation, self.node.catalogue, self.node.clock()
            )
        except OSError as error:
            raise Misuse(f"cannot read {path}: {error.strerror}") from None
        self._peers_seen = changed
        for code, why in found.refused.items():
            _logger.error("the record of %s was not imported: %s", code, why)
        self.node.load_participants(found.participants)

    def pull_now(self) -> list[dict[str, Any]]:
        """One round, for a person who asked."""
        self.import_records()
        return [asdict(visit) for visit in self.rounds.run()]

    def pull_round(self, *, everybody: bool = False) -> list[Visit]:
        """One round as the timer runs it."""
        self.import_records()
        return self.rounds.run(pause=self.settings.pull_every, everybody=everybody)

    def start(self) -> None:
        self._timer.start()

    def _keep_pulling(self) -> None:
        wait = 0.0 if self.settings.pull_at_start else self.settings.pull_every
        while not self._stop.wait(wait):
            wait = self.settings.pull_every
            try:
                self.pull_round()
            except ExchangeError as error:
                _logger.error("this round was left out: %s", error)
            except Exception:
                _logger.exception("this round was left out")

    def close(self) -> None:
        self._stop.set()
        if self._timer.is_alive():
            self._timer.join(timeout=5)
        self.node.close()


def build_app(room: Room) -> FastAPI:
    """The HTTP face of a node."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title="CBM exchange node", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.room = room
    # The log's routes stand first: they are asked for most, and by every peer.
    app.router.routes[:0] = log.ROUTES
    for router in (
        node.router,
        submissions.router,
        documents.router,
        contacts.router,
        participants.router,
        alerts.router,
    ):
        app.include_router(router)
    problems.install(app)

    @app.middleware("http")
    async def mark(request: Request, call_next: Callable[[Request], Any]) -> Response:
        """A trial federation marks every answer; nothing is sniffed into another type."""
        response: Response = await call_next(request)
        if not room.node.participants.live:
            response.headers["CBM-Federation"] = "trial"
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return app


def _write_token(path: Path) -> str:
    """A fresh token each start, readable by the operator alone."""
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token


def serve(
    settings: Settings, on_ready: Callable[[], None] = lambda: None, sockets: list[socket.socket] | None = None
) -> None:
    """Run the node until it is told to stop (SIGTERM, SIGINT), on `sockets` where they are bound already."""
    exchange = Exchange(settings)
    config = uvicorn.Config(
        exchange.app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=settings.log_level == "debug",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    exchange.start()
    try:
        on_ready()
        server.run(sockets)
    finally:
        exchange.close()
