"""Questions to the registry: lists with filters and a cursor that stays right while entries arrive.

A page is found by the indexes alone, newest first, and then fetched: what it costs does not depend on how much there is, unless
what is asked for is rare and no index knows it. Nothing is counted.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, CompoundSelect, Select, literal, select, text, union_all

from exchange.core.span import first_day, last_day
from exchange.errors import NotFound
from exchange.store import tables
from exchange.store.bulk import ask, one_of
from exchange.store.database import Transaction
from exchange.store.registry import RESTRICTED, Erased, SlotState, SubmissionState, digest_of, is_submission
from exchange.trust.audience import PUBLIC_REACH, Reach


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list; None asks for everything. `period` is a year, month or day: returns whose period overlaps it.

    `forms`, of which the form is one, is what the caller knows of the obligation: an index finds forms, and no obligations.
    """

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
    forms: tuple[str, ...] | None = None


_S = tables.SUBMISSION.c
_AT_ENTRY = (tables.ENTRY.c.log_id == _S.log_id) & (tables.ENTRY.c.index == _S.index)
MANY_FORMS = 8  # of one obligation, asked for one by one


def narrow(query: Select[Any], wanted: Filter) -> Select[Any]:
    """A query over submissions with the conditions of the filter."""
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
        if "actual" not in wanted.statuses:
            query = query.where(_S.status != "actual")  # as the index says it
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
    tx: Transaction, wanted: Filter, reach: Reach = PUBLIC_REACH, *, before: int | None = None, limit: int = 100
) -> list[SubmissionState]:
    """Newest arrival first, behind the cursor `before` (a `seq`): what arrives meanwhile never shifts a page."""
    cases = [_page(case, before, limit) for case in _cases(wanted)]
    return load(tx, [row[0] for row in tx.execute(_newest(cases, limit))], reach) if cases else []


def shared(tx: Transaction, *, participant: str | None, statuses: tuple[str, ...] | None) -> list[tuple[str, str]]:
    """Who has a current return of which form: (participant, form), each once, in order. How many there are is not asked."""
    wanted = Filter(participant=participant, statuses=statuses, current=True)
    query = narrow(select(_S.participant, _S.form), wanted).distinct().order_by(_S.participant, _S.form)
    return [(row[0], row[1]) for row in tx.execute(query).all()]


def _newest(cases: Sequence[Select[Any]], limit: int) -> Select[Any]:
    """Where no index has all that is asked for in its order, each of several gives its newest, and the newest of those count."""
    if len(cases) == 1:
        return cases[0]
    found = union_all(*(select(case.subquery().c.seq) for case in cases)).subquery()
    return select(found.c.seq).order_by(found.c.seq.desc()).limit(limit)


def _cases(wanted: Filter) -> Iterator[Select[Any]]:
    """Questions that share no submission, and together find all that the filter asks for.

    They are for the `seq` alone, which the indexes hold beside what is asked for: what is passed over on the way is not fetched.
    """
    forms = wanted.forms
    if forms is not None and wanted.form is not None:
        forms = (wanted.form,) if wanted.form in forms else ()
    if forms is not None and len(forms) <= MANY_FORMS:
        for form in forms:
            yield narrow(select(_S.seq), replace(wanted, form=form))
    elif wanted.period is not None and not (wanted.participant or wanted.form or wanted.series or wanted.id):
        found, year = narrow(select(_S.seq), wanted), f"{wanted.period[:4]}-01-01"
        yield found.where(_S.period_start >= year)
        yield found.where(_S.period_start < year, text(tables.OVER_THE_YEAR))
    else:
        yield narrow(select(_S.seq), wanted)


def _page(query: Select[Any], before: int | None, limit: int) -> Select[Any]:
    if before is not None:
        # A cursor that was made up may be larger than the column: PostgreSQL would refuse to compare them as 32 bits.
        query = query.where(_S.seq < literal(before, BigInteger))
    return query.order_by(_S.seq.desc()).limit(limit)


_COLUMNS = (
    *(_S.seq, _S.id, _S.participant, tables.LOG.c.origin, _S.index, _S.form, _S.version, _S.obligations, _S.series),
    *(_S.issued, _S.period_start, _S.period_end, _S.return_kind, _S.message, _S.status, _S.current, _S.in_force),
    *(_S.fits, _S.disputed),
)
_LOGGED = tables.SUBMISSION.join(tables.LOG, tables.LOG.c.id == _S.log_id)
_ROWS = (  # the same
    'SELECT s.seq, s.id, s.participant, l.origin, s."index", s.form, s.version, s.obligations, s.series, s.issued, s.period_start,'
    " s.period_end, s.return_kind, s.message, s.status, s.current, s.in_force, s.fits, s.disputed"
    " FROM submission s JOIN log l ON l.id = s.log_id WHERE s.seq"
)
_SLOTS = (
    "SELECT s.seq, s.participant, t.slot, t.media_type, t.language, t.audience, t.readers, t.commitment, t.document, t.erased, d.name, d.size"
    " FROM submission s"
    ' JOIN slot t ON t.log_id = s.log_id AND t."index" = s."index" LEFT JOIN document d ON d.id = t.document WHERE s.seq'
)


def load(tx: Transaction, seqs: Collection[int], reach: Reach = PUBLIC_REACH) -> list[SubmissionState]:
    """The submissions with these `seq`, newest first, and all their documents: two questions, however many there are."""
    return _whole(tx, sorted(ask(tx, _ROWS, seqs), reverse=True), reach)


def load_those(
    tx: Transaction, seqs: Sequence[int], wanted: Filter, limit: int, reach: Reach = PUBLIC_REACH
) -> list[SubmissionState]:
    """Those of them that the filter asks for, as many as that."""
    query = narrow(select(*_COLUMNS).select_from(_LOGGED).where(one_of(tx, _S.seq, seqs)), wanted)
    return _whole(tx, tx.execute(query.order_by(_S.seq.desc()).limit(limit)).all(), reach)


def _whole(tx: Transaction, rows: Sequence[Sequence[Any]], reach: Reach) -> list[SubmissionState]:
    """Of a document that may not be read it is told what its statement says, and nothing that follows from its content."""
    slots: dict[int, list[SlotState]] = defaultdict(list)
    seqs = [row[0] for row in rows]
    for seq, participant, slot, media_type, language, audience, readers, commitment, document, order, name, size in ask(
        tx, _SLOTS, seqs, "ORDER BY s.seq, t.ordinal"
    ):
        said = (slot, media_type, language, audience, readers, bytes(commitment).hex())
        if not reach.opens(readers, participant):
            slots[seq].append(SlotState(*said, None, None, None, open=False))
        elif order is None:
            slots[seq].append(SlotState(*said, document, name, size))
        else:
            erased = Erased(None if order == tables.FORESEEN else place_of(order), document is None)
            slots[seq].append(SlotState(*said, None, None, None, erased=erased))
    return [_state(row, slots[row[0]]) for row in rows]


def submission(tx: Transaction, ident: str, reach: Reach = PUBLIC_REACH) -> SubmissionState:
    """Raises NotFound."""
    for state in submissions(tx, Filter(id=ident), reach, limit=1):
        return state
    raise NotFound("no submission with this id is in the registry of this node")


def history(tx: Transaction, state: SubmissionState) -> list[str]:
    """The ids of a submission's series in its status, in log order: all of them."""
    mine = (_S.participant == state.participant, _S.seq.in_(_of_series(state.series)), _S.status == state.status)
    query = select(_S.id).join(tables.LOG, tables.LOG.c.id == _S.log_id).where(*mine)
    return [bytes(row[0]).hex() for row in tx.execute(query.order_by(tables.LOG.c.ordinal, _S.index))]


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
        disputed,
    ) = row
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
        current=bool(current),
        in_force=bool(force),
        fits=fits if all(slot.open for slot in slots if slot.slot == "body") else RESTRICTED,
        disputed=None if disputed is None else place_of(disputed),
        documents=tuple(slots),
    )


def place_of(disputed: str) -> tuple[str, int]:
    """(origin, index) of `INDEX ORIGIN`."""
    index, _, origin = disputed.partition(" ")
    return origin, int(index)
