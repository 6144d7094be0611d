"""Is what was opened the letter that its outer submission speaks for? By records and a position; pure.

Guarantees: nobody's words reach a reader under another State's seal, in another log, for other readers, or under keys that did not
count where the seal stands. A letter that somebody took out of its seal and sealed anew is refused, since inside and outside then
differ (surreptitious forwarding: Davis, "Defective Sign & Encrypt", USENIX 2001).

Specification: DESIGN.md section 2 (Sealed), section 4 (rules 3, 4 and 6).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from exchange.core.document import Committer, check_document
from exchange.core.dsse import Envelope, parse_envelope, verify_envelope
from exchange.core.letter import INNER_TYPE, Contents, check_rest, pieces_of, read_contents
from exchange.core.outer import check_header, check_outer, is_sealed
from exchange.core.pack import Pack
from exchange.core.sealed import ContentKey, Preface, Read, read_preface
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.errors import DocumentsMissing, Malformed, TooFewSignatures, UnknownKey, WrongCommitment, WrongLetter
from exchange.trust.participants import Participants
from exchange.trust.record import ParticipantRecord, Position, show

Write = Callable[[bytes], object]
FAR = 2**53 - 1
"""An index that no log reaches: the position of what is not logged yet."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a State said to those whom its statement names, proven."""

    id: str
    statement: Statement
    envelope: Envelope
    contents: Contents


def check_sealed(preface: Preface, outer: Statement) -> None:
    """What is told without any key. Raises DoesNotFit, WrongLetter."""
    check_outer(outer)
    check_header(preface.header, outer)


def open_letter(
    preface: Preface,
    key: ContentKey,
    sealed: tuple[Read, Write, Callable[[], Read]],
    outer: Statement,
    index: int,
    participants: Participants,
    place: Callable[[str], Write],
) -> Letter:
    """Open the ciphertext that `sealed[0]` reads. Nothing that was written counts unless this returns.

    `sealed`: how to read it, where to put the plaintext aside, and how to read that from its beginning. `place` says where the
    document of a slot is to be written.

    1. Outside and header are of one State, log and federation. 2. The tag is right: only then is anything looked at. 3. The
    letter fills its padding, and nothing stands behind it. 4. Inside and outside agree. 5. The record lets those who signed sign
    this, where the outer submission stands, and they are enough. 6. Each document is the one committed to.
    """
    read, put, again = sealed
    check_sealed(preface, outer)  # 1
    size = preface.decrypt(key, read, put)  # 2
    plaintext = again()
    contents, told = read_contents(plaintext)  # 3
    if preface.room(told) != size:
        raise Malformed("a letter as long as its padding says was expected")
    letter = _check_inner(contents, preface, outer)  # 4
    record = participants.records.get(outer.participant)
    ordinal = None if record is None else record.log_ordinal(outer.origin)
    if record is None or ordinal is None:
        raise UnknownKey(f"no record here vouches for the log {outer.origin} of {outer.participant}")
    check_signers(letter.envelope, letter.statement, record, (ordinal, index))  # 5
    for one, ref in zip(contents.documents, letter.statement.documents, strict=True):  # 6
        _copy(pieces_of(plaintext, one.size), Committer(one.opening), ref.commitment, place(one.slot))
    check_rest(plaintext)  # 3
    return letter


def disclosed(sealed: bytes, key: bytes, outer: Statement, index: int, participants: Participants) -> Letter:
    """The letter, with the content key that one of its readers gave away."""
    file, plaintext = BytesIO(sealed), BytesIO()

    def again() -> Read:
        plaintext.seek(0)
        return plaintext.read

    ways = (file.read, plaintext.write, again)
    return open_letter(read_preface(file.read), ContentKey(key), ways, outer, index, participants, lambda slot: len)


def _copy(pieces: Iterator[bytes], committer: Committer, commitment: str, write: Write) -> None:
    for piece in pieces:
        committer.update(piece)
        write(piece)
    if committer.commitment() != commitment:
        raise WrongCommitment("a document in the letter is not the one that was signed")


def _check_inner(contents: Contents, preface: Preface, outer: Statement) -> Letter:
    envelope = parse_envelope(contents.envelope, INNER_TYPE)
    inner = parse_statement(envelope.payload)
    if (inner.federation, inner.origin, inner.participant) != (outer.federation, outer.origin, outer.participant):
        raise WrongLetter(
            f"inside, {inner.participant} speaks in {inner.origin} of {inner.federation}; it was sealed by {outer.participant} "
            f"for {outer.origin} of {outer.federation}: it was taken out of another seal"
        )
    if is_sealed(inner):
        raise WrongLetter("a seal stands within a seal: a letter says what it says")
    check_audience(inner)
    if inner.audience != preface.header.audience:
        raise WrongLetter(
            f"inside, the letter is for {', '.join(inner.audience)}; it was sealed for {', '.join(preface.header.audience)}"
        )
    slots, refs = [one.slot for one in contents.documents], [ref.slot for ref in inner.documents]
    if slots != refs:
        raise DocumentsMissing(
            f"the letter names documents in {', '.join(refs) or 'no slot'}, it has {', '.join(slots) or 'none'}"
        )
    return Letter(submission_id(envelope.payload), inner, envelope, contents)


def check_carried(pack: Pack, by: Statement, record: ParticipantRecord, position: Position) -> Statement:
    """An older letter within another, which adds a reader: of the same State and log, signed by keys that count, its documents whole.

    Its own audience is that of its day. Raises WrongLetter, UnknownKey, WrongCommitment.
    """
    envelope = parse_envelope(pack.envelope, INNER_TYPE)
    older = parse_statement(envelope.payload)
    if (older.federation, older.participant) != (by.federation, by.participant):
        raise WrongLetter(
            f"{by.participant} passes on a letter of {older.participant} in {older.federation}: only a State's own may be carried"
        )
    check_audience(older)
    check_signers(envelope, older, record, position)
    if [one.slot for one in pack.documents] != [ref.slot for ref in older.documents]:
        raise DocumentsMissing("the older letter does not hold the documents that it names")
    for document, ref in zip(pack.documents, older.documents, strict=True):
        check_document(document, ref)
    return older


def check_audience(inner: Statement) -> None:
    """A letter names its readers, and all its documents are for all of them. Raises WrongLetter."""
    if isinstance(inner.audience, str) or any(one.audience != inner.audience for one in inner.documents):
        raise WrongLetter("a letter names its readers one by one, and each of its documents is for all of them")
    if inner.participant in inner.audience:
        raise WrongLetter(f"{inner.participant} names itself among the readers; a State reads its own letters anyway")
    if inner.release_on is not None:
        raise WrongLetter("a letter has no release date: whom it is sealed for can read it from then on")


def check_signers(envelope: Envelope, inner: Statement, record: ParticipantRecord, position: Position) -> None:
    """Every signature is by a key that may sign this form at that position, and they are as many as the State asks for."""
    allowed = record.keys_for(inner.form.code, position)
    for one in envelope.signatures:
        if one.keyid not in allowed:
            where = "now" if position[1] == FAR else f"at position {show(position)}"
            raise UnknownKey(
                f"the record of {record.participant} lets no key {one.keyid} sign {inner.form.code} {where}: the letter is not its word"
            )
    needed = record.threshold(inner.form.code)
    if len(envelope.signatures) < needed:
        raise TooFewSignatures(
            f"{inner.form.code} of {record.participant} needs {needed} keys, this letter has {len(envelope.signatures)}"
        )
    verify_envelope(envelope, allowed)
