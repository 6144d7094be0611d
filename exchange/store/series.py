"""Which version of a series is current, and which full return is in force behind it.

*Current* is the last entry of a series within one status, unless that entry is a withdrawal: nothing comes back to life by itself.
*In force* is the last full return before it, which a "nothing new" confirms. A series is one of its first entry's
form: who may sign one form only must not replace or withdraw another. What its State disputes changes nothing in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select

from exchange.store import tables
from exchange.store.bulk import among, by_digest, change
from exchange.store.database import Transaction

SERIES_MESSAGES = ("original", "update", "correction", "withdrawal")

_COLUMNS = (
    *("participant", "status", "log_id", "index", "seq", "form"),
    *("message", "return_kind", "current", "in_force", "disputed"),
)


class _Version(NamedTuple):
    """A submission of a series; sorts in log order."""

    ordinal: int
    position: int
    seq: int
    form: str
    message: str
    return_kind: str
    current: bool
    in_force: bool
    disputed: str | None


def settle(tx: Transaction, participant: str, series: Iterable[bytes]) -> None:
    """Mark the versions of these series of a participant anew, and write only what changed."""
    wanted = set(series)
    if not wanted:
        return
    ordinals = {row[0]: row[1] for row in tx.execute(select(tables.LOG.c.id, tables.LOG.c.ordinal))}
    versions: dict[tuple[bytes, str], list[_Version]] = defaultdict(list)
    forms: dict[bytes, str] = {}
    for key, whose, status, log_id, *rest in by_digest(tx, wanted, _COLUMNS):
        if whose == participant:
            version = _Version(ordinals[log_id], *rest)
            versions[key, status].append(version)
            forms[key] = version.form
    for key, whose, status, log_id, *rest in among(tx, tables.SUBMISSION, "series", wanted, _COLUMNS):
        if whose == participant:
            versions[bytes(key), status].append(_Version(ordinals[log_id], *rest))
    changes: dict[tuple[bool, bool], list[int]] = defaultdict(list)
    for (key, _), entries in versions.items():
        count = [entry for entry in entries if entry.form == forms.get(key) and entry.disputed is None]
        current, in_force = _judge(sorted(count))
        for entry in entries:
            now = (entry.seq == current, entry.seq == in_force)
            if (entry.current, entry.in_force) != now:
                changes[now].append(entry.seq)
    for now, those in changes.items():
        change(tx, "UPDATE submission SET current = ?, in_force = ? WHERE seq", now, those)


def _judge(entries: Sequence[_Version]) -> tuple[int | None, int | None]:
    """The `seq` of the current version and of the full return in force, of entries in log order."""
    current = in_force = None
    for entry in entries:
        if entry.message not in SERIES_MESSAGES:
            continue
        current = None if entry.message == "withdrawal" else entry.seq
        if entry.message == "withdrawal" or entry.return_kind == "nothing to declare":
            in_force = None
        elif entry.return_kind == "full":
            in_force = entry.seq
    return current, in_force
