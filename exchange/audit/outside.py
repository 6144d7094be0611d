"""A node as it looks from outside: what it serves over HTTP to anybody, through the client for third parties.

Not seen are rows: what it keeps and does not serve. Entry bundles and tiles come as C2SP tlog-tiles says, documents in
bulk, what is refused or waits as it is listed; the registry's lines are listed by themselves (visit.py).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from exchange.audit.documents import Row
from exchange.audit.judgement import ADMITTED, DISPUTED, REFUSED, WAITING, Judged
from exchange.audit.registry import Columns
from exchange.audit.shape import Reading
from exchange.audit.sources import LogClaim
from exchange.audit.tree import Signed
from exchange.audit.work import Rows, Task
from exchange.client import asks
from exchange.client.blocking import Blocking
from exchange.client.wire import LONG_SECONDS, Ask, bytes_of, json_of
from exchange.core.base64text import parse_base64
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, SMALL_DOCUMENT
from exchange.core.jsontext import parse_json
from exchange.core.merkle import HASH_SIZE
from exchange.core.note import MAX_NOTE
from exchange.core.tiles import MAX_ENTRY, TILE_WIDTH, TilePath, format_tile_path, parse_bundle, width_at
from exchange.errors import ExchangeError, Malformed, NotFound, Unreachable
from exchange.trust.bundle import MAX_BUNDLE
from exchange.trust.rolefile import LIMITS, ROOT

MAX_LINE = 2 * SMALL_DOCUMENT  # bytes of one line of documents
MAX_LINES = 64 * 1024 * 1024  # bytes of one answer of documents
PAGE = 100  # items of a list in one answer
DIGEST = 8  # bytes that stand for a line or a body


class Reader(Blocking):
    """What an auditor asks: the log as tiles, documents in bulk, lists whose items are any objects, since it judges them itself."""

    def node(self) -> dict[str, Any]:
        return self.ask(Ask("/v1/node", json_of(dict[str, Any])))

    def participants(self) -> dict[str, Any]:
        return self.ask(Ask("/v1/participants", json_of(dict[str, Any])))

    def form(self, code: str, version: int) -> bytes:
        return self.ask(asks.form(code, version))

    def checkpoint(self, prefix: str) -> bytes:
        return self.ask(Ask(f"{prefix}/checkpoint", bytes_of(MAX_NOTE)))

    def receipt(self, ident: str) -> bytes:
        return self.ask(asks.receipt(ident))

    def envelope(self, ident: str) -> bytes:
        return self.ask(asks.envelope(ident))

    def trust_list(self) -> tuple[bytes, bytes]:
        """The first root that it serves, and all of the founders' list."""
        root = self.ask(Ask("/trust/1.root.json", bytes_of(LIMITS[ROOT])))
        return root, self.ask(Ask("/trust/bundle", bytes_of(MAX_BUNDLE), seconds=LONG_SECONDS))

    def tile(self, prefix: str, path: TilePath) -> bytes:
        limit = path.width * (HASH_SIZE if path.level is not None else MAX_ENTRY + 2)
        return self.ask(Ask(f"{prefix}/tile/{format_tile_path(path)}", bytes_of(limit)))

    def large(self, commitment: bytes) -> bytes:
        return self.ask(Ask(f"/v1/documents/{commitment.hex()}", bytes_of(MAX_DOCUMENT), seconds=LONG_SECONDS))

    def lines(self, participant: str, origin: str, start: int, end: int) -> Iterator[bytes]:
        """The documents of the entries [start, end), a line each; of fewer entries at a time where they are large."""
        question = {"participant": participant, "origin": origin, "from": start, "to": end}
        path = asks.path_of("/v1/documents", question)
        try:
            content = self.ask(Ask(path, bytes_of(MAX_LINES), seconds=LONG_SECONDS))
        except Unreachable:
            if end - start < 2:
                raise
            middle = (start + end) // 2
            yield from self.lines(participant, origin, start, middle)
            yield from self.lines(participant, origin, middle, end)
            return
        *whole, rest = content.split(b"\n")
        if rest:
            raise Unreachable(f"{self.url}/v1/documents broke off in the middle of a line")
        yield from whole

    def listed(self, verdict: str, origin: str, start: int, end: int) -> Iterator[tuple[int, str]]:
        """(index, code) of the entries [start, end) that are listed with that verdict, in order."""
        last = start - 1
        for item in self.items(f"/v1/entries/{verdict}", origin=origin, start=start, limit=PAGE):
            index = item.get("index")
            if type(index) is not int or index <= last:
                raise Malformed(f"the entries listed as {verdict} are not in order behind {last}")
            if index >= end:
                return
            last = index
            yield index, str(item.get("code"))

    def items(self, path: str, **question: Any) -> Iterator[dict[str, Any]]:
        """All pages of a list, each item an object. Raises Unreachable for anything else."""
        return self.each(asks.listed(path, dict[str, Any], question))

    def forms(self) -> Iterator[tuple[str, int]]:
        """Which forms it has, in which versions."""
        for item in self.items("/v1/forms"):
            code, version = item.get("code"), item.get("version")
            if isinstance(code, str) and type(version) is int:
                yield code, version


@dataclass(frozen=True)
class NodePlace:
    """The address of a node. `transport` is for whoever reaches it otherwise than through the network."""

    url: str
    transport: Any = None

    @property
    def name(self) -> str:
        return self.url

    def open(self) -> "NodeSource":
        return NodeSource(self)


class NodeSource:
    whole: bool = False

    def __init__(self, place: NodePlace) -> None:
        self.reader = Reader(place.url, place.transport)

    def rows(self, log: LogClaim, task: Task) -> Rows:
        """`log.key` is (prefix, note, root): where the log is served, and the checkpoint that covers all that is asked for here."""
        _, note, root = log.key
        signed = [Signed(log.size, root, note)] if note is not None and task.end == log.size else []
        return Rows(
            entries=self._entries(log, task),
            documents=self._documents(log, task),
            tiles=self.tiles(log, task),
            checkpoints=signed,
            pieces=self._pieces,
        )

    def tiles(self, log: LogClaim, task: Task) -> Mapping[int, bytes]:
        indexes = range(task.start // TILE_WIDTH, (task.end + TILE_WIDTH - 1) // TILE_WIDTH)
        found = {index: self.tile(log.key[0], 0, index, log.size) for index in indexes}
        return {index: tile for index, tile in found.items() if tile is not None}

    def tile(self, prefix: str, level: int, index: int, size: int) -> bytes | None:
        try:
            return self.reader.tile(prefix, TilePath(level, index, width_at(level, index, size)))
        except NotFound:
            return None

    def _entries(self, log: LogClaim, task: Task) -> Iterator[Row]:
        claims = {
            index: (verdict, code)
            for verdict in (DISPUTED, REFUSED, WAITING)
            for index, code in self.reader.listed(verdict, log.origin, task.start, task.end)
        }
        for number in range(task.start // TILE_WIDTH, (task.end + TILE_WIDTH - 1) // TILE_WIDTH):
            width = width_at(0, number, log.size)
            try:
                bundle = parse_bundle(self.reader.tile(log.key[0], TilePath(None, number, width)), width)
            except Unreachable:
                raise
            except ExchangeError as error:
                raise Malformed(f"its bundle {number} is not served as it should be: {error}") from None
            for index, entry in enumerate(bundle, number * TILE_WIDTH):
                yield index, entry, None, *claims.get(index, (ADMITTED, None))

    def _documents(self, log: LogClaim, task: Task) -> Iterator[Row]:
        last = task.start
        for start in range(task.start, task.end, TILE_WIDTH):
            for line in self.reader.lines(log.participant, log.origin, start, min(start + TILE_WIDTH, task.end)):
                row = _row(line)
                if not last <= row[0] < task.end:
                    raise Malformed(f"documents are not in order: one of entry {row[0]} comes after {last}")
                last = row[0]
                yield row

    def _pieces(self, commitment: bytes) -> Iterator[bytes]:
        try:
            yield self.reader.large(commitment)
        except NotFound as error:
            raise Malformed(str(error)) from None

    def listing(self, judged: Judged, reading: Reading, columns: Columns) -> bytes:
        """What `line_digest` gives for the line that should be listed."""
        shape = reading.shape
        participant, code, version, obligations = columns.before
        first, last, *_ = columns.behind
        index, _, origin = (judged.since or "").partition(" ")
        return _digest(
            {
                "participant": participant,
                "form": code,
                "form_version": version,
                "obligations": str(obligations).split(),
                "issued": reading.issued,
                "period": None if first is None else {"from": first, "to": last},
                "return": shape.return_,
                "message": shape.message,
                "status": shape.status,
                "disputed": None if judged.since is None else {"origin": origin, "index": int(index)},
                "documents": [
                    {
                        "slot": slot.slot,
                        "media_type": slot.media_type,
                        "language": slot.language,
                        "audience": slot.audience,
                        "commitment": commitment.hex(),
                    }
                    for slot, commitment in zip(shape.slots, reading.commitments, strict=True)
                ],
            }
        )

    def body(self, content: bytes) -> bytes:
        return body_digest(orjson.loads(content))

    def relent(self) -> bool:
        return False

    def close(self) -> None:
        self.reader.close()


_LISTED = (
    *("participant", "form", "form_version", "obligations", "issued", "period", "return", "message", "status"),
    "disputed",
)
_DOCUMENT = ("slot", "media_type", "language", "audience", "commitment")


def line_digest(item: Mapping[str, Any]) -> bytes:
    """What a line of the registry says of its entry: not what follows from other entries, and not what is held just now."""
    documents = [{name: document.get(name) for name in _DOCUMENT} for document in item["documents"]]
    return _digest({name: item.get(name) for name in _LISTED} | {"documents": documents})


def body_digest(body: Any) -> bytes:
    return _digest(body)


def _digest(value: Any) -> bytes:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()[:DIGEST]


def _row(line: bytes) -> Row:
    """A line of documents. Raises Malformed."""
    try:
        value = parse_json(line, limit=MAX_LINE)
        index, slot, size = value["index"], value["slot"], value["size"]
        if type(index) is not int or type(slot) is not str or type(size) is not int:
            raise Malformed("index and size are numbers, slot is a text")
        content = None if value["content"] is None else parse_base64(value["content"])
        opening = parse_base64(value["opening"], length=OPENING_SIZE)
        return index, slot, None, None, None, None, None, True, value["name"], size, content, opening
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"a line of documents is not as it should be ({type(error).__name__})") from None
