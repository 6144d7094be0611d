"""The strict side of the door: what one's own State submits is checked in full before it is signed into the log.

What every node checks is `trust.admission.admit`; what only the State's own node checks, before it takes
responsibility, is here: the clock, the form, and every document. Nothing here asks a database, so that any process
of this node can do it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from exchange.core.catalogue import FITS, Catalogue
from exchange.core.confines import check_body, check_statement
from exchange.core.document import SMALL_DOCUMENT, Document
from exchange.core.form import judge
from exchange.core.jsontext import parse_json
from exchange.core.statement import DocumentRef, Statement
from exchange.core.vocabulary import SEALED
from exchange.errors import (
    ClockOff,
    DocumentsMissing,
    DoesNotFit,
    KeyNotAllowed,
    UnknownForm,
    UnknownKey,
    WrongCommitment,
)
from exchange.node.references import Said, said
from exchange.node.sealed import check_arrived
from exchange.store.folder import Arrival
from exchange.store.rows import EntryRows, rows_of_admitted
from exchange.trust.admission import Admitted, Disputed, Refused, Waiting, admit
from exchange.trust.participants import Participants

ISSUED_WITHIN = timedelta(days=7)
CLOCK_TOLERANCE = timedelta(minutes=5)
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Door:
    """What submissions are held against, at one moment. `size` of the log is a guess: the place of a new one is known
    for sure only when it is given, and the appender asks the door again where it matters."""

    origin: str
    size: int
    participants: Participants
    catalogue: Catalogue
    now: datetime


class Passed(NamedTuple):
    """A submission that came through the door, with the rows that it becomes: plain values, which cross between processes.

    By the same records it would do so at every index from `start` up to, and not including, `until` (None: no end).
    """

    id: bytes
    envelope: bytes
    start: int
    until: int | None
    said: Said
    rows: EntryRows


@dataclass(frozen=True, slots=True)
class Candidate:
    """A submission that came through the door under these records, with its documents."""

    passed: Passed
    arrivals: tuple[Arrival, ...]
    participants: Participants


class Submission:
    """One submission at the door. The envelope is judged on arrival, then the documents in the statement's order."""

    def __init__(self, door: Door, envelope: bytes, stands: int | None = None) -> None:
        """1. The door that every node has. 2. The clock. 3. The form, and what it says of audience and term. Raises what is held
        against the envelope.

        What `stands` already, at that index, is judged there: its key may have ended since. It is answered again, however late.
        """
        self._door, self.stands = door, stands
        position = door.size if stands is None else stands
        self.admitted: Admitted = admitted_or_raise(envelope, door.origin, position, door.participants)  # 1
        self.statement: Statement = self.admitted.statement
        if stands is None:
            self._check_clock()  # 2
            self._check_form()  # 3

    def candidate(self, arrivals: Sequence[Arrival]) -> Candidate:
        """With all its documents. Raises what is held against these."""
        return Candidate(self.check(arrivals), tuple(arrivals), self._door.participants)

    def _check_clock(self) -> None:
        now, issued = self._door.now, self.statement.issued_time
        if issued > now + CLOCK_TOLERANCE:
            raise ClockOff(
                f"issued {self.statement.issued}, which is in the future here ({now:%Y-%m-%dT%H:%M:%SZ})",
                pointer="/issued",
            )
        if issued < now - ISSUED_WITHIN:
            raise ClockOff(f"issued {self.statement.issued}, more than 7 days before it came here", pointer="/issued")

    def _check_form(self) -> None:
        ref, catalogue = self.statement.form, self._door.catalogue
        form = catalogue.named(ref)
        if form is not None:
            if (wrong := check_statement(form, self.statement)) is not None:
                raise DoesNotFit(wrong.detail, pointer=wrong.pointer)
            return
        newest = catalogue.newest(ref.code)
        if newest is None:
            raise UnknownForm(f"no form {ref.code} is known here", pointer="/form/code")
        raise UnknownForm(
            f"{ref.code} version {ref.version} with sha256 {ref.sha256} is not known here; the newest is version {newest.version}, {newest.sha256}",
            pointer="/form",
        )

    def expected(self, number: int, slot: str) -> DocumentRef:
        """The statement's document `number`, which must be in `slot`. Raises DocumentsMissing."""
        refs = self.statement.documents
        if number >= len(refs):
            raise DocumentsMissing(
                f"the statement names {len(refs)} documents, and another one came: {slot[:20]!r}",
                pointer=f"/documents/{number}",
            )
        if refs[number].slot != slot:
            raise DocumentsMissing(
                f"expected the document in slot {refs[number].slot!r} next, got {slot[:20]!r}",
                pointer=f"/documents/{number}",
            )
        return refs[number]

    def committed(self, number: int, slot: str, commitment: str) -> None:
        """The document `number` is the one that the statement commits to. Raises DocumentsMissing, WrongCommitment."""
        if commitment != self.expected(number, slot).commitment:
            raise WrongCommitment(
                f"the document in slot {slot!r} is not the one that was signed", pointer=f"/documents/{number}"
            )

    def check(self, arrivals: Sequence[Arrival]) -> Passed:
        """4. Every document came, in order, and is the one committed to. 5. Bodies fit the form, and may be told to whom they are for."""
        for number, arrival in enumerate(arrivals):  # 4
            self.committed(number, arrival.slot, arrival.commitment)
        missing = [ref.slot for ref in self.statement.documents[len(arrivals) :]]
        if missing:
            raise DocumentsMissing(
                f"these documents did not come along: {', '.join(missing)}", pointer=f"/documents/{len(arrivals)}"
            )
        form = self._door.catalogue.named(self.statement.form)
        for number, (ref, arrival) in enumerate(zip(self.statement.documents, arrivals, strict=True)):  # 5
            if ref.audience == SEALED:
                check_arrived(self.statement, arrival, self._door.participants)
                continue
            if form is None or not ref.slot.startswith("body"):
                continue
            if ref.media_type != JSON or arrival.content is None:
                raise DoesNotFit(
                    f"the {ref.slot} of a return is {JSON} of at most {SMALL_DOCUMENT} bytes",
                    pointer=f"/documents/{number}",
                )
            errors = judge(form, arrival.content)
            if errors:
                detail = "; ".join(f"{error.pointer or '/'}: {error.detail}" for error in errors[:5])
                raise DoesNotFit(f"{ref.slot} does not fit {form.code}: {detail}", pointer=errors[0].pointer)
            body = parse_json(arrival.content, limit=SMALL_DOCUMENT) if form.meta.get("narrower") else {}
            if (wide := check_body(form, ref.audience, body)) is not None:
                raise DoesNotFit(f"{ref.slot}: {wide.detail}", pointer=wide.pointer)
        return self._passed()

    def _passed(self) -> Passed:
        admitted = self.admitted
        rows = rows_of_admitted(admitted, self._door.catalogue, FITS)
        ident = bytes.fromhex(admitted.id)
        return Passed(ident, admitted.envelope, admitted.index, admitted.until, said(admitted.statement), rows)


def whole(door: Door, envelope: bytes, documents: Sequence[Document]) -> Candidate:
    """A submission that came with its small documents, checked in full. Whether it stands already is told when it is recorded."""
    submission = Submission(door, envelope)
    return submission.candidate([Arrival.small(one.slot, one.name, one.opening, one.content) for one in documents])


def admitted_or_raise(envelope: bytes, origin: str, index: int, participants: Participants) -> Admitted:
    """The one door, for a caller who wants to be let in: raises what the door holds against it."""
    match admit(envelope, origin, index, participants):
        case Admitted() as admitted:
            return admitted
        case Disputed(detail=detail):
            raise KeyNotAllowed(detail)
        case Refused(error=error):
            raise error
        case Waiting(keyids=keyids):
            raise UnknownKey("the record of this State does not hold the key " + ", ".join(keyids))
