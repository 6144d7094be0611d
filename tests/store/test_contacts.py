"""The question behind a look-up reads the directory's own index, and of the registry only what that leads to, however much there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from exchange.store import tables
from exchange.store.contacts import contacts
from exchange.store.database import Database
from tests import engine
from tests.postgres import fresh_database

SUBMISSIONS, CONTACTS = 6_000, 6


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One submission in a thousand is a contact in force, as in a registry of some years; the engine knows how much there is."""
    folder = tmp_path_factory.mktemp("registry")
    db = Database(fresh_database()) if engine.name == "postgresql" else Database.at(folder / "cbm.sqlite")
    with db.write() as tx:
        log = {"id": 1, "origin": "xr.example/log", "participant": "XR", "ordinal": 0, "vkey": "", "own": True}
        tx.execute(insert(tables.LOG), [{**log, "size": SUBMISSIONS, "stored": SUBMISSIONS}])
        tx.execute(insert(tables.SUBMISSION), [_submission(number) for number in range(SUBMISSIONS)])
        tx.execute(insert(tables.SLOT), [_slot(number) for number in range(SUBMISSIONS)])
        tx.execute(insert(tables.DOCUMENT), [_document(number) for number in range(SUBMISSIONS)])
        if engine.name == "postgresql":
            tx.exec_driver_sql("ANALYZE")
    yield db
    db.close()


def _digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _submission(number: int) -> dict[str, Any]:
    said = {"obligations": "", "issued": "2026-11-20T09:30:00Z", "return_kind": "full", "message": "original"}
    where = {"id": _digest(number), "log_id": 1, "index": number, "participant": ("XR", "XA")[number % 2]}
    desk = number % (SUBMISSIONS // CONTACTS) == 0
    what = {"form": "POC-02" if desk else "ICT-03", "version": 1, "status": "actual", "fits": "fits", "directory": desk}
    return {**said, **where, **what, "series": None, "current": True, "in_force": True}


def _slot(number: int) -> dict[str, Any]:
    where = {"log_id": 1, "index": number, "slot": "body", "ordinal": 0, "commitment": _digest(number), "key": number}
    return {**where, "media_type": "application/json", "audience": "public", "document": number}


def _document(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "key": number,
        "commitment": _digest(number),
        "name": "body.json",
        "size": 2,
        "content": b"{}",
    }


def plan(db: Database, **asked: Any) -> list[str]:
    """How the engine goes about it, step by step."""
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    with db.read() as tx:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            found = contacts(tx, **asked)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert 0 < len(found) <= CONTACTS
        [(statement, parameters)] = said
        explain = "EXPLAIN QUERY PLAN" if tx.dialect.name == "sqlite" else "EXPLAIN"
        return [str(row[-1]) for row in tx.exec_driver_sql(f"{explain} {statement}", parameters)]


@pytest.mark.parametrize(
    "asked",
    [{}, {"participant": "XR"}, {"participant": "XR", "statuses": ("actual",)}, {"statuses": ("actual", "test")}],
)
def test_only_the_directory_is_read_through(db: Database, asked: dict[str, Any]) -> None:
    steps = plan(db, **asked)
    assert sum("submission_directory" in step for step in steps) == 1, steps
    assert sum("submission_series" in step for step in steps) == 1, steps
    through = [step for step in steps if step.startswith("SCAN") or "Seq Scan" in step]
    assert [step for step in through if "submission_directory" not in step and "Seq Scan on log" not in step] == [], (
        steps
    )
