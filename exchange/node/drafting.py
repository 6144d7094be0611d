"""Drafts at the State's own node: officers write, others sign exactly what they saw, and the ordinary door decides.

Guarantees: from the first signature on, statement and documents never change; a signature is taken only for the id of the payload that
stands, by a distinct key that may sign this form here now and whose role lets it. Release makes an envelope of the signatures and
brings it to the one door, where signatures, threshold, clock, form and audience are judged as of anything that comes there; nothing here
stands in for that. A draft lives seven days from its last change, as long as the door takes its time of issue.
Specification: schemas/README.md section 22.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson

from exchange.core.base64text import parse_base64
from exchange.core.confines import check_statement
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, SMALL_DOCUMENT
from exchange.core.dsse import MAX_SIGNATURES, PAYLOAD_TYPE, Envelope, Signature, format_envelope, pae
from exchange.core.form import FieldError, Form, judge
from exchange.core.keys import PublicKey
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.errors import (
    ChangedMeanwhile,
    DoesNotFit,
    DraftFrozen,
    KeyNotAllowed,
    Malformed,
    NotFound,
    TooFewSignatures,
    TooLarge,
    UnknownForm,
    WrongFederation,
    WrongOrigin,
    WrongParticipant,
)
from exchange.node.appender import Recorded
from exchange.node.draft import HEADER, Draft, prepare
from exchange.node.judge import ISSUED_WITHIN
from exchange.node.node import Node
from exchange.node.submit import again, arriving
from exchange.store import log as logs
from exchange.store.acts import record_act
from exchange.store.database import Transaction
from exchange.store.drafts import KeptDraft, delete_draft, draft_of, drafts, put_draft, room_taken, sweep_drafts
from exchange.store.folder import Arrival
from exchange.trust.acts import What
from exchange.trust.record import ParticipantRecord, Position
from exchange.trust.roles import Officer, Right, officer_in_force

MAX_DRAFTS = 200  # at one node
MAX_DRAFT = 8 * 1024 * 1024  # bytes of the documents of one; what is larger is signed with `cbm sign` and submitted
MAX_DRAFTS_SIZE = 256 * 1024 * 1024  # bytes of the documents of all of them
MAX_WRITTEN = 256 * 1024  # bytes of heading and answers, as they were written
MAX_ATTACHMENTS = 20
LIFE: timedelta = ISSUED_WITHIN
_ATTACHMENT = ("name", "media_type", "language", "content")


@dataclass(frozen=True, slots=True)
class Read:
    """A draft that an officer may see, with what it says and what its form holds against it."""

    draft: KeptDraft
    statement: Statement
    form: Form | None
    threshold: int
    faults: tuple[FieldError, ...]


class Drafting:
    """Of one running node; whoever calls was signed in."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def create(self, officer: Officer, value: Any) -> Read:
        """A new draft of what was written. Raises Malformed, UnknownForm, RoleMissing, TooLarge."""
        draft = self._write(officer, value, secrets.token_hex(16), officer.keyid, 1)
        with self._node.db.write() as tx:
            sweep_drafts(tx, self._now())
            self._check_room(tx, draft)
            put_draft(tx, draft)
            record_act(tx, self._node.clock(), officer, What.DRAFT_CREATED, draft.id)
        return self._read(draft)

    def change(self, officer: Officer, ident: str, etag: str, value: Any) -> Read:
        """Another text for it. Raises as `create`, and NotFound, ChangedMeanwhile, DraftFrozen."""
        with self._node.db.read() as tx:
            stands = self._seen(tx, officer, ident)
        draft = self._write(officer, value, ident, stands.created_by, stands.version + 1)
        with self._node.db.write() as tx:
            stands = self._seen(tx, officer, ident)
            if stands.etag != etag:
                raise ChangedMeanwhile(f"the draft has the ETag {stands.etag} now, the change is to {etag[:60]}")
            if stands.signatures:
                raise DraftFrozen("signatures stand under this draft: what was signed is never changed")
            self._check_room(tx, draft)
            put_draft(tx, draft)
            record_act(tx, self._node.clock(), officer, What.DRAFT_CHANGED, ident)
        return self._read(draft)

    def _check_room(self, tx: Transaction, draft: KeptDraft) -> None:
        number, size = room_taken(tx, self._now())
        if number >= MAX_DRAFTS and draft.version == 1:
            raise TooLarge(f"there are {MAX_DRAFTS} drafts here already: release or delete some")
        if size + sum(len(one.content) for one in draft.documents) > MAX_DRAFTS_SIZE:
            raise TooLarge(f"the documents of all drafts may have {MAX_DRAFTS_SIZE} bytes: release or delete some")

    def _write(self, officer: Officer, value: Any, ident: str, created_by: str, version: int) -> KeptDraft:
        """What was written becomes a statement of this State, for this log, and its documents under new openings."""
        header, body, attachments = _written(value)
        form = self._form(header)
        officer.check(Right.WRITE, contacts=form.directory)
        settings, now = self._node.settings, self._node.clock()
        own = {"federation": settings.federation, "origin": self._node.origin, "participant": settings.participant}
        refusals = {"federation": WrongFederation, "origin": WrongOrigin, "participant": WrongParticipant}
        for name, right in own.items():
            if header.get(name, right) not in (right, ""):
                raise refusals[name](f"this node is that of {right}", pointer=f"/return/{name}")
        contents = [(one["name"], one["content"]) for one in attachments]
        if sum(len(content) for _, content in contents) > MAX_DRAFT:
            raise TooLarge(f"the documents of a draft have at most {MAX_DRAFT} bytes", pointer="/attachments")
        named = tuple((one["name"], one["media_type"], one["language"]) for one in attachments)
        typed = Draft({**header, **own}, body, named)
        payload, documents = prepare(typed, form, contents, now, lambda: secrets.token_bytes(OPENING_SIZE))
        if any(one.slot == "body" and len(one.content) > SMALL_DOCUMENT for one in documents):
            raise TooLarge(f"the answers of a return have at most {SMALL_DOCUMENT} bytes", pointer="/body")
        kept = [{name: one[name] for name in _ATTACHMENT[:3]} for one in attachments]
        written = orjson.dumps({"return": header, "body": body, "attachments": kept}).decode()
        if len(written) > MAX_WRITTEN:
            raise TooLarge(f"heading and answers have at most {MAX_WRITTEN} bytes", pointer="/body")
        expires = int((now + LIFE).timestamp())
        when = now.isoformat(timespec="seconds")
        said = (payload, submission_id(payload), (), created_by, officer.keyid, when, expires, documents)
        return KeptDraft(ident, version, form.code, written, *said)

    def _form(self, header: Mapping[str, Any]) -> Form:
        code, version = header.get("form"), header.get("version")
        known = self._node.catalogue.forms
        form = known.get((code, version)) if isinstance(code, str) and type(version) is int else None
        if form is None:
            raise UnknownForm(
                f"no form {str(code)[:20]!r} version {str(version)[:20]!r} is known here", pointer="/return/form"
            )
        return form

    def listed(self, officer: Officer) -> list[Read]:
        """All that the officer may see."""
        with self._node.db.read() as tx:
            found = [self._read(draft, judged=False) for draft in drafts(tx, self._now())]
        return [one for one in found if officer.may(Right.WRITE, contacts=_is_contact(one.form))]

    def show(self, officer: Officer, ident: str) -> Read:
        """Recorded before it is answered."""
        with self._node.db.write() as tx:
            found = self._seen(tx, officer, ident)
            record_act(tx, self._node.clock(), officer, What.DRAFT_READ, ident)
        return self._read(found)

    def sign(self, officer: Officer, ident: str, submission: str, signature: Signature) -> Read:
        """1. It is for what stands. 2. Its key may sign here, by role and by record. 3. It verifies. 4. It is that key's first. 5. The form fits.

        Whoever may write drafts may bring the signature of somebody who signed elsewhere: it is its key that counts.
        """
        with self._node.db.write() as tx:
            stands = self._seen(tx, officer, ident)
            if submission != stands.submission:  # 1
                raise ChangedMeanwhile(f"the draft is {stands.submission} now, the signature is for {submission[:64]}")
            record, position = self._record(), self._position(tx)
            key = self._key(record, signature.keyid, stands, position)  # 2
            key.verify(pae(PAYLOAD_TYPE, stands.payload), signature.sig)  # 3
            if any(one.keyid == signature.keyid for one in stands.signatures):  # 4
                raise DraftFrozen("this key has signed it already; four eyes are two keys")
            if len(stands.signatures) >= MAX_SIGNATURES:
                raise TooLarge(f"an envelope has at most {MAX_SIGNATURES} signatures")
            faults = self._read(stands).faults
            if faults:  # 5
                raise DoesNotFit(
                    f"nothing is signed that the door would refuse: {faults[0].detail}", pointer=faults[0].pointer
                )
            signatures = tuple(sorted((*stands.signatures, signature), key=lambda one: one.keyid))
            signed = replace(stands, version=stands.version + 1, signatures=signatures)
            put_draft(tx, signed, documents=False)
            record_act(tx, self._node.clock(), officer, What.DRAFT_SIGNED, f"{ident}/{signature.keyid[:32]}")
        return self._read(signed)

    def _key(self, record: ParticipantRecord, keyid: str, draft: KeptDraft, position: Position) -> PublicKey:
        signer = officer_in_force(record, keyid, position)
        if signer is None:
            raise KeyNotAllowed("the record has no such key with a role for officers that is in force now")
        signer.check(Right.SIGN, contacts=_is_contact(self._read(draft, judged=False).form))
        key = record.key(keyid)
        why = "it is not known" if key is None else key.why_not(draft.form, position)
        if key is None or why is not None or not isinstance(key.public_key, PublicKey):
            raise KeyNotAllowed(f"the key {keyid[:16]} does not count here: {why}")
        return key.public_key

    def release(self, officer: Officer, ident: str) -> Recorded:
        """Bring what was signed to the door. Where it stands in the log already, the answer is where.

        A crash behind the door leaves a draft that is released once more, and found.
        """
        with self._node.db.write() as tx:
            draft = self._seen(tx, officer, ident)
            officer.check(Right.RELEASE, contacts=_is_contact(self._read(draft, judged=False).form))
            if not draft.signatures:
                raise TooFewSignatures("nobody has signed this draft")
            record_act(tx, self._node.clock(), officer, What.RELEASE_ASKED, f"{ident}/{draft.submission}")
        recorded = self._submit(draft)
        with self._node.db.write() as tx:
            if delete_draft(tx, ident):
                record_act(tx, self._node.clock(), officer, What.DRAFT_RELEASED, f"{ident}/{draft.submission}")
        return recorded

    def _submit(self, draft: KeptDraft) -> Recorded:
        """As the door takes any submission, its larger documents through files."""
        submission = arriving(self._node, format_envelope(Envelope(draft.payload, draft.signatures)))
        before = again(submission)
        if before is not None:
            return before
        arrivals: list[Arrival] = []
        try:
            for one in draft.documents:
                if len(one.content) <= SMALL_DOCUMENT:
                    arrivals.append(Arrival.small(one.slot, one.name, one.opening, one.content))
                    continue
                incoming = self._node.files.receive(one.slot, one.name, one.opening)
                try:
                    incoming.write(one.content)
                    arrivals.append(incoming.seal())
                except BaseException:
                    incoming.discard()
                    raise
            return self._node.appender.submit(submission.candidate(arrivals)).result()
        finally:  # files that the appender did not move into their place are of no use to anybody
            for arrival in arrivals:
                if arrival.incoming is not None:
                    arrival.incoming.discard()

    def delete(self, officer: Officer, ident: str) -> None:
        with self._node.db.write() as tx:
            self._seen(tx, officer, ident)
            delete_draft(tx, ident)
            record_act(tx, self._node.clock(), officer, What.DRAFT_DELETED, ident)

    def _seen(self, tx: Transaction, officer: Officer, ident: str) -> KeptDraft:
        """The draft, for who may see it: to others with a role it is not there. Raises NotFound, RoleMissing."""
        if not officer.may(Right.WRITE, contacts=True):
            officer.check(Right.WRITE)
        found = draft_of(tx, ident, self._now())
        if not officer.may(Right.WRITE, contacts=_is_contact(self._read(found, judged=False).form)):
            raise NotFound("there is no such draft here, or its time is over")
        return found

    def _read(self, draft: KeptDraft, *, judged: bool = True) -> Read:
        statement = parse_statement(draft.payload)
        form = self._node.catalogue.named(statement.form)
        faults: Sequence[FieldError] = ()
        if judged and form is not None:
            wrong = check_statement(form, statement)
            bodies = [one.content for one in draft.documents if one.slot.startswith("body")]
            faults = [*([] if wrong is None else [wrong]), *(fault for body in bodies for fault in judge(form, body))]
        return Read(draft, statement, form, self._record().threshold(draft.form), tuple(faults))

    def _record(self) -> ParticipantRecord:
        return self._node.participants.records[self._node.settings.participant]

    def _position(self, tx: Transaction) -> Position:
        ordinal = self._record().log_ordinal(self._node.origin)
        return (ordinal or 0, logs.log_of(tx, self._node.origin).size)

    def _now(self) -> int:
        return int(self._node.clock().timestamp())


def _is_contact(form: Form | None) -> bool:
    return form is not None and form.directory


def _written(value: Any) -> tuple[dict[str, Any], dict[str, Any] | None, list[dict[str, Any]]]:
    """The heading, the answers, and attachments with their content as bytes; strict, each fault with its place."""
    if not isinstance(value, dict) or set(value) != {"return", "body", "attachments"}:
        raise Malformed("expected an object with exactly the fields return, body, attachments")
    header, body, listed = value["return"], value["body"], value["attachments"]
    if not isinstance(header, dict) or not set(header) <= set(HEADER):
        raise Malformed(f"return has fields among {', '.join(HEADER)}", pointer="/return")
    if body is not None and not isinstance(body, dict):
        raise Malformed("body is an object with the answers, or null", pointer="/body")
    if not isinstance(listed, list) or len(listed) > MAX_ATTACHMENTS:
        raise Malformed(f"attachments is a list of at most {MAX_ATTACHMENTS}", pointer="/attachments")
    return header, body, [_attachment(one, f"/attachments/{number}") for number, one in enumerate(listed)]


def _attachment(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(_ATTACHMENT):
        raise Malformed(f"expected an object with exactly the fields {', '.join(_ATTACHMENT)}", pointer=at)
    texts = [value["name"], value["media_type"], value["content"]]
    if not all(isinstance(text, str) for text in texts) or not isinstance(value["language"], str | None):
        raise Malformed("name, media_type and content are texts, language is one or null", pointer=at)
    content = parse_base64(value["content"])
    if len(content) > MAX_DOCUMENT:
        raise TooLarge(f"a document has at most {MAX_DOCUMENT} bytes", pointer=at)
    return {**value, "content": content}
