"""A small honest world: real nodes in one process, with real keys, real databases, one clock and one wire.

    with World(tmp_path, "XR", "XA") as world:
        submission = world["XR"].publish("POC-02", institution={"en": "CERT"})
        world.pull()
        world.check()

Every node is the whole application over its own directory; the wire carries HTTP between them without sockets. A fault
is a function around a real node's answers (`world["XR"].fault = ...`), never a pretended node. `check()` is the full
audit of tests/audit.py, and runs when the world ends as well.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from exchange.app import Exchange
from exchange.client import Alert, Client, Head
from exchange.config import Settings, read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.document import Document
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.form import NOT_STATED
from exchange.core.keys import PrivateKey
from exchange.core.pack import Pack
from exchange.core.statement import format_statement
from exchange.federation.peer import open_client
from exchange.node.draft import Draft, prepare
from exchange.node.founding import found, write_participants
from exchange.resources import form_files
from exchange.trust.participants import ParticipantRecord, Participants
from tests import key_named
from tests.audit import audit
from tests.databases import give_database

FEDERATION = "test.example"
START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)

Answer = tuple[int, Mapping[str, str], bytes]
Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


class Wire(httpx.BaseTransport):
    """Carries a request to the node whose host it names. No such node: refused, as a closed port would."""

    def __init__(self) -> None:
        self.nodes: dict[str, WorldNode] = {}
        self.asked: list[tuple[str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        node = self.nodes.get(request.url.host)
        if node is None or node.exchange is None:
            raise httpx.ConnectError("nobody listens there", request=request)
        self.asked.append((request.url.host, request.url.raw_path.decode()))
        content = request.read()
        inner = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        transport = httpx.ASGITransport(node.exchange.app, raise_app_exceptions=False)

        def real() -> httpx.Response:
            async def carry() -> httpx.Response:
                response = await transport.handle_async_request(inner)
                body = await response.aread()
                return httpx.Response(response.status_code, headers=response.headers, content=body, request=request)

            answer = asyncio.run_coroutine_threadsafe(carry(), self._loop).result(timeout=60)
            return httpx.Response(
                answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content), request=request
            )

        return real() if node.fault is None else node.fault(request, real)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


@dataclass(frozen=True)
class Published:
    """What a submission came to."""

    id: str
    index: int
    receipt: bytes
    parcel: Pack


class WorldNode:
    """A node of the world; `exchange` is None while it is down."""

    def __init__(self, world: "World", code: str, directory: Path, officer: PrivateKey) -> None:
        self.world, self.code, self.directory, self.officer = world, code, directory, officer
        self.origin = f"{code.lower()}.{FEDERATION}/log"
        self.exchange: Exchange | None = None
        self.fault: Fault | None = None

    @property
    def url(self) -> str:
        return f"http://{self.code.lower()}.{FEDERATION}"

    @property
    def running(self) -> Exchange:
        assert self.exchange is not None, f"{self.code} is down"
        return self.exchange

    def start(self, *, alone: bool = False) -> None:
        """As `cbm node run` does it: up, then asking the others what they know of its log."""
        self.open(alone=alone)
        self.running.recovery.ask()

    def open(self, *, alone: bool = False) -> None:
        settings = read_settings(self.directory)
        self.exchange = Exchange(settings, self.world.clock, lambda: open_client(self.world.wire), alone=alone)

    def stop(self) -> None:
        if self.exchange is not None:
            self.exchange.close()
        self.exchange = None

    def client(self) -> Client:
        return Client(self.url, transport=self.world.wire)

    def get(self, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(transport=self.world.wire) as client:
            return client.get(self.url + path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(transport=self.world.wire) as client:
            return client.post(self.url + path, **options)

    def parcel(
        self,
        form: str = "POC-02",
        *,
        attachments: tuple[tuple[str, bytes], ...] = (),
        header: Mapping[str, Any] | None = None,
        signers: tuple[PrivateKey, ...] | None = None,
        edit: Callable[[Any], Any] | None = None,
        **answers: Any,
    ) -> Pack:
        """A signed parcel, right in every respect but those that the test names; `edit` changes the statement before it is signed."""
        draft = Draft(
            {
                "federation": FEDERATION,
                "origin": self.origin,
                "participant": self.code,
                "kind": "full",
                "message": "original",
                "status": "test",
                "languages": ["en"],
                "audience": "public",  # whatever the form's default: most tests are about what everybody may see
                **(header or {}),
            },
            body_of(form, **answers),
            tuple((name, "application/pdf", "en") for name, _ in attachments),
        )
        known = self.world.catalogue.newest(form)
        assert known is not None
        payload, documents = prepare(draft, known, attachments, self.world.clock(), self.world.opening)
        if edit is not None:
            from exchange.core.statement import parse_statement

            payload = format_statement(edit(parse_statement(payload)))
        envelope = sign_payload(payload, list(signers if signers is not None else (self.officer,)))
        return Pack(format_envelope(envelope), documents, None, None)

    def submit(self, parcel: Pack) -> Published:
        with self.client() as client:
            recorded = client.submit(parcel)
        return Published(recorded["id"], recorded["index"], recorded["receipt"].encode(), parcel)

    def publish(self, form: str = "POC-02", **named: Any) -> Published:
        return self.submit(self.parcel(form, **named))

    def pull(self) -> dict[str, str | None]:
        """One round of visits to everybody; what went wrong by participant."""
        return {visit.participant: visit.error for visit in self.running.pull_round(everybody=True)}

    def heads(self) -> list[Head]:
        with self.client() as client:
            return client.heads()

    def alerts(self) -> list[Alert]:
        with self.client() as client:
            return list(client.alerts())


class World:
    """The nodes named, all in one federation, all running. `edit` changes the record of each before anybody knows it."""

    def __init__(
        self,
        folder: Path,
        *codes: str,
        audited: bool = True,
        edit: Callable[[ParticipantRecord], ParticipantRecord] = lambda record: record,
    ) -> None:
        self.now = START
        self.audited = audited
        self.wire = Wire()
        self.catalogue = shipped_forms()
        self._openings = 0
        self._lock = threading.Lock()
        records = {}
        self.nodes: dict[str, WorldNode] = {}
        for code in codes:
            node = WorldNode(self, code, folder / code, key_named(f"{code} officer 1"))
            settings = Settings(
                directory=node.directory,
                participant=code,
                url=node.url,
                origin=node.origin,
                federation=FEDERATION,
                listen="127.0.0.1:1",
                pull_at_start=False,
            )
            made = found(settings, name=code, officers=[node.officer.public], now=START).records[code]
            records[code] = edit(made)
            give_database(node.directory)
            self.nodes[code] = node
            self.wire.nodes[f"{code.lower()}.{FEDERATION}"] = node
        self.participants = Participants(FEDERATION, False, records)
        for node in self.nodes.values():
            write_participants(node.directory / "peers.json", self.participants)
            node.open()
        for node in self.nodes.values():
            node.running.recovery.ask()

    def __getitem__(self, code: str) -> WorldNode:
        return self.nodes[code]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.audited:
                self.check()
        finally:
            for node in self.nodes.values():
                node.stop()
            self.wire.stop()

    def clock(self) -> datetime:
        return self.now

    def sleep(self, **span: float) -> None:
        self.now += timedelta(**span)

    def opening(self) -> bytes:
        """32 bytes, another each time, the same in each run."""
        with self._lock:
            self._openings += 1
            return key_named(f"opening {self._openings}").seed

    def write_records(self, participants: Participants, *codes: str) -> None:
        """Give nodes (all unless named) a new peers.json; they import it on their next round."""
        for code in codes or self.nodes:
            write_participants(self.nodes[code].directory / "peers.json", participants)

    def pull(self) -> None:
        """Everybody pulls everybody; nothing may go wrong."""
        for node in self.nodes.values():
            errors = {code: error for code, error in node.pull().items() if error}
            assert not errors, errors

    def check(self) -> None:
        """The full audit of every node's directory."""
        for node in self.nodes.values():
            audit(node.directory, self.participants, self.catalogue)


@cache
def shipped_forms() -> Catalogue:
    """The forms of the checkout, parsed once: their files never change."""
    return Catalogue.from_files(form_files())


def body_of(form: str, **answers: Any) -> dict[str, Any]:
    """A body that fits: what identifies the return is answered, everything else not stated unless named."""
    known = shipped_forms().newest(form)
    assert known is not None, form
    defaults: dict[str, Any] = {
        "ICT-03": {"instrument_kind": "strategy", "name": {"en": "A strategy"}},
        "POC-02": {"role": "technical", "institution": {"en": "A response team"}},
    }.get(form, {})
    return {name: answers.get(name, defaults.get(name, NOT_STATED)) for name in known.schema["properties"]}


def renamed(document: Document, **changes: Any) -> Document:
    """The document with other fields."""
    fields = {"slot": document.slot, "name": document.name, "opening": document.opening, "content": document.content}
    return Document(**{**fields, **changes})
