"""Check an evidence pack: files in, verdict out. No network, no database, no clock. Evidence of an alert: convicting.py.

A pack never vouches for itself. Its keys count only where a record from outside (an anchor) holds them; without one
the same checks run against the record inside the pack, and the verdict says that nobody here vouches for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.core.catalogue import FITS, Catalogue
from exchange.core.document import check_document
from exchange.core.dsse import parse_envelope
from exchange.core.merkle import leaf_hash
from exchange.core.note import parse_note
from exchange.core.outer import is_sealed
from exchange.core.pack import Pack
from exchange.core.receipt import Receipt, parse_receipt, verify_receipt
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.errors import BadProof, ExchangeError, KeyNotAllowed, Malformed, RecordRefused, UnknownKey
from exchange.trust.admission import Admitted, Disputed, Refused, Waiting, admit
from exchange.trust.anchor import Anchor, FoundersRoot, Listed
from exchange.trust.bundle import parse_bundle
from exchange.trust.letter import disclosed
from exchange.trust.participants import ParticipantRecord, Participants, check_successor, parse_participants
from exchange.trust.quorum import Cosigned, verify_quorum
from exchange.trust.witnessed import by_whom, in_words, is_of_a_roster, lateness, read_policy, unvouched


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verification. `passed` is None for a remark that decides nothing."""

    passed: bool | None
    line: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`holds`: every check passed. `vouched`: under keys from an anchor outside the pack. Only both together are a yes.

    `replaced`: when the founders published the identity keys on which it rests, where the State had lost its own.
    `error` is what the first check that failed raised; `cosigned` and `late` are judged by an anchor's roster, None without one.
    """

    checks: tuple[Check, ...]
    holds: bool
    vouched: bool
    summary: str
    id: str | None
    fingerprints: tuple[str, ...]
    error: ExchangeError | None = None
    cosigned: Cosigned | None = None
    late: bool = False
    replaced: datetime | None = None


class Examination:
    """The checks in order, each a line; the first failure ends them, since the later ones would rest on it."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.ident: str | None = None
        self.fingerprints: tuple[str, ...] = ()
        self.cosigned: Cosigned | None = None
        self.late = False
        self.replaced: datetime | None = None

    def passed(self, line: str) -> None:
        self.checks.append(Check(True, line))

    def remark(self, line: str) -> None:
        self.checks.append(Check(None, line))

    def verdict(self, holds: bool, vouched: bool, summary: str, error: ExchangeError | None = None) -> Verdict:
        checks, ident, keys = tuple(self.checks), self.ident, self.fingerprints
        return Verdict(checks, holds, vouched, summary, ident, keys, error, self.cosigned, self.late, self.replaced)


def check_pack(pack: Pack, anchors: Sequence[Anchor], catalogue: Catalogue) -> Verdict:
    """Numbered as the lines come out:

    1. The envelope and its statement are well formed; their id, and what it is.
    2. A record vouches for the participant: from an anchor, else (not vouched for) the pack's own. An anchor is records, or a
       founders' root, up to which the list that came with the pack counts as well as any. Beside an anchor, the pack's
       own record must be an earlier or later version of the same: no byte of a pack goes unread.
    3. The one door admits the envelope at the receipt's position: federation, log, keys, thresholds, signatures.
    4. The receipt leads to a checkpoint that the log of that record signed, and not after its closing.
    5. Each document is the one committed to.
    6. The body fits its form, where the form is known here.
    7. What was sealed, where its key is disclosed: opened, and judged as its readers judge it (trust/letter.py).
    8. Who else cosigned, by the anchor's roster: recorded or witnessed, not later than, late; and the pack's own policy.
    """
    exam = Examination()
    vouched = False
    try:
        envelope = parse_envelope(pack.envelope)  # 1
        statement = parse_statement(envelope.payload)
        exam.ident = submission_id(envelope.payload)
        exam.fingerprints = tuple(signature.keyid for signature in envelope.signatures)
        exam.passed(f"envelope and statement are well formed; id {exam.ident}")
        exam.remark(_what(statement))
        if pack.receipt is None:
            raise Malformed("the pack holds no receipt: it was signed, and nothing shows that it was ever submitted")
        receipt = parse_receipt(pack.receipt)
        participants, listed, vouched = _records(pack, statement, anchors)  # 2
        record = participants.records[statement.participant]
        if vouched:
            of = "an anchor given from outside the pack" if listed is None else listed.words
            exam.passed(f"the record of {record.name()} ({record.participant}) comes from {of}")
            _aged(listed, exam)
            _compare(pack, record, participants.federation, exam)
            _replaced(participants, statement, exam)
        else:
            exam.remark(
                f"the record of {record.name()} ({record.participant}) is the pack's own: nobody here vouches for it"
            )
        _admitted(pack, statement, receipt, participants)  # 3
        many = len(envelope.signatures)
        exam.passed(
            f"signed by {many} key{'s' * (many > 1)} that the record allows for {statement.form.code} at position {receipt.index}"
        )
        _logged(pack, statement, receipt, participants, exam)  # 4
        _documents(pack, statement, exam)  # 5
        _form(pack, statement, catalogue, exam)  # 6
        _disclosed(pack, statement, receipt, participants, exam)  # 7
        if receipt.extra is not None:
            exam.remark("the receipt carries an extra line, for which nothing vouches")
        _witnessed(pack, statement, receipt, participants, vouched, exam)  # 8
    except ExchangeError as error:
        exam.checks.append(Check(False, f"{error} [{error.code}]"))
        return exam.verdict(False, vouched, "does not verify", error)
    if not vouched:
        return exam.verdict(True, False, "consistent, but signed by keys nobody here has vouched for")
    return exam.verdict(
        True, True, f"verified: {record.name()} published this, and its log holds it at index {receipt.index}"
    )


def _records(pack: Pack, statement: Statement, anchors: Sequence[Anchor]) -> tuple[Participants, Listed | None, bool]:
    if pack.bundle is not None:
        parse_bundle(pack.bundle)
    nothing: ExchangeError | None = None
    for anchor in anchors:
        try:
            listed = anchor.read(pack.bundle) if isinstance(anchor, FoundersRoot) else None
        except UnknownKey as error:  # a root of founders who did not sign this list
            nothing = error
            continue
        known = listed.participants if listed is not None else anchor
        assert isinstance(known, Participants)  # noqa: S101 - a root was read
        if known.federation == statement.federation and statement.participant in known.records:
            return known, listed, True
    if nothing is not None and pack.trust is None:
        raise nothing
    if pack.trust is None:
        raise UnknownKey(
            f"no anchor here knows {statement.participant} in the federation {statement.federation}, and the pack brings no record"
        )
    own = parse_participants(pack.trust)
    if statement.participant not in own.records:
        raise UnknownKey(f"the pack's own records do not hold {statement.participant}")
    return own, None, False


def _aged(listed: Listed | None, exam: Examination) -> None:
    """How old the founders' word is decides nothing; a verifier is told."""
    if listed is None:
        return
    if listed.stale_since is not None:
        exam.remark(
            f"nobody here vouches that this is the newest list since {listed.stale_since:%Y-%m-%d}; what was signed stays signed"
        )
    for fault in listed.faults:
        exam.remark(f"in the files of the list: {fault}")


def _what(statement: Statement) -> str:
    s = statement
    actual = "" if s.status == "actual" else " (not an actual submission)"
    return f"it is {s.form.code} of {s.participant}: {s.message}, {s.return_}, issued {s.issued}, status {s.status}{actual}"


def _compare(pack: Pack, record: ParticipantRecord, federation: str, exam: Examination) -> None:
    """The record that came along decides nothing beside an anchor's, and must not contradict it either."""
    if pack.trust is None:
        return
    own = parse_participants(pack.trust)
    theirs = own.records.get(record.participant)
    if own.federation != federation or theirs is None:
        raise UnknownKey(f"the pack's own records do not hold {record.participant} in the federation {federation}")
    if theirs == record:
        return
    try:
        check_successor(record, theirs)
        version = "a later version"
    except RecordRefused:
        try:
            check_successor(theirs, record)
            version = "an earlier version"
        except RecordRefused as error:
            raise RecordRefused(f"the pack's own record contradicts the anchor's: {error}") from None
    exam.remark(f"the pack's own record is {version} of the anchor's, and only the anchor's counts")


def _replaced(participants: Participants, statement: Statement, exam: Examination) -> None:
    """Said for ever beside everything that rests on it (DESIGN section 4, rule 4)."""
    exam.replaced = published = participants.replaced_before(statement.origin)
    if published is not None:
        exam.remark(
            f"the founders replaced the identity keys of {statement.participant}, which it had lost, on {published:%Y-%m-%d}; "
            f"{statement.origin} was opened under the new ones"
        )


def _admitted(pack: Pack, statement: Statement, receipt: Receipt, participants: Participants) -> Admitted:
    match admit(pack.envelope, statement.origin, receipt.index, participants):
        case Admitted() as admitted:
            return admitted
        case Disputed(detail=detail):
            raise KeyNotAllowed(detail)  # it was logged, and its State says that this is not its word
        case Refused(error=error):
            raise error
        case Waiting(keyids=keyids):
            raise UnknownKey("signed by keys that the record does not hold: " + ", ".join(keyids))


def _logged(pack: Pack, statement: Statement, receipt: Receipt, participants: Participants, exam: Examination) -> None:
    record = participants.records[statement.participant]
    log = record.logs[record.log_ordinal(statement.origin) or 0]
    checkpoint = verify_receipt(receipt, leaf_hash(pack.envelope), log.vkey)
    end = log.closed
    if end is not None and checkpoint.size >= end.size and (checkpoint.size, checkpoint.root) != (end.size, end.root):
        # A log is closed because it forked, too, or because its key was stolen: what goes another way must not count.
        raise BadProof(
            f"the log {log.origin} was closed at size {end.size}; the receipt rests on another tree, of size {checkpoint.size}"
        )
    exam.passed(
        f"entry {receipt.index} of {checkpoint.size} in the log {checkpoint.origin}, under a checkpoint signed by key {log.vkey.keyid.hex()}"
    )


def _documents(pack: Pack, statement: Statement, exam: Examination) -> None:
    refs = {ref.slot: ref for ref in statement.documents}
    for document in pack.documents:
        if document.slot not in refs:
            raise Malformed(f"the pack holds a document in slot {document.slot!r} that the statement does not name")
        ref = refs.pop(document.slot)
        check_document(document, ref)
        exam.passed(
            f"document {ref.slot} ({ref.media_type}, {len(document.content)} bytes) is the one committed to; its name {document.name!r} is not signed"
        )
    for ref in refs.values():
        exam.remark(
            f"document {ref.slot} ({ref.media_type}) is not in the pack; the statement commits to {ref.commitment}"
        )


def _form(pack: Pack, statement: Statement, catalogue: Catalogue, exam: Examination) -> None:
    body = next((document.content for document in pack.documents if document.slot == "body"), None)
    if body is None or is_sealed(statement):
        return
    verdict = catalogue.judge(statement.form, body)
    form = f"{statement.form.code} version {statement.form.version}"
    if verdict == FITS:
        exam.passed(f"the body fits the form {form}")
    else:
        exam.remark(f"the body and the form {form}: {verdict}")


def _disclosed(
    pack: Pack, statement: Statement, receipt: Receipt, participants: Participants, exam: Examination
) -> None:
    if pack.content_key is None:
        if is_sealed(statement) and pack.documents:
            exam.remark("what is sealed in it was not disclosed: nothing is said here of what it says, or to whom")
        return
    if not is_sealed(statement) or not pack.documents:
        raise Malformed("the pack holds the key of a sealed letter, and no such letter")
    said = disclosed(pack.documents[0].content, pack.content_key, statement, receipt.index, participants)
    inner = said.statement
    exam.passed("the key disclosed is the one that the seal commits to: whoever opened it read the same")
    exam.passed(f"inside, for {', '.join(inner.audience)}: {_what(inner)[6:]}; id {said.id}")
    exam.passed(
        f"signed inside by {len(said.envelope.signatures)} of the keys that the record allows for {inner.form.code} at position {receipt.index}"
    )
    for ref in inner.documents:
        exam.passed(f"document {ref.slot} inside ({ref.media_type}) is the one committed to")


def _witnessed(
    pack: Pack,
    statement: Statement,
    receipt: Receipt,
    participants: Participants,
    vouched: bool,
    exam: Examination,
) -> None:
    """A missing quorum is no failure: the entry is recorded. A line of a known witness that does not verify is one."""
    record = participants.records[statement.participant]
    log = record.logs[record.log_ordinal(statement.origin) or 0]
    policy = None if pack.policy is None else read_policy(pack.policy, log)
    note = parse_note(receipt.checkpoint)
    if not vouched:
        exam.remark(unvouched(note, policy))
        return
    found = verify_quorum(note, participants, record)
    late = lateness(found, statement)
    exam.cosigned, exam.late = found, late is not None
    (exam.passed if found.witnessed else exam.remark)(in_words(found))
    if found.by:
        exam.remark(by_whom(found))
    if late is not None:
        exam.remark(late)
    if policy is not None and is_of_a_roster(policy, participants, record, log):
        exam.remark("the pack's own policy is the one that the anchor's roster gives")
    elif policy is not None:
        exam.remark("the pack's own policy is not one that the anchor's roster gives, and only the anchor's counts")
