"""A node starts on its own data, alone, and on nothing that does not lead to what it signed."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from exchange.config import read_settings
from exchange.core.base64text import format_base64
from exchange.core.keys import Kind
from exchange.core.note import ED25519, Vkey
from exchange.errors import ExchangeError, InUse, KeyFileExposed, LogStopped, Malformed, Misuse, NotFound
from exchange.node.keyfile import create_key, open_secret
from exchange.node.node import Node
from exchange.trust.participants import Participants
from tests import key_named
from tests.databases import bring_back, copy_node, give_database, hand_in, no_longer_final
from tests.world import World, WorldNode

PDF = (("strategy.pdf", b"%PDF-1.4 " + bytes(100_000)),)


@contextmanager
def another_state(node: WorldNode) -> Iterator[None]:
    """The node is down, and may be changed by hand; all is put back afterwards."""
    node.stop()
    kept = copy_node(node.directory, node.directory.with_name("kept"))
    try:
        yield
    finally:
        node.stop()
        bring_back(kept, node.directory)
    node.start()


def refuses(node: WorldNode, error: type[ExchangeError], match: str) -> None:
    with pytest.raises(error, match=match):
        node.start()


def test_a_second_node_in_this_process_refuses(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].running
        refuses(world["XR"], InUse, f"pid {os.getpid()}")
        assert world["XR"].exchange is first
        assert world["XR"].publish().index == 0


def test_a_second_process_refuses_and_touches_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        token = (world["XR"].directory / "operator.token").read_text()
        command = [sys.executable, "-m", "exchange", "node", "run", str(world["XR"].directory)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode != 0
        assert f"another process (pid {os.getpid()}) runs the node" in second.stderr
        assert (world["XR"].directory / "operator.token").read_text() == token
        assert world["XR"].publish().index == 0


def test_a_restart_goes_on_where_the_log_ended(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        head = world["XR"].get("/log/checkpoint").content
        world["XR"].stop()
        world["XR"].start()
        assert world["XR"].get("/log/checkpoint").content == head
        assert world["XR"].get(f"/v1/submissions/{first.id}/receipt").content == first.receipt
        assert world["XR"].publish().index == 1


def test_a_node_that_never_signed_begins_with_the_empty_tree(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        assert world["XR"].get("/log/checkpoint").text.splitlines()[1] == "0"
        assert world["XR"].get("/readyz").status_code == 200


def test_a_refused_start_lets_go_of_the_lock(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].stop()
        key = world["XR"].directory / "keys" / "log.key"
        key.chmod(0o644)
        refuses(world["XR"], KeyFileExposed, "0644")
        key.chmod(0o600)
        world["XR"].start()


@pytest.mark.parametrize(
    ("kind", "error", "match"),
    [(Kind.LOG, Misuse, "not the one that began it"), (Kind.WITNESS, Misuse, "a log key is wanted")],
)
def test_another_log_key_is_refused(tmp_path: Path, kind: Kind, error: type[ExchangeError], match: str) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].stop()
        key = world["XR"].directory / "keys" / "log.key"
        key.rename(key.with_name("kept"))
        Path(f"{key}.pub").rename(f"{key}.kept")
        create_key(key, kind)
        refuses(world["XR"], error, match)
        key.with_name("kept").rename(key)
        world["XR"].start()


def test_the_database_of_another_participant_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with World(tmp_path, "XR", "XA") as world:
        for node in world.nodes.values():
            node.stop()
        monkeypatch.setenv("CBM_DATABASE", read_settings(world["XA"].directory).database_url)
        refuses(world["XR"], Misuse, "made for participant 'XA', this node is set up for 'XR'")
        monkeypatch.delenv("CBM_DATABASE")
        for node in world.nodes.values():
            node.start()


@pytest.mark.parametrize(
    ("setting", "match"),
    [("FEDERATION=other.example", "made for federation"), ("ORIGIN=xr.other.example/log", "never changes")],
)
def test_names_that_never_change_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, match: str
) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].stop()
        name, _, value = setting.partition("=")
        monkeypatch.setenv(f"CBM_{name}", value)
        refuses(world["XR"], Misuse, match)
        monkeypatch.delenv(f"CBM_{name}")
        world["XR"].start()
        assert [head["origin"] for head in world["XR"].heads()] == [world["XR"].origin]


@dataclass(frozen=True)
class Change:
    """Other bytes in one place."""

    table: str
    column: str
    where: str
    change: Callable[[bytes], bytes]

    def __call__(self, db: Connection) -> int:
        read, write = "SELECT {column} FROM {table} WHERE {where}", "UPDATE {table} SET {column} = :new WHERE {where}"
        stood = bytes(db.exec_driver_sql(read.format(**vars(self))).scalar_one())
        return db.execute(text(write.format(**vars(self))), {"new": self.change(stood)}).rowcount


HEAD, TILE = ("checkpoint", "note", "size = 3"), ("tile", "hashes", "level = 0")
TAMPERED: dict[str, str | Change] = {
    "an entry with one bit flipped": Change(
        "entry", "envelope", '"index" = 1', lambda old: old[:40] + bytes([old[40] ^ 1]) + old[41:]
    ),
    "an entry gone from the end": 'DELETE FROM entry WHERE "index" = 2',
    "an entry gone from the middle": 'DELETE FROM entry WHERE "index" = 1',
    "two entries changed about": 'UPDATE entry SET "index" = 100 - "index"',
    "a head with another signature": Change(*HEAD, lambda note: note[:-10] + b"AAAA" + note[-6:]),
    "a head of another size": Change(*HEAD, lambda note: note.replace(b"\n3", b"\n4")),
    "a head that is an older one": "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 2) WHERE size = 3",
    "a head with another root beside it": "UPDATE checkpoint SET root = (SELECT root FROM checkpoint WHERE size = 2) WHERE size = 3",
    "a head that is gone": "DELETE FROM checkpoint WHERE size = 3",
    "all heads gone": "DELETE FROM checkpoint",
    "a tile with one hash of nothing": Change(*TILE, lambda hashes: bytes(32) + hashes[32:]),
    "a tile that is too short": Change(*TILE, lambda hashes: hashes[:64]),
    "a tile that is gone": "DELETE FROM tile",
    "a smaller size": "UPDATE log SET size = 2",
    "a smaller log": "UPDATE log SET size = 2, stored = 2",
    "fewer entries than signed": "UPDATE log SET stored = 2",
    "more entries than signed": "UPDATE log SET stored = 4",
    "a larger size": "UPDATE log SET size = 4, stored = 4",
}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a node that logged three entries and was stopped."""
    folder = tmp_path_factory.mktemp("logged")
    with World(folder, "XR") as world:
        for _ in range(3):
            world["XR"].publish()
        return world["XR"].directory


def test_a_copy_of_the_data_starts(logged: Path, tmp_path: Path) -> None:
    Node(read_settings(copy_node(logged, tmp_path / "XR"))).close()


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_what_does_not_lead_to_the_signed_head_is_not_started(
    logged: Path, tmp_path: Path, change: str | Change
) -> None:
    directory = copy_node(logged, tmp_path / "XR")
    with hand_in(directory) as db:
        no_longer_final(db)
        changed = db.exec_driver_sql(change).rowcount if isinstance(change, str) else change(db)
    assert changed > 0
    with pytest.raises(LogStopped, match=r"on disk|is said to end at|not that of its entries"):
        Node(read_settings(directory))


def test_a_tile_tampered_with_while_the_node_runs_stops_the_signing(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].publish()
        with hand_in(world["XR"].directory) as db:
            tile = db.exec_driver_sql("SELECT hashes FROM tile").scalar_one()
            change = text("UPDATE tile SET hashes = :hashes")
            db.execute(change, {"hashes": bytes(32)})
            with pytest.raises(LogStopped):
                world["XR"].publish()
            assert "no longer leads to its signed root" in world["XR"].get("/readyz").json()["reason"]
            db.execute(change, {"hashes": tile})
        world["XR"].stop()
        world["XR"].start()
        assert world["XR"].publish().index == 1


@pytest.mark.sqlite
@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(4096)])
def test_a_file_that_is_no_database_is_misuse(tmp_path: Path, content: bytes) -> None:
    with World(tmp_path, "XR") as world, another_state(world["XR"]):
        (world["XR"].directory / "data" / "cbm.sqlite").write_bytes(content)
        refuses(world["XR"], Misuse, "cbm.sqlite")


def test_orphans_are_swept_and_documents_stay(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        held = world["XR"].publish("ICT-03", attachments=PDF)
        folder = world["XR"].directory / "data" / "documents"
        (kept,) = [path for path in folder.rglob("*") if path.is_file()]
        world["XR"].stop()
        (folder / "incoming" / "half").write_bytes(b"half")
        orphan = folder / "ab" / ("ab" * 32)
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"named by nothing")
        world["XR"].start()
        assert [path for path in folder.rglob("*") if path.is_file()] == [kept]
        commitment = held.parcel.documents[1]
        assert world["XR"].get(f"/v1/documents/{kept.name}").content == commitment.content


def test_a_form_file_that_is_none_is_named_as_the_operators(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].stop()
        forms = world["XR"].directory / "forms"
        forms.mkdir()
        (forms / "bad.json").write_bytes(b"{}")
        refuses(world["XR"], Misuse, str(forms))
        (forms / "bad.json").unlink()
        world["XR"].start()


def test_records_that_do_not_describe_this_node_are_refused(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        record, other = world.participants.records["XR"], world.participants.records["XA"]
        node = world["XR"].running.node
        with pytest.raises(Misuse, match="holds no record of XR"):
            node.load_participants(Participants("test.example", False, {"XA": other}))
        key = key_named("another log").public
        log = replace(record.current_log, vkey=Vkey(record.current_log.origin, ED25519, key))
        wrong = replace(record, logs=(log,))
        with pytest.raises(Misuse, match="this node signs with"):
            node.load_participants(Participants("test.example", False, {"XR": wrong}))
        assert node.participants.records["XR"] == record


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"v":1,"federation":"test.example","live":false,"participants":[]}']
)
def test_without_records_that_can_be_used_no_node_starts(tmp_path: Path, content: bytes | None) -> None:
    """Nothing was ever imported here: there is no last good record to stay in force."""
    with World(tmp_path, "XR") as world, another_state(world["XR"]):
        give_database(world["XR"].directory)
        peers = world["XR"].directory / "peers.json"
        good = peers.read_bytes()
        peers.unlink() if content is None else peers.write_bytes(content)
        with pytest.raises((Misuse, Malformed)):
            world["XR"].start()
        peers.write_bytes(good)


def test_a_node_tells_no_secret_in_its_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        world.pull()
        world["XR"].stop()
        world["XR"].start()
        refuses(world["XR"], InUse, "runs the node")
        world["XR"].running.node.appender.stop("as a test")
        keys = [open_secret(path, kinds=tuple(Kind)).seed for path in world["XR"].directory.glob("keys/*.key")]
        secrets = [form for seed in keys for form in (seed.hex(), format_base64(seed), repr(seed))]
        secrets.append((world["XR"].directory / "operator.token").read_text())
        shown = caplog.text + repr(vars(world["XR"].running.node)) + world["XR"].get("/readyz").text
        assert len(secrets) == 16 and "as a test" in shown
        assert not [secret for secret in secrets if secret in shown]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world, world["XR"].client() as client, pytest.raises(NotFound):
        client.submission("0" * 64)
