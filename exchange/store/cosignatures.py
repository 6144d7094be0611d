"""Cosignatures as they are stored: of each checkpoint and State the earliest and the newest, verified before they come here.

The earliest says since when a checkpoint has existed, and goes into receipts; the newest says how fresh a head is, and is served
with it. So neither an old line sent again nor a witness that signs every minute makes this grow.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from exchange.core.note import MAX_SIGNATURES
from exchange.store import tables
from exchange.store.bulk import fetch
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.upsert import put

MAX_LINES = MAX_SIGNATURES - 1  # under one checkpoint, beside the log's own
AT_ONCE = 200
"""Checkpoints, or logs, in one question."""


@dataclass(frozen=True, slots=True)
class Line:
    """A State's cosignature line and its time, in seconds since 1970."""

    participant: str
    time: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a State under one checkpoint."""

    earliest: Line
    newest: Line


_C = tables.COSIGNATURE.c


def kept_lines(tx: Transaction, log: LogState, size: int) -> dict[str, Kept]:
    """By State, in the order of codes."""
    columns = (_C.participant, _C.earliest, _C.earliest_line, _C.newest, _C.newest_line)
    query = select(*columns).where(_C.log_id == log.id, _C.size == size).order_by(_C.participant)
    return {
        row[0]: Kept(Line(row[0], row[1], bytes(row[2])), Line(row[0], row[3], bytes(row[4])))
        for row in tx.execute(query)
    }


def keep_lines(tx: Transaction, log: LogState, size: int, lines: Iterable[Line]) -> bool:
    """Take in verified lines under the kept checkpoint of that size. True where any of them is earlier or newer than what stood."""
    stood = kept_lines(tx, log, size)
    changed: dict[str, Kept] = {}
    for line in lines:
        before = changed.get(line.participant) or stood.get(line.participant)
        earliest = line if before is None or line.time < before.earliest.time else before.earliest
        newest = line if before is None or line.time > before.newest.time else before.newest
        if before != Kept(earliest, newest):
            changed[line.participant] = Kept(earliest, newest)
    for code, kept in changed.items():
        row = {
            "log_id": log.id,
            "size": size,
            "participant": code,
            "earliest": kept.earliest.time,
            "earliest_line": kept.earliest.line,
            "newest": kept.newest.time,
            "newest_line": kept.newest.line,
        }
        put(tx, tables.COSIGNATURE, row)
    return bool(changed)


def with_newest(tx: Transaction, log: LogState, size: int, note: bytes) -> bytes:
    """The note with each State's newest line: how fresh it is."""
    return note + b"".join([kept.newest.line for kept in kept_lines(tx, log, size).values()][:MAX_LINES])


def with_earliest(tx: Transaction, log: LogState, size: int, note: bytes) -> bytes:
    """The note with each State's earliest line: since when it has existed."""
    return note + b"".join([kept.earliest.line for kept in kept_lines(tx, log, size).values()][:MAX_LINES])


def earliest_times(
    tx: Transaction, checkpoints: Collection[tuple[int, int]]
) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """Of each checkpoint (log id, size) the States that cosigned it and when each first did, in seconds since 1970."""
    found: dict[tuple[int, int], list[tuple[str, int]]] = {}
    wanted = sorted(set(checkpoints))
    for at in range(0, len(wanted), AT_ONCE):
        query = (
            f"WITH wanted (log, at) AS (VALUES {_pairs(wanted[at : at + AT_ONCE])})"  # noqa: S608 - whole numbers of our own
            " SELECT c.log_id, c.size, c.participant, c.earliest FROM wanted w"
            " JOIN cosignature c ON c.log_id = w.log AND c.size = w.at ORDER BY c.participant"
        )
        for log, size, participant, earliest in fetch(tx, query):
            found.setdefault((log, size), []).append((participant, earliest))
    return found


def newest_cosigned(tx: Transaction, logs: Collection[int], among: int = 8) -> dict[int, list[tuple[int, int]]]:
    """By log id (size, how many States cosigned it) of the newest checkpoints that were cosigned at all, newest first."""
    found: dict[int, list[tuple[int, int]]] = {}
    wanted = sorted(set(logs))
    for at in range(0, len(wanted), AT_ONCE):
        each = [
            "SELECT * FROM (SELECT log_id, size, count(*) AS many FROM cosignature"  # noqa: S608 - as above
            f" WHERE log_id = {int(log)} GROUP BY log_id, size ORDER BY size DESC LIMIT {int(among)}) AS newest"
            for log in wanted[at : at + AT_ONCE]
        ]
        for log, size, many in fetch(tx, " UNION ALL ".join(each)):
            found.setdefault(log, []).append((size, many))
    return found


@dataclass(frozen=True, slots=True)
class Judged:
    """What the cosignatures of a checkpoint came to, once they were enough under certain rosters."""

    size: int
    cosigned: int
    of: int
    asked: int
    not_later_than: datetime


def keep_quorum(tx: Transaction, log: LogState, rosters: str, judged: Judged) -> None:
    """`rosters` names those by which it was judged; under others it is judged anew."""
    row = {
        "log_id": log.id,
        "size": judged.size,
        "rosters": rosters,
        "cosigned": judged.cosigned,
        "of": judged.of,
        "asked": judged.asked,
        "not_later_than": judged.not_later_than.astimezone(UTC).isoformat(),
    }
    put(tx, tables.QUORUM, row)


def newest_quorum_kept(tx: Transaction, rosters: str) -> datetime | None:
    """The newest of the times at which the latest a checkpoint existed, of whatever log."""
    found = fetch(tx, "SELECT max(not_later_than) FROM quorum WHERE rosters = ?", (rosters,))[0][0]
    return None if found is None else datetime.fromisoformat(found)


def first_quorums(
    tx: Transaction, rosters: str, entries: Collection[tuple[int, int]]
) -> Mapping[tuple[int, int], Judged]:
    """For entries (log id, index) the first checkpoint over each that has its quorum under those rosters, where one has."""
    found: dict[tuple[int, int], Judged] = {}
    wanted: Sequence[tuple[int, int]] = sorted(set(entries))
    for at in range(0, len(wanted), AT_ONCE):
        query = (
            f"WITH wanted (log, entry) AS (VALUES {_pairs(wanted[at : at + AT_ONCE])})"  # noqa: S608 - whole numbers of our own
            ' SELECT w.log, w.entry, q.size, q.cosigned, q."of", q.asked, q.not_later_than FROM wanted w JOIN quorum q'
            " ON q.log_id = w.log AND q.size = (SELECT min(x.size) FROM quorum x"
            " WHERE x.log_id = w.log AND x.size > w.entry AND x.rosters = ?)"
        )
        for log, entry, size, cosigned, of, asked, moment in fetch(tx, query, (rosters,)):
            found[log, entry] = Judged(size, cosigned, of, asked, datetime.fromisoformat(moment))
    return found


def _pairs(numbers: Iterable[tuple[int, int]]) -> str:
    return ", ".join(f"(CAST({int(one)} AS BIGINT), CAST({int(other)} AS BIGINT))" for one, other in numbers)
