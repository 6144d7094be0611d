"""What the routes stand in: the node, and a round of visits that a person may ask for."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from exchange.api import shapes
from exchange.core.catalogue import Catalogue
from exchange.core.jsonfields import is_digest, read_period
from exchange.core.jsontext import MAX_INTEGER
from exchange.errors import Malformed
from exchange.federation.founders import TrustList
from exchange.node.node import Node
from exchange.node.sessions import Sessions
from exchange.workers import Workers

MAX_LIMIT = 100
MAX_WORD = 200  # characters of a parameter

# Each thing has one spelling: `05`, ` 5`, `+5`, `5.0`, `yes` and `on` are refused, for what one reader takes another may not.
_PLAIN = re.compile(r"0|-?[1-9][0-9]*")
_FLAGS = {"true": True, "false": False}


def _plain(text: Any) -> Any:
    if isinstance(text, str) and not _PLAIN.fullmatch(text):
        raise PydanticCustomError("plain", "a whole number in plain digits was expected")
    return text


def _flag(text: Any) -> Any:
    if isinstance(text, str) and text not in _FLAGS:
        raise PydanticCustomError("flag", "true or false was expected")
    return _FLAGS.get(text, text)


def _span(text: str) -> str:
    try:
        read_period(text, text, "")
    except Malformed as error:
        raise PydanticCustomError("span", "{why}", {"why": str(error)}) from None
    return text


def _question(text: str) -> str:
    if not any(map(str.isalnum, text)):
        raise PydanticCustomError("question", "a word to search for was expected, with a letter or digit in it")
    return text


def _id(text: str) -> str:
    if not is_digest(text):
        raise PydanticCustomError("id", "64 lower-case hex digits were expected")
    return text


_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"

# The types of parameters.
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items a page, at most 100"), BeforeValidator(_plain)]
# Refused here, since the database would choke on more than 64 bits, and reads a pattern only up to its first NUL.
Number = Annotated[int, Query(ge=0, le=MAX_INTEGER), BeforeValidator(_plain)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Statuses = Annotated[Annotated[list[Literal["actual", "exercise", "test"]], Field(max_length=3)] | None, Query()]
Word = Annotated[str, Query(max_length=MAX_WORD, pattern=_NO_CONTROLS)]
Question = Annotated[
    str,
    Query(
        max_length=MAX_WORD, pattern=_NO_CONTROLS, description='words, "phrases" and begin*, which must all be there'
    ),
    AfterValidator(_question),
    WithJsonSchema(
        {"type": "string", "maxLength": MAX_WORD, "pattern": r"^[^\x00-\x1f\x7f]*[\p{L}\p{N}][^\x00-\x1f\x7f]*$"}
    ),
]
Id = Annotated[str, AfterValidator(_id), WithJsonSchema(shapes.DIGEST)]
PathId = Annotated[str, WithJsonSchema(shapes.DIGEST)]
"""Checked by whoever looks it up: a path that is none is malformed, not merely not there."""
Span = Annotated[str, AfterValidator(_span), WithJsonSchema(shapes.SPAN)]


@dataclass(frozen=True, slots=True)
class Room:
    """`pull` runs one round of visits and gives what it brought, as JSON values; `token` is the operator's, from a file only they can read;
    `workers` are processes that check signatures, where there are any.
    """

    node: Node
    pull: Callable[[], list[dict[str, Any]]]
    token: str
    sessions: Sessions
    workers: Workers[Catalogue] | None = None
    trust: TrustList | None = None


# Both are coroutines since the framework sends every plain function to a thread, which costs more than they do.
async def _room(request: Request) -> Room:
    return cast(Room, request.app.state.room)


async def _node(request: Request) -> Node:
    return (await _room(request)).node


RoomDep = Annotated[Room, Depends(_room)]
NodeDep = Annotated[Node, Depends(_node)]


def page(request: Request, items: list[Any], limit: int, name: str, cursor: int | str | None) -> dict[str, Any]:
    """`{"items", "next"}`: the same question behind the cursor, while a full page suggests that there is more."""
    more = cursor is not None and len(items) == limit
    asked = [(key, value) for key, value in request.query_params.multi_items() if key != name]
    following = f"{request.scope['path']}?{urlencode([*asked, (name, cursor)])}" if more else None
    return {"items": items, "next": following}
