"""The second verdict: does the body of an admitted submission fit its form? Recorded, and judged again when a body or a form comes.

It is about the body alone, changes nothing of what the one door decided, and may differ between two nodes for as long
as one of them lacks the document or the form (DESIGN.md section 4, rule 1).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select, update

from exchange.core.catalogue import FITS, NOT_HELD, NOT_KNOWN, Catalogue
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.dsse import parse_envelope
from exchange.core.statement import Statement, parse_statement
from exchange.store import tables
from exchange.store.database import Transaction

OVERSIZED_BODY = bytes(SMALL_DOCUMENT + 1)


def judge_body(tx: Transaction, catalogue: Catalogue, statement: Statement) -> str:
    """The verdict as things stand; a submission without a body has nothing that could misfit."""
    refs = [ref for ref in statement.documents if ref.slot == "body"]
    if not refs:
        return FITS
    key = bytes.fromhex(refs[0].commitment)
    row = tx.execute(select(tables.DOCUMENT.c.content).where(tables.DOCUMENT.c.commitment == key)).first()
    if row is None:
        return NOT_HELD
    # A body that lies in a file is larger than any form allows; its bytes need not be read to know it.
    return catalogue.judge(statement.form, row[0] if row[0] is not None else OVERSIZED_BODY)


def judge_unknown(tx: Transaction, catalogue: Catalogue) -> int:
    """Judge again what was recorded as of a form not known here: a form file may have come since. Returns how many were decided.

    Nil returns have nothing to judge, and bodies may still be missing: their forms are told by the obligations that lack.
    """
    decided = 0
    s = tables.SUBMISSION.c
    for row in tx.execute(_submissions().where((s.fits == NOT_KNOWN) | (s.obligations == ""))).all():
        decided += catalogue.named(_judge_again(tx, *row, catalogue=catalogue).form) is not None
    return decided


def judge_arrived(tx: Transaction, commitments: Sequence[str], catalogue: Catalogue) -> None:
    """Judge again what was recorded as not held and now is: more than one submission may name a document."""
    slot = tables.SLOT.c
    named = _submissions().join(
        tables.SLOT, (slot.log_id == tables.SUBMISSION.c.log_id) & (slot.index == tables.SUBMISSION.c.index)
    )
    for commitment in commitments:
        where = (
            slot.commitment == bytes.fromhex(commitment),
            slot.slot == "body",
            tables.SUBMISSION.c.fits == NOT_HELD,
        )
        for row in tx.execute(named.where(*where)).all():
            _judge_again(tx, *row, catalogue=catalogue)


def _submissions() -> Select[Any]:
    return select(tables.ENTRY.c.log_id, tables.ENTRY.c.index, tables.ENTRY.c.envelope).join(
        tables.SUBMISSION,
        (tables.SUBMISSION.c.log_id == tables.ENTRY.c.log_id) & (tables.SUBMISSION.c.index == tables.ENTRY.c.index),
    )


def _judge_again(tx: Transaction, log_id: int, index: int, envelope: bytes, *, catalogue: Catalogue) -> Statement:
    statement = parse_statement(parse_envelope(bytes(envelope)).payload)
    form = catalogue.named(statement.form)
    values = {
        "fits": judge_body(tx, catalogue, statement),
        "directory": bool(form and form.directory),
        "obligations": " ".join(form.obligations) if form else "",
    }
    where = (tables.SUBMISSION.c.log_id == log_id, tables.SUBMISSION.c.index == index)
    tx.execute(update(tables.SUBMISSION).where(*where).values(**values))
    return statement
