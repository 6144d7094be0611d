"""Logs as stored: tiles and roots are RFC 6962's at every size, and what is damaged is not added to."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.merkle import EMPTY_ROOT, leaf_hash, prove_inclusion, root_of, verify_inclusion
from exchange.core.receipt import verify_receipt
from exchange.core.tiles import TilePath, parse_bundle
from exchange.errors import LogStopped, NotFound
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.log import StoredLog
from tests import audit, builders, key_named
from tests.databases import hand_in, new_database
from tests.store import NOW, Books

ORIGIN = "xr.test.example/log"


class Growing:
    """A log of tiny entries; the entry rows themselves, which others write, are left out."""

    def __init__(self, folder: Path) -> None:
        self.url = new_database(folder)
        self.db = Database(self.url)
        self.leaves: list[bytes] = []
        with self.db.write() as tx:
            logs.add_log(tx, origin=ORIGIN, participant="XR", ordinal=0, vkey="v", own=True)

    def append(self, number: int) -> bytes:
        """Grow by that many entries, sign, and compare the root with one made of all leaves anew."""
        entries = [b"%d" % n for n in range(len(self.leaves), len(self.leaves) + number)]
        self.leaves += map(leaf_hash, entries)
        with self.db.write() as tx:
            log = logs.log_of(tx, ORIGIN)
            size, root, _ = logs.append(tx, log, entries)
            assert (size, root) == (len(self.leaves), root_of(self.leaves))
            note = sign_checkpoint(Checkpoint(ORIGIN, size, root), key_named("XR log"))
            logs.keep_checkpoint(tx, log, size, root, note, NOW)
            logs.advance(tx, log, size)
        return root

    def check_tiles(self) -> None:
        with self.db.read() as db:
            audit._tiles(db, 1, ORIGIN, len(self.leaves), self.leaves)


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    growing = Growing(tmp_path)
    yield growing
    growing.db.close()


def test_an_empty_log_has_the_empty_root(growing: Growing) -> None:
    with growing.db.read() as tx:
        log = logs.log_of(tx, ORIGIN)
    assert (log.size, log.stored, log.root, log.note, log.halted) == (0, 0, EMPTY_ROOT, None, None)
    with pytest.raises(NotFound):
        StoredLog(growing.db, ORIGIN).checkpoint()


@pytest.mark.parametrize("before", [253, 254, 255, 256, 509])
def test_a_log_grows_over_a_full_tile_one_by_one(growing: Growing, before: int) -> None:
    growing.append(before)
    for _ in range(5):
        growing.append(1)
        growing.check_tiles()


@pytest.mark.parametrize("batch", [255, 256, 257, 511, 512, 513, 1000])
def test_a_batch_may_fill_several_tiles(growing: Growing, batch: int) -> None:
    growing.append(3)
    growing.append(batch)
    growing.check_tiles()
    growing.append(batch)
    growing.check_tiles()


def test_a_log_grows_over_the_third_level(growing: Growing) -> None:
    """At 65,536 entries the second level is full, and its root is the first hash of a third."""
    growing.append(65_534)
    for _ in range(3):
        growing.append(1)
    growing.append(300)
    growing.check_tiles()
    with growing.db.read() as tx:
        log = logs.log_of(tx, ORIGIN)
        assert log.size == 65_837
        read = logs.reader(tx, log, log.size)
        for index in (0, 255, 256, 65_535, 65_536, 65_836):
            proof = prove_inclusion(index, log.size, read)
            verify_inclusion(index, log.size, growing.leaves[index], proof, log.root)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_whatever_the_batches_the_tiles_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int]
) -> None:
    growing = Growing(tmp_path_factory.mktemp("log"))
    for batch in batches:
        growing.append(batch)
    growing.check_tiles()
    growing.db.close()


@pytest.mark.parametrize("size", [1, 2, 3, 100, 255, 256, 257, 300])
@pytest.mark.parametrize(
    "damage", ["UPDATE tile SET hashes = :zeros WHERE hashes = :stood", "DELETE FROM tile WHERE hashes = :stood"]
)
def test_a_damaged_tree_is_not_grown(growing: Growing, size: int, damage: str) -> None:
    growing.append(size)
    with hand_in(growing.url) as db:
        for (stood,) in db.exec_driver_sql("SELECT hashes FROM tile").all():
            db.execute(text(damage), {"stood": stood, "zeros": bytes(len(stood))})
    with pytest.raises((LogStopped, NotFound)), growing.db.write() as tx:
        logs.append(tx, logs.log_of(tx, ORIGIN), [b"one more"])


def test_a_size_is_signed_once(growing: Growing) -> None:
    root = growing.append(3)
    note = sign_checkpoint(Checkpoint(ORIGIN, 3, root), key_named("XR log"))
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)), growing.db.write() as tx:
        logs.keep_checkpoint(tx, logs.log_of(tx, ORIGIN), 3, root, note, NOW)


def test_the_first_checkpoint_of_a_size_of_another_log_stays(books: Books) -> None:
    books.publish(builders.statement("XR"))
    log = books.log("XR")
    with books.db.write() as tx:
        logs.keep_checkpoint(tx, log, 1, bytes(32), b"another", NOW)
        assert logs.kept_checkpoint(tx, log, 1) == (log.root, log.note)
        assert logs.kept_checkpoint(tx, log, 2) is None


def test_a_head_does_not_run_ahead_of_its_entries(books: Books) -> None:
    books.publish(builders.statement("XR"))
    with books.db.write() as tx:
        logs.advance(tx, books.log("XR"), 2)
    assert books.log("XR").size == 1


def test_a_receipt_stands_under_the_first_checkpoint_that_covers_it(books: Books) -> None:
    entries = [builders.signed(builders.statement("XR", issued=f"2026-11-20T09:30:0{n}Z")) for n in range(6)]
    vkey = books.participants.records["XR"].current_log.vkey
    books.enter("XR", *entries[:1])
    books.enter("XR", *entries[1:4])
    books.enter("XR", *entries[4:])
    with books.db.read() as tx:
        log = logs.log_of(tx, ORIGIN)
        found = [verify_receipt(logs.receipt(tx, log, n), leaf_hash(entry), vkey) for n, entry in enumerate(entries)]
        assert [checkpoint.size for checkpoint in found] == [1, 4, 4, 4, 6, 6]
        with pytest.raises(NotFound):
            logs.receipt(tx, log, 6)


def test_only_what_the_head_covers_is_served(books: Books) -> None:
    entries = [builders.signed(builders.statement("XR", issued=f"2026-11-20T09:30:0{n}Z")) for n in range(3)]
    books.enter("XR", *entries)
    served = StoredLog(books.db, ORIGIN)
    assert served.checkpoint() == books.log("XR").note
    for width in (1, 2, 3):
        assert parse_bundle(served.tile(TilePath(None, 0, width)), width) == entries[:width]
        assert served.tile(TilePath(0, 0, width)) == b"".join(map(leaf_hash, entries[:width]))
    for path in ((0, 0, 4), (0, 0, 256), (0, 1, 1), (1, 0, 1), (63, 0, 1), (None, 0, 4), (None, 1, 1), (8, 0, 1)):
        with pytest.raises(NotFound):
            served.tile(TilePath(*path))


def test_logs_are_told_by_their_origin(books: Books) -> None:
    with books.db.write() as tx:
        assert [log.participant for log in logs.all_logs(tx)] == ["XA", "XR"]
        again = logs.add_log(tx, origin=ORIGIN, participant="XB", ordinal=7, vkey="other", own=True)
        assert again == books.log("XR") and not again.own
        with pytest.raises(NotFound):
            logs.log_of(tx, "xb.test.example/log")


def test_a_log_that_contradicted_itself_stays_halted(books: Books) -> None:
    with books.db.write() as tx:
        logs.halt(tx, logs.log_of(tx, ORIGIN), "two histories")
    assert books.log("XR").halted == "two histories"
    assert books.log("XA").halted is None


def test_verdicts_are_counted_by_log(books: Books) -> None:
    foreign = builders.signed(builders.statement("XR"), builders.officer("XB"))
    books.enter("XR", builders.signed(builders.statement("XR")), foreign, b"no envelope", b"")
    with books.db.read() as tx:
        counts = logs.verdicts(tx)
    assert counts == {books.log("XR").id: {"admitted": 1, "refused": 3}}
