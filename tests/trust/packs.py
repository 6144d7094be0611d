"""Evidence packs made by hand: a good one, a perfect forgery, and the evidence of two histories."""

from hashlib import sha256

import orjson

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.document import Document
from exchange.core.evidence import build_evidence, format_evidence
from exchange.core.keys import PrivateKey
from exchange.core.merkle import leaf_hash, prove_inclusion, root_of
from exchange.core.note import format_vkey
from exchange.core.pack import Pack
from exchange.core.receipt import Receipt, format_receipt
from exchange.core.statement import FormRef, Statement
from exchange.resources import form_files
from exchange.trust.participants import (
    ParticipantRecord,
    Participants,
    format_participants,
)
from exchange.trust.verdict import Verdict, check_pack
from tests import builders
from tests.builders import document, key, origin_of, participants, record, signed, statement
from tests.world import body_of

CATALOGUE = Catalogue.from_files(form_files())
ORIGIN = origin_of("XR")
LOG_KEY = key("XR log")
INDEX, SIZE = 2, 5
NOBODY = "consistent, but signed by keys nobody here has vouched for"


def ruritania(**changes: object) -> ParticipantRecord:
    return record("XR", names={"en": "Ruritania"}, **changes)  # type: ignore[arg-type]


ANCHOR = participants(ruritania())


def contact(status: str = "actual") -> tuple[Statement, tuple[Document, ...]]:
    form = CATALOGUE.newest("POC-02")
    assert form is not None
    body = orjson.dumps(body_of("POC-02"))
    made, ref = document("body", body)
    attached, attached_ref = document("a1", b"an attachment")
    return (
        statement("XR", form=FormRef("POC-02", 1, form.sha256), documents=(ref, attached_ref), status=status),
        (made, attached),
    )


def logged(envelope: bytes, log_key: PrivateKey = LOG_KEY, index: int = INDEX, size: int = SIZE) -> bytes:
    """The receipt of an envelope among others, in a log that this key signed."""
    leaves = [leaf_hash(b"entry %d" % number) for number in range(size)]
    leaves[index] = leaf_hash(envelope)

    def read(level: int, at: int) -> bytes:
        return root_of(leaves[at << level : (at + 1) << level])

    note = sign_checkpoint(Checkpoint(ORIGIN, size, root_of(leaves)), log_key)
    return format_receipt(Receipt(index, prove_inclusion(index, size, read), note))


def pack(
    what: Statement | None = None,
    documents: tuple[Document, ...] | None = None,
    *,
    signers: tuple[PrivateKey, ...] = (),
    trust: Participants | None = ANCHOR,
    log_key: PrivateKey = LOG_KEY,
) -> Pack:
    """Good in every respect but those that a test names."""
    said, brought = contact()
    envelope = signed(what or said, *signers)
    held = brought if documents is None else documents
    return Pack(envelope, held, logged(envelope, log_key), None if trust is None else format_participants(trust))


def judge(made: Pack, *anchors: Participants) -> Verdict:
    return check_pack(made, anchors, CATALOGUE)


def forgery() -> Pack:
    """Everything an attacker can make: a State's name, a record, a log, a signature and a receipt, all of one piece."""
    mallory, log = key("Mallory"), key("Mallory's log")
    own = participants(ruritania(log=log, signing=[mallory]))
    return pack(signers=(mallory,), trust=own, log_key=log)


def two_histories() -> bytes:
    """Evidence that the log of Ruritania signed a third entry, and later another one in its place."""
    leaves = [leaf_hash(b"entry %d" % number) for number in range(6)]

    def read(level: int, at: int) -> bytes:
        return root_of(leaves[at << level : (at + 1) << level])

    small = sign_checkpoint(Checkpoint(ORIGIN, 3, sha256(b"another history").digest()), LOG_KEY)
    large = sign_checkpoint(Checkpoint(ORIGIN, 6, root_of(leaves)), LOG_KEY)
    return format_evidence(build_evidence(format_vkey(builders.vkey(ORIGIN, LOG_KEY)), small, large, read))
