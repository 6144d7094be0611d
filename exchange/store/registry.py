"""The registry: what was admitted, in which series, and which version is current.

Entries come in by `enter` and by nothing else, each with the verdict of the one door (trust/admission.py). *Current* is
the last entry of a series within one status, unless that entry is a withdrawal: nothing comes back to life by itself.
*In force* is the last full return behind it, which a "nothing new" confirms.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from exchange.core.catalogue import Catalogue
from exchange.core.dsse import parse_envelope
from exchange.core.statement import submission_id
from exchange.errors import DuplicateSubmission, Malformed, NotFound
from exchange.store import documents, tables
from exchange.store.database import Transaction
from exchange.store.fitting import judge_body
from exchange.store.log import LogState
from exchange.trust.admission import Admitted, Refused, Verdict, Waiting

SERIES_MESSAGES = ("original", "update", "correction", "withdrawal")


@dataclass(frozen=True, slots=True)
class SlotState:
    """A document as the statement names it, and what is known of it here (`name` and `size` are null while not held)."""

    slot: str
    media_type: str
    language: str | None
    audience: str
    commitment: str
    held: bool
    name: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class SubmissionState:
    """A submission as the registry knows it; `seq` is this node's own order of arrival, for paging."""

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
    documents: tuple[SlotState, ...]


def enter(
    tx: Transaction,
    log: LogState,
    start: int,
    judged: Sequence[tuple[bytes, Verdict]],
    catalogue: Catalogue,
    now: datetime,
) -> list[Verdict]:
    """Store entries `start`.. with their verdicts, and register those admitted. Documents may already be held, or come later.

    Returns the verdicts as they were recorded: the door sees one entry, and here it may turn out to be a second copy.
    """
    touched: set[tuple[str, bytes, str]] = set()
    recorded: list[Verdict] = []
    for index, (entry, verdict) in enumerate(judged, start):
        ident = _id_of(entry)
        verdict = _once(tx, log, index, ident, verdict)
        row = {"log_id": log.id, "index": index, "id": ident, "envelope": entry, **_verdict_row(verdict)}
        tx.execute(insert(tables.ENTRY).values(row))
        if isinstance(verdict, Admitted):
            touched.add(_register(tx, log, index, verdict, catalogue, now))
        recorded.append(verdict)
    for participant, series, status in touched:
        _settle(tx, participant, series, status)
    return recorded


def rejudge(
    tx: Transaction, log: LogState, index: int, verdict: Verdict, catalogue: Catalogue, now: datetime
) -> Verdict:
    """Replace the verdict of an entry that waited, or that an ending of its key or log reaches. Returns it as it was recorded."""
    verdict = _once(tx, log, index, _id_at(tx, log, index), verdict)
    where = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.index == index)
    tx.execute(update(tables.ENTRY).where(*where).values(**_verdict_row(verdict)))
    touched = _strike(tx, log, index)
    if isinstance(verdict, Admitted):
        touched = _register(tx, log, index, verdict, catalogue, now)
    if touched is not None:
        _settle(tx, *touched)
    return verdict


def _strike(tx: Transaction, log: LogState, index: int) -> tuple[str, bytes, str] | None:
    """Take an entry out of the registry, if it stands there; the log keeps it, with the verdict that took it out."""
    s = tables.SUBMISSION.c
    where = (s.log_id == log.id, s.index == index)
    row = tx.execute(select(s.participant, s.series, s.status).where(*where)).first()
    if row is None:
        return None
    tx.execute(delete(tables.SUBMISSION).where(*where))
    tx.execute(delete(tables.SLOT).where(tables.SLOT.c.log_id == log.id, tables.SLOT.c.index == index))
    return row[0], bytes(row[1]), row[2]


def _id_at(tx: Transaction, log: LogState, index: int) -> bytes | None:
    ident: bytes | None = tx.execute(
        select(tables.ENTRY.c.id).where(tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.index == index)
    ).scalar_one()
    return ident


def _id_of(entry: bytes) -> bytes | None:
    try:
        return bytes.fromhex(submission_id(parse_envelope(entry).payload))
    except Malformed:
        return None


def _once(tx: Transaction, log: LogState, index: int, ident: bytes | None, verdict: Verdict) -> Verdict:
    """An id counts once in a log, at its first index, whatever was decided there: so all nodes agree, whenever they learn keys.

    It comes before any other refusal, for what the door says of the second copy may change with the records.
    """
    if ident is None:
        return verdict
    where = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.id == ident, tables.ENTRY.c.index < index)
    first = tx.execute(select(func.min(tables.ENTRY.c.index)).where(*where)).scalar()
    if first is None:
        return verdict
    error = DuplicateSubmission(f"the same statement already stands at index {first}")
    return Refused(error.code, str(error), error)


def _verdict_row(verdict: Verdict) -> dict[str, str | None]:
    match verdict:
        case Admitted():
            return {"verdict": "admitted", "code": None, "reason": None}
        case Waiting(keyids=keyids):
            return {
                "verdict": "waiting",
                "code": "unknown-key",
                "reason": "signed by keys not known yet: " + ", ".join(keyids),
            }
        case Refused(code=code, detail=detail):
            return {"verdict": "refused", "code": code, "reason": detail}


def _register(
    tx: Transaction, log: LogState, index: int, admitted: Admitted, catalogue: Catalogue, now: datetime
) -> tuple[str, bytes, str]:
    """The one place where a submission becomes part of the registry; takes nothing but what the door let in."""
    statement = admitted.statement
    form = catalogue.named(statement.form)
    ident = bytes.fromhex(admitted.id)
    series = bytes.fromhex(statement.series) if statement.series else ident
    held = {}
    for ordinal, ref in enumerate(statement.documents):
        held[ref.slot] = documents.is_held(tx, ref.commitment)
        row = {
            "log_id": log.id,
            "index": index,
            "slot": ref.slot,
            "ordinal": ordinal,
            "commitment": bytes.fromhex(ref.commitment),
            "media_type": ref.media_type,
            "language": ref.language,
            "audience": ref.audience if isinstance(ref.audience, str) else ",".join(ref.audience),
            "held": held[ref.slot],
            "missing_since": None if held[ref.slot] else now.isoformat(),
        }
        tx.execute(insert(tables.SLOT).values(row))
    period = statement.period
    row = {
        "id": ident,
        "log_id": log.id,
        "index": index,
        "participant": statement.participant,
        "form": statement.form.code,
        "version": statement.form.version,
        "obligations": " ".join(form.obligations) if form else "",
        "series": series,
        "issued": statement.issued,
        "period_start": first_day(period.start) if period else None,
        "period_end": last_day(period.end) if period else None,
        "return_kind": statement.return_,
        "message": statement.message,
        "status": statement.status,
        "directory": bool(form and form.directory),
        "fits": judge_body(tx, catalogue, statement),
    }
    tx.execute(insert(tables.SUBMISSION).values(row))
    return statement.participant, series, statement.status


def _settle(tx: Transaction, participant: str, series: bytes, status: str) -> None:
    """Mark the current version of a series, and the full return that is in force behind it.

    A series is one of its first entry's form: who may sign one form only must not replace or withdraw another.
    """
    s = tables.SUBMISSION.c
    mine = (s.participant == participant, s.series == series, s.status == status)
    form = select(s.form).where(s.id == series, s.participant == participant).scalar_subquery()
    query = (
        select(s.seq, s.message, s.return_kind)
        .join(tables.LOG, tables.LOG.c.id == s.log_id)
        .where(*mine, s.form == form, s.message.in_(SERIES_MESSAGES))
        .order_by(tables.LOG.c.ordinal, s.index)
    )
    current = in_force = None
    for seq, message, return_kind in tx.execute(query):
        current = None if message == "withdrawal" else seq
        if message == "withdrawal" or return_kind == "nothing to declare":
            in_force = None
        elif return_kind == "full":
            in_force = seq
    tx.execute(update(tables.SUBMISSION).where(*mine).values(current=False, in_force=False))
    tx.execute(update(tables.SUBMISSION).where(s.seq == current).values(current=True))
    tx.execute(update(tables.SUBMISSION).where(s.seq == in_force).values(in_force=True))


def first_day(text: str) -> str:
    """The first day of a year, month or day."""
    return (text + "-01-01")[:10] if len(text) == 4 else (text + "-01")[:10]


def last_day(text: str) -> str:
    """The last day of a year, month or day."""
    if len(text) == 4:
        return f"{text}-12-31"
    if len(text) == 7:
        return f"{text}-{calendar.monthrange(int(text[:4]), int(text[5:7]))[1]:02}"
    return text


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
        .where(tables.SUBMISSION.c.id == _key(ident))
    )
    row = tx.execute(query).first()
    if row is None:
        raise NotFound("no submission with this id is in the registry of this node")
    return Position(row[0], row[1], bytes(row[2]))


def _key(ident: str) -> bytes:
    if len(ident) != 64 or not set(ident) <= set("0123456789abcdef"):
        raise Malformed(f"an id is 64 lower-case hex digits, not {ident[:80]!r}")
    return bytes.fromhex(ident)


def standing(tx: Transaction, log: LogState, ident: bytes) -> int | None:
    """The first index of this id in the log, whatever its verdict."""
    where = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.id == ident)
    return tx.execute(select(func.min(tables.ENTRY.c.index)).where(*where)).scalar()


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry that is not (yet) in the registry, with the reason."""

    index: int
    id: str | None
    verdict: str
    code: str
    reason: str
    envelope: bytes


def listed(tx: Transaction, log: LogState, verdict: str, *, start: int = 0, limit: int = 100) -> list[Listed]:
    """Entries of that verdict (refused | waiting) from index `start` on."""
    columns = [tables.ENTRY.c[name] for name in Listed.__slots__]
    where = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.verdict == verdict, tables.ENTRY.c.index >= start)
    rows = tx.execute(select(*columns).where(*where).order_by(tables.ENTRY.c.index).limit(limit))
    return [
        Listed(row[0], bytes(row[1]).hex() if row[1] else None, row[2], row[3], row[4], bytes(row[5])) for row in rows
    ]
