"""A test keeps its nodes' data on the engine it runs on and on no other, and what runs once opens no database at all."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from exchange.config import read_settings
from tests import engine
from tests.databases import hand_in
from tests.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    with World(tmp_path_factory.mktemp("world"), "XR") as world:
        return world


@pytest.mark.parametrize("again", [False, True])
def test_a_node_keeps_its_data_on_the_engine_of_the_test(world: World, again: bool) -> None:
    assert read_settings(world["XR"].directory).database_url.partition(":")[0].partition("+")[0] == engine.name
    with hand_in(world["XR"].directory) as db:
        assert db.dialect.name == engine.name


def test_nothing_is_opened_on_another_engine(tmp_path: Path) -> None:
    """The rule that all other tests stand under; a file that a process of its own makes is found in the end (conftest.py)."""
    opened = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    if engine.name == "sqlite":
        opened.connect().close()
    else:
        with pytest.raises(AssertionError, match="a test that runs on postgresql opens a database of sqlite"):
            opened.connect()


@pytest.mark.once
def test_what_runs_once_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a test that runs on none opens a database of sqlite"):
        create_engine(f"sqlite:///{tmp_path / 'other.db'}").connect()
