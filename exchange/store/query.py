"""Questions to the registry: lists with filters and a cursor that stays right while entries arrive."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Select, select, tuple_

from exchange.errors import NotFound
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.registry import SlotState, SubmissionState, digest_of, first_day, is_submission, last_day


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list; None asks for everything. `period` is a year, month or day: returns whose period overlaps it."""

    participant: str | None = None
    form: str | None = None
    obligation: str | None = None
    period: str | None = None
    statuses: tuple[str, ...] | None = None
    current: bool | None = None
    series: str | None = None
    id: str | None = None
    directory: bool | None = None
    in_force: bool | None = None


_S = tables.SUBMISSION.c
_COLUMNS = (
    _S.seq,
    _S.id,
    _S.participant,
    tables.LOG.c.origin,
    _S.index,
    _S.form,
    _S.version,
    _S.obligations,
    _S.series,
    _S.issued,
    _S.period_start,
    _S.period_end,
    _S.return_kind,
    _S.message,
    _S.status,
    _S.current,
    _S.in_force,
    _S.fits,
    _S.log_id,
)


_AT_ENTRY = (tables.ENTRY.c.log_id == _S.log_id) & (tables.ENTRY.c.index == _S.index)


def _where(query: Select[Any], wanted: Filter) -> Select[Any]:
    columns = (
        ("participant", _S.participant),
        ("form", _S.form),
        ("current", _S.current),
        ("directory", _S.directory),
        ("in_force", _S.in_force),
    )
    for name, column in columns:
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(column == value)
    if wanted.id is not None:
        query = query.join(tables.ENTRY, _AT_ENTRY).where(*is_submission(wanted.id))
    if wanted.series is not None:
        query = query.where(_S.seq.in_(_of_series(wanted.series)))
    if wanted.statuses is not None:
        query = query.where(_S.status.in_(wanted.statuses))
    if wanted.obligation is not None:
        query = query.where((" " + _S.obligations + " ").contains(f" {wanted.obligation} ", autoescape=True))
    if wanted.period is not None:
        query = query.where(_S.period_start <= last_day(wanted.period), _S.period_end >= first_day(wanted.period))
    return query


def _of_series(series: str) -> CompoundSelect[Any]:
    """The `seq` of every submission of that series: the one that begins it has its id, all others name it."""
    first = select(_S.seq).join(tables.ENTRY, _AT_ENTRY).where(*is_submission(series), _S.series.is_(None))
    return first.union_all(select(_S.seq).where(_S.series == digest_of(series)))


def submissions(
    tx: Transaction, wanted: Filter, *, before: int | None = None, limit: int = 100
) -> list[SubmissionState]:
    """Newest arrival first, behind the cursor `before` (a `seq`): what arrives meanwhile never shifts a page."""
    query = _where(select(*_COLUMNS).join(tables.LOG, tables.LOG.c.id == _S.log_id), wanted)
    if before is not None:
        query = query.where(_S.seq < before)
    rows = tx.execute(query.order_by(_S.seq.desc()).limit(limit)).all()
    slots = _slots(tx, [(row[-1], row[4]) for row in rows])
    return [_state(row, slots[row[-1], row[4]]) for row in rows]


def submission(tx: Transaction, ident: str) -> SubmissionState:
    """Raises NotFound."""
    for state in submissions(tx, Filter(id=ident), limit=1):
        return state
    raise NotFound("no submission with this id is in the registry of this node")


def history(tx: Transaction, state: SubmissionState) -> list[str]:
    """The ids of a submission's series in its status, in log order: all of them."""
    mine = (_S.participant == state.participant, _S.seq.in_(_of_series(state.series)), _S.status == state.status)
    query = select(_S.id).join(tables.LOG, tables.LOG.c.id == _S.log_id).where(*mine)
    return [bytes(row[0]).hex() for row in tx.execute(query.order_by(tables.LOG.c.ordinal, _S.index))]


def _slots(tx: Transaction, positions: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[SlotState]]:
    """The documents of all listed submissions in one query."""
    found: dict[tuple[int, int], list[SlotState]] = defaultdict(list)
    if not positions:
        return found
    s = tables.SLOT.c
    query = (
        select(
            s.log_id,
            s.index,
            s.slot,
            s.media_type,
            s.language,
            s.audience,
            s.commitment,
            s.document,
            tables.DOCUMENT.c.name,
            tables.DOCUMENT.c.size,
        )
        .outerjoin(tables.DOCUMENT, tables.DOCUMENT.c.id == s.document)
        .where(tuple_(s.log_id, s.index).in_(positions))
        .order_by(s.log_id, s.index, s.ordinal)
    )
    for log_id, index, slot, media_type, language, audience, commitment, document, name, size in tx.execute(query):
        found[log_id, index].append(
            SlotState(slot, media_type, language, audience, bytes(commitment).hex(), document is not None, name, size)
        )
    return found


def _state(row: Sequence[Any], slots: list[SlotState]) -> SubmissionState:
    (
        seq,
        ident,
        participant,
        origin,
        index,
        form,
        version,
        obligations,
        series,
        issued,
        start,
        end,
        kind,
        message,
        status,
        current,
        force,
        fits,
    ) = row[:-1]
    return SubmissionState(
        seq=seq,
        id=bytes(ident).hex(),
        participant=participant,
        origin=origin,
        index=index,
        form=form,
        version=version,
        obligations=tuple(obligations.split()),
        series=bytes(ident if series is None else series).hex(),
        issued=issued,
        period=(start, end) if start else None,
        return_=kind,
        message=message,
        status=status,
        current=current,
        in_force=force,
        fits=fits,
        documents=tuple(slots),
    )
