"""A node as the released program of a schema left it, on the engine of this run."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, text

from exchange.config import read_settings
from exchange.node.founding import NODE_KEYS
from exchange.node.keyfile import KeyFile, keep_key
from exchange.store.schema import bring_up_to_date
from tests import engine, key_named
from tests.databases import name_database

HERE = Path(__file__).parent


def unpacked(schema: str, code: str, folder: Path) -> Path:
    """The directory of the node, with its keys; nothing of the new program has touched its data."""
    with tarfile.open(HERE / f"{schema}.tar.gz") as tar:
        tar.extractall(folder, [one for one in tar if one.name.startswith(f"{code}/")], filter="data")
    directory = folder / code
    keys = directory / "keys"
    keys.mkdir(mode=0o700)
    for kind, name in NODE_KEYS.items():
        keep_key(keys / name, KeyFile(kind, key_named(f"released {code} {kind}")))
    if engine.name == "postgresql":
        released = directory / "data" / "cbm.sqlite"
        name_database(directory)
        _carry(released, read_settings(directory).database_url, schema)
        released.unlink()
    return directory


def _carry(source: Path, url: str, schema: str) -> None:
    """The same rows in the same tables: that program made them by the same migrations on both engines."""
    target = create_engine(url)
    with closing(sqlite3.connect(source)) as old, target.begin() as new:
        bring_up_to_date(new, schema)
        for table in ("log", *_tables(old)):
            rows = old.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own names
            names = [column[0] for column in rows.description]
            booleans = {name for name, kind in _columns(old, table) if kind == "BOOLEAN"}
            marks = ", ".join(f":{name}" for name in names)
            query = f'INSERT INTO "{table}" ({", ".join(map(_quoted, names))}) VALUES ({marks})'  # noqa: S608
            for row in rows:
                values = {
                    name: bool(value) if name in booleans else value for name, value in zip(names, row, strict=True)
                }
                new.execute(text(query), values)
        for table in ("submission", "record", "alert"):
            last = f"(SELECT coalesce(max(seq), 0) + 1 FROM {table})"  # noqa: S608
            new.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'seq'), {last}, false)"))
    target.dispose()


def _quoted(name: str) -> str:
    return f'"{name}"'


def _tables(db: sqlite3.Connection) -> list[str]:
    names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [name for (name,) in names if name not in ("log", "alembic_version", "sqlite_sequence")]


def _columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in db.execute(f'PRAGMA table_info("{table}")')]
