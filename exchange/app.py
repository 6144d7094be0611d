"""The wiring: the only file that knows every room."""

import gc
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from exchange import __version__
from exchange.api import (
    alerts,
    contacts,
    documents,
    door,
    drafts,
    forgotten,
    log,
    metrics,
    node,
    obligations,
    officers,
    participants,
    problems,
    submissions,
    trust,
    witness,
)
from exchange.api.contract import Contract, refusals
from exchange.api.marks import Marked
from exchange.api.methods import Headed
from exchange.api.parameters import only_known
from exchange.api.ready import Ready
from exchange.api.room import Room
from exchange.config import Settings
from exchange.core.keys import Kind
from exchange.errors import ExchangeError, Misuse
from exchange.federation.cosigners import Cosigners
from exchange.federation.examine import ReadForms
from exchange.federation.founders import TrustList
from exchange.federation.heads import confront
from exchange.federation.lines import take_note
from exchange.federation.peer import open_client, prover
from exchange.federation.pull import Puller
from exchange.federation.rounds import Rounds, Visit
from exchange.federation.trustlist import import_peers
from exchange.files import write_token
from exchange.node.findings import Findings
from exchange.node.inbox import read_inbox
from exchange.node.indexer import Indexer
from exchange.node.keyfile import open_key
from exchange.node.node import Clock, Node, utc_now
from exchange.node.recovery import Recovery
from exchange.node.sessions import Sessions
from exchange.node.term import let_go
from exchange.node.timekeeper import Timekeeper
from exchange.node.twin import Twin
from exchange.server import Server, listen
from exchange.store.readers import is_held_back, release_due
from exchange.workers import Workers

_logger = logging.getLogger("exchange.app")


class Exchange:
    """A node with its door, its visits and its timer. `start()` may be left out by a test that drives the rounds itself."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock = utc_now,
        client_for: Callable[[], Any] | None = None,
        *,
        alone: bool = False,
    ) -> None:
        # A pull makes many small values and no circles: looking for those as often as Python does would cost it a tenth.
        gc.set_threshold(100_000, 50, 100)
        self.settings = settings
        self.node = Node(settings, clock)
        try:
            self._peers_seen: int | None = None
            self.trust = self._trust_list()
            self._workers = Workers(settings.workers, ReadForms.of(self.node.catalogue)) if settings.workers else None
            puller = Puller(
                self.node.db,
                self.node.files,
                lambda: self.node.participants,
                self.node.catalogue,
                clock,
                workers=self._workers,
                own=settings.participant,
                on_note=self._take_note,
            )
            transport = settings.keys / "transport.key"
            held = open_key(transport, kind=Kind.TRANSPORT).key if transport.exists() else None
            self.prove = None if held is None else prover(held, clock)
            client = (client_for or open_client)()
            self.rounds = Rounds(
                puller,
                own=settings.participant,
                own_origin=settings.origin,
                timeout=settings.peer_timeout,
                on_own_head=self._own_head,
                on_head=self.node.witness.take_over,
                afterwards=self._after_round,
                trust=self.trust,
                prove=self.prove,
                client_for=lambda: client,
            )
            self._findings = Findings(self.node)
            self.import_records()
            self.node.eraser.look()  # before anything is served
            self.cosigners = Cosigners(
                self.node.db,
                client,
                own=settings.participant,
                origin=settings.origin,
                participants=lambda: self.node.participants,
                clock=clock,
            )
            self.node.appender.committed = self.cosigners.wake
            self.node.witness.bring = self._bring
            self.node.witness.suspect = lambda origin, note: confront(self.node.db, origin, note, clock())
            self.token = write_token(settings.directory / "operator.token")
            self.app = build_app(
                Room(self.node, self.pull_now, self.token, Sessions(self.node), self._workers, self.trust)
            )
            self._stop = threading.Event()
            self._timer = threading.Thread(target=self._keep_pulling, name="timer", daemon=True)
            self.twin = Twin(self.node, lambda: self.rounds.own_face(settings.url))
            self.recovery = Recovery(self.node, self.rounds.first_look, alone=alone)
            self.indexer = Indexer(self.node.db, self.node.space.why)
            self.timekeeper = Timekeeper(self.node, self.rounds.clocks, alone=alone)
            self.node.appender.start()
        except BaseException:
            self.node.close()
            raise

    def _trust_list(self) -> TrustList | None:
        """The founders' list above the pinned root, where the operator was given one."""
        path = self.settings.root
        if path is None:
            return None
        try:
            root = path.read_bytes()
        except OSError as error:
            raise Misuse(f"cannot read the founders' root {path}: {error.strerror}") from None
        relay = self.settings.keys / "relay.key"
        return TrustList(
            self.node.db,
            root,
            federation=self.settings.federation,
            catalogue=self.node.catalogue,
            clock=self.node.clock,
            accept=self.node.load_participants,
            relay=open_key(relay, kind=Kind.RELAY).key if relay.exists() else None,
        )

    def import_records(self) -> None:
        """From the founders' list, where a root was pinned, else from peers.json if it was changed. Raises where it cannot be used."""
        if self.trust is None:
            self._import_peers()
            return
        offered = read_inbox(self.settings.trust_inbox)
        for url in self.settings.trust_from:
            try:
                offered += self.rounds.fetch_trust(url)
            except ExchangeError as error:
                _logger.warning("the trust list at %s: %s", url, error)
        self.trust.take(offered)
        if self.settings.participant not in self.node.participants.records:
            raise Misuse(
                f"the founders' trust list is not here yet: put it into {self.settings.trust_inbox}, or name a node that has it (trust_from)"
            )

    def _import_peers(self) -> None:
        """The last good records stay where the file cannot be used."""
        path = self.settings.peers
        try:
            changed = path.stat().st_mtime_ns
            if changed == self._peers_seen:
                return
            content = path.read_bytes()
        except OSError as error:
            raise Misuse(f"cannot read {path}: {error.strerror}") from None
        found = import_peers(
            self.node.db,
            content,
            self.settings.federation,
            self.node.catalogue,
            self.node.clock(),
            self.node.load_participants,
        )
        self._peers_seen = changed
        for code, why in found.refused.items():
            _logger.error("the record of %s was not imported: %s", code, why)

    def _refresh_records(self) -> None:
        """A file that was spoilt under a running node stops no visit: it is told in the log each round until it is mended."""
        try:
            self.import_records()
        except ExchangeError as error:
            _logger.error("nothing was imported, the last good records stay: %s", error)

    def _bring(self, origin: str, seconds: float) -> None:
        """What a witness needs before it signs. Raises LogStopped where the disk has no room for it."""
        self.node.space.check()
        self.rounds.bring(origin, seconds)

    def _own_head(self, note: bytes, witness: str) -> None:
        """What somebody holds of our own log. Two heads under our key that no history leads to both of are kept as proof, against us too."""
        if self.node.consider_foreign_head(note, witness):
            confront(self.node.db, self.settings.origin, note, self.node.clock())
            self.node.stop_if_convicted()

    def _take_note(self, origin: str, note: bytes) -> None:
        """A visit found this checkpoint with these lines, and its entries are here. A line of our own may be news to a restored node."""
        self.node.witness.look_back(origin)
        taken = take_note(self.node.db, self.node.participants, origin, note, self.node.clock())
        if self.settings.participant in taken:
            self.node.witness.take_over(origin, note)

    def pull_now(self) -> list[dict[str, Any]]:
        """One round, for a person who asked."""
        self._before_round()
        return [asdict(visit) for visit in self.rounds.run()]

    def pull_round(self, *, everybody: bool = False) -> list[Visit]:
        """One round as the timer runs it."""
        self._before_round()
        return self.rounds.run(pause=self.settings.pull_every, everybody=everybody)

    def _before_round(self) -> None:
        """Raises LogStopped where the disk has no room for what a round may bring."""
        self._refresh_records()
        let_go(self.node)
        self.node.eraser.look()
        self.twin.look_again()
        self.recovery.ask()
        self.timekeeper.ask_again()
        self.node.space.check()
        self._release()

    def _after_round(self) -> None:
        self._findings.look()
        self._release()
        self.node.eraser.look()

    def _release(self) -> None:
        """Open the documents whose day has come by what witnesses vouch for."""
        with self.node.db.read() as tx:
            waits = is_held_back(tx)
        while waits:
            with self.node.db.write() as tx:
                waits = release_due(tx, self.node.participants, self.node.clock()) > 0

    def start(self) -> None:
        for start in (self.recovery.start, self._timer.start, self.indexer.start, self.cosigners.start):
            start()

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
        self.cosigners.stop()
        self.rounds.stop()
        self.recovery.close()
        if self._timer.is_alive():
            self._timer.join(timeout=5)
        if self._workers is not None:
            self._workers.close()
        self.indexer.close()
        self.node.close()


def build_app(room: Room) -> FastAPI:
    """The HTTP face of a node."""
    app = Contract(
        title="CBM exchange node",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        # Nobody is told who asks here for what, and to look each time whether somebody might be takes longer than a look-up.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redirect_slashes=False,  # one path for each thing: what is not there is a 404, never a redirect
    )
    app.state.room = room
    app.router.routes[:0] = _routes()
    problems.install(app)
    marked = Marked(door.Front(app.build_middleware_stack()), lambda: room.node.participants.live)
    app.middleware_stack = Headed(Ready(marked, room.node))
    return app


@cache
def _routes() -> list[BaseRoute]:
    """The same for every node of this process: what a route takes and answers is worked out at its first request, once."""
    router = APIRouter(responses=refusals(400, "5XX"), dependencies=[Depends(only_known)])
    for room in (
        door,
        node,
        submissions,
        documents,
        contacts,
        participants,
        obligations,
        alerts,
        officers,
        drafts,
        forgotten,
        metrics,
    ):
        router.include_router(room.router)
    # The log's routes stand first: they are asked for most, and by every peer.
    return [*log.ROUTES, *witness.ROUTES, *trust.ROUTES, *router.routes]


def serve(
    settings: Settings,
    on_ready: Callable[[], None] = lambda: None,
    sockets: list[socket.socket] | None = None,
    *,
    alone: bool = False,
) -> None:
    """Run the node until it is told to stop (SIGTERM, SIGINT), on `sockets` where they are bound already; `on_ready` once it answers."""
    exchange = Exchange(settings, alone=alone)
    try:
        listening = sockets or [listen(settings)]
        exchange.start()
        Server(exchange.app, settings.log_level, on_ready).run(listening)
    finally:
        exchange.close()
