"""Who asks: what a route depends on that answers some more than others.

Guarantees: no proof is the public. A proof that does not hold is refused (401), never taken for the public. The address that must have
been signed is this node's own, from its settings, with the path and query as they came: a `Host` header is not read. A proof counts
once, for all processes of the node: its nonce is recorded behind its signature, so nobody who cannot sign fills that table. What is
answered to somebody who proved who they are is kept by no cache. schemas/README.md section 23, core/httpsig.py.

A request without a proof costs no thread and no question to the database.
"""

import asyncio
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import Scope

from exchange.api.request import read_body
from exchange.api.room import Room
from exchange.config import Settings
from exchange.core import httpsig
from exchange.core.httpsig import CONTENT_DIGEST, OFFICER, SIGNATURE, SIGNATURE_INPUT, Proven, verify_proof
from exchange.core.keys import Kind, PublicKey
from exchange.errors import ProofRefused
from exchange.node.node import Node
from exchange.store.nonces import remember
from exchange.trust.asker import NOBODY, Asker
from exchange.trust.audience import Reach, reach

MAX_SIGNED_BODY = 64 * 1024  # bytes
_OF_PROOF = (SIGNATURE_INPUT.encode(), SIGNATURE.encode())
_HEADERS = (*_OF_PROOF, CONTENT_DIGEST.encode())
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def is_signed(scope: Scope) -> bool:
    """Whether anything in it claims to prove who asks."""
    return any(name in _OF_PROOF for name, _ in scope["headers"])


def is_somebody(scope: Scope) -> bool:
    """The same, or that an officer signed in before."""
    return any(name in _OF_PROOF or name == b"authorization" for name, _ in scope["headers"])


def bearer_of(scope: Scope) -> str | None:
    """The token of a session (api/officers.py), where one came."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].decode("latin-1"))
    return None


async def _asker(request: Request) -> Asker:
    scope = request.scope
    if not is_signed(scope):
        return NOBODY
    room: Room = request.app.state.room
    node = room.node
    lines: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        if name in _HEADERS:
            lines.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
    method = scope.get("asked", scope["method"])
    body = b"" if method in ("GET", "HEAD") else await read_body(request, MAX_SIGNED_BODY)
    now = int(node.clock().timestamp())
    found = _verified(node, method, _path(scope), body, lines, now)
    if not await asyncio.to_thread(_is_new, node, found, now):
        raise ProofRefused("it was used before: every request is signed anew")
    who = _holder(node, found.keyid, found.tag)
    if who is None:
        raise ProofRefused("its key was closed just now")
    return who[1]


def _verified(node: Node, method: str, path: str, body: bytes, lines: dict[str, list[str]], now: int) -> Proven:
    """For one of this node's own addresses; what is wrong is told of the first."""

    def key_of(keyid: str, tag: str) -> PublicKey | None:
        who = _holder(node, keyid, tag)
        return None if who is None else who[0]

    refused = None
    for url, tags in _addresses(node.settings):
        try:
            found = verify_proof(httpsig.Request(method, url + path, body), lines, now, key_of)
        except ProofRefused as error:
            refused = refused or error
            continue
        if found.tag in tags:
            return found
    raise refused or ProofRefused("not signed for this address")


def _addresses(settings: Settings) -> list[tuple[str, tuple[str, ...]]]:
    """As others know this node; and for its own officers, as it is reached on its own machine."""
    found: list[tuple[str, tuple[str, ...]]] = [(settings.url, httpsig.TAGS)]
    if settings.listen.rpartition(":")[0] in _LOOPBACK:
        found.append((f"http://{settings.listen}", (OFFICER,)))
    return found


def _path(scope: Scope) -> str:
    """As it was written in the request, with the query."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")


def _holder(node: Node, keyid: str, tag: str) -> tuple[PublicKey, Asker] | None:
    """The key of that id that is in force, and as whom it asks: a transport key for its participant's node, an officer's at their own."""
    own = tag == OFFICER
    records = node.participants.records
    mine = records.get(node.settings.participant)
    for record in ([] if mine is None else [mine]) if own else records.values():
        key = record.key(keyid)
        if key is None:
            continue
        kind = Kind.SIGNING if own else Kind.TRANSPORT
        # A key that its State closed from anywhere on proves nothing any more: positions are for what stands in logs.
        if key.kind is not kind or key.before is not None or not isinstance(key.public_key, PublicKey):
            return None
        return key.public_key, Asker.officer(record, frozenset(key.roles)) if own else Asker.node(record)
    return None


def _is_new(node: Node, proven: Proven, now: int) -> bool:
    with node.db.write(silent=True) as tx:
        return remember(tx, proven.keyid, proven.nonce, proven.expires, now)


AskerDep = Annotated[Asker, Depends(_asker)]


async def _reach(request: Request, asker: AskerDep) -> Reach:
    """An officer who signed in reads as their session says, one who signed the request as their key does."""
    if asker is NOBODY and (token := bearer_of(request.scope)) is not None:
        room: Room = request.app.state.room
        asker = (await asyncio.to_thread(room.sessions.who, token, room.token)).asker
    return reach(asker)


ReachDep = Annotated[Reach, Depends(_reach)]
"""What whoever asks may read."""
