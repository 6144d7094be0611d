"""What tests of every floor ask for, and on which engines they run (tests/engine.py)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests import databases, engine, statements

ENGINES = ("sqlite", "postgresql")
PURE = ("core", "trust")
DRIVERS = {"sqlite3": "sqlite", "psycopg": "postgresql"}


# Thousands of small worlds are no place for worker processes, which take a second to start; test_spread.py brings its own.
os.environ["CBM_WORKERS"] = "0"
statements.share()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("both", *ENGINES), default="both", help="where nodes keep their data")


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "once" not in marks and metafunc.definition.path.parent.name not in PURE:
        names = tuple(name for name in ENGINES if name in marks) or ENGINES
        metafunc.parametrize("on_engine", names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--engine` takes away what runs on the other one."""
    chosen = config.getoption("--engine")
    other = [item for item in items if chosen != "both" and _engine_of(item) not in (engine.NONE, chosen)]
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in set(other)]


def _engine_of(item: pytest.Item) -> str:
    parameters: dict[str, str] = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("on_engine", engine.NONE)


@pytest.fixture(scope="session", autouse=True)
def on_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The engine of the tests that come now."""
    engine.name = getattr(request, "param", engine.NONE)
    yield
    engine.name = engine.NONE


@event.listens_for(Pool, "connect")
def _refuse_another(connection: Any, _record: Any) -> None:
    opened = DRIVERS[type(connection).__module__.partition(".")[0]]
    assert opened == engine.name, f"a test that runs on {engine.name} opens a database of {opened}"


@pytest.fixture(scope="session")
def tmp_path_factory(on_engine: None, tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """As ever; but whatever wider fixture asks for a folder is made anew for the other engine, and its nodes with it."""
    return tmp_path_factory


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """As ever; afterwards no node has kept its data elsewhere than this run's engine, and the databases of its nodes are gone."""
    yield tmp_path
    if engine.name != "sqlite":
        assert [path for path in tmp_path.rglob("*.sqlite") if path.read_bytes().startswith(b"SQLite")] == []
    databases.drop(tmp_path)


@pytest.fixture
def vectors() -> Path | None:
    """The published vectors beside the checkout; None, and one line that says so, where they are not."""
    path = Path(__file__).resolve().parents[1] / ".." / "shared" / "vectors"
    if path.is_dir():
        return path
    print(f"published vectors not here: {path}")
    return None
