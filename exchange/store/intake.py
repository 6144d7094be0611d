"""The way into the registry: entries with the verdict of the one door (trust/admission.py), and their documents.

`enter` takes a whole run in a handful of statements; nothing but what `admit` let in becomes a submission.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import delete, select, update

from exchange.core.catalogue import Catalogue
from exchange.core.dsse import parse_envelope
from exchange.core.statement import submission_id
from exchange.errors import DuplicateSubmission, Malformed
from exchange.store import documents, tables
from exchange.store.bulk import among, insert_rows
from exchange.store.database import Transaction
from exchange.store.documents import Arrival, Kept
from exchange.store.fitting import judge_arrived, judge_body
from exchange.store.log import LogState
from exchange.store.registry import first_day, last_day
from exchange.store.series import settle
from exchange.store.shortkey import shortkey
from exchange.trust.admission import Admitted, Refused, Verdict, Waiting

_ENTRY = ("log_id", "index", "key", "envelope", "verdict", "code", "reason")
_SLOT = (
    *("log_id", "index", "slot", "ordinal", "commitment", "key"),
    *("media_type", "language", "audience", "document", "missing_since"),
)
_SUBMISSION = (
    *("id", "log_id", "index", "participant", "form", "version", "obligations", "series", "issued"),
    *("period_start", "period_end", "return_kind", "message", "status", "current", "in_force", "directory", "fits"),
)

Row = tuple[object, ...]


def enter(
    tx: Transaction,
    log: LogState,
    start: int,
    judged: Sequence[tuple[bytes, Verdict]],
    catalogue: Catalogue,
    now: datetime,
    arrivals: Sequence[Arrival] = (),
) -> list[Verdict]:
    """Store entries `start`.. with their verdicts and the documents that came with them, and register those admitted.

    Returns the verdicts as they were recorded: the door sees one entry, and here it may turn out to be a second copy.
    """
    idents = [_id_of(entry, verdict) for entry, verdict in judged]
    first = standing(tx, log, {ident for ident in idents if ident is not None})
    recorded: list[Verdict] = []
    rows: list[Row] = []
    for index, ((entry, verdict), ident) in enumerate(zip(judged, idents, strict=True), start):
        decided = verdict if ident is None else _once(verdict, first.setdefault(ident, index), index)
        recorded.append(decided)
        key = None if ident is None else shortkey(ident)
        rows.append((log.id, index, key, entry, *_decision(decided)))
    insert_rows(tx, tables.ENTRY, _ENTRY, rows)
    admitted = [(index, verdict) for index, verdict in enumerate(recorded, start) if isinstance(verdict, Admitted)]
    _register(tx, log, admitted, catalogue, now, arrivals)
    return recorded


def rejudge(
    tx: Transaction, log: LogState, index: int, verdict: Verdict, catalogue: Catalogue, now: datetime
) -> Verdict:
    """Replace the verdict of an entry that waited, or that an ending of its key or log reaches. Returns it as it was recorded."""
    at = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.index == index)
    ident = _id_of(bytes(tx.execute(select(tables.ENTRY.c.envelope).where(*at)).scalar_one()), verdict)
    if ident is not None:
        verdict = _once(verdict, standing(tx, log, {ident})[ident], index)
    word, code, reason = _decision(verdict)
    tx.execute(update(tables.ENTRY).where(*at).values(verdict=word, code=code, reason=reason))
    touched = _strike(tx, log, index)
    if isinstance(verdict, Admitted):
        _register(tx, log, [(index, verdict)], catalogue, now, ())
    settle(tx, log.participant, touched)
    return verdict


def standing(tx: Transaction, log: LogState, idents: set[bytes]) -> dict[bytes, int]:
    """The first index of each of these ids in the log, whatever its verdict; those that do not stand there are left out."""
    found: dict[bytes, int] = {}
    also, keys = ("log_id", "index", "envelope"), {shortkey(ident) for ident in idents}
    for _, log_id, index, envelope in among(tx, tables.ENTRY, "key", keys, also):
        if log_id == log.id and (ident := _payload_id(bytes(envelope))) in idents and ident is not None:
            found[ident] = min(index, found.get(ident, index))
    return found


def _strike(tx: Transaction, log: LogState, index: int) -> set[bytes]:
    """Take an entry out of the registry, if it stands there; the log keeps it, with the verdict that took it out."""
    s = tables.SUBMISSION.c
    where = (s.log_id == log.id, s.index == index)
    row = tx.execute(select(s.series, s.id).where(*where)).first()
    if row is None:
        return set()
    tx.execute(delete(tables.SUBMISSION).where(*where))
    tx.execute(delete(tables.SLOT).where(tables.SLOT.c.log_id == log.id, tables.SLOT.c.index == index))
    return {bytes(row[0] or row[1])}


def _id_of(entry: bytes, verdict: Verdict) -> bytes | None:
    return _payload_id(entry) if isinstance(verdict, Refused) else bytes.fromhex(verdict.id)


def _payload_id(entry: bytes) -> bytes | None:
    try:
        return bytes.fromhex(submission_id(parse_envelope(entry).payload))
    except Malformed:
        return None


def _once(verdict: Verdict, first: int, index: int) -> Verdict:
    """An id counts once in a log, at its first index, whatever was decided there: so all nodes agree, whenever they learn keys.

    It comes before any other refusal, for what the door says of the second copy may change with the records.
    """
    if first == index:
        return verdict
    error = DuplicateSubmission(f"the same statement already stands at index {first}")
    return Refused(error.code, str(error), error)


def _decision(verdict: Verdict) -> tuple[str, str | None, str | None]:
    match verdict:
        case Admitted():
            return "admitted", None, None
        case Waiting(keyids=keyids):
            return "waiting", "unknown-key", "signed by keys not known yet: " + ", ".join(keyids)
        case Refused(code=code, detail=detail):
            return "refused", code, detail


def _register(
    tx: Transaction,
    log: LogState,
    admitted: Sequence[tuple[int, Admitted]],
    catalogue: Catalogue,
    now: datetime,
    arrivals: Sequence[Arrival],
) -> None:
    """The one place where a submission becomes part of the registry; takes nothing but what the door let in."""
    named = {ref.commitment for _, verdict in admitted for ref in verdict.statement.documents}
    kept, answered = documents.hold(tx, [arrival for arrival in arrivals if arrival.commitment in named])
    documents.turn_away([arrival for arrival in arrivals if arrival.commitment not in named])
    kept |= documents.kept(tx, named - kept.keys())
    judge_arrived(tx, answered, catalogue)
    missing_since = now.isoformat()
    slots: list[Row] = []
    rows: list[Row] = []
    for index, verdict in admitted:
        slots += _slot_rows(log, index, verdict, kept, missing_since)
        rows.append(_row(log, index, verdict, catalogue, kept))
    insert_rows(tx, tables.SLOT, _SLOT, slots)
    insert_rows(tx, tables.SUBMISSION, _SUBMISSION, rows)
    # An original to which nothing refers yet is settled as it is written; all other series are settled afterwards.
    originals = {bytes.fromhex(verdict.id) for _, verdict in admitted if verdict.statement.series is None}
    touched = {bytes.fromhex(verdict.statement.series) for _, verdict in admitted if verdict.statement.series}
    touched |= {bytes(row[0]) for row in among(tx, tables.SUBMISSION, "series", originals)}
    settle(tx, log.participant, touched)


def _slot_rows(log: LogState, index: int, verdict: Admitted, kept: Mapping[str, Kept], missing_since: str) -> list[Row]:
    rows: list[Row] = []
    for ordinal, ref in enumerate(verdict.statement.documents):
        audience = ref.audience if isinstance(ref.audience, str) else ",".join(ref.audience)
        there = kept.get(ref.commitment)
        commitment = bytes.fromhex(ref.commitment)
        where = (None, missing_since) if there is None else (there.id, None)
        what = (ref.slot, ordinal, commitment, shortkey(commitment), ref.media_type, ref.language, audience)
        rows.append((log.id, index, *what, *where))
    return rows


def _row(log: LogState, index: int, verdict: Admitted, catalogue: Catalogue, kept: Mapping[str, Kept]) -> Row:
    statement = verdict.statement
    form = catalogue.named(statement.form)
    period = statement.period
    alone = statement.series is None and statement.message == "original"
    return (
        bytes.fromhex(verdict.id),
        log.id,
        index,
        statement.participant,
        statement.form.code,
        statement.form.version,
        " ".join(form.obligations) if form else "",
        bytes.fromhex(statement.series) if statement.series else None,
        statement.issued,
        _first_day(period.start) if period else None,
        _last_day(period.end) if period else None,
        statement.return_,
        statement.message,
        statement.status,
        alone,
        alone and statement.return_ == "full",
        bool(form and form.directory),
        judge_body(catalogue, statement, kept),
    )


_first_day = lru_cache(maxsize=1024)(first_day)
_last_day = lru_cache(maxsize=1024)(last_day)
