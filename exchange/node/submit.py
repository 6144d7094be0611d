"""The strict side of the door: what one's own State submits is checked in full before it is signed into the log.

What every node checks is `trust.admission.admit`; what only the State's own node checks, before it takes
responsibility, is here: the clock, the form, and every document.
"""

from collections.abc import Sequence
from datetime import timedelta

from exchange.core.document import SMALL_DOCUMENT, Document
from exchange.core.form import judge
from exchange.core.statement import DocumentRef, Statement
from exchange.errors import ClockOff, DocumentsMissing, DoesNotFit, ExchangeError, UnknownForm, WrongCommitment
from exchange.node.appender import Candidate, Recorded, admitted_or_raise
from exchange.node.node import Node
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.folder import Arrival
from exchange.store.rows import id_of
from exchange.trust.admission import Admitted
from exchange.trust.participants import Participants

ISSUED_WITHIN = timedelta(days=7)
CLOCK_TOLERANCE = timedelta(minutes=5)
JSON = "application/json"


class Submission:
    """One submission at the door. The envelope is judged on arrival, then the documents in the statement's order, then all is recorded."""

    def __init__(self, node: Node, envelope: bytes, stands: int | None = None) -> None:
        """1. The door that every node has. 2. The clock. 3. The form. Raises what is held against the envelope.

        What `stands` already, at that index, is judged there: its key may have ended since. It is answered again, however late.
        """
        self._node = node
        self.participants: Participants = node.participants
        # The place of a new one is known for sure only when it is given; the appender asks the door again where it matters.
        position = node.appender.size if stands is None else stands
        self.admitted: Admitted = admitted_or_raise(envelope, node.origin, position, self.participants)  # 1
        self.recorded = None if stands is None else Recorded(self.admitted.id, stands, new=False)
        self.statement: Statement = self.admitted.statement
        if stands is None:
            self._check_clock()  # 2
            self._check_form()  # 3

    @classmethod
    def arriving(cls, node: Node, envelope: bytes) -> "Submission":
        """The same, where the documents are still to come: those of what stands already, or cannot be taken now, are not read."""
        submission = cls(node, envelope, *standing(node, [envelope]))
        if submission.recorded is None:
            node.appender.check()
        return submission

    def _check_clock(self) -> None:
        now, issued = self._node.clock(), self.statement.issued_time
        if issued > now + CLOCK_TOLERANCE:
            raise ClockOff(
                f"issued {self.statement.issued}, which is in the future here ({now:%Y-%m-%dT%H:%M:%SZ})",
                pointer="/issued",
            )
        if issued < now - ISSUED_WITHIN:
            raise ClockOff(f"issued {self.statement.issued}, more than 7 days before it came here", pointer="/issued")

    def _check_form(self) -> None:
        ref, catalogue = self.statement.form, self._node.catalogue
        if catalogue.named(ref) is not None:
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

    def check(self, arrivals: Sequence[Arrival]) -> None:
        """4. Every document came, in order, and is the one committed to. 5. Bodies fit the form."""
        for number, arrival in enumerate(arrivals):  # 4
            self.committed(number, arrival.slot, arrival.commitment)
        missing = [ref.slot for ref in self.statement.documents[len(arrivals) :]]
        if missing:
            raise DocumentsMissing(
                f"these documents did not come along: {', '.join(missing)}", pointer=f"/documents/{len(arrivals)}"
            )
        form = self._node.catalogue.named(self.statement.form)
        for number, (ref, arrival) in enumerate(zip(self.statement.documents, arrivals, strict=True)):  # 5
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


def whole(node: Node, envelope: bytes, documents: Sequence[Document]) -> Candidate:
    """A submission that came with its small documents, checked in full. Whether it stands already is told when it is recorded."""
    submission = Submission(node, envelope)
    arrivals = tuple([Arrival.small(one.slot, one.name, one.opening, one.content) for one in documents])
    submission.check(arrivals)
    return Candidate(submission.admitted, arrivals, submission.participants)


def recorded_before(node: Node, envelopes: Sequence[bytes]) -> list[Recorded | None]:
    """Where these submissions stand already; None for one that does not, or is not the State's word where it does: a forgery."""
    found: list[Recorded | None] = []
    for envelope, index in zip(envelopes, standing(node, envelopes), strict=True):
        try:
            found.append(None if index is None else Submission(node, envelope, index).recorded)
        except ExchangeError:
            found.append(None)
    return found


def standing(node: Node, envelopes: Sequence[bytes]) -> list[int | None]:
    """The index at which the statement in each of these envelopes stands in this log already, whoever signed it."""
    idents = [id_of(envelope) for envelope in envelopes]
    with node.db.read() as tx:
        found = intake.standing(tx, logs.log_of(tx, node.origin), {ident for ident in idents if ident is not None})
    return [None if ident is None else found.get(ident) for ident in idents]
