"""Nodes in processes of their own, on real sockets, with the real clock: what only they can show.

with RunningNode(made_node(tmp_path / "XR", "XR")) as node:
    node.submit()
"""

import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from exchange.client import Client
from exchange.config import Settings, read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.document import OPENING_SIZE
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.pack import Pack
from exchange.errors import Unreachable
from exchange.node.draft import Draft, prepare
from exchange.node.founding import found, read_participants
from exchange.resources import form_files
from tests import engine, key_named
from tests.audit import audit
from tests.postgres import fresh_database
from tests.world import FEDERATION, body_of

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
CATALOGUE = Catalogue.from_files(form_files())


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CBM_", "XDG_", "FORCE_COLOR"))}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **more}


def cbm(*arguments: object, **more: str) -> Done:
    """Run `cbm` to its end."""
    command = [sys.executable, "-m", "exchange", *map(str, arguments)]
    ended = subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=SECONDS)
    return Done(ended.returncode, ended.stdout, ended.stderr)


def made_node(directory: Path, code: str, *, sqlite: bool = False, **settings: Any) -> Path:
    """A node laid out in `directory`, on a port of its own; `settings` go into its node.toml."""
    port = free_port()
    laid_out = Settings(
        directory=directory,
        participant=code,
        url=f"http://127.0.0.1:{port}",
        origin=f"{code.lower()}.{FEDERATION}/log",
        federation=FEDERATION,
        listen=f"127.0.0.1:{port}",
        pull_at_start=False,
    )
    found(laid_out, name=code, officers=[key_named(f"{code} officer 1").public], now=datetime.now(UTC))
    with open(directory / "node.toml", "a") as file:
        if engine.name == "postgresql" and not sqlite:
            file.write(f'database = "{fresh_database()}"\n')
        file.writelines(f"{name} = {value}\n" for name, value in settings.items())
    return directory


def free_port() -> int:
    """A port that nobody listens on, outside the range that outgoing connections are given theirs from: a node comes back to it."""
    while True:
        port = random.randrange(20_000, 30_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


class RunningNode:
    """`cbm node run` over a directory: answering once entered; stopped, and audited, when left."""

    def __init__(
        self, directory: Path, *arguments: str, before: Callable[[], None] | None = None, audited: bool = True
    ) -> None:
        self.directory, self.settings, self.audited = directory, read_settings(directory), audited
        self.url = f"http://{self.settings.listen}"
        self._arguments, self._before = arguments, before

    def __enter__(self) -> Self:
        self._said = open(self.directory.parent / f"{self.directory.name}.said", "ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "exchange", "node", "run", str(self.directory), *self._arguments],
            env=environment(),
            stdout=self._said,
            stderr=self._said,
            preexec_fn=self._before,
        )
        deadline = time.monotonic() + SECONDS
        with Client(self.url) as client:
            while True:
                try:
                    client.node()
                    return self
                except Unreachable:
                    assert self.process.poll() is None and time.monotonic() < deadline, self.said
                    time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        code = self.process.wait(SECONDS)
        self._said.close()
        if kind is None:
            assert code in (0, -signal.SIGTERM), self.said
            if self.audited:
                audit(self.directory, read_participants(self.settings.peers), CATALOGUE)

    @property
    def said(self) -> str:
        return (self.directory.parent / f"{self.directory.name}.said").read_text()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, trust_env=False)

    def submit(self, parcel: Pack | None = None) -> int:
        """A submission of the State's first officer; its index."""
        with Client(self.url) as client:
            return int(client.submit(parcel or parcel_for(self.settings))["index"])


def parcel_for(settings: Settings, *attachments: tuple[str, bytes], by: str = "officer 1") -> Pack:
    """A signed return, of now."""
    header = {
        "federation": settings.federation,
        "origin": settings.origin,
        "participant": settings.participant,
        "kind": "full",
        "message": "original",
        "status": "test",
        "languages": ["en"],
    }
    draft = Draft(header, body_of("POC-02"), tuple((name, "application/pdf", "en") for name, _ in attachments))
    form = CATALOGUE.newest("POC-02")
    assert form is not None
    payload, documents = prepare(draft, form, attachments, datetime.now(UTC), lambda: secrets.token_bytes(OPENING_SIZE))
    envelope = sign_payload(payload, [key_named(f"{settings.participant} {by}")])
    return Pack(format_envelope(envelope), documents, None, None)
