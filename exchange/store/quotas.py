"""How much of a log came since a day began, for its daily quota: what stood before is told by the checkpoints, and the pauses, of then."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from exchange.store.alerts import alerts_of_kind
from exchange.store.bulk import fetch
from exchange.store.database import Transaction
from exchange.store.log import LogState

OVER_QUOTA = "over-quota/v1"


class Stood(NamedTuple):
    """So many entries of a log stood here at that moment."""

    size: int
    seen: datetime


def stood_before(tx: Transaction, log: LogState, moment: datetime) -> Stood | None:
    """The most that is known to have stood before the moment, and since when; None where nothing of the log was seen then.

    A log that was paused stands in the middle of a head: how far it had come, the alert of that day says.
    """
    return max(_stood(tx, log, moment), default=None)


def _stood(tx: Transaction, log: LogState, moment: datetime) -> Iterator[Stood]:
    query = (
        "SELECT size, seen FROM checkpoint WHERE log_id = ? AND size <= ? AND seen < ? ORDER BY size DESC, seen LIMIT 1"
    )
    for size, seen in fetch(tx, query, (log.id, log.stored, moment.isoformat())):
        yield Stood(int(size), datetime.fromisoformat(seen))
    for alert in alerts_of_kind(tx, OVER_QUOTA):
        raised = datetime.fromisoformat(alert.raised)
        if alert.origin == log.origin and raised < moment:
            yield Stood(int(alert.evidence["stored"]), raised)


def bytes_since(tx: Transaction, log: LogState, size: int) -> int:
    """Of envelopes, and of the documents that are held of them."""
    envelopes = 'SELECT coalesce(sum(length(envelope)), 0) FROM entry WHERE log_id = ? AND "index" >= ?'
    documents = (
        "SELECT coalesce(sum(d.size), 0) FROM slot t JOIN document d ON d.id = t.document"
        ' WHERE t.log_id = ? AND t."index" >= ?'
    )
    return sum(int(fetch(tx, query, (log.id, size))[0][0]) for query in (envelopes, documents))
