"""A database of the program released before is taken over where it stands, whole, on either engine."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from exchange.app import Exchange
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.search import parse_query
from exchange.node.founding import read_participants
from exchange.resources import form_files
from exchange.store import log as logs
from exchange.store.contacts import contacts
from exchange.store.database import Database
from exchange.store.documents import count_missing
from exchange.store.fulltext import behind, index_some
from exchange.store.query import Filter, submissions
from exchange.store.schema import NEWEST, version
from exchange.store.search import search
from tests.audit import audit
from tests.databases import fresh_database
from tests.released.database import unpacked

RELEASED = ["0001"]
STOOD = {"XR": 4, "XA": 8}  # entries


@pytest.fixture(params=[(schema, code) for schema in RELEASED for code in STOOD], ids=lambda one: "-".join(one))
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    schema, code = request.param
    return unpacked(schema, code, tmp_path)


def test_everything_that_stood_there_stands_there(released: Path) -> None:
    settings = read_settings(released)
    db = Database(settings.database_url)
    with db.read() as tx:
        assert version(tx) == NEWEST
        assert {log.participant: log.stored for log in logs.all_logs(tx)} == STOOD
        counts = {log.participant: logs.verdicts(tx)[log.id] for log in logs.all_logs(tx)}
        assert counts == {"XR": {"admitted": 4}, "XA": {"admitted": 4, "refused": 3, "waiting": 1}}
        listed = submissions(tx, Filter())
        assert len(listed) == len({state.id for state in listed}) == 8
        withdrawn = [state for state in listed if state.message == "withdrawal"]
        updated = [state for state in listed if state.message == "update"]
        assert [state.current for state in withdrawn] == [False]
        assert [(state.current, state.in_force) for state in updated] == [(True, True)]
        for state in listed:
            assert submissions(tx, Filter(id=state.id)) == [state]
            assert state in submissions(tx, Filter(series=state.series))
        assert [len(submissions(tx, Filter(series=state.series))) for state in (*withdrawn, *updated)] == [2, 2]
        assert sum(count_missing(tx).values()) == 1
        assert [one.participant for one in contacts(tx)] == ["XA", "XR", "XR"]
    db.close()
    audit(released, read_participants(settings.peers), Catalogue.from_files(form_files(settings.forms)))


def test_what_was_said_before_is_searched(released: Path) -> None:
    db = Database(read_settings(released).database_url)
    with db.read() as tx:
        assert behind(tx) == len(submissions(tx, Filter())) == 8
        assert search(tx, Filter(), parse_query("version")) == []
    while index_some(db):
        pass
    with db.read() as tx:
        assert behind(tx) == 0
        found = {said: search(tx, Filter(), parse_query(said)) for said in ("version", "second version", '"a.pdf"')}
        assert {said: len(states) for said, states in found.items()} == {
            "version": 2,
            "second version": 1,
            '"a.pdf"': 1,
        }
        assert [state.message for state in found["version"]] == ["update", "original"]
    db.close()


def test_the_node_goes_on_from_there(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(read_settings(released))
    try:
        node = exchange.node
        assert node.appender.stopped is None
        with node.db.write() as tx:
            size = logs.log_of(tx, node.origin).size
        assert size == STOOD[node.settings.participant]
    finally:
        exchange.close()


def test_an_upgrade_that_fails_leaves_the_old_database(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(released)

    def fail(*_: Any) -> None:
        raise RuntimeError("the machine lost power")

    with monkeypatch.context() as patch:
        patch.setattr("exchange.store.schema.make_final", fail)
        with pytest.raises(RuntimeError):
            Database(settings.database_url)
    target = create_engine(settings.database_url)
    with target.connect() as tx:
        assert version(tx) in RELEASED
        assert not [name for name in inspect(tx).get_table_names() if name.startswith("old_")]
    target.dispose()
    Database(settings.database_url).close()


def test_an_upgraded_database_is_like_a_new_one(released: Path, tmp_path: Path) -> None:
    settings = read_settings(released)
    Database(settings.database_url).close()
    fresh = fresh_database(tmp_path) or f"sqlite:///{tmp_path / 'fresh.sqlite'}"
    Database(fresh).close()
    assert _shape(settings.database_url) == _shape(fresh)


def _shape(url: str) -> dict[str, Any]:
    target = create_engine(url)
    look = inspect(target)
    shape = {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(name)],
            look.get_pk_constraint(name)["constrained_columns"],
            sorted((str(index["name"]), index["column_names"], index["unique"]) for index in look.get_indexes(name)),
            sorted(key["constrained_columns"] for key in look.get_foreign_keys(name)),
        )
        for name in look.get_table_names()
    }
    target.dispose()
    return shape
