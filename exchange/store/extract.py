"""Raw rows for an audit: read-only, in one snapshot that several processes share, and streamed, so that memory stays flat.

Nothing here decides anything, and no query of another file of this floor is used: what wrote the data must not be what
shows it to its auditor. A running node is not disturbed. PostgreSQL hands its snapshot to other processes by name;
SQLite cannot, so `changes` tells whether anything was committed while they took theirs one after the other.

Values come as the driver reads them. A hand in the database may have left others than the schema says, or a page that
no longer reads: that is Malformed, raised where the row is asked for.
"""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from exchange.errors import Malformed, Misuse, Unavailable

Row = tuple[Any, ...]

BUSY_SECONDS = 30
FETCH = 256  # rows at a time
CACHE_KIB = 64 * 1024  # of SQLite: documents and openings are found by their commitments, one here, one there

_QUERIES = {
    "logs": "SELECT id, origin, participant, ordinal, vkey, own, size, stored FROM log ORDER BY participant, ordinal, id",
    "settings": "SELECT name, value FROM setting",
    "records": "SELECT participant, sha256, record FROM record ORDER BY participant, seq",
    "entries": (
        'SELECT e."index", e.envelope, e.key, e.verdict, e.code,'
        " s.id, s.participant, s.form, s.version, s.obligations, s.series, s.issued, s.period_start, s.period_end,"
        " s.return_kind, s.message, s.status, s.directory, s.disputed, s.fits, s.current, s.in_force"
        ' FROM entry e LEFT JOIN submission s ON s.log_id = e.log_id AND s."index" = e."index"'
        ' WHERE e.log_id = ? AND e."index" >= ? AND e."index" < ? ORDER BY e."index"'
    ),
    "documents": (
        'SELECT t."index", t.slot, t.ordinal, t.commitment, t.media_type, t.language, t.audience, t.document IS NOT NULL,'
        " d.name, d.size, d.content, o.key, t.key, d.key, t.erased"
        " FROM slot t LEFT JOIN document d ON d.id = coalesce(t.document,"
        # What is held for somebody else's entry alone is not this one's, whatever its commitment.
        " (SELECT x.id FROM document x WHERE x.key = t.key AND x.commitment = t.commitment AND NOT EXISTS"
        " (SELECT 1 FROM slot y JOIN log m ON m.id = y.log_id WHERE y.document = x.id AND m.participant <>"
        " (SELECT n.participant FROM log n WHERE n.id = t.log_id))))"
        " AND d.commitment = t.commitment"
        " LEFT JOIN opening o ON o.document = d.id"
        ' WHERE t.log_id = ? AND t."index" >= ? AND t."index" < ? ORDER BY t."index", t.ordinal, t.slot'
    ),
    "tiles": (
        'SELECT "index", hashes FROM tile'
        ' WHERE log_id = ? AND level = ? AND "index" >= ? AND "index" < ? ORDER BY "index"'
    ),
    "checkpoints": "SELECT size, root, note FROM checkpoint WHERE log_id = ? AND size > ? AND size <= ? ORDER BY size",
    "cosignatures": (
        "SELECT c.size, c.participant, c.earliest, c.earliest_line, c.newest, c.newest_line, k.note FROM cosignature c"
        " LEFT JOIN checkpoint k ON k.log_id = c.log_id AND k.size = c.size WHERE c.log_id = ? ORDER BY c.size, c.participant"
    ),
    "quorums": 'SELECT size, rosters, cosigned, "of", asked, not_later_than FROM quorum WHERE log_id = ? ORDER BY size',
    "witness heads": "SELECT log_id, size, root, note, time, line FROM witness_head ORDER BY log_id",
    "findings": 'SELECT log_id, "index", evidence, accused FROM finding ORDER BY log_id, "index"',
    "convictions": "SELECT participant, origin, evidence FROM alert WHERE kind = 'inconsistent-checkpoints/v1' ORDER BY seq",
    "halted": "SELECT id FROM log WHERE halted IS NOT NULL",
    "trust files": "SELECT role, version, raw FROM trust_file ORDER BY role, version",
    # What lies outside every range above, where nothing else would ever look.
    "entries beyond": 'SELECT "index" FROM entry WHERE log_id = ? AND ("index" >= ? OR "index" < 0)',
    "tiles of": 'SELECT level, "index" FROM tile WHERE log_id = ? ORDER BY level, "index"',
    "entries of no log": 'SELECT log_id, "index" FROM entry WHERE log_id NOT IN (SELECT id FROM log)',
    "tiles of no log": 'SELECT log_id, "index" FROM tile WHERE log_id NOT IN (SELECT id FROM log)',
    "checkpoints of no log": "SELECT log_id, size FROM checkpoint WHERE log_id NOT IN (SELECT id FROM log)",
    "cosignatures of no log": "SELECT log_id, size FROM cosignature WHERE log_id NOT IN (SELECT id FROM log)",
    "submissions of no entry": (
        'SELECT s.log_id, s."index" FROM submission s WHERE NOT EXISTS'
        ' (SELECT 1 FROM entry e WHERE e.log_id = s.log_id AND e."index" = s."index")'
    ),
    "slots of no entry": (
        'SELECT t.log_id, t."index" FROM slot t WHERE NOT EXISTS'
        ' (SELECT 1 FROM entry e WHERE e.log_id = t.log_id AND e."index" = t."index")'
    ),
    "openings of no document": (
        "SELECT o.document FROM opening o WHERE NOT EXISTS (SELECT 1 FROM document d WHERE d.id = o.document)"
    ),
    "documents of no slot": (
        "SELECT NULL, NULL, NULL, d.commitment, NULL, NULL, NULL, NULL, d.name, d.size, d.content, o.key, NULL, d.key"
        " FROM document d"
        " LEFT JOIN opening o ON o.document = d.id"
        " WHERE NOT EXISTS (SELECT 1 FROM slot t WHERE t.document = d.id)"
    ),
    "slots of": (
        'SELECT t.log_id, t."index", t.slot, t.document IS NOT NULL, t.erased, t.retain_until, s.form, s.status FROM entry e'
        ' JOIN slot t ON t.log_id = e.log_id AND t."index" = e."index"'
        ' JOIN submission s ON s.log_id = e.log_id AND s."index" = e."index"'
        ' WHERE e.key = ? ORDER BY t.log_id, t."index", t.ordinal'
    ),
    "orders of": 'SELECT subject, since, destroyed FROM erasure WHERE log_id = ? AND "index" = ? ORDER BY ordinal',
    "submissions": "SELECT count(*) FROM submission",
    "slots": "SELECT count(*) FROM slot",
}


class _Engine(Protocol):
    def begin(self, name: str | None) -> str: ...

    def changes(self) -> int: ...

    def relent(self) -> bool: ...

    def stream(self, query: str, values: Sequence[Any]) -> Iterator[Row]: ...

    def close(self) -> None: ...


class Extract:
    """An open database, for its auditor. `begin` comes before `rows`."""

    def __init__(self, url: str) -> None:
        """`url` is sqlite:///PATH or postgresql://...; raises Misuse, and Unavailable where no server answers."""
        self._engine: _Engine = _Sqlite(url) if url.startswith("sqlite") else _Postgres(url)

    def begin(self, snapshot: str | None = None) -> str:
        """Take a snapshot, the named one if there is one: what is read from here on belongs together. Returns its name."""
        return self._engine.begin(snapshot)

    def changes(self) -> int:
        """A number that differs once anybody else committed something; not to be asked of one that holds a snapshot."""
        return self._engine.changes()

    def relent(self) -> bool:
        """From here on show what is no text, where a text should stand, instead of refusing the row. False if that is so already."""
        return self._engine.relent()

    def check(self) -> None:
        """Raises Misuse where the tables are not those that are read here."""
        for query in _QUERIES.values():
            try:
                list(self._engine.stream(f"EXPLAIN {query}", (0,) * query.count("?")))
            except Malformed as error:
                raise Misuse(
                    f"this is not the database of a node, or of another version of this program: {error}"
                ) from None

    def rows(self, what: str, *values: Any) -> Iterator[Row]:
        """The rows of one of the queries above. Raises Malformed where the database does not read."""
        return self._engine.stream(_QUERIES[what], values)

    def close(self) -> None:
        self._engine.close()


class _Sqlite:
    def __init__(self, url: str) -> None:
        path = Path(url.partition(":///")[2])
        if not path.is_file():
            raise Misuse(f"there is no database at {path}: the node never ran, or its data lies elsewhere")
        try:
            self._db = _open(path)
        except sqlite3.Error as error:
            raise Misuse(f"{path} does not open as a database: {error}") from None

    def begin(self, name: str | None) -> str:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._db.execute("BEGIN")
        self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the first read takes the snapshot
        return ""

    def changes(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def relent(self) -> bool:
        before, self._db.text_factory = self._db.text_factory, _show
        return before is not _show

    def stream(self, query: str, values: Sequence[Any]) -> Iterator[Row]:
        try:
            cursor = self._db.execute(query, values)
            while some := cursor.fetchmany(FETCH):
                yield from some
        except sqlite3.Error as error:
            raise Malformed(f"the database does not read here: {error}") from None

    def close(self) -> None:
        self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    """Read-only. On a medium that cannot be written SQLite must be told so, which is safe where no log waits beside it."""
    address = f"file:{quote(str(path))}?mode=ro"
    waiting = path.with_name(path.name + "-wal")
    still = not (waiting.exists() and waiting.stat().st_size)
    try:
        return _connect(address)
    except sqlite3.OperationalError:
        if not still:
            raise
        return _connect(address + "&immutable=1")


def _connect(address: str) -> sqlite3.Connection:
    db = sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        db.execute("PRAGMA query_only=ON")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


class _Postgres:
    def __init__(self, url: str) -> None:
        import psycopg  # here: an audit of SQLite does without

        self._error = psycopg.Error
        self._names = itertools.count()
        try:
            self._db = psycopg.connect("postgresql" + url[url.index(":") :], autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            raise Unavailable(f"the database does not open: {_line(error)}") from None

    def begin(self, name: str | None) -> str:
        try:
            self._db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if name:
                self._db.execute(f"SET TRANSACTION SNAPSHOT '{name}'".encode())
                return name
            row = self._db.execute("SELECT pg_export_snapshot()").fetchone()
        except self._error as error:
            raise Unavailable(f"the database gives no snapshot: {_line(error)}") from None
        return str(row[0]) if row else ""

    def changes(self) -> int:
        return 0  # one snapshot, one name

    def relent(self) -> bool:
        return False  # no text gets in there that is none

    def stream(self, query: str, values: Sequence[Any]) -> Iterator[Row]:
        # A cursor on the server's side: the driver would otherwise take the whole answer into memory.
        try:
            if query.startswith("EXPLAIN"):
                yield from self._db.execute(query.replace("?", "0").encode())
                return
            with self._db.cursor(name=f"audit{next(self._names)}", binary=True) as cursor:
                cursor.itersize = FETCH
                cursor.execute(query.replace("?", "%s").encode(), values)
                yield from cursor
        except self._error as error:
            raise Malformed(f"the database does not read here: {_line(error)}") from None

    def close(self) -> None:
        self._db.close()


def _show(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
