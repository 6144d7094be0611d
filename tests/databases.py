"""The databases of nodes under test: given with the schema in them, copied, changed by hand, gone with their folder.

    give_database(directory)                 # the node there is down; whatever it knew, it begins anew
    with hand_in(directory) as db:           # what no program of ours would do
        no_longer_final(db)
        db.exec_driver_sql("DELETE FROM checkpoint")
    copy_node(directory, another)            # while it is down

Which engine it is says tests/engine.py. A node that is given nothing keeps its data in the file in its folder.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from exchange.config import SETTINGS_FILE, read_settings
from exchange.store.database import Database
from tests import engine, postgres

_of_folders: dict[Path, list[str]] = {}


def new_database(folder: Path) -> str:
    """The address of a database as the first start makes it, in the place of what stood in that folder.

    It is copied from one that was made so: to make one takes a tenth of a second.
    """
    if engine.name == "postgresql":
        _hurry()
        return _kept(folder, postgres.migrated_database())
    file = folder / "data" / "cbm.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    for left in file.parent.glob(file.name + "-*"):
        left.unlink()
    file.write_bytes(_migrated_file())
    return f"sqlite:///{file}"


@cache
def _hurry() -> None:
    """The server of this run waits for no disk: it serves hundreds of nodes, and nobody cuts its power."""
    postgres.wait_for_the_disk(False)


@contextmanager
def durable() -> Iterator[None]:
    """Where nodes are killed it waits, as it does in earnest."""
    if engine.name == "postgresql":
        postgres.wait_for_the_disk(True)
    yield
    if engine.name == "postgresql":
        postgres.wait_for_the_disk(False)


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cbm.sqlite"
        Database.at(file).close()
        return file.read_bytes()


def give_database(directory: Path) -> None:
    """The node there begins with nothing but the schema."""
    _name(directory, new_database(directory))


def name_database(directory: Path) -> None:
    """An empty database for the node there, which makes its schema itself; that in its folder needs no name."""
    _name(directory, fresh_database(directory) or "sqlite")


def fresh_database(folder: Path) -> str | None:
    """An empty database, as settings name it, for a node that will lie in that folder: None means the file in it."""
    return _kept(folder, postgres.fresh_database()) if engine.name == "postgresql" else None


def copy_node(directory: Path, target: Path) -> Path:
    """The folder and the database of a node that is down."""
    shutil.copytree(directory, target, ignore=shutil.ignore_patterns("lock"))
    if engine.name == "postgresql":
        _name(target, _kept(target, postgres.copied_database(read_settings(directory).database_url)))
    return target


def bring_back(copy: Path, directory: Path) -> None:
    """The copy takes the place of the node there, which is down; it is used up."""
    shutil.rmtree(directory)
    copy.rename(directory)


def _name(directory: Path, url: str) -> None:
    """The file in its folder is what a node uses unless told otherwise."""
    if not url.startswith("sqlite"):
        toml = directory / SETTINGS_FILE
        lines = [line for line in toml.read_text().splitlines() if not line.startswith("database = ")]
        toml.write_text("\n".join([*lines, f'database = "{url}"', ""]))


def _kept(folder: Path, url: str) -> str:
    _of_folders.setdefault(folder, []).append(url)
    return url


def drop(folder: Path) -> None:
    """The databases of all nodes under that folder, which nobody will ask for again."""
    for directory in [one for one in _of_folders if one.is_relative_to(folder)]:
        for url in _of_folders.pop(directory):
            postgres.drop_database(url)


@contextmanager
def hand_in(place: Path | str) -> Iterator[Connection]:
    """A hand in the database of the node there, running or not, or at this address; whatever it does is done at once."""
    url = place if isinstance(place, str) else read_settings(place).database_url
    with create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as db:
        yield db


def no_longer_final(db: Connection) -> None:
    """From here on this hand goes past the engine's own refusals (exchange/store/schema.py)."""
    if db.dialect.name == "sqlite":
        for (name,) in db.execute(text("SELECT name FROM sqlite_schema WHERE type = 'trigger'")).all():
            db.exec_driver_sql(f"DROP TRIGGER {name}")
    else:
        db.exec_driver_sql("SET session_replication_role = replica")
