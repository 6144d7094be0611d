"""A backup is made while the node runs, is checked when it is made, and comes back whole."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text

from exchange.config import read_settings
from exchange.core.document import SMALL_DOCUMENT, commit
from exchange.errors import ExchangeError, LogStopped, Malformed, Misuse, NotFound
from exchange.node.backup import LAST_BACKUP, back_up, last_backup
from exchange.node.manifest import MANIFEST, read_manifest, seal
from exchange.node.restore import restore
from exchange.store.backup import SQLITE_COPY
from tests import engine
from tests.databases import fresh_database
from tests.operate import brought_back, saved, snapshot_of, started
from tests.world import Published, World, WorldNode

LARGE = ("annex.pdf", b"%PDF " + bytes(SMALL_DOCUMENT + 1))


def commitment_of(published: Published) -> str:
    """Of the attachment."""
    document = published.parcel.documents[1]
    return commit(document.opening, document.content)


def database_file(backup: Path) -> Path:
    """The file of a backup in which the entries stand, whatever the engine."""
    return backup / "database" / (SQLITE_COPY if engine.name == "sqlite" else "entry.copy")


def test_a_node_comes_back_whole(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        first, large = node.publish(), node.publish("ICT-03", attachments=(LARGE,))
        world.pull()
        heads, receipt = node.heads(), node.get(f"/v1/submissions/{large.id}/receipt").content
        manifest = saved(node, tmp_path / "backup")
        assert (manifest.size, manifest.lost, manifest.keys) == (2, (), True)
        made = brought_back(node, tmp_path / "backup")
        assert made.has_keys and made.manifest == manifest
        assert node.heads() == heads
        assert node.get(f"/v1/submissions/{large.id}/receipt").content == receipt
        assert node.get(f"/v1/documents/{commitment_of(large)}").content == LARGE[1]
        assert node.publish().index == 2, "XA answered, and knows no more: the log goes on"
        assert node.submit(first.parcel).index == 0, "what stood before is still known"


def test_a_backup_is_taken_while_submissions_come_in(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        parcels, stop = [node.parcel() for _ in range(60)], threading.Event()

        def keep_submitting() -> None:
            for parcel in parcels:
                if not stop.is_set():
                    node.submit(parcel)

        writer = threading.Thread(target=keep_submitting)
        writer.start()
        try:
            sizes = [saved(node, tmp_path / f"backup-{number}").size for number in range(3)]
        finally:
            stop.set()
            writer.join()
        assert sizes == sorted(sizes) and sizes[-1] <= node.heads()[1]["size"]
        brought_back(node, tmp_path / "backup-2")
        assert {head["participant"]: head["size"] for head in node.heads()}["XR"] == sizes[-1]


def test_keys_are_in_a_backup_only_when_asked_for_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        saved(world["XR"], tmp_path / "without", with_keys=False)
        saved(world["XR"], tmp_path / "with")
        assert not (tmp_path / "without" / "keys").exists()
        kept = sorted(path.name for path in (tmp_path / "with" / "keys").glob("*.key"))
        assert kept == ["log.key", "node-submission.key", "sealing.key", "transport.key", "witness.key"]
        for path in (tmp_path / "with").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
        secret = orjson.loads((world["XR"].directory / "keys" / "log.key").read_bytes())["seed"].encode()
        assert not any(secret in content for content in snapshot_of(tmp_path / "without").values())


def test_keys_from_the_safe_join_a_backup_without_them(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        saved(node, tmp_path / "safe")
        node.publish()
        world.pull()
        saved(node, tmp_path / "nightly", with_keys=False)
        node.stop()
        settings = read_settings(node.directory)
        node.directory.rename(tmp_path / "gone")
        with pytest.raises(Misuse, match="keys of another node"):
            restore(
                tmp_path / "nightly",
                settings.directory,
                database=fresh_database(tmp_path),
                keys=world["XA"].directory / "keys",
                now=world.now,
            )
        assert not settings.directory.exists()
        restore(
            tmp_path / "nightly",
            settings.directory,
            database=fresh_database(tmp_path),
            keys=tmp_path / "safe" / "keys",
            now=world.now,
        )
        started(node)
        assert node.publish().index == 1


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        saved(node, tmp_path / "backup")
        before = snapshot_of(tmp_path / "backup")
        with pytest.raises(Misuse, match="exists already"):
            saved(node, tmp_path / "backup")
        assert snapshot_of(tmp_path / "backup") == before
        with pytest.raises(Misuse, match="exists already"):
            restore(tmp_path / "backup", node.directory, database=fresh_database(tmp_path), keys=None, now=world.now)
        with pytest.raises(Misuse, match="would be lost with it"):
            saved(node, node.directory / "data" / "backup")
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []


def test_a_filled_database_is_never_restored_over(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        saved(world["XR"], tmp_path / "backup")
        world["XR"].stop()
        address = read_settings(world["XR"].directory).database_url
        with pytest.raises(Misuse, match=r"not empty|exists already"):
            restore(tmp_path / "backup", tmp_path / "again", database=address, keys=None, now=world.now)
        assert not (tmp_path / "again").exists()


def test_an_empty_folder_that_is_there_is_used_and_nothing_is_made_beside_it(tmp_path: Path) -> None:
    """As the node's user does, whose folder root made: beside it, that user may write nothing."""
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "backup")
        node.stop()
        shutil.rmtree(node.directory)
        node.directory.mkdir()
        place, beside = node.directory.stat().st_ino, {path.name for path in tmp_path.iterdir()}
        restore(tmp_path / "backup", node.directory, database=fresh_database(tmp_path), keys=None, now=world.now)
        assert node.directory.stat().st_ino == place
        assert {path.name for path in tmp_path.iterdir()} == beside
        there = {path.name for path in node.directory.iterdir()}
        assert there - {"data"} == {"keys", "node.toml", "peers.json"}, "and nothing half done"
        started(node)
        assert node.publish().index == 1


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda backup: _flip(database_file(backup)),
    "a missing file": lambda backup: (backup / "peers.json").unlink(),
    "a file too many": lambda backup: (backup / "more").write_text("what the manifest does not know"),
    "a damaged key": lambda backup: _flip(backup / "keys" / "log.key"),
    "a manifest that says nothing": lambda backup: (backup / MANIFEST).write_text("{}"),
}


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].publish()
        saved(world["XR"], tmp_path / "backup")
        for name, damage in DAMAGES.items():
            shutil.copytree(tmp_path / "backup", tmp_path / name)
            damage(tmp_path / name)
            with pytest.raises(Malformed):
                restore(tmp_path / name, tmp_path / "new", database=None, keys=None, now=world.now)
            assert not (tmp_path / "new").exists()


def _resealed(backup: Path) -> None:
    """Let the manifest agree with what lies there now, as whoever altered the backup on purpose would."""
    manifest = orjson.loads((backup / MANIFEST).read_bytes())
    manifest["files"] = [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in seal(backup)]
    (backup / MANIFEST).write_bytes(orjson.dumps(manifest))


def test_an_altered_entry_is_found_by_the_signed_root_whatever_the_manifest_says(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        submission = world["XR"].publish()
        saved(world["XR"], tmp_path / "backup")
        file = database_file(tmp_path / "backup")
        content = file.read_bytes()
        assert content.count(submission.parcel.envelope) == 1
        altered = submission.parcel.envelope.replace(b'"payload":"e', b'"payload":"f')
        file.write_bytes(content.replace(submission.parcel.envelope, altered))
        _resealed(tmp_path / "backup")
        with pytest.raises(LogStopped, match="is not that of its entries"):
            restore(tmp_path / "backup", tmp_path / "new", database=fresh_database(tmp_path), keys=None, now=world.now)
        assert not (tmp_path / "new").exists()


def test_a_document_lost_on_the_disk_is_told_and_stops_no_backup(tmp_path: Path) -> None:
    with World(tmp_path, "XR", audited=False) as world:
        node = world["XR"]
        kept, gone = (node.publish("ICT-03", attachments=((name, LARGE[1] + name.encode()),)) for name in ("a", "b"))
        folder = read_settings(node.directory).documents
        names = [commitment_of(published) for published in (kept, gone)]
        _flip(folder / names[1][:2] / names[1])
        manifest = saved(node, tmp_path / "backup")
        assert manifest.lost == (names[1],)
        assert [sealed.path for sealed in manifest.files if sealed.path.startswith("documents/")] == [
            f"documents/{names[0][:2]}/{names[0]}"
        ]


def test_a_log_that_would_not_restore_is_not_backed_up(tmp_path: Path) -> None:
    with World(tmp_path, "XR", audited=False) as world:
        node = world["XR"]
        node.publish()
        with node.running.node.db.write() as tx:
            trigger = "entry_is_final"
            tx.exec_driver_sql(f"DROP TRIGGER {trigger}" + ("" if engine.name == "sqlite" else " ON entry"))
            tx.execute(text("UPDATE entry SET envelope = :other"), {"other": b"another"})
        with pytest.raises(LogStopped, match="is not that of its entries"):
            saved(node, tmp_path / "backup")
        assert not (tmp_path / "backup").exists()


def test_a_node_that_never_ran_has_nothing_to_back_up(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        settings = read_settings(world["XR"].directory)
        empty = settings.model_copy(update={"directory": tmp_path / "empty", "database": None})
        with pytest.raises(NotFound, match="run the node once"):
            back_up(empty, tmp_path / "backup", with_keys=False, now=world.now)


def test_the_newest_backup_is_noted_beside_the_node(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        directory = world["XR"].directory
        assert last_backup(directory) is None
        world["XR"].publish()
        saved(world["XR"], tmp_path / "backup")
        noted = last_backup(directory)
        assert noted is not None
        assert (noted.made, noted.target, noted.size) == (world.now, str(tmp_path / "backup"), 1)
        (directory / LAST_BACKUP).write_text("{")
        assert last_backup(directory) is None


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        assert saved(world["XR"], tmp_path / "backup") == read_manifest(tmp_path / "backup")
        fields = orjson.loads((tmp_path / "backup" / MANIFEST).read_bytes())
        for wrong in ({"v": 2}, {"files": [{"path": "../x", "size": 1, "sha256": ""}]}, {"tables": 1}, {"more": 1}):
            (tmp_path / "backup" / MANIFEST).write_bytes(orjson.dumps(fields | wrong))
            with pytest.raises(ExchangeError):
                read_manifest(tmp_path / "backup")


def test_numbers_go_on_behind_the_largest_after_a_restore(tmp_path: Path) -> None:
    """PostgreSQL counts apart from its rows: new rows after a restore must not meet old numbers."""
    with World(tmp_path, "XR", "XA") as world:
        node: WorldNode = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "backup")
        brought_back(node, tmp_path / "backup")
        node.publish()
        world["XA"].publish()
        world.pull()
        with node.client() as client:
            assert len(list(client.submissions())) == 3
