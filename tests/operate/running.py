"""Nodes in processes of their own, on real sockets, with the real clock: what only they can show.

with RunningNode(made_node(tmp_path / "XR", "XR")) as node:
    node.submit()
"""

import secrets
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from exchange.client import Client
from exchange.config import Settings, read_settings
from exchange.core.document import OPENING_SIZE
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.pack import Pack
from exchange.node.draft import Draft, prepare
from exchange.node.founding import found
from tests import key_named, processes
from tests.databases import give_database
from tests.processes import Done, NodeProcess, environment, free_port
from tests.world import FEDERATION, body_of, shipped_forms


def cbm(*arguments: object, **more: str) -> Done:
    """Run `cbm` to its end, in a folder where nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        return processes.cbm(*arguments, cwd=Path(folder), env=environment(Path(folder), **more))


def made_node(directory: Path, code: str, **settings: Any) -> Path:
    """A node laid out in `directory`, on a port of its own; `settings` go into its node.toml, whose `database` may be another's."""
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
    if "database" not in settings:
        give_database(directory)
    with open(directory / "node.toml", "a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in settings.items())
    return directory


class RunningNode(NodeProcess):
    """`cbm node run` over a directory: answering once entered; stopped, and audited, when left."""

    @property
    def settings(self) -> Settings:
        return read_settings(self.directory)

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
    form = shipped_forms().newest("POC-02")
    assert form is not None
    payload, documents = prepare(draft, form, attachments, datetime.now(UTC), lambda: secrets.token_bytes(OPENING_SIZE))
    envelope = sign_payload(payload, [key_named(f"{settings.participant} {by}")])
    return Pack(format_envelope(envelope), documents, None, None)
