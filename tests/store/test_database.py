"""One database: durable, one writer, and what proves something cannot be changed in it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from exchange.errors import Misuse, StorageFailed
from exchange.store.database import Database
from exchange.store.tables import SETTING
from tests import builders
from tests.databases import hand_in, new_database
from tests.store import Books

DURABLE: dict[str, dict[str, object]] = {
    "sqlite": {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2, "PRAGMA foreign_keys": 1},  # 2 is FULL
    "postgresql": {"SHOW synchronous_commit": "on"},
}


def test_what_returned_survives_power_loss(books: Books) -> None:
    for door in (books.db.read, books.db.write):
        with door() as tx:
            for question, answer in DURABLE[tx.dialect.name].items():
                assert tx.exec_driver_sql(question).scalar() == answer


def test_reading_does_not_write(books: Books) -> None:
    with pytest.raises((StorageFailed, DBAPIError), match=r"read-?only"), books.db.read() as tx:
        tx.execute(SETTING.insert().values(name="x", value="y"))


FORBIDDEN = [
    "UPDATE checkpoint SET note = root",
    "UPDATE checkpoint SET root = note",
    "UPDATE checkpoint SET size = 7",
    "UPDATE checkpoint SET seen = ''",
    "DELETE FROM checkpoint",
    "UPDATE entry SET envelope = substr(envelope, 2)",
    'UPDATE entry SET "index" = 7',
    "UPDATE entry SET log_id = 2",
    "DELETE FROM entry",
    "UPDATE log SET size = 0",
    "UPDATE log SET size = size - 1",
]
REPLACED = [
    "INSERT OR REPLACE INTO checkpoint SELECT log_id, size, x'00', x'00', seen FROM checkpoint",
    "INSERT OR REPLACE INTO entry SELECT log_id, \"index\", key, x'00', verdict, code, reason FROM entry",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_no_row_that_proves_something_changes(books: Books, statement: str) -> None:
    books.publish(builders.statement("XR"))
    before = books.log("XR")
    with pytest.raises(DBAPIError, match="never"), books.db.write() as tx:
        tx.exec_driver_sql(statement)
    assert books.log("XR") == before


@pytest.mark.sqlite
@pytest.mark.parametrize("statement", REPLACED)
def test_no_row_that_proves_something_is_replaced(books: Books, statement: str) -> None:
    books.publish(builders.statement("XR"))
    with pytest.raises(IntegrityError, match="never"), books.db.write() as tx:
        tx.exec_driver_sql(statement)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_hand_in_the_database_is_stopped_too(books: Books, statement: str) -> None:
    books.publish(builders.statement("XR"))
    with hand_in(books.url) as db, pytest.raises(DBAPIError, match="never"):
        db.exec_driver_sql(statement)


def test_a_verdict_may_change(books: Books) -> None:
    """With each new record a waiting entry is judged again; the entry itself stays."""
    books.publish(builders.statement("XR"))
    with pytest.raises(RuntimeError), books.db.write() as tx:
        assert tx.exec_driver_sql("UPDATE entry SET verdict = 'waiting'").rowcount == 1
        raise RuntimeError("put back")


def test_a_transaction_is_whole_or_nothing(books: Books) -> None:
    with pytest.raises(RuntimeError), books.db.write() as tx:
        tx.execute(SETTING.insert().values(name="half", value="done"))
        raise RuntimeError
    with books.db.read() as tx:
        assert tx.execute(SETTING.select().where(SETTING.c.name == "half")).first() is None


def test_a_snapshot_stays_as_it_was(books: Books) -> None:
    with books.db.read() as tx:
        count = SETTING.select()
        before = tx.execute(count).all()
        with books.db.write() as writing:
            writing.execute(SETTING.insert().values(name="later", value="x"))
        assert tx.execute(count).all() == before
    with books.db.read() as tx:
        assert len(tx.execute(count).all()) == len(before) + 1


def test_writers_take_turns(books: Books) -> None:
    """Within a process, and beside another one: `cbm key enrol` opens the database of a running node."""
    other = Database(books.url)
    with books.db.write() as tx:
        tx.execute(SETTING.insert().values(name="count", value="0"))

    def add(db: Database) -> None:
        for _ in range(20):
            with db.write() as tx:
                row = tx.execute(SETTING.select().where(SETTING.c.name == "count")).one()
                tx.execute(SETTING.update().where(SETTING.c.name == "count").values(value=str(int(row.value) + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, [books.db, other, books.db, other]))
    other.close()
    with books.db.read() as tx:
        assert tx.execute(SETTING.select().where(SETTING.c.name == "count")).one().value == "80"


def test_whose_a_database_is_never_changes(tmp_path: Path) -> None:
    db = Database(new_database(tmp_path))
    db.claim(participant="XR", federation="test.example")
    db.claim(participant="XR")
    with pytest.raises(Misuse, match="made for participant 'XR', this node is set up for 'XA'"):
        db.claim(federation="test.example", participant="XA")
    db.claim(participant="XR", federation="test.example")
    db.close()


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    url = new_database(tmp_path)
    with hand_in(url) as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misuse, match=r"newer program \(schema 9999\)"):
        Database(url)


@pytest.mark.sqlite
@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_misuse(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cbm.sqlite").write_bytes(content)
    with pytest.raises(Misuse, match="cannot be opened as a database"):
        Database.at(tmp_path / "cbm.sqlite")


def test_a_reference_to_nothing_is_refused(books: Books) -> None:
    books.publish(builders.statement("XR"))
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), books.db.write() as tx:
        tx.exec_driver_sql("INSERT INTO checkpoint SELECT 99, 1, hashes, hashes, '' FROM tile")
