"""Nonces of requests that proved who asks, shared by all processes of a node: the same proof counts once."""

from sqlalchemy import delete

from exchange.store import tables
from exchange.store.database import Transaction

KEPT = 600  # seconds behind the end of a proof: a clock that is set back a little opens no old one


def remember(tx: Transaction, keyid: str, nonce: str, expires: int, now: int) -> bool:
    """Whether it is new. To be asked only behind a signature that verified: nobody else fills this table."""
    tx.execute(delete(tables.NONCE).where(tables.NONCE.c.expires < now - KEPT))
    found = tx.execute(
        tables.NONCE.select().where(tables.NONCE.c.keyid == keyid, tables.NONCE.c.nonce == nonce)
    ).first()
    if found is not None:
        return False
    tx.execute(tables.NONCE.insert().values(keyid=keyid, nonce=nonce, expires=expires))
    return True
