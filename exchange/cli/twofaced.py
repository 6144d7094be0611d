"""A node with a fault switch, for the demonstration of a fork: a real node that can be made to show another log than the one it keeps.

Guarantees. No other node can come to this: `cbm node run` and the wiring cannot import this file (imports point down, and it is on the
top floor), no setting, variable, route or file of theirs reaches it, only the fleet of `cbm demo` starts it, for one node that it names, and
it serves no federation but the demonstration's own. With the switch off it answers what the node answers.

The switch is a file beside the node's database. It holds a `Face`: what whoever asks now is shown of the log, signed with the log's
real key, by path. What is asked for otherwise, the node's own life included, goes on as in any node.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from exchange.config import Settings
from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.document import Document
from exchange.core.dsse import parse_envelope
from exchange.core.keys import Kind
from exchange.core.merkle import leaf_hash, root_of
from exchange.core.statement import parse_statement
from exchange.core.tiles import TILE_WIDTH, TilePath, format_bundle, format_tile_path
from exchange.errors import Misuse
from exchange.files import write_whole
from exchange.node.keyfile import open_key

FEDERATION = "demo.example"  # a name that nobody can own (RFC 2606), so no federation in earnest has it
SWITCH = "two-faces.json"
DOCUMENTS = "/v1/documents"

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Face:
    """A log as one audience is shown it: its head, and what is answered under which path."""

    head: Checkpoint
    note: bytes
    answers: Mapping[str, bytes]


def make_face(settings: Settings, entries: Sequence[bytes], documents: Sequence[Document]) -> Face:
    """A log of these entries, with the documents of the last one, under the key of the log that the node keeps."""
    if settings.federation != FEDERATION:
        raise Misuse(f"two faces are shown in {FEDERATION} and nowhere else")
    if not 0 < len(entries) < TILE_WIDTH:
        raise Misuse(f"a face has 1 to {TILE_WIDTH - 1} entries, so that one tile holds it")
    hashes = [leaf_hash(entry) for entry in entries]
    head = Checkpoint(settings.origin, len(entries), root_of(hashes))
    note = sign_checkpoint(head, open_key(settings.keys / "log.key", kind=Kind.LOG).key)
    answers = {
        "/log/checkpoint": note,
        f"/log/tile/{format_tile_path(TilePath(0, 0, len(entries)))}": b"".join(hashes),
        f"/log/tile/{format_tile_path(TilePath(None, 0, len(entries)))}": format_bundle(entries),
        DOCUMENTS: _lines(entries, documents),
    }
    return Face(head, note, answers)


def _lines(entries: Sequence[bytes], documents: Sequence[Document]) -> bytes:
    """The documents of the last entry as a node offers them (api/documents.py)."""
    commitments = {ref.slot: ref.commitment for ref in parse_statement(parse_envelope(entries[-1]).payload).documents}
    lines = (
        {
            "index": len(entries) - 1,
            "slot": document.slot,
            "commitment": commitments[document.slot],
            "name": document.name,
            "opening": format_base64(document.opening),
            "size": len(document.content),
            "content": format_base64(document.content),
        }
        for document in documents
    )
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def show(settings: Settings, face: Face) -> None:
    """From now on, to whoever asks."""
    shown = {path: format_base64(body) for path, body in face.answers.items()}
    write_whole(settings.directory / SWITCH, orjson.dumps(shown))


class TwoFaced:
    """Around the whole application of a node."""

    def __init__(self, inner: Asgi, settings: Settings) -> None:
        if settings.federation != FEDERATION:
            raise Misuse(f"a node with a fault switch runs in {FEDERATION} and nowhere else")
        self._inner, self._switch = inner, settings.directory / SWITCH
        self._own = f"participant={settings.participant}&".encode()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = self._shown(scope)
        if body is None:
            await self._inner(scope, receive, send)
            return
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _shown(self, scope: Message) -> bytes | None:
        """What is answered in the node's place; None where it answers itself."""
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "GET" or not path.startswith(("/log/", DOCUMENTS)):
            return None
        if path == DOCUMENTS and not scope["query_string"].startswith(self._own):
            return None
        return _read(self._switch).get(path)


def _read(switch: Path) -> dict[str, bytes]:
    if not switch.exists():
        return {}
    return {path: parse_base64(body) for path, body in orjson.loads(switch.read_bytes()).items()}


def serve(settings: Settings, sockets: list[socket.socket]) -> None:
    """As app.serve runs a node, with the switch around it."""
    from exchange.app import Exchange  # here, so that the other verbs start without a web server's half second
    from exchange.server import Server

    exchange = Exchange(settings)
    try:
        exchange.start()
        Server(TwoFaced(exchange.app, settings), settings.log_level, lambda: None).run(sockets)
    finally:
        exchange.close()
