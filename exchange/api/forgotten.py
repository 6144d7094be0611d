"""What this node owes its readers, and what it has forgotten: so that the State whose order it was can see whether it is followed."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from exchange.api import shapes
from exchange.api.room import Flag, Limit, NodeDep, Number, Word, page
from exchange.api.submissions import erased_answer
from exchange.store import owed
from exchange.store.owed import EntryOwed

UNDELIVERED_AFTER = timedelta(days=1)  # DESIGN section 4, rule 5

router = APIRouter(prefix="/v1")


class DocumentOwed(BaseModel):
    slot: str
    commitment: shapes.Digest
    since: shapes.Moment | None = Field(description="when this node first missed it")


class DocumentForgotten(BaseModel):
    slot: str
    commitment: shapes.Digest
    erased: shapes.Erased


class EntryPlace(BaseModel):
    participant: str
    origin: str
    index: shapes.Count
    id: shapes.Digest


class EntryMissing(EntryPlace):
    documents: list[DocumentOwed]


class EntryForgotten(EntryPlace):
    documents: list[DocumentForgotten]


class Undelivered(BaseModel):
    items: list[EntryMissing]
    next: shapes.Next


class Forgotten(BaseModel):
    items: list[EntryForgotten]
    next: shapes.Next


@router.get("/undelivered", response_model=Undelivered)
def undelivered(
    request: Request, node: NodeDep, participant: Word | None = None, after: Number = 0, limit: Limit = 100
) -> dict[str, Any]:
    """Entries of which a document was named more than a day ago, is under no order, and never came here."""
    before = node.clock() - UNDELIVERED_AFTER
    with node.db.read() as tx:
        found = owed.undelivered(tx, before, participant=participant, after=after, limit=limit)
    items = [
        {
            **_entry(one),
            "documents": [{"slot": s.slot, "commitment": s.commitment, "since": s.since} for s in one.slots],
        }
        for one in found
    ]
    return page(request, items, limit, "after", found[-1].place if found else None)


@router.get("/forgotten", response_model=Forgotten)
def forgotten(
    request: Request,
    node: NodeDep,
    participant: Word | None = None,
    held: Flag | None = None,
    after: Number = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Entries of which a document is under an order to be forgotten, and whether it is still here, hidden (`held=true`), or destroyed."""
    with node.db.read() as tx:
        found = owed.forgotten(tx, held=held, participant=participant, after=after, limit=limit)
    items = [
        {
            **_entry(one),
            "documents": [
                {"slot": s.slot, "commitment": s.commitment, "erased": erased_answer(s.erased)} for s in one.slots
            ],
        }
        for one in found
    ]
    return page(request, items, limit, "after", found[-1].place if found else None)


def _entry(one: EntryOwed) -> dict[str, Any]:
    return {"participant": one.participant, "origin": one.origin, "index": one.index, "id": one.id}
