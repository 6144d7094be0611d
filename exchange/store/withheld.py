"""Refused entries whose bytes this node does not hand out: its operator decided so, and says why.

Hash, position, verdict and the reason of the refusal stay and are shown; the tree is served as ever. Only mirrors: what one's own log holds
was let in here, and a log that does not show its entries is followed by nobody.
"""

from datetime import datetime

from sqlalchemy import select

from exchange.errors import Misuse, NotFound, Withheld
from exchange.store import tables
from exchange.store.bulk import fetch
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.upsert import put

MAX_REASON = 200  # characters


def withhold(tx: Transaction, log: LogState, index: int, reason: str, now: datetime) -> None:
    """Raises Misuse for what may not be withheld, NotFound where there is no such entry."""
    if log.own:
        raise Misuse(f"{log.origin} is this node's own log: whoever follows it must see every entry")
    if not 0 < len(reason) <= MAX_REASON or not reason.isprintable():
        raise Misuse(f"a reason of 1 to {MAX_REASON} printable characters was expected: everybody who asks is told")
    e = tables.ENTRY.c
    verdict = tx.execute(select(e.verdict).where(e.log_id == log.id, e.index == index)).scalar()
    if verdict is None:
        raise NotFound(f"{log.origin} has no entry {index} here")
    if verdict != "refused":
        raise Misuse(f"entry {index} of {log.origin} is {verdict}: only what was refused may be withheld")
    put(tx, tables.WITHHELD, {"log_id": log.id, "index": index, "reason": reason, "since": now.isoformat()})


def hand_out(tx: Transaction, log: LogState, index: int) -> bool:
    """Show the bytes again. False where they were not withheld."""
    w = tables.WITHHELD.c
    return tx.execute(tables.WITHHELD.delete().where(w.log_id == log.id, w.index == index)).rowcount > 0


def withheld(tx: Transaction, log_id: int, start: int, end: int) -> dict[int, str]:
    """The reasons, by index, of what is withheld of the entries [start, end) of that log."""
    query = 'SELECT "index", reason FROM withheld WHERE log_id = ? AND "index" >= ? AND "index" < ? ORDER BY "index"'
    return dict(fetch(tx, query, (log_id, start, end)))


def refuse_withheld(tx: Transaction, log: LogState, start: int, end: int) -> None:
    """Raises Withheld where one of these entries is not handed out."""
    for index, reason in withheld(tx, log.id, start, end).items():
        raise Withheld(f"entry {index} of {log.origin} is not handed out by this node: {reason}")
