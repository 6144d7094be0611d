"""Drafts in the database, and nowhere else: no log, mirror, search, export or backup has a row of these.

Guarantee: a draft whose time is over is not there, whether or not it was swept; its documents go with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import ColumnElement, RowMapping, delete, func, select

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.document import Document
from exchange.core.dsse import Signature
from exchange.errors import NotFound
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.upsert import put

_D, _T = tables.DRAFT.c, tables.DRAFT_DOCUMENT.c


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """`written` is what officers typed, JSON; `payload` the statement made of it, `submission` its id. `expires` in seconds since 1970."""

    id: str
    version: int
    form: str
    written: str
    payload: bytes
    submission: str
    signatures: tuple[Signature, ...]
    created_by: str
    changed_by: str
    changed: str
    expires: int
    documents: tuple[Document, ...] = ()

    @property
    def etag(self) -> str:
        return f'"{self.version}-{self.submission[:16]}"'


def put_draft(tx: Transaction, draft: KeptDraft, *, documents: bool = True) -> None:
    """The draft, in the place of what stood under its id; `documents` says whether these are others than before."""
    row = {name: getattr(draft, name) for name in KeptDraft.__slots__ if name not in ("documents", "signatures")}
    signatures = [{"keyid": one.keyid, "sig": format_base64(one.sig)} for one in draft.signatures]
    put(tx, tables.DRAFT, {**row, "signatures": orjson.dumps(signatures).decode()})
    if documents:
        tx.execute(delete(tables.DRAFT_DOCUMENT).where(_T.draft == draft.id))
        for ordinal, one in enumerate(draft.documents):
            said = {"slot": one.slot, "name": one.name, "opening": one.opening, "content": one.content}
            tx.execute(tables.DRAFT_DOCUMENT.insert().values(draft=draft.id, ordinal=ordinal, **said))


def draft_of(tx: Transaction, ident: str, now: int) -> KeptDraft:
    """With its documents. Raises NotFound."""
    row = tx.execute(select(tables.DRAFT).where(_D.id == ident, _D.expires > now)).mappings().first()
    if row is None:
        raise NotFound("there is no such draft here, or its time is over")
    found = tx.execute(select(_T.slot, _T.name, _T.opening, _T.content).where(_T.draft == ident).order_by(_T.ordinal))
    return _draft(row, [Document(slot, name, bytes(opening), bytes(content)) for slot, name, opening, content in found])


def drafts(tx: Transaction, now: int) -> list[KeptDraft]:
    """All there are, newest change first, without their documents."""
    query = select(tables.DRAFT).where(_D.expires > now).order_by(_D.changed.desc(), _D.id)
    return [_draft(row, ()) for row in tx.execute(query).mappings()]


def room_taken(tx: Transaction, now: int) -> tuple[int, int]:
    """How many drafts there are, and how many bytes of documents they have."""
    number = tx.execute(select(func.count()).select_from(tables.DRAFT).where(_D.expires > now)).scalar() or 0
    size = tx.execute(select(func.sum(func.length(_T.content)))).scalar() or 0
    return int(number), int(size)


def delete_draft(tx: Transaction, ident: str) -> bool:
    """Whether it was there."""
    return _delete(tx, _D.id == ident) > 0


def sweep_drafts(tx: Transaction, now: int) -> int:
    """Those whose time is over; returns how many."""
    return _delete(tx, _D.expires <= now)


def drafts_due(tx: Transaction, now: int) -> bool:
    return tx.execute(select(_D.id).where(_D.expires <= now).limit(1)).first() is not None


def _delete(tx: Transaction, which: ColumnElement[bool]) -> int:
    idents = [row[0] for row in tx.execute(select(_D.id).where(which))]
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("PRAGMA secure_delete=ON")  # their pages are overwritten with zeros, not merely free
    tx.execute(delete(tables.DRAFT_DOCUMENT).where(_T.draft.in_(idents)))
    tx.execute(delete(tables.DRAFT).where(_D.id.in_(idents)))
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("PRAGMA secure_delete=OFF")
    return len(idents)


def _draft(row: RowMapping, documents: Sequence[Document]) -> KeptDraft:
    said = {name: row[name] for name in KeptDraft.__slots__ if name not in ("documents", "signatures", "payload")}
    signatures = tuple(Signature(one["keyid"], parse_base64(one["sig"])) for one in orjson.loads(row["signatures"]))
    return KeptDraft(**said, payload=bytes(row["payload"]), signatures=signatures, documents=tuple(documents))
