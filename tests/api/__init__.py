"""What the tests of the HTTP face share: how every refusal looks, and requests that no decent client would send."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import orjson
from starlette.types import Message

from exchange.core.base64text import format_base64
from exchange.core.pack import Pack
from exchange.resources import FORMS
from tests.world import WorldNode

PROBLEM = jsonschema_rs.Draft202012Validator(orjson.loads((FORMS.parent / "problem.v1.json").read_bytes()))
URL = "/v1/submissions"
JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
BOUNDARY = "a-boundary-of-the-tests"
PARTS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True)
class Answer:
    """What came back to a raw request, and how much of its body the server took before."""

    status_code: int
    headers: httpx.Headers
    content: bytes
    taken: int

    def json(self) -> Any:
        return orjson.loads(self.content)


def ask(
    node: WorldNode,
    method: str,
    path: str,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    body: Iterable[bytes] = (),
    *,
    hang_up: bool = False,
    query: bytes = b"",
    pause: float = 0.0,
) -> Answer:
    """The application itself, asked with exactly these bytes; `hang_up` closes the connection where the body ends.

    `pause` is a time in seconds before each piece.
    """
    pieces: Iterator[bytes] = iter(body)
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        "server": ("xr.test.example", 80),
        "client": ("192.0.2.1", 4321),
    }
    taken = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal taken
        if pause:
            await asyncio.sleep(pause)
        piece = next(pieces, None)
        if piece is None:
            return {"type": "http.disconnect"} if hang_up else {"type": "http.request", "body": b"", "more_body": False}
        taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(node.running.app(scope, receive, send))
    start, content = sent[0], b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(start["status"], httpx.Headers(start["headers"]), content, taken)


def refused(answer: httpx.Response | Answer, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, which must be the one expected, and look as every refusal does."""
    assert answer.headers["content-type"] == "application/problem+json", answer.content[:200]
    problem: dict[str, Any] = answer.json()
    assert PROBLEM.is_valid(problem), problem
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert problem["detail"] and problem["next_step"] and problem["title"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cbm-federation"] == "trial"
    assert ("retry-after" in answer.headers) == (status == 503)
    if not problem["detail"].startswith("there is no /"):  # which repeats what was asked for
        for secret in (b"Traceback", b"site-packages", b".sqlite", b"/tmp", b'File "', b"/work/"):
            assert secret not in answer.content, answer.content
    return problem


def offer(parcel: Pack) -> dict[str, Any]:
    """The JSON in which a parcel of small documents is submitted."""
    return {
        "envelope": format_base64(parcel.envelope),
        "documents": [
            {
                "slot": document.slot,
                "name": document.name,
                "opening": format_base64(document.opening),
                "content": format_base64(document.content),
            }
            for document in parcel.documents
        ],
    }


def post(node: WorldNode, value: Any) -> httpx.Response:
    """A value as JSON, or bytes as they are, at the door."""
    return node.post(URL, content=value if isinstance(value, bytes) else orjson.dumps(value), headers=JSON)


def lines_of(*offered: Any) -> bytes:
    """A batch of values as JSON, or of lines as they are."""
    return b"".join((one if isinstance(one, bytes) else orjson.dumps(one)) + b"\n" for one in offered)


def part(name: str, content: bytes = b"", header: bytes = b"") -> bytes:
    """One part of a multipart body, with the boundary before it."""
    head = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode()
    return head + header + b"\r\n" + content


def parts(parcel: Pack) -> list[bytes]:
    """The parts in which a parcel is submitted; CLOSING follows them."""
    found = [part("envelope", parcel.envelope)]
    for document in parcel.documents:
        opening = {"slot": document.slot, "name": document.name, "opening": format_base64(document.opening)}
        found += [part("opening", orjson.dumps(opening)), part("content", document.content)]
    return found


CLOSING = f"\r\n--{BOUNDARY}--\r\n".encode()


def kept(node: WorldNode) -> tuple[bytes, list[str]]:
    """Everything that a refusal must leave as it is: the heads, what was admitted under them, and the files of documents."""
    files = (path for path in Path(node.running.settings.documents).rglob("*") if path.is_file())
    return node.get("/v1/heads").content, sorted(str(path) for path in files)
