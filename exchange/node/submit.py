"""The strict side of the door: what one's own State submits is checked in full before it is signed into the log.

What every node checks is `trust.admission.admit`; what only the State's own node checks, before it takes
responsibility, is here: the clock, the form, and every document.
"""

from collections.abc import Sequence
from datetime import timedelta

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.dsse import parse_envelope
from exchange.core.form import judge
from exchange.core.statement import DocumentRef, Statement, submission_id
from exchange.errors import ClockOff, DocumentsMissing, DoesNotFit, UnknownForm, WrongCommitment
from exchange.node.appender import Recorded, admitted_or_raise
from exchange.node.node import Node
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.documents import Arrival
from exchange.trust.admission import Admitted
from exchange.trust.participants import Participants

ISSUED_WITHIN = timedelta(days=7)
CLOCK_TOLERANCE = timedelta(minutes=5)
JSON = "application/json"


class Submission:
    """One submission at the door. The envelope is judged on arrival, then the documents in the statement's order, then all is recorded."""

    def __init__(self, node: Node, envelope: bytes) -> None:
        """1. The door that every node has. 2. The clock. 3. The form. Raises what is held against the envelope."""
        self._node = node
        self.participants: Participants = node.participants
        with node.db.read() as tx:
            log = logs.log_of(tx, node.origin)
            ident = bytes.fromhex(submission_id(parse_envelope(envelope).payload))
            index = intake.standing(tx, log, {ident}).get(ident)
        # What stands already is judged where it stands: its key may have ended since.
        position = log.size if index is None else index
        self.admitted: Admitted = admitted_or_raise(envelope, node.origin, position, self.participants)  # 1
        self.recorded = None if index is None else Recorded(self.admitted.id, index, new=False)
        self.statement: Statement = self.admitted.statement
        if self.recorded is None:  # what stands already is answered again, however late
            node.appender.check()
            self._check_clock()  # 2
            self._check_form()  # 3

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
