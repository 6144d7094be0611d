"""Nodes for benchmarks: their folders on either database, and real ones that run as `cbm node run` does.

python -m tests.benchmarks.nodes DIR     the node in DIR, until the parent goes
"""

import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exchange.cli import main as cbm
from exchange.client import Client
from exchange.config import Settings, read_settings
from exchange.errors import Unreachable
from exchange.node.founding import found, read_participants, write_participants
from exchange.trust.participants import ParticipantRecord, Participants
from tests.benchmarks.child import Child, when_parent_goes
from tests.benchmarks.entries import FEDERATION, officers, origin_of
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.shelf import log_key
from tests.builders import record
from tests.postgres import fresh_database, server_pid
from tests.processes import free_port

ENGINES = ("sqlite", "postgresql")
START_SECONDS = 600.0  # a node reads its whole log before it answers


def lay_out(directory: Path, code: str, engine: str, **more: Any) -> Settings:
    """A new node, known to nobody; `more` are settings as they stand in node.toml."""
    port = free_port()
    more = {"pull_every": 86_400.0, "pull_at_start": False, "peer_timeout": 600.0, "log_level": "warning", **more}
    if engine == "postgresql":
        more["database"] = fresh_database()
    settings = Settings(
        directory=directory,
        participant=code,
        url=f"http://127.0.0.1:{port}",
        origin=origin_of(code),
        federation=FEDERATION,
        listen=f"127.0.0.1:{port}",
        **more,
    )
    found(settings, name=code, officers=[key.public for key in officers(code)], now=datetime.now(UTC))
    path = directory / "node.toml"
    written = tomllib.loads(path.read_text())
    with path.open("a") as file:
        file.writelines(f"{name} = {_toml(value)}\n" for name, value in more.items() if name not in written)
    return read_settings(directory)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def peer_record(code: str, url: str) -> ParticipantRecord:
    """Of a State whose log is a shelf."""
    return record(code, origin=origin_of(code), log=log_key(code), signing=officers(code), node_url=url)


def own_record(directory: Path) -> ParticipantRecord:
    return read_participants(directory / "peers.json").records[read_settings(directory).participant]


def introduce(directory: Path, records: Iterable[ParticipantRecord]) -> None:
    """Let the node know these States beside its own."""
    mine = own_record(directory)
    known = {mine.participant: mine, **{each.participant: each for each in records}}
    write_participants(directory / "peers.json", Participants(FEDERATION, False, known))


class RealNode(Child):
    """A node in a process of its own, answering once made; `module` may be another that takes DIR and more."""

    def __init__(self, directory: Path, module: str = "nodes", *more: str) -> None:
        super().__init__(module, directory, *more, talk=directory / "talk.txt")
        self.directory = directory
        self.url = f"http://{read_settings(directory).listen}"
        deadline = time.monotonic() + START_SECONDS
        with Client(self.url) as client:
            while True:
                try:
                    client.node()
                    return
                except Unreachable:
                    if not self.alive or time.monotonic() > deadline:
                        self.close()
                        talk = (directory / "talk.txt").read_text()
                        raise RuntimeError(f"the node in {directory} does not answer: {talk}") from None
                    time.sleep(0.05)

    @property
    def size(self) -> int:
        """How long its own log is."""
        with Client(self.url) as client:
            return int(client.node()["size"])


class Cores:
    """How many processors each of some processes kept busy, on average, while the block ran."""

    def __init__(self, engine: str, **processes: int) -> None:
        self._processes = dict(processes)
        if engine == "postgresql":
            self._processes["PostgreSQL"] = server_pid()
        self.used: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), {name: cpu_seconds(pid) for name, pid in self._processes.items()}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        began, before = self._began
        seconds = time.perf_counter() - began
        self.used = {name: (cpu_seconds(pid) - before[name]) / seconds for name, pid in self._processes.items()}

    def __str__(self) -> str:
        return ", ".join(f"{name} {used:.2f}" for name, used in self.used.items())


def main() -> None:
    when_parent_goes(lambda: os.kill(os.getpid(), signal.SIGTERM))
    sys.argv = ["cbm", "node", "run", sys.argv[1]]
    cbm()


if __name__ == "__main__":
    main()
