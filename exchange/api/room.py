"""What the routes stand in: the node, and a round of visits that a person may ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlencode

from fastapi import Depends, Query, Request

from exchange.core.jsontext import MAX_INTEGER
from exchange.node.node import Node

MAX_LIMIT = 100
MAX_WORD = 200  # characters of a parameter

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items a page, at most 100")]
# Refused here, since the database would choke on more than 64 bits, and reads a pattern only up to its first NUL.
Number = Annotated[int, Query(ge=0, le=MAX_INTEGER)]
Statuses = Annotated[list[Literal["actual", "exercise", "test"]] | None, Query(max_length=3)]
Word = Annotated[str, Query(max_length=MAX_WORD, pattern=r"^[^\x00-\x1f\x7f]*$")]


@dataclass(frozen=True, slots=True)
class Room:
    """`pull` runs one round of visits and gives what it brought, as JSON values; `token` is the operator's, from a file only they can read."""

    node: Node
    pull: Callable[[], list[dict[str, Any]]]
    token: str


def _room(request: Request) -> Room:
    return cast(Room, request.app.state.room)


def _node(request: Request) -> Node:
    return _room(request).node


RoomDep = Annotated[Room, Depends(_room)]
NodeDep = Annotated[Node, Depends(_node)]


def page(request: Request, items: list[Any], limit: int, name: str, cursor: int | str | None) -> dict[str, Any]:
    """`{"items", "next"}`: the same question behind the cursor, while a full page suggests that there is more."""
    more = cursor is not None and len(items) == limit
    asked = [(key, value) for key, value in request.query_params.multi_items() if key != name]
    following = f"{request.scope['path']}?{urlencode([*asked, (name, cursor)])}" if more else None
    return {"items": items, "next": following}


def raw(media_type: str) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the answer is bytes of that type."""
    return {200: {"description": "The bytes", "content": {media_type: {"schema": {}}}}}
