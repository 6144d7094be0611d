"""The trust list under `/trust/`: a TUF repository with consistent snapshots, for anybody's client, and all of it as one bundle.

Every version that ever counted here stays under its name for ever. `timestamp.json` is the newest word of a relay whose snapshot
lists nothing that is not here: a client that follows it finds everything.
"""

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exchange.api.etags import etag_of, is_held
from exchange.api.room import Room
from exchange.core.vocabulary import is_participant_code
from exchange.errors import NotFound
from exchange.federation.founders import Standing
from exchange.store.trust import file_of, files_of
from exchange.trust.contents import published
from exchange.trust.rolefile import ROLES, TARGETS

IMMUTABLE = "public, max-age=31536000, immutable"
_VERSIONED = re.compile(r"([1-9][0-9]{0,15})\.([A-Za-z0-9-]{2,20})\.json")
_TARGET = re.compile(r"targets/(?:participants/[0-9a-f]{64}\.([A-Z0-9-]{2,20})|[0-9a-f]{64}\.federation)\.json")


def _room(request: Request) -> tuple[Room, Standing]:
    room: Room = request.app.state.room
    if room.trust is None:
        raise NotFound("this node goes by its operator's list of records; no founders sign it")
    spelt_out = request.scope["path"].encode()
    if request.scope.get("raw_path", spelt_out) != spelt_out:
        raise NotFound("paths of the trust list are spelt out, without percent signs")
    return room, room.trust.now_standing


def _changing(request: Request, content: bytes, media_type: str) -> Response:
    etag = etag_of(content)
    headers = {"Cache-Control": "no-cache", "ETag": etag, "Access-Control-Allow-Origin": "*"}
    if is_held(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def bundle(request: Request) -> Response:
    _, standing = _room(request)
    return _changing(request, standing.bundle, "application/octet-stream")


def timestamp(request: Request) -> Response:
    _, standing = _room(request)
    held = standing.held
    here = {file.role: file.version for file in (*held.files.values(), *([held.targets] if held.targets else []))}
    whole = [
        word
        for word in held.words.values()
        if all(here.get(role, 0) >= version for role, version in word.versions.items())
    ]
    if not whole:
        raise NotFound("no relay has vouched yet for what is held here")
    newest = max(whole, key=lambda word: (word.timestamp.version, word.timestamp.content))
    return _changing(request, newest.timestamp.raw, "application/json")


def file(request: Request) -> Response:
    room, _ = _room(request)
    path = request.path_params["path"]
    content = None
    if match := _VERSIONED.fullmatch(path):
        version, role = int(match[1]), match[2]
        if role in ROLES or is_participant_code(role):
            with room.node.db.read() as tx:
                content = file_of(tx, role, version)
    elif match := _TARGET.fullmatch(path):
        content = _target(room, path, match[1] or TARGETS)
    if content is None:
        raise NotFound(f"nothing of the trust list has the name {path[:80]!r}")
    headers = {"Cache-Control": IMMUTABLE, "Access-Control-Allow-Origin": "*"}
    return Response(content, headers=headers, media_type="application/json")


def _target(room: Room, path: str, role: str) -> bytes | None:
    with room.node.db.read() as tx:
        for kept in files_of(tx, role):
            if path in (found := published(kept)):
                return found[path]
    return None


ROUTES = [
    Route("/trust/bundle", bundle, methods=["GET"]),
    Route("/trust/timestamp.json", timestamp, methods=["GET"]),
    Route("/trust/{path:path}", file, methods=["GET"]),
]
