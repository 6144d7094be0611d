"""What this node as a witness signed last of each log, and the signed requests that it refused.

The head only moves on: SQL refuses a smaller size, another root and an earlier time, whatever asks for it (schema.py).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from exchange.core.checkpoint import Checkpoint
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.upsert import keep, put

MAX_REFUSALS = 32  # requests kept of one log: it may sign, and send, as many as it likes


@dataclass(frozen=True, slots=True)
class WitnessHead:
    """`note` bears the log's own signature alone, `line` is this witness's; `time` in seconds since 1970."""

    checkpoint: Checkpoint
    note: bytes
    time: int
    line: bytes

    @property
    def cosigned(self) -> bytes:
        return self.note + self.line


def witness_head(tx: Transaction, log: LogState) -> WitnessHead | None:
    """What was signed last of this log; None if nothing ever was."""
    c = tables.WITNESS_HEAD.c
    row = tx.execute(select(c.size, c.root, c.note, c.time, c.line).where(c.log_id == log.id)).first()
    if row is None:
        return None
    return WitnessHead(Checkpoint(log.origin, row[0], bytes(row[1])), bytes(row[2]), row[3], bytes(row[4]))


def keep_witness_head(tx: Transaction, log: LogState, head: WitnessHead) -> None:
    """Binding from the commit on: nothing smaller is ever signed again."""
    row = {
        "log_id": log.id,
        "size": head.checkpoint.size,
        "root": head.checkpoint.root,
        "note": head.note,
        "time": head.time,
        "line": head.line,
    }
    put(tx, tables.WITNESS_HEAD, row)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was signed by its log and refused."""

    id: int
    size: int
    code: str
    received: str
    request: bytes


def keep_refusal(tx: Transaction, log: LogState, size: int, code: str, request: bytes, now: datetime) -> None:
    """Keep a refused request, once; of too many the oldest go."""
    c = tables.REFUSAL.c
    row = {
        "log_id": log.id,
        "size": size,
        "sha256": hashlib.sha256(request).digest(),
        "code": code,
        "received": now.isoformat(),
        "request": request,
    }
    keep(tx, tables.REFUSAL, row)
    newest = select(c.id).where(c.log_id == log.id).order_by(c.id.desc()).limit(MAX_REFUSALS).subquery()
    oldest = tx.execute(select(func.min(newest.c.id))).scalar()
    tx.execute(delete(tables.REFUSAL).where(c.log_id == log.id, c.id < oldest))


def refusals(tx: Transaction, log: LogState) -> list[Refusal]:
    """Those kept of this log, oldest first."""
    c = tables.REFUSAL.c
    query = select(c.id, c.size, c.code, c.received, c.request).where(c.log_id == log.id).order_by(c.id)
    return [Refusal(*row[:4], bytes(row[4])) for row in tx.execute(query)]


def drop_refusal(tx: Transaction, refusal: Refusal) -> None:
    """It turned out to be one half of nothing."""
    tx.execute(delete(tables.REFUSAL).where(tables.REFUSAL.c.id == refusal.id))
