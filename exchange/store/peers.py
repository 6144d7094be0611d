"""How the last contact with each peer went: what an operator looks at first when something is missing."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.upsert import put


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """`error` is None after a good contact; `failures` counts the failed ones in a row since."""

    participant: str
    attempted: str | None
    contacted: str | None
    error: str | None
    failures: int


def peer_statuses(tx: Transaction) -> dict[str, PeerStatus]:
    columns = [tables.PEER.c[name] for name in PeerStatus.__slots__]
    return {row[0]: PeerStatus(*row) for row in tx.execute(select(*columns))}


def note_contact(tx: Transaction, participant: str, at: datetime, error: str | None) -> None:
    """Write down one attempt: `error` None is a good contact."""
    before = peer_statuses(tx).get(participant)
    row = {
        "participant": participant,
        "attempted": at.isoformat(),
        "contacted": at.isoformat() if error is None else (before.contacted if before else None),
        "error": error,
        "failures": 0 if error is None else (before.failures if before else 0) + 1,
    }
    put(tx, tables.PEER, row)
