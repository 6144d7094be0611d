"""How much of our own log others were seen to hold while we held less: it stands in the database, so a restart does not forget it."""

from sqlalchemy import select

from exchange.store.database import Transaction
from exchange.store.tables import SETTING
from exchange.store.upsert import put

_AHEAD = "ahead"


def mark_ahead(tx: Transaction, size: int) -> None:
    """Somebody holds our log, under our own key, at that size, which is larger than ours. It only grows."""
    put(tx, SETTING, {"name": _AHEAD, "value": str(max(size, ahead(tx)))})


def ahead(tx: Transaction) -> int:
    """The largest such size; 0 where nobody ever held more. Having the entries makes it good."""
    value = tx.execute(select(SETTING.c.value).where(SETTING.c.name == _AHEAD)).scalar()
    return int(value or 0)
