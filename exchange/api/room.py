"""What the routes stand in: the node, and a round of visits that a person may ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request

from exchange.node.node import Node

MAX_LIMIT = 100

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items a page, at most 100")]


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
    following = str(request.url.include_query_params(**{name: cursor}).replace(scheme="", netloc="")) if more else None
    return {"items": items, "next": following}
