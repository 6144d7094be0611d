"""The way into the registry: entries with the verdict of the one door (trust/admission.py), and their documents.

`enter` takes a whole run in a handful of statements; nothing but what `admit` let in becomes a submission (rows.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, select, update

from exchange.core.catalogue import NOT_HELD, Catalogue, judge_body
from exchange.core.dsse import parse_envelope
from exchange.core.statement import parse_statement
from exchange.errors import DuplicateSubmission
from exchange.store import documents, erasures, fulltext, readers, tables
from exchange.store.bulk import among, insert_rows
from exchange.store.database import Transaction
from exchange.store.documents import Kept
from exchange.store.fitting import judge_arrived
from exchange.store.folder import Arrival
from exchange.store.log import LogState
from exchange.store.rows import (
    COMMITMENT,
    DISPUTED,
    ENTRY,
    RELEASES,
    SLOT,
    SUBMISSION,
    Columns,
    Decision,
    EntryRows,
    id_of,
    is_over,
    rows_of,
)
from exchange.store.series import settle
from exchange.store.shortkey import shortkey
from exchange.trust.admission import Verdict


def enter(
    tx: Transaction,
    log: LogState,
    start: int,
    judged: Sequence[tuple[bytes, Verdict]],
    catalogue: Catalogue,
    now: datetime,
    arrivals: Sequence[Arrival] = (),
    first: dict[bytes, int] | None = None,
) -> list[Decision]:
    """Store entries `start`.. with their verdicts and the documents that came with them, and register those admitted.

    Returns the verdicts as they were recorded: the door sees one entry, and here it may turn out to be a second copy.
    `first` is what `standing` says of these entries, where it was asked in this transaction before.
    """
    bodies = {arrival.commitment: arrival.content for arrival in arrivals}
    rows = [rows_of(entry, verdict, catalogue, bodies) for entry, verdict in judged]
    return enter_rows(tx, log, start, [entry for entry, _ in judged], rows, catalogue, now, arrivals, first)


def enter_rows(
    tx: Transaction,
    log: LogState,
    start: int,
    entries: Sequence[bytes],
    rows: Sequence[EntryRows],
    catalogue: Catalogue,
    now: datetime,
    arrivals: Sequence[Arrival],
    first: dict[bytes, int] | None = None,
) -> list[Decision]:
    """The same, where another process of this node worked out what each entry becomes."""
    if first is None:
        first = standing(tx, log, {row.id for row in rows if row.id is not None})
    recorded: list[Decision] = []
    stored: list[Columns] = []
    admitted: list[tuple[int, bytes, EntryRows]] = []
    for index, (entry, row) in enumerate(zip(entries, rows, strict=True), start):
        decision, key = row.decision, None
        if row.id is not None:
            decision, key = _once(decision, first.setdefault(row.id, index), index), shortkey(row.id)
        recorded.append(decision)
        stored.append((log.id, index, key, entry, *decision))
        if decision is row.decision and row.submission is not None:
            admitted.append((index, entry, row))
    insert_rows(tx, tables.ENTRY, ENTRY, stored)
    _register(tx, log, admitted, catalogue, now, arrivals)
    return recorded


def rejudge(
    tx: Transaction, log: LogState, index: int, verdict: Verdict, catalogue: Catalogue, now: datetime
) -> Decision:
    """Replace the verdict of an entry that waited, or that a closing of its key or log reaches. Returns it as it was recorded."""
    at = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.index == index)
    entry = bytes(tx.execute(select(tables.ENTRY.c.envelope).where(*at)).scalar_one())
    row = rows_of(entry, verdict, catalogue, {})
    decision = row.decision
    if row.id is not None:
        decision = _once(decision, standing(tx, log, {row.id})[row.id], index)
    tx.execute(update(tables.ENTRY).where(*at).values(**decision._asdict()))
    stays = decision is row.decision and row.submission is not None
    touched = _registered(tx, log, index)
    if stays and touched and row.submission is not None:
        # What was registered keeps its place there, its documents and its words: nothing but the mark is another.
        mark = update(tables.SUBMISSION).where(*_at(tables.SUBMISSION, log, index))
        tx.execute(mark.values(disputed=row.submission[DISPUTED]))
        readers.settle_readers(tx, log.participant, row.releases)
    elif touched:
        released = _strike(tx, log, index, entry, catalogue, now)
        readers.settle_readers(tx, log.participant, released)
    elif stays:
        _register(tx, log, [(index, entry, row)], catalogue, now, ())
    settle(tx, log.participant, touched)
    if touched and row.id is not None:
        erasures.reconsider(tx, (log.id, index), row.id, touched, catalogue, now.isoformat())
    return decision


def standing(tx: Transaction, log: LogState, idents: set[bytes]) -> dict[bytes, int]:
    """The first index of each of these ids in the log, whatever its verdict; those that do not stand there are left out."""
    found: dict[bytes, int] = {}
    also, keys = ("log_id", "index", "envelope"), {shortkey(ident) for ident in idents}
    for _, log_id, index, envelope in among(tx, tables.ENTRY, "key", keys, also):
        if log_id == log.id and (ident := id_of(bytes(envelope))) in idents and ident is not None:
            found[ident] = min(index, found.get(ident, index))
    return found


def _at(table: Table, log: LogState, index: int) -> tuple[ColumnElement[bool], ...]:
    return table.c.log_id == log.id, table.c.index == index


def _registered(tx: Transaction, log: LogState, index: int) -> set[bytes]:
    """The series of the submission that stands there in the registry; empty where none does."""
    s = tables.SUBMISSION.c
    row = tx.execute(select(s.series, s.id).where(*_at(tables.SUBMISSION, log, index))).first()
    return set() if row is None else {bytes(row[0] or row[1])}


def _strike(
    tx: Transaction, log: LogState, index: int, entry: bytes, catalogue: Catalogue, now: datetime
) -> set[bytes]:
    """Take an entry out of the registry; the log keeps it, with the verdict that took it out. Returns what it no longer releases."""
    erasures.strike(tx, (log.id, index), catalogue, now.isoformat())
    fulltext.forget(tx, log.id, index)
    readers.forget_releases(tx, log.id, index)
    for table in (tables.SUBMISSION, tables.SLOT):
        tx.execute(delete(table).where(*_at(table, log, index)))
    statement = parse_statement(parse_envelope(entry).payload)  # it was admitted once
    return {bytes.fromhex(one.id) for one in statement.references if one.rel == RELEASES}


def _once(decision: Decision, first: int, index: int) -> Decision:
    """An id counts once in a log, at its first index, whatever was decided there: so all nodes agree, whenever they learn keys.

    It comes before any other refusal, for what the door says of the second copy may change with the records.
    """
    if first == index:
        return decision
    return Decision("refused", DuplicateSubmission.code, f"the same statement already stands at index {first}")


def _register(
    tx: Transaction,
    log: LogState,
    admitted: Sequence[tuple[int, bytes, EntryRows]],
    catalogue: Catalogue,
    now: datetime,
    arrivals: Sequence[Arrival],
) -> None:
    """The one place where a submission becomes part of the registry."""
    today = f"{now:%Y-%m-%d}"
    # What was to be kept until yesterday is never taken in, whoever offers it (a clock that is wrong is mended by node/erasure.py).
    named = {bytes(slot[COMMITMENT]).hex() for _, _, row in admitted for slot in row.slots if not is_over(slot, today)}  # type: ignore[call-overload]
    mine = [arrival for arrival in arrivals if arrival.commitment in named]
    kept, answered = documents.hold(tx, mine, log.participant)
    documents.turn_away([arrival for arrival in arrivals if arrival.commitment not in named])
    kept |= documents.kept_for(tx, log.participant, named - kept.keys())
    judge_arrived(tx, answered, catalogue)
    by_digest = {bytes.fromhex(commitment): there.id for commitment, there in kept.items()}
    since = now.isoformat()
    slots: list[Columns] = []
    rows: list[Columns] = []
    for index, entry, row in admitted:
        over = bool(row.slots) and is_over(row.slots[0], today)  # it is the statement that says until when
        for slot in row.slots:
            there = None if over else by_digest.get(slot[COMMITMENT])  # type: ignore[call-overload]
            missing = since if there is None and not over else None
            slots.append((log.id, index, *slot, there, missing, tables.FORESEEN if over else None))
        assert row.submission is not None  # noqa: S101 - or it would not be listed here
        if over:
            fits = _judge_with(entry, catalogue, {})
        else:
            fits = row.fits if row.fits != NOT_HELD else _judge_with(entry, catalogue, kept)
        rows.append((log.id, index, *row.submission, fits))
    insert_rows(tx, tables.SLOT, SLOT, slots)
    insert_rows(tx, tables.SUBMISSION, SUBMISSION, rows)
    # An original to which nothing refers yet is settled as it is written; all other series are settled afterwards.
    touched = {row.series for _, _, row in admitted if row.series is not None}
    originals = {row.id for _, _, row in admitted if row.series is None and row.id is not None}
    series = set(touched)
    touched |= {bytes(found[0]) for found in among(tx, tables.SUBMISSION, "series", originals)}
    settle(tx, log.participant, touched)
    released = readers.note_releases(tx, log, [(index, row.releases) for index, _, row in admitted if row.releases])
    released |= readers.released_before(tx, {row.id for _, _, row in admitted if row.id is not None})
    readers.settle_readers(tx, log.participant, released)
    ordered = [(index, row.id, row.orders) for index, _, row in admitted if row.id is not None and row.orders]
    idents = {row.id for _, _, row in admitted if row.id is not None}
    erasures.registered(tx, log, ordered, idents, series, catalogue, since)


def _judge_with(entry: bytes, catalogue: Catalogue, kept: Mapping[str, Kept]) -> str:
    """The body did not come with its entry; it may be held already."""
    statement = parse_statement(parse_envelope(entry).payload)
    return judge_body(catalogue, statement, {commitment: there.content for commitment, there in kept.items()})
