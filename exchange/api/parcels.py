"""What `POST /v1/submissions` takes, for OpenAPI, which cannot see what api/request.py reads by itself."""

from typing import Any

from exchange.api.shapes import BASE64


def _fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "additionalProperties": False, "properties": properties}


_OPENING = {**BASE64, "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"}
_DOCUMENT = _fields(slot={"type": "string"}, name={"type": "string"}, opening=_OPENING, content=BASE64)
_PARTS = "The parts `envelope`, then `opening` and `content` of each document, in the order of the statement"
_LINES = "Up to 1,000 lines, each as in `application/json`, each ending in a line feed"

# For OpenAPI, which cannot see what api/request.py reads by itself.
SUBMISSION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _fields(envelope=BASE64, documents={"type": "array", "items": _DOCUMENT}),
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": _LINES}},
            "multipart/form-data": {"schema": {"type": "object", "description": _PARTS}},
        },
    }
}
