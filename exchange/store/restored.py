"""What a node must remember about itself before it appends: that it was restored, and how much of its log others were seen to hold.

Both stand in the database, so that they go wherever the data goes. A start that asked the other nodes, or was told to do without, takes
the first away; the second only grows, and is made good by having the entries.
"""

from sqlalchemy import delete, select

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.upsert import put

_RESTORED, _AHEAD = "restored", "ahead"


def mark_restored(tx: Transaction, what: str) -> None:
    """`what` says from which backup."""
    put(tx, tables.SETTING, {"name": _RESTORED, "value": what})


def restored(tx: Transaction) -> str | None:
    """From which backup, where the others were not asked since."""
    return _value(tx, _RESTORED)


def settle_restored(tx: Transaction) -> None:
    tx.execute(delete(tables.SETTING).where(tables.SETTING.c.name == _RESTORED))


def mark_ahead(tx: Transaction, size: int) -> None:
    """Somebody holds our own log, under our own key, at that size, which is larger than ours."""
    put(tx, tables.SETTING, {"name": _AHEAD, "value": str(max(size, ahead(tx)))})


def ahead(tx: Transaction) -> int:
    """The largest size of our own log that anybody was seen to hold while we held less; 0 where nobody ever was."""
    return int(_value(tx, _AHEAD) or 0)


def _value(tx: Transaction, name: str) -> str | None:
    value = tx.execute(select(tables.SETTING.c.value).where(tables.SETTING.c.name == name)).scalar()
    return None if value is None else str(value)
