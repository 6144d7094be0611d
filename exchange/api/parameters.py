"""What a question is made of: parameters that the route knows, each said once unless it is a list.

Guarantee: nothing in a query is passed over in silence. A misspelt filter that is ignored gives a longer list, and who
asked takes it for the answer; of a filter said twice, two readers would take two values.
"""

from collections.abc import Iterable
from typing import Any, get_args, get_origin

from fastapi import Request

from exchange.errors import Malformed

SHOWN = 40  # characters of a name that somebody else wrote


async def only_known(request: Request) -> None:
    """For every route of the contract: refuse what its function does not name. Not a plain function: that would cost a thread."""
    route = request.scope["route"]
    if request.scope["query_string"] and route.include_in_schema:
        fields = route.dependant.query_params
        lists = [field.alias for field in fields if _is_list(field.field_info.annotation)]
        check_parameters(request, [field.alias for field in fields], lists)


def check_parameters(request: Request, known: Iterable[str], lists: Iterable[str] = ()) -> None:
    """Raises Malformed for a parameter that is not `known`, and for one that comes twice and is none of the `lists`."""
    if not request.scope["query_string"]:
        return
    known, lists, seen = set(known), set(lists), set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise Malformed(f"there is no parameter {name[:SHOWN]!r} here; known: {takes}", pointer=_pointer(name))
        if name in seen and name not in lists:
            raise Malformed(f"the parameter {name!r} is said twice, and only one can be meant", pointer=_pointer(name))
        seen.add(name)


def _pointer(name: str) -> str:
    """RFC 6901 section 3."""
    return "/" + name[:SHOWN].replace("~", "~0").replace("/", "~1")


def _is_list(annotation: Any) -> bool:
    """`list[...]`, whatever is written around it."""
    return get_origin(annotation) is list or any(_is_list(each) for each in get_args(annotation))
