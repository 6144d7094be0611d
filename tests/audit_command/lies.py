"""Lies of a node: functions around its real answers. Each changes one thing, as a dishonest operator could."""

from collections.abc import Callable
from typing import Any

import httpx
import orjson

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.keys import Kind, PrivateKey
from exchange.core.merkle import leaf_hash
from exchange.node.keyfile import open_key
from tests import key_named
from tests.world import WorldNode

XR, XA = "xr.test.example/log", "xa.test.example/log"

Answer = Callable[[httpx.Request, httpx.Response], bytes | None]
Lie = Callable[[WorldNode], Answer]
"""Made for a node: what it answers instead, None for the truth."""
Item = dict[str, Any]
Where = Callable[[Item], bool]


def tell(node: WorldNode, lie: Lie) -> None:
    """From now on the node answers so."""
    change = lie(node)

    def fault(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
        answer = real()
        content = change(request, answer)
        if content is None:
            return answer
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        stream = httpx.ByteStream(content)
        return httpx.Response(answer.status_code, headers=headers, stream=stream, request=request)

    node.fault = fault


def of(path: str, change: Callable[[bytes], bytes]) -> Lie:
    """Another content under paths that begin like this."""

    def answer(request: httpx.Request, real: httpx.Response) -> bytes | None:
        return change(real.read()) if request.url.path.startswith(path) and real.is_success else None

    return lambda _: answer


def value_of(path: str, change: Callable[[Any], None]) -> Lie:
    """The JSON at this path, changed in place."""

    def answer(request: httpx.Request, real: httpx.Response) -> bytes | None:
        if request.url.path != path:
            return None
        value = orjson.loads(real.read())
        change(value)
        return orjson.dumps(value)

    return lambda _: answer


def everywhere(_: Item) -> bool:
    return True


def change_items(path: str, where: Where = everywhere, **changes: Any) -> Lie:
    """Other words in those items of a list; `a__b` is b within a."""

    def change(value: Any) -> None:
        for item in filter(where, value["items"]):
            for name, new in changes.items():
                *outer, last = name.split("__")
                inner = item
                for part in outer:
                    inner = inner[part]
                inner[last] = new

    return value_of(path, change)


def hide_items(path: str, where: Where = everywhere) -> Lie:
    def change(value: Any) -> None:
        value["items"] = [item for item in value["items"] if not where(item)]

    return value_of(path, change)


def at(index: int, origin: str = XR) -> Where:
    """The line of that entry."""
    return lambda item: bool((item["origin"], item["index"]) == (origin, index))


def by(participant: str) -> Where:
    return lambda item: bool(item["participant"] == participant)


def edit(index: int, **changes: Any) -> Lie:
    """Other words in one line of the registry."""
    return change_items("/v1/submissions", at(index), **changes)


def invent(index: int) -> Lie:
    """A line more, like the first, for something that nobody submitted."""

    def change(value: Any) -> None:
        value["items"] += [
            {**item, "id": "00" * 32, "series": "00" * 32, "index": index} for item in value["items"][:1]
        ]

    return value_of("/v1/submissions", change)


def documents(where: Where = everywhere, **changes: Any) -> Lie:
    """Only those lines of documents, and other words in that of the small attachment."""

    def change(content: bytes) -> bytes:
        lines = [line for line in map(orjson.loads, content.splitlines()) if where(line)]
        return b"".join(orjson.dumps(line | changes if line["slot"] == "a1" else line) + b"\n" for line in lines)

    return of("/v1/documents", lambda content: change(content) if content[:1] == b"{" else content)


def flip(spot: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        place = spot % len(content)
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return change


def another_tree(key: str | None, size: int = 5) -> Lie:
    """A checkpoint over nobody's entries, signed by the log's own key or by another."""

    def lie(node: WorldNode) -> Answer:
        own = open_key(node.directory / "keys" / "log.key", kind=Kind.LOG).key
        assert isinstance(own, PrivateKey)
        note = sign_checkpoint(Checkpoint(XR, size, leaf_hash(b"nothing")), own if key is None else key_named(key))
        return of("/log/checkpoint", lambda _: note)(node)

    return lie
