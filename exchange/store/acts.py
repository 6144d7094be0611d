"""The local record in the database: lines are added, read, and let go when their time is over (trust/acts.py).

Guarantees: a line stands in the same transaction as what it tells of. The engine refuses to change a line, and to delete one
that was not let go; letting go is itself a line, with the hash of the last one that went.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, RowMapping, delete, func, literal, select, update

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.trust.acts import Act, What, let_go, next_act
from exchange.trust.roles import Officer

MAX_ACTS = 1_000_000
"""Lines that are kept at most, however young."""
NODE = Officer("node", frozenset())
_A = tables.ACT.c
_COLUMNS = tuple(_A[name] for name in Act.__slots__)


def record_act(tx: Transaction, at: datetime, who: Officer, what: What, subject: str = "") -> Act:
    """Add the line. It is there if, and only if, the rest of this transaction is. `subject` is an id or a place, never content."""
    last = tx.execute(select(_A.seq, _A.sha256).order_by(_A.seq.desc()).limit(1)).first()
    before = None if last is None else (last[0], last[1])
    when = at.isoformat(timespec="seconds")
    act = next_act(before, at=when, key=who.keyid, roles=sorted(who.roles), what=what, subject=subject)
    row = {name: getattr(act, name) for name in Act.__slots__}
    tx.execute(tables.ACT.insert().values(**row | {"roles": ", ".join(act.roles)}, let_go=False))
    return act


def acts(tx: Transaction, *, after: int = 0, limit: int | None = None) -> list[Act]:
    """In their order, behind the line of that number."""
    query = select(*_COLUMNS).where(_A.seq > literal(after, BigInteger)).order_by(_A.seq).limit(limit)
    return [_act(row) for row in tx.execute(query).mappings()]


def newest(tx: Transaction) -> Act | None:
    row = tx.execute(select(*_COLUMNS).order_by(_A.seq.desc()).limit(1)).mappings().first()
    return None if row is None else _act(row)


def acts_due(tx: Transaction, now: datetime, days: int) -> bool:
    """Whether there is anything for `keep_acts` to do."""
    first, last, oldest = tx.execute(select(func.min(_A.seq), func.max(_A.seq), func.min(_A.at))).one()
    return last is not None and (last - first >= MAX_ACTS or oldest < _before(now, days))


def keep_acts(tx: Transaction, now: datetime, days: int, most: int = MAX_ACTS) -> int:
    """Let go of lines older than that, and of a tenth and more where there are more than `most`; returns how many."""
    aged = tx.execute(select(func.max(_A.seq)).where(_A.at < _before(now, days))).scalar() or 0
    first, last = tx.execute(select(func.min(_A.seq), func.max(_A.seq))).one()
    full = last is not None and last - first >= most
    upto = max(aged, last - most * 9 // 10 if full else 0)
    row = tx.execute(select(*_COLUMNS).where(_A.seq == upto)).mappings().first()
    if row is None:
        return 0
    gone = tx.execute(select(func.count()).where(_A.seq <= upto)).scalar() or 0
    record_act(tx, now, NODE, What.RETENTION, let_go(_act(row)))
    tx.execute(update(tables.ACT).where(_A.seq <= upto).values(let_go=True))
    tx.execute(delete(tables.ACT).where(_A.seq <= upto))
    return gone


def _before(now: datetime, days: int) -> str:
    return (now - timedelta(days=days)).isoformat(timespec="seconds")


def _act(row: RowMapping) -> Act:
    return Act(**{**row, "roles": tuple(row["roles"].split(", ")) if row["roles"] else ()})
