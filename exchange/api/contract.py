"""/openapi.json: what the routes promise, whole and no more, so that a client can be generated from it."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from exchange.api import shapes
from exchange.api.problems import PROBLEM

_REFUSALS = {
    400: "Not what was expected; the detail says what was",
    401: "No officer of this node proved to ask, or their time is over; or a proof came with the request, and it does not hold",
    403: "The signatures, or the record behind them, or the audience of a document, do not allow it",
    404: "Nothing here by that name",
    409: "It stands in the log already, or disagrees with what does",
    412: "Somebody else has changed it since it was read",
    413: "More bytes than are taken here",
    422: "Well formed, and the rules say no",
    "5XX": "Not now, or a fault of this node; nothing was acknowledged",
}
_ETAG = {
    "description": "RFC 9110 section 8.8.3",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[!#-~]+"$'},
}
_IF_NONE_MATCH = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
_IF_NONE_MATCH |= {"description": "ETags of answers that are held already: 304 where this is one of them"}

CONDITIONAL: dict[str, Any] = {"parameters": [_IF_NONE_MATCH]}
"""For OpenAPI, which cannot see what api/etags.py reads by itself."""

Responses = dict[int | str, dict[str, Any]]


def refusals(*statuses: int | str) -> Responses:
    """For OpenAPI: the ways in which a route says no (RFC 9457)."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _REFUSALS[status], "content": content} for status in statuses}


def raw(media_type: str, **headers: Any) -> Responses:
    """For OpenAPI: the answer is bytes of that type; `headers` are schemas, with _ for -."""
    named = {name.replace("_", "-"): {"required": True, "schema": schema} for name, schema in headers.items()}
    return {200: {"description": "The bytes", "headers": named, "content": {media_type: {"schema": {}}}}}


def held(found: Responses) -> Responses:
    """With an ETag, and a short answer for those who hold this one already."""
    good = found.get(200, {})
    good = {**good, "headers": {**good.get("headers", {}), "ETag": _ETAG}}
    return {**found, 200: good, 304: {"description": "Held already", "headers": {"ETag": _ETAG}}}


def tagged(media_type: str, **headers: Any) -> Responses:
    """As `raw`, with an ETag."""
    return held(raw(media_type, **headers))


def submitted(model: type[BaseModel]) -> Responses:
    """For OpenAPI: recorded now, or before; where it stands is in `Location`. Or a batch, with an answer for each of its lines."""
    location = {"schema": {"type": "string", "format": "uri-reference"}}
    lines = {"schema": {"type": "string", "description": "a line for each of the batch: Receipted, or Problem"}}
    return {
        201: {"description": "Recorded, durably", "headers": {"Location": {"required": True, **location}}},
        200: {
            "description": "The same submission stood here before; or what became of each line of a batch",
            "model": model,
            "headers": {"Location": location},
            "content": {"application/x-ndjson": lines},
        },
    }


class Contract(FastAPI):
    """The framework's application, whose document says how this node is asked and how it refuses, where the framework would differ."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            schemas[shapes.Problem.__name__] = shapes.Problem.model_json_schema()
            for methods in document["paths"].values():
                for operation in methods.values():
                    _mend(operation)
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        return self.openapi_schema or {}


def _mend(operation: dict[str, Any]) -> None:
    """The framework's own way of refusing is never sent; and what may be left out of a query is not `null` there."""
    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
        del operation["responses"]["422"]
    for parameter in operation.get("parameters", ()):
        match parameter["schema"]:
            case {"anyOf": [{**said}, {"type": "null"}], **others}:
                parameter["schema"] = {**others, **said}
