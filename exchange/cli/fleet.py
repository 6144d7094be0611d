"""Several nodes on one machine, each a process of its own with its own directory, keys, database and port.

Each node is forked from this process after its port was bound here, so no other program can take the port in
between, and 34 nodes do not load the same libraries 34 times. They meet only over HTTP.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.context import ForkProcess
from pathlib import Path

from exchange.client import Client, SubmissionWhole
from exchange.config import Settings
from exchange.core.keys import Kind, PrivateKey
from exchange.core.note import format_vkey
from exchange.errors import Unreachable
from exchange.federation.peer import open_client
from exchange.federation.presence import readiness
from exchange.node.founding import found, write_participants
from exchange.node.keyfile import create_key
from exchange.trust.participants import Participants
from exchange.trust.quorum import keys_of

START_SECONDS = 60.0
SECONDS = 30.0  # for one answer
QUORUM_SECONDS = 60.0  # for the cosignatures of the others, which take one on an idle machine


@dataclass(frozen=True)
class DemoNode:
    """A node of the fleet: how to reach it, and the officer who signs for its State."""

    settings: Settings
    name: str
    officer: PrivateKey
    socket: socket.socket
    log_vkey: str
    witness_vkey: str

    @property
    def code(self) -> str:
        return self.settings.participant

    @property
    def token(self) -> str:
        """Of the operator, who may ask for visits."""
        return (self.settings.directory / "operator.token").read_text()


class Fleet:
    """Founded when made, running after `start()`, gone after `stop()`."""

    def __init__(
        self, folder: Path, federation: str, names: Mapping[str, str], pull_every: float, faulty: str | None = None
    ) -> None:
        """`faulty`: the one whose node has a fault switch (twofaced.py)."""
        self.folder, self._faulty = folder, faulty
        self.nodes: list[DemoNode] = []
        self._processes: list[ForkProcess] = []
        self._held: int | None = None  # the other end of the nodes' lifeline
        self.trust = folder / "peers.json"
        records = {}
        for code, name in names.items():
            listener = _reserve_port()
            port = listener.getsockname()[1]
            settings = Settings(
                directory=folder / code,
                participant=code,
                url=f"http://127.0.0.1:{port}",
                origin=f"{code.lower()}.{federation}/log",
                federation=federation,
                listen=f"127.0.0.1:{port}",
                pull_every=pull_every,
                pull_at_start=False,
            )
            officer = create_key(folder / f"{code}-officer.key", Kind.SIGNING).key
            mine = found(settings, name=name, officers=[officer.public], now=datetime.now(UTC)).records[code]
            records[code] = mine
            [witness] = keys_of(federation, mine)
            vkeys = format_vkey(mine.current_log.vkey), format_vkey(witness)
            self.nodes.append(DemoNode(settings, name, officer, listener, *vkeys))
        self.give(Participants(federation, False, records))

    def give(self, everybody: Participants) -> None:
        """The records, for whoever needs an anchor; the nodes read them where no founders sign."""
        write_participants(self.trust, everybody)
        for node in self.nodes:
            write_participants(node.settings.peers, everybody)

    def start(self) -> None:
        """Fork one process a node, and wait until each answers. Raises Unreachable."""
        from exchange import app  # loaded once, here, for all of them
        from exchange.cli import twofaced

        context = multiprocessing.get_context("fork")
        lifeline, self._held = os.pipe()
        for node in self.nodes:
            serve = twofaced.serve if node.code == self._faulty else app.serve
            process = context.Process(target=_run, args=(serve, node, lifeline, self._held), daemon=True)
            process.start()
            self._processes.append(process)
        os.close(lifeline)
        deadline = time.monotonic() + START_SECONDS
        for node in self.nodes:
            node.socket.close()
        with open_client() as client:
            for node in self.nodes:
                while (found := readiness(client, node.settings.url)) != (True, None):  # up, and the others were asked
                    if time.monotonic() > deadline:
                        raise Unreachable(f"the node of {node.code} takes nothing: {found[1] or 'it does not answer'}")
                    time.sleep(0.05)

    def stop(self) -> None:
        """Let go of the nodes: each of them ends by itself, as it would if this process were killed."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
        for process in self._processes:
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
                process.join()


def until_witnessed(client: Client, ident: str) -> SubmissionWhole:
    """The submission once it has its quorum, for which nobody has to do anything; or as it stands when that takes too long."""
    deadline = time.monotonic() + QUORUM_SECONDS
    while (found := client.submission(ident))["standing"] != "witnessed" and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _reserve_port() -> socket.socket:
    """Bound, so that nobody else gets the port, and not listening yet: who asks a node that does not run is refused at once.

    Nodes that start together ask each other what is known of their logs. On a port that listens, they would wait for one another.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def _run(serve, node: DemoNode, lifeline: int, held: int) -> None:  # type: ignore[no-untyped-def]
    """The child: its talk goes to a file of its own, its port is the one that was bound for it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.close(held)
    threading.Thread(target=_end_with_parent, args=(lifeline,), name="lifeline", daemon=True).start()
    log = os.open(node.settings.directory / "node.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    serve(node.settings, sockets=[node.socket])


def _end_with_parent(lifeline: int) -> None:
    """The parent alone holds the other end of this pipe, and never writes: it ends however the parent does, SIGKILL included."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
