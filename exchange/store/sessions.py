"""Sessions of officers, shared by whatever processes a node has: hashes of tokens, never a token."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select, update

from exchange.store import tables
from exchange.store.database import Transaction

_S = tables.OFFICER_SESSION.c


@dataclass(frozen=True, slots=True)
class Session:
    """Times in seconds since 1970; `seen` is when it was last used, to the minute."""

    key: str
    begun: int
    seen: int
    ends: int


def add_session(tx: Transaction, token: bytes, nonce: str, session: Session) -> bool:
    """False, and nothing happens, where a session was opened with that nonce before."""
    if tx.execute(select(_S.key).where(_S.nonce == nonce)).first() is not None:
        return False
    row = {"key": session.key, "begun": session.begun, "seen": session.seen, "ends": session.ends}
    tx.execute(tables.OFFICER_SESSION.insert().values(token=_hash(token), nonce=nonce, ended=False, **row))
    return True


def session_of(tx: Transaction, token: bytes) -> Session | None:
    """Found by the hash: to compare takes no time that tells of the token. None where it was ended."""
    query = select(_S.key, _S.begun, _S.seen, _S.ends).where(_S.token == _hash(token), _S.ended.is_(False))
    row = tx.execute(query).first()
    return None if row is None else Session(*row)


def touch_session(tx: Transaction, token: bytes, now: int) -> None:
    tx.execute(update(tables.OFFICER_SESSION).where(_S.token == _hash(token)).values(seen=now))


def end_session(tx: Transaction, token: bytes) -> None:
    tx.execute(update(tables.OFFICER_SESSION).where(_S.token == _hash(token)).values(ended=True))


def end_sessions(tx: Transaction, key: str, *, but: int = 0) -> int:
    """All of a key, or all but its newest; returns how many."""
    live = select(_S.token).where(_S.key == key, _S.ended.is_(False)).order_by(_S.begun.desc(), _S.seen.desc())
    those = [row[0] for row in tx.execute(live)][but:]
    if those:
        tx.execute(update(tables.OFFICER_SESSION).where(_S.token.in_(those)).values(ended=True))
    return len(those)


def forget_sessions(tx: Transaction, now: int, keep: int) -> None:
    """Those that are over. Not before `keep` seconds: until then its nonce must be known as used."""
    over = or_(_S.ended.is_(True), _S.ends <= now)
    tx.execute(delete(tables.OFFICER_SESSION).where(over, _S.begun < now - keep))


def count_sessions(tx: Transaction, key: str) -> int:
    """Of a key, ended ones that are not forgotten yet among them."""
    return int(tx.execute(select(func.count()).select_from(tables.OFFICER_SESSION).where(_S.key == key)).scalar() or 0)


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
