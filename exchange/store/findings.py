"""Findings of misbehaviour as States tell them in their logs: entries of the platform form PLT-03, with the evidence in slot a1.

What an entry says counts for nothing; each is read once, its evidence checked here, and what it came to is kept beside it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select

from exchange.core.evidence import EVIDENCE_SLOT, FINDING
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.readers import readable
from exchange.store.upsert import keep
from exchange.trust.audience import PUBLIC_REACH


@dataclass(frozen=True, slots=True)
class Unread:
    """An admitted finding whose evidence is here and was not read yet; `evidence` is None where it is too large to be any."""

    log_id: int
    index: int
    participant: str
    evidence: bytes | None


@dataclass(frozen=True, slots=True)
class Told:
    """Where a State tells that a key was misused, with evidence that convicts it."""

    accused: str
    participant: str
    origin: str
    index: int
    id: str
    evidence_id: str


def unread_findings(tx: Transaction, limit: int) -> list[Unread]:
    """In the order in which they came to be known here."""
    s, slot, d, f = tables.SUBMISSION.c, tables.SLOT.c, tables.DOCUMENT.c, tables.FINDING.c
    query = (
        select(s.log_id, s.index, s.participant, d.content)
        .join(tables.SLOT, (slot.log_id == s.log_id) & (slot.index == s.index) & (slot.slot == EVIDENCE_SLOT))
        .join(tables.DOCUMENT, d.id == slot.document)
        .outerjoin(tables.FINDING, (f.log_id == s.log_id) & (f.index == s.index))
        .where(s.form == FINDING, f.log_id.is_(None), readable(PUBLIC_REACH))  # an alert is told to everybody
        .order_by(s.seq)
        .limit(limit)
    )
    return [Unread(row[0], row[1], row[2], None if row[3] is None else bytes(row[3])) for row in tx.execute(query)]


def keep_finding(tx: Transaction, entry: Unread, digest: bytes, accused: str | None) -> None:
    """What an entry came to: the vkey that its evidence, of that SHA-256, convicts, or None where it convicts nobody."""
    row = {"log_id": entry.log_id, "index": entry.index, "evidence": digest, "accused": accused}
    keep(tx, tables.FINDING, row)


def told_of(tx: Transaction, accused: Collection[str]) -> list[Told]:
    """The first entry of each log that convicts one of these keys: more of one finder tell no more."""
    f, s = tables.FINDING.c, tables.SUBMISSION.c
    first = (
        select(f.accused, f.log_id, func.min(f.index).label("index"))
        .join(tables.SUBMISSION, (s.log_id == f.log_id) & (s.index == f.index))  # admitted then, and still
        .where(f.accused.in_(list(accused)))
        .group_by(f.accused, f.log_id)
        .subquery()
    )
    query = (
        select(first.c.accused, s.participant, tables.LOG.c.origin, s.index, s.id, f.evidence)
        .select_from(first)
        .join(tables.FINDING, (f.log_id == first.c.log_id) & (f.index == first.c.index))
        .join(tables.SUBMISSION, (s.log_id == first.c.log_id) & (s.index == first.c.index))
        .join(tables.LOG, tables.LOG.c.id == first.c.log_id)
        .order_by(s.participant, tables.LOG.c.origin)
    )
    return [
        Told(key, participant, origin, index, bytes(ident).hex(), bytes(digest).hex())
        for key, participant, origin, index, ident, digest in tx.execute(query)
    ]


def findings_by_participant(tx: Transaction) -> dict[str, int]:
    """How many entries of each State's logs convict somebody."""
    f, participant = tables.FINDING.c, tables.LOG.c.participant
    query = (
        select(participant, func.count())
        .join(tables.FINDING, f.log_id == tables.LOG.c.id)
        .where(f.accused.is_not(None))
        .group_by(participant)
    )
    return {row[0]: row[1] for row in tx.execute(query.order_by(participant))}
