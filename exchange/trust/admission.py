"""The one door: may this entry, at this place of this log, stand in the registry as its participant's word?

Guarantees: `admit` answers every sequence of bytes and raises on none. It looks at the entry, its position and the
participants' records, and at nothing else (no clock, no document, no form file), so that every node reaches the same
answer at any later time. Nothing outside this module makes an `Admitted`: whoever is handed one knows that the checks
were made.

A closing never makes an entry vanish: where a key, or the log, was closed before an entry that is otherwise right, whether
it stood there already or came later, the entry is disputed. Nothing that a record says can refuse it: who could state up to
where a dispute goes, and refuse what is beyond, could set that place back over old entries and erase them.

Specification: DESIGN.md section 4 (rules 1, 4, 6, 8), section 2 (Envelope, Statement). Whether a document fits its
form, and what a node asks of its own officers besides (clock, duplicates, series), are other questions, answered
elsewhere.

    match admit(entry, "cbm.example.at/log", 17, participants):
        case Admitted(id=submission, until=until): ...  # holds for indexes 17 up to `until`, with these records
        case Disputed(admitted=admitted, since=since): ...  # stays, shown as disputed from there on; answers nothing
        case Waiting(keyids=keyids): ...                # ask again with the next record of that participant
        case Refused(code=code, detail=detail): ...     # stays in the mirror, listed with the reason
"""

from dataclasses import InitVar, dataclass, field

from exchange.core.dsse import parse_envelope, verify_envelope
from exchange.core.keys import Kind, PublicKey
from exchange.core.outer import check_outer, is_sealed
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.errors import (
    AudienceNotEnforced,
    ExchangeError,
    KeyNotAllowed,
    TooFewSignatures,
    WrongFederation,
    WrongOrigin,
    WrongParticipant,
)
from exchange.trust.audience import ENFORCED, WIDTH, is_within
from exchange.trust.participants import ParticipantKey, ParticipantLog, ParticipantRecord, Participants, Position
from exchange.trust.record import show

ERASURE = "erasure"

_DOOR = object()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A submission of its participant.

    By the same records it would be one at every index from `index` up to, and not including, `until` (None: no end).
    """

    id: str
    statement: Statement
    envelope: bytes
    origin: str
    index: int
    until: int | None
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        # Without a default, dataclasses.replace() fails too: an admitted entry cannot be edited into another one.
        if door is not _DOOR:
            raise TypeError("only exchange.trust.admission.admit makes an Admitted")


@dataclass(frozen=True, slots=True)
class Place:
    """An index in a log, the log by its name."""

    origin: str
    index: int

    def __str__(self) -> str:
        return f"entry {self.index} of {self.origin}"


@dataclass(frozen=True, slots=True)
class Disputed:
    """Right in every other respect, and at or beyond the place where its State closed a key of it, or the log: `since`, the first of these.

    It stays in the registry and is shown as what it is; it is never current and answers no look-up.
    """

    admitted: Admitted
    since: Place
    detail: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Signed by keys that the record does not hold yet; to be judged again with each new record."""

    keyids: tuple[str, ...]
    id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not the participant's word, and why; two refusals are equal if they say the same."""

    code: str
    detail: str
    error: ExchangeError = field(compare=False, repr=False)


Verdict = Admitted | Disputed | Waiting | Refused


def admit(entry: bytes, origin: str, index: int, participants: Participants) -> Verdict:
    """Judges the entry at `index` of the log `origin`. In this order, the first failure answers:

    1. The envelope is canonical and within its bounds.
    2. So is the statement.
    3. It is meant for this federation,
    4. and for this log: an entry copied from another log or federation is nobody's word here.
    5. The statement's participant owns this log.
    6. The audience is one that nodes enforce, and no document is for more than its statement is; or it is a sealed one that says
       nothing more (core/outer.py).
    7. The record holds every key; else the entry waits, since a record still on its way may hold the missing ones.
    8. The record lets every key sign this form at this position, unless it ended before.
    9. They are as many as the threshold asks: the form's, or the one for erasures.
    10. Every signature verifies.
    11. No key, and not the log, was closed at or before this position: else the entry is disputed.

    Steps 1 to 6 do not depend on keys, and no later record can mend them, so they refuse even where step 7 would wait.
    """
    try:
        return _judge(entry, origin, index, participants)
    except ExchangeError as error:
        # Without its traceback: a verdict that is kept must not keep stack frames.
        return Refused(error.code, str(error), error.with_traceback(None))


def _judge(entry: bytes, origin: str, index: int, participants: Participants) -> Admitted | Disputed | Waiting:
    envelope = parse_envelope(entry)  # 1
    statement = parse_statement(envelope.payload)  # 2
    if statement.federation != participants.federation:  # 3
        raise WrongFederation(
            f"expected a statement for {participants.federation}, got one for {statement.federation}",
            pointer="/federation",
        )
    if statement.origin != origin:  # 4
        raise WrongOrigin(f"expected a statement for {origin}, got one for {statement.origin}", pointer="/origin")
    record, ordinal = _owner(statement, origin, participants)  # 5
    _check_audience(statement)  # 6

    submission = submission_id(envelope.payload)
    signers: list[ParticipantKey] = []
    public: dict[str, PublicKey] = {}
    unknown: list[str] = []
    for signature in envelope.signatures:
        key = record.key(signature.keyid)
        if key is None or not isinstance(key.public_key, PublicKey):
            unknown.append(signature.keyid)
        else:
            signers.append(key)
            public[signature.keyid] = key.public_key
    if unknown:  # 7
        return Waiting(tuple(unknown), submission)

    for key in signers:  # 8
        _check_key(key, statement, record, (ordinal, index))
    # Distinct keyids, each computed by the record from its key, are distinct keys: one officer does not count twice.
    erasure = statement.message == ERASURE
    needed = record.thresholds.erasure if erasure else record.threshold(statement.form.code)  # 9
    if len(public) < needed:
        what = "an erasure" if erasure else statement.form.code
        raise TooFewSignatures(f"{what} of {record.participant} needs {needed} keys, got {len(public)}")
    verify_envelope(envelope, public)  # 10, the costly step last
    until = _until(signers, record.logs[ordinal], ordinal)
    admitted = Admitted(submission, statement, entry, origin, index, until, _DOOR)
    return _dispute(admitted, signers, record, (ordinal, index)) or admitted  # 11


def _owner(statement: Statement, origin: str, participants: Participants) -> tuple[ParticipantRecord, int]:
    record = participants.by_origin(origin)
    ordinal = record.log_ordinal(origin) if record else None
    if record is None or ordinal is None:
        raise WrongParticipant(f"no participant's record lists the log {origin}")
    if record.participant != statement.participant:
        raise WrongParticipant(
            f"{origin} is the log of {record.participant}, not of {statement.participant}", pointer="/participant"
        )
    return record, ordinal


def _check_audience(statement: Statement) -> None:
    if is_sealed(statement):
        check_outer(statement)
        return
    outer = _enforced(statement.audience, "/audience")
    for number, document in enumerate(statement.documents):
        inner = _enforced(document.audience, f"/documents/{number}/audience")
        # Who shows an officer what is signed says for whom the whole of it is.
        if not is_within(inner, outer):
            raise AudienceNotEnforced(
                f"{document.slot}: expected no wider audience than {outer}, that of the statement, got {inner}",
                pointer=f"/documents/{number}/audience",
            )


def _enforced(audience: str | tuple[str, ...], pointer: str) -> str:
    if isinstance(audience, str) and audience in ENFORCED:
        return audience
    said = audience if isinstance(audience, str) else ", ".join(audience)
    expected = " or ".join(sorted(ENFORCED, key=WIDTH.__getitem__, reverse=True))
    raise AudienceNotEnforced(
        f"expected audience {expected}, got {said}: name States in a sealed submission", pointer=pointer
    )


def _check_key(key: ParticipantKey, statement: Statement, record: ParticipantRecord, position: Position) -> None:
    """One key that does not count refuses the whole entry, however many others would do."""
    reason = key.why_never(statement.form.code, position)
    # An erasure is an act of officers: a stolen node must not count towards it under a platform form.
    if reason is None and statement.message == ERASURE and key.kind is not Kind.SIGNING:
        reason = f"it is a {key.kind} key, and officers erase"
    if reason is not None:
        raise KeyNotAllowed(f"key {key.public_key.keyid} of {record.participant}: {reason}")


def _dispute(
    admitted: Admitted, keys: list[ParticipantKey], record: ParticipantRecord, position: Position
) -> Disputed | None:
    ended = [
        (key.before, f"key {key.public_key.keyid} of {record.participant} counts before position {show(key.before)}")
        for key in keys
        if key.before is not None and position >= key.before
    ]
    end = record.logs[position[0]].closed
    if end is not None and position[1] >= end.size:
        ended.append(((position[0], end.size), f"{admitted.origin} was closed at size {end.size}"))
    if not ended:
        return None
    since, why = min(ended)
    place = Place(record.logs[since[0]].origin, since[1])
    return Disputed(admitted, place, f"disputed by {record.participant} since {place}: {why}, this is {show(position)}")


def _until(keys: list[ParticipantKey], log: ParticipantLog, ordinal: int) -> int | None:
    """The first index of this log at which one of the keys, or the log itself, has ended."""
    ends = [key.before[1] for key in keys if key.before is not None and key.before[0] == ordinal]
    if log.closed is not None:
        ends.append(log.closed.size)
    return min(ends, default=None)
