"""What an entry becomes in the tables, as far as the entry, its verdict and its documents tell: pure, so that any process can work it out.

Plain tuples, because they cross from one process to another by the hundred thousand (federation/examine.py).
"""

from collections.abc import Mapping
from typing import NamedTuple

from exchange.core.catalogue import Catalogue, judge_body
from exchange.core.dsse import parse_envelope
from exchange.core.span import first_day, last_day
from exchange.core.statement import Statement, submission_id
from exchange.core.vocabulary import ERASES
from exchange.errors import Malformed
from exchange.store.shortkey import shortkey
from exchange.trust.admission import ERASURE, Admitted, Disputed, Refused, Verdict, Waiting
from exchange.trust.audience import CLOSED

RELEASE, RELEASES = "release", "releases"
"""The message of an entry that widens an audience, and the relation by which it names what it is about."""

Columns = tuple[object, ...]

ENTRY = ("log_id", "index", "key", "envelope", "verdict", "code", "reason")
SLOT = (
    *("log_id", "index", "slot", "ordinal", "commitment", "key"),
    *(
        "media_type",
        "language",
        "audience",
        "readers",
        "release_on",
        "retain_until",
        "document",
        "missing_since",
        "erased",
    ),
)
SUBMISSION = (
    *("log_id", "index", "id", "participant", "form", "version", "obligations", "series", "issued"),
    *("period_start", "period_end", "return_kind", "message", "status", "current", "in_force", "directory"),
    *("disputed", "fits"),
)


class Decision(NamedTuple):
    """A verdict as it is recorded."""

    verdict: str
    code: str | None
    reason: str | None


class EntryRows(NamedTuple):
    """id          of the statement; None where it could not be told
    series      that it continues; None where it begins one, or was not admitted
    submission  columns of SUBMISSION behind the index, without `fits`; None unless admitted, or disputed
    fits        the verdict on its body, with the documents that came along
    slots       columns of SLOT from `slot` to `retain_until`, of each document
    releases    ids of the submissions that it releases to a wider audience
    orders      of an erasure: what it names, a submission and one slot of it or (None) all
    """

    decision: Decision
    id: bytes | None
    series: bytes | None
    submission: Columns | None
    fits: str
    slots: tuple[Columns, ...]
    releases: tuple[bytes, ...] = ()
    orders: tuple[tuple[bytes, str | None], ...] = ()


COMMITMENT, RETAIN_UNTIL = 2, 9
"""Where in the columns of a slot its commitment stands, and until when it is kept."""
DISPUTED = -1
"""Where in the columns of a submission, without `fits`, it stands since when it is disputed: `INDEX ORIGIN`."""


def rows_of(entry: bytes, verdict: Verdict, catalogue: Catalogue, bodies: Mapping[str, bytes | None]) -> EntryRows:
    """The rows of one entry. `bodies` are contents by commitment, None for one that lies in a file."""
    match verdict:
        case Admitted():
            return rows_of_admitted(verdict, catalogue, judge_body(catalogue, verdict.statement, bodies))
        case Disputed(admitted=admitted, since=since, detail=detail):
            rows = rows_of_admitted(admitted, catalogue, judge_body(catalogue, admitted.statement, bodies))
            disputed = f"{since.index} {since.origin}"
            return rows._replace(
                decision=Decision("disputed", "disputed", detail), submission=_disputed(rows.submission, disputed)
            )
        case Waiting(keyids=keyids, id=ident):
            reason = "signed by keys not known yet: " + ", ".join(keyids)
            return EntryRows(Decision("waiting", "unknown-key", reason), bytes.fromhex(ident), None, None, "", ())
        case Refused(code=code, detail=detail):
            return EntryRows(Decision("refused", code, detail), id_of(entry), None, None, "", ())


def id_of(entry: bytes) -> bytes | None:
    """The id of the statement in an envelope; None for what is none."""
    try:
        return bytes.fromhex(submission_id(parse_envelope(entry).payload))
    except Malformed:
        return None


_ADMITTED = Decision("admitted", None, None)
_FLAGS = slice(-4, -2)  # current, in force


def _disputed(submission: Columns | None, since: str) -> Columns:
    """Neither current nor in force, whatever it is by itself."""
    columns = list(submission or ())
    columns[_FLAGS], columns[DISPUTED] = (False, False), since
    return tuple(columns)


def rows_of_admitted(admitted: Admitted, catalogue: Catalogue, fits: str) -> EntryRows:
    """Those of an admitted one whose body was judged before."""
    statement = admitted.statement
    form = catalogue.named(statement.form)
    period = statement.period
    ident = bytes.fromhex(admitted.id)
    series = bytes.fromhex(statement.series) if statement.series else None
    # An original to which nothing refers yet is settled as it is written (series.py).
    alone = series is None and statement.message == "original"
    submission = (
        ident,
        statement.participant,
        statement.form.code,
        statement.form.version,
        " ".join(form.obligations) if form else "",
        series,
        statement.issued,
        first_day(period.start) if period else None,
        last_day(period.end) if period else None,
        statement.return_,
        statement.message,
        statement.status,
        alone,
        alone and statement.return_ == "full",
        bool(form and form.directory),
        None,
    )
    slots = []
    for ordinal, ref in enumerate(statement.documents):
        audience = ref.audience if isinstance(ref.audience, str) else ",".join(ref.audience)
        commitment = bytes.fromhex(ref.commitment)
        # Until its day it is for nobody but its publisher, whose own log tells the time (readers.py).
        readers = audience if statement.release_on is None else CLOSED
        named = (ref.slot, ordinal, commitment, shortkey(commitment), ref.media_type, ref.language, audience)
        slots.append((*named, readers, statement.release_on, statement.retain_until))
    releases = tuple([bytes.fromhex(one.id) for one in statement.references if one.rel == RELEASES])
    released = releases if statement.message == RELEASE else ()
    ordered = orders_in(statement) if statement.message == ERASURE else ()
    return EntryRows(_ADMITTED, ident, series, submission, fits, tuple(slots), released, ordered)


def is_over(slot: Columns, today: str) -> bool:
    """Whether the document in these columns of SLOT was to be kept until a day before this one."""
    until = slot[RETAIN_UNTIL]
    return isinstance(until, str) and until < today


def orders_in(statement: Statement) -> tuple[tuple[bytes, str | None], ...]:
    """What an erasure names: submissions, and one slot of each or (None) all of it."""
    return tuple([(bytes.fromhex(one.id), one.slot) for one in statement.references if one.rel == ERASES])
