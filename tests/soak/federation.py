"""The nodes of a soak: real ones, each a process, who pull each other all the time; the last keeps its data in PostgreSQL."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine

from exchange.client import Client, Head
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.federation.peer import open_client
from exchange.federation.presence import readiness
from exchange.node.founding import read_participants
from exchange.resources import form_files
from tests.audit import audit
from tests.benchmarks.machine import folder_bytes, memory_mib, open_files
from tests.benchmarks.nodes import RealNode, introduce, lay_out, own_record
from tests.postgres import server_pid
from tests.soak.load import Pace

CODES = ("XR", "XA", "XI", "XB")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """One look at one node."""

    at: float  # seconds since the start
    memory: float  # MiB
    files: int  # open ones
    disk: int  # bytes of data
    wal: float  # MiB
    entries: int  # of all logs that it holds


class Federation:
    """Every node knows every other. `faults` names what is wrong with some of them."""

    def __init__(self, folder: Path, codes: tuple[str, ...], pace: Pace, faults: dict[str, tuple[str, ...]]) -> None:
        self.directories = {code: folder / code for code in codes}
        self._faults = faults
        self._stack = ExitStack()
        self.nodes: dict[str, RealNode] = {}
        self._databases: dict[str, Engine] = {}
        for code, directory in self.directories.items():
            engine = "postgresql" if code == CODES[-1] else "sqlite"
            lay_out(directory, code, engine, pull_every=pace.pull_every, pull_at_start=True, peer_timeout=30.0)
        for directory in self.directories.values():
            introduce(directory, [own_record(other) for other in self.directories.values() if other != directory])

    def start(self) -> None:
        for code, directory in self.directories.items():
            module = "tests.soak.faulty" if code in self._faults else "nodes"
            self.nodes[code] = self._stack.enter_context(RealNode(directory, module, *self._faults.get(code, ())))
            # A connection for each look: one that stays open would keep a snapshot, or a file, in the way of what is measured.
            self._databases[code] = create_engine(read_settings(directory).database_url, poolclass=NullPool)

        with open_client() as client:
            for node in self.nodes.values():
                while readiness(client, node.url) != (True, None):  # each asks the others before it takes anything
                    time.sleep(0.05)

    def sample(self, code: str, at: float) -> Sample:
        node, directory = self.nodes[code], self.directories[code]
        with Client(node.url) as client:
            entries = sum(head["size"] for head in client.heads())
        wal = directory / "data" / "cbm.sqlite-wal"
        written = wal.stat().st_size / MIB if wal.exists() else 0.0
        disk = folder_bytes(directory / "data" / "documents") + self._database_bytes(code)
        return Sample(at, memory_mib(node.pid), open_files(node.pid), disk, written, entries)

    def _database_bytes(self, code: str) -> int:
        """As the database counts: its file grows by leaps, when the write-ahead log is written back."""
        database = self._databases[code]
        with database.connect() as connection:
            if database.dialect.name == "postgresql":
                return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
            pages, size = (
                int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in ("page_count", "page_size")
            )
            return pages * size

    @property
    def pids(self) -> list[int]:
        """Everything that runs for this soak but the harness itself."""
        servers = [server_pid() for database in self._databases.values() if database.dialect.name == "postgresql"]
        return [node.pid for node in self.nodes.values()] + servers

    def pull(self) -> None:
        """Everybody visits everybody once more, now that nobody submits."""
        for code, node in self.nodes.items():
            token = (self.directories[code] / "operator.token").read_text()
            with Client(node.url) as client:
                client.pull(token)

    def heads(self) -> dict[str, list[Head]]:
        return {code: _heads(node.url) for code, node in self.nodes.items()}

    def alerts(self) -> list[str]:
        found = []
        for code, node in self.nodes.items():
            with Client(node.url) as client:
                found += [f"{code} raised {alert['kind']}: {alert['summary']}" for alert in client.alerts()]
        return found

    def stop(self) -> None:
        self._stack.close()

    def audit(self) -> None:
        """Every node's directory, after it stopped."""
        for directory in self.directories.values():
            audit(directory, read_participants(directory / "peers.json"), Catalogue.from_files(form_files()))


def _heads(url: str) -> list[Head]:
    with Client(url) as client:
        return client.heads()
