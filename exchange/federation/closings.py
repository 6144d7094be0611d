"""A log that its State's record closes must end there as it stood here: another root is another history.

Where the tree held here and the record disagree, the log showed this node one history and its State vouches for another: a log key
rotated to hide a fork is noticed by everyone who mirrored the other side. It is raised as an alert, with the head that the log
signed over the tree that is held, and the log is followed no further.
"""

from datetime import datetime

from exchange.core.base64text import format_base64
from exchange.core.merkle import tree_root
from exchange.store import log as logs
from exchange.store.alerts import raise_alert
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.trust.participants import Closed, Participants

KIND = "closed-otherwise/v1"


def check_closing(tx: Transaction, log: LogState, participants: Participants, now: datetime) -> None:
    """Compare as soon as all of it is here; told once."""
    closed = _closed(log.origin, participants)
    if closed is None or log.halted is not None or not closed.size <= log.stored:
        return
    root = tree_root(closed.size, logs.reader(tx, log, log.stored))
    if root == closed.root:
        return
    held = logs.covering(tx, log, closed.size)
    summary = (
        f"the record of {log.participant} closes {log.origin} at size {closed.size} with another root than the log had when it was "
        "mirrored here: one of the two is a second history"
    )
    evidence = {
        "log_vkey": log.vkey,
        "closed": {"size": closed.size, "root": format_base64(closed.root)},
        "held_root": format_base64(root),
        "checkpoint": held.decode(),
    }
    raise_alert(
        tx, kind=KIND, participant=log.participant, origin=log.origin, raised=now, summary=summary, evidence=evidence
    )
    if not log.own:
        logs.halt(tx, log, summary)


def _closed(origin: str, participants: Participants) -> Closed | None:
    record = participants.by_origin(origin)
    ordinal = None if record is None else record.log_ordinal(origin)
    return None if record is None or ordinal is None else record.logs[ordinal].closed
