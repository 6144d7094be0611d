"""A node in a process that can be traced, and the same directory brought back to life in this one."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from exchange.app import Exchange, serve
from exchange.config import read_settings
from exchange.node import indexer
from exchange.node.founding import read_participants
from tests.audit import audit
from tests.processes import end_with_parent
from tests.world import Fault, Wire, shipped_forms

NEVER = 3_600.0  # seconds
SOON = 0.02


def run_node(directory: str, said: str, indexing: bool = False) -> None:
    """The child: `cbm node run`, with what it says in a file.

    Its indexer comes when nobody can tell, so that no two runs of an act would make the same calls: it waits, but for the act that is its own.
    """
    end_with_parent()
    indexer.LINGER, indexer.RETRY = (SOON, SOON) if indexing else (NEVER, NEVER)
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 2)
    serve(read_settings(Path(directory)))


class Survivor:
    """The node of a directory, started here: whole, behind its own doors, without sockets. Left well, it is audited."""

    fault: Fault | None = None

    def __init__(self, directory: Path) -> None:
        self.directory, settings = directory, read_settings(directory)
        self.url = settings.url
        self.wire = Wire()
        self.wire.nodes[urlsplit(self.url).hostname or ""] = self  # type: ignore[assignment]

    def __enter__(self) -> Self:
        try:
            self.exchange = Exchange(read_settings(self.directory))
        except BaseException:
            self.wire.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exchange.close()
        self.wire.stop()
        if kind is None:
            audit(self.directory, read_participants(self.directory / "peers.json"), shipped_forms())
