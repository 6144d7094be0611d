"""ETags: an answer that the asker holds already is not sent again (RFC 9110 section 13.1.2)."""

import hashlib
import re

from starlette.requests import Request

_TAG = re.compile(r'"[^"]*"')


def etag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


def is_held(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this answer: one of a list, over several lines, weakened by a cache (`W/`), or `*`."""
    lines = request.headers.getlist("if-none-match")
    return any(line.strip() == "*" or etag in _TAG.findall(line) for line in lines)
