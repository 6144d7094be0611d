"""The registry as values: what was admitted, and what was not, with the reason. How it fills is in intake.py."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select

from exchange.core.dsse import parse_envelope
from exchange.core.statement import submission_id
from exchange.errors import Malformed, NotFound
from exchange.store import tables
from exchange.store.bulk import by_digest
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.shortkey import shortkey

RESTRICTED = "restricted"
"""Said in the place of the verdict on a body to those who may not read it."""


@dataclass(frozen=True, slots=True)
class Erased:
    """By which order a document is not shown: the statement's own (`place` None), or an erasure at (origin, index).

    `destroyed`: it is not here any more.
    """

    place: tuple[str, int] | None
    destroyed: bool


class SlotState(NamedTuple):
    """A document as the statement names it, and what is known of it here: `document` is its number, null with `name` and `size` while not held.

    `readers` is who may read it now; where it is not `open` to whoever asks, nothing is said of what is held.
    """

    slot: str
    media_type: str
    language: str | None
    audience: str
    readers: str
    commitment: str
    document: int | None
    name: str | None
    size: int | None
    open: bool = True
    erased: Erased | None = None

    @property
    def held(self) -> bool:
        return self.document is not None


@dataclass(frozen=True, slots=True)
class SubmissionState:
    """A submission as the registry knows it; `seq` is this node's own order of arrival, for paging.

    `disputed`: the place, (origin, index), from which on its State disputes what stands under that key or in that log.
    """

    seq: int
    id: str
    participant: str
    origin: str
    index: int
    form: str
    version: int
    obligations: tuple[str, ...]
    series: str
    issued: str
    period: tuple[str, str] | None
    return_: str
    message: str
    status: str
    current: bool
    in_force: bool
    fits: str
    disputed: tuple[str, int] | None
    documents: tuple[SlotState, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where an admitted submission stands."""

    origin: str
    index: int
    envelope: bytes


def position_of(tx: Transaction, ident: str) -> Position:
    """Raises NotFound: an id counts only where it was admitted."""
    query = (
        select(tables.LOG.c.origin, tables.SUBMISSION.c.index, tables.ENTRY.c.envelope)
        .join(tables.LOG, tables.LOG.c.id == tables.SUBMISSION.c.log_id)
        .join(
            tables.ENTRY,
            (tables.ENTRY.c.log_id == tables.SUBMISSION.c.log_id) & (tables.ENTRY.c.index == tables.SUBMISSION.c.index),
        )
        .where(*is_submission(ident))
    )
    row = tx.execute(query).first()
    if row is None:
        raise NotFound("no submission with this id is in the registry of this node")
    return Position(row[0], row[1], bytes(row[2]))


class Brief(NamedTuple):
    """What those who refer to a submission have to know of it; `series` is None where it begins one."""

    participant: str
    form: str
    status: str
    series: str | None


def briefs(tx: Transaction, idents: Collection[str]) -> dict[str, Brief]:
    """Those of these submissions that are in the registry."""
    found = {}
    rows = by_digest(tx, {bytes.fromhex(ident) for ident in idents}, ("participant", "form", "status", "series"))
    for ident, participant, form, status, series in rows:
        found[ident.hex()] = Brief(participant, form, status, None if series is None else bytes(series).hex())
    return found


def is_submission(ident: str) -> tuple[ColumnElement[bool], ...]:
    """The conditions, in a query over submissions and their entries, that pick the one of that id. Raises Malformed."""
    digest = digest_of(ident)
    return tables.ENTRY.c.key == shortkey(digest), tables.SUBMISSION.c.id == digest


def digest_of(ident: str) -> bytes:
    """Raises Malformed."""
    if len(ident) != 64 or not set(ident) <= set("0123456789abcdef"):
        raise Malformed(f"an id is 64 lower-case hex digits, not {ident[:80]!r}")
    return bytes.fromhex(ident)


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry that does not count, or not yet, with the reason."""

    index: int
    id: str | None
    verdict: str
    code: str
    reason: str
    envelope: bytes


def listed(tx: Transaction, log: LogState, verdict: str, *, start: int = 0, limit: int = 100) -> list[Listed]:
    """Entries of that verdict (refused | waiting | disputed) from index `start` on."""
    e = tables.ENTRY.c
    where = [e.log_id == log.id, e.verdict == verdict, e.index >= start]
    if verdict != "admitted":
        where.append(e.code.is_not(None))  # as the index says it
    query = select(e.index, e.verdict, e.code, e.reason, e.envelope).where(*where)
    rows = tx.execute(query.order_by(e.index).limit(limit))
    return [Listed(row[0], _payload_id(bytes(row[4])), *row[1:4], bytes(row[4])) for row in rows]


def to_judge_again(tx: Transaction) -> bool:
    """Whether a program before this one refused what may be disputed instead (migration 0006); asked once, it is done with."""
    setting = tables.SETTING.c.name == "judge again"
    return tx.execute(delete(tables.SETTING).where(setting)).rowcount > 0


def _payload_id(envelope: bytes) -> str | None:
    try:
        return submission_id(parse_envelope(envelope).payload)
    except Malformed:
        return None
