"""Where an audit reads: the directory of a node, or (outside.py) its address. Neither is believed; both only hand out what is there.

A place is a small value that goes to every process of the audit; each opens it for itself. All processes on one
database read one snapshot, so a node that is written to meanwhile looks as it did at one moment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from exchange.audit.documents import Row
from exchange.audit.judgement import Judged
from exchange.audit.registry import Columns
from exchange.audit.shape import Reading
from exchange.audit.tree import Signed
from exchange.audit.work import Rows, Task, View
from exchange.core.tiles import TILE_WIDTH
from exchange.errors import Malformed
from exchange.store.extract import Extract

PIECE = 64 * 1024  # bytes of a large document read at a time


class LogClaim(NamedTuple):
    """A log as its node describes it. `size` is that of its head; entries up to `stored` are there; `key` is its name in its source."""

    key: Any
    origin: str
    participant: str
    ordinal: int
    vkey: str | None
    own: bool
    size: int
    stored: int


class RecordClaim(NamedTuple):
    """One version of a participant record as it was kept; `sha256` is None where nobody says."""

    participant: str
    sha256: bytes | None
    record: Any


class Source(View, Protocol):
    """Two real ones: `DirectorySource`, which sees every row, and `outside.NodeSource`, which sees what the node serves."""

    def rows(self, log: LogClaim, task: Task) -> Rows:
        """Raises Malformed, also where its rows are read, for what does not read."""

    def tiles(self, log: LogClaim, task: Task) -> Mapping[int, bytes]:
        """The lowest tiles of these entries, as far as they read."""

    def relent(self) -> bool:
        """Show more of what is not as it should be; False where that is all it can do."""

    def close(self) -> None: ...


class Place(Protocol):
    @property
    def name(self) -> str: ...

    def open(self) -> Source: ...


@dataclass(frozen=True)
class DirectoryPlace:
    """The directory of a node, and where its settings say that the data lies."""

    directory: Path
    database: str
    documents: Path

    @property
    def name(self) -> str:
        return str(self.directory)

    def open(self) -> "DirectorySource":
        return DirectorySource(self)


class DirectorySource:
    """A node's own database and document files."""

    whole: bool = True

    def __init__(self, place: DirectoryPlace) -> None:
        self._place = place
        self.extract = Extract(place.database)

    def logs(self) -> list[LogClaim]:
        return [
            LogClaim(key, origin, participant, ordinal, vkey, bool(own), size, stored)
            for key, origin, participant, ordinal, vkey, own, size, stored in self.extract.rows("logs")
        ]

    def settings(self) -> dict[str, str]:
        return dict(self.extract.rows("settings"))

    def records(self) -> Iterator[RecordClaim]:
        """Every version, by participant and then as they came."""
        return (RecordClaim(*row) for row in self.extract.rows("records"))

    def rows(self, log: LogClaim, task: Task) -> Rows:
        extract = self.extract
        first, last = task.start // TILE_WIDTH, (task.end + TILE_WIDTH - 1) // TILE_WIDTH
        # The checkpoint of nothing belongs to no entry: it goes with the first run.
        above = task.start if task.start else -1
        return Rows(
            entries=extract.rows("entries", log.key, task.start, task.end),
            documents=extract.rows("documents", log.key, task.start, task.end),
            tiles=self.hashes(log, 0, first, last),
            checkpoints=list(self.checkpoints(log, above, task.end)),
            pieces=self.pieces,
        )

    def hashes(self, log: LogClaim, level: int, first: int, end: int) -> Mapping[int, bytes]:
        return {index: hashes for index, hashes in self.extract.rows("tiles", log.key, level, first, end)}

    def tiles(self, log: LogClaim, task: Task) -> Mapping[int, bytes]:
        try:
            return self.hashes(log, 0, task.start // TILE_WIDTH, (task.end + TILE_WIDTH - 1) // TILE_WIDTH)
        except Malformed:
            return {}

    def checkpoints(self, log: LogClaim, above: int, most: int) -> Iterator[Signed]:
        return (Signed(*row) for row in self.extract.rows("checkpoints", log.key, above, most))

    def listing(self, judged: Judged, reading: Reading, columns: Columns) -> bytes:
        return b""

    def body(self, content: bytes) -> bytes:
        return b""

    def stray(self, what: str, *values: Any) -> Iterator[Row]:
        """What lies outside every run."""
        return self.extract.rows(what, *values)

    def pieces(self, commitment: bytes) -> Iterator[bytes]:
        """The content of a large document, from its file."""
        name = commitment.hex()
        path = self._place.documents / name[:2] / name
        try:
            with open(path, "rb") as file:
                while piece := file.read(PIECE):
                    yield piece
        except OSError as error:
            raise Malformed(f"its file does not read: {error.strerror}") from None

    def relent(self) -> bool:
        return self.extract.relent()

    def close(self) -> None:
        self.extract.close()
