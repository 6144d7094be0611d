"""The log and every mirror, as C2SP tlog-tiles says: `checkpoint`, hash tiles and entry bundles, nothing beyond the published size.

What exists never changes and may be cached for ever; what does not exist may exist a second later, so its 404 may not be cached.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exchange.api.etags import etag_of, is_held
from exchange.api.room import Room
from exchange.core.tiles import TILE_WIDTH, parse_tile_path
from exchange.errors import Malformed, NotFound
from exchange.store import log as logs
from exchange.store.cosignatures import with_newest
from exchange.store.log import StoredLog
from exchange.store.withheld import refuse_withheld

IMMUTABLE = "public, max-age=31536000, immutable"
CHECKPOINT_CACHE = "no-cache"


def _origin(request: Request) -> str:
    """One's own origin, or that of the mirror named by hex SHA-256 of its origin or by its participant's code."""
    room: Room = request.app.state.room
    # Each thing has one spelling: `%30` for `0`, or the line feed that `$` in a route overlooks, would be a second name of it.
    spelt_out = request.scope["path"].encode()
    if request.scope.get("raw_path", spelt_out) != spelt_out:
        raise NotFound("paths of a log are spelt out, without percent signs")
    name = request.path_params.get("mirror")
    if name is None:
        return room.node.origin
    record = room.node.participants.records.get(name)
    if record is not None:
        return record.current_log.origin
    with room.node.db.read() as tx:
        return logs.log_named(tx, name).origin


def checkpoint(request: Request) -> Response:
    """As its log signed it, with the newest line of every State that is known here to have cosigned it."""
    room: Room = request.app.state.room
    with room.node.db.read() as tx:
        log = logs.log_of(tx, _origin(request))
        if log.note is None:
            raise NotFound(f"no checkpoint of {log.origin} has been seen here yet")
        note = with_newest(tx, log, log.size, log.note)
    etag = etag_of(note)
    headers = {"Cache-Control": CHECKPOINT_CACHE, "ETag": etag, "Access-Control-Allow-Origin": "*"}
    if room.trust is not None:  # who visits learns in the same answer whether we know more of who is who
        headers["CBM-Trust"] = room.trust.now_standing.tag
    headers["CBM-Heads"] = room.node.heads_mark()  # and whether any log is held here otherwise than at the last visit
    if is_held(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(note, headers=headers, media_type="text/plain; charset=utf-8")


def tile(request: Request) -> Response:
    try:
        path = parse_tile_path(request.path_params["path"])
    except Malformed as error:
        raise NotFound(f"no tile has that path: {error}") from None
    node, origin = request.app.state.room.node, _origin(request)
    if path.level is None and origin != node.origin:
        with node.db.read() as tx:
            start = path.index * TILE_WIDTH
            refuse_withheld(tx, logs.log_of(tx, origin), start, start + path.width)
    content = StoredLog(node.db, origin).tile(path)
    headers = {"Cache-Control": IMMUTABLE, "Access-Control-Allow-Origin": "*"}
    return Response(content, headers=headers, media_type="application/octet-stream")


ROUTES = [
    Route("/log/checkpoint", checkpoint, methods=["GET"]),
    Route("/log/tile/{path:path}", tile, methods=["GET"]),
    Route("/mirror/{mirror}/checkpoint", checkpoint, methods=["GET"]),
    Route("/mirror/{mirror}/tile/{path:path}", tile, methods=["GET"]),
]
