"""The second verdict: does the body of an admitted submission fit its form? Recorded, and judged again when a body or a form comes.

It is about the body alone, changes nothing of what the one door decided, and may differ between two nodes for as long
as one of them lacks the document or the form (DESIGN.md section 4, rule 1).
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select, update

from exchange.core.catalogue import NOT_HELD, NOT_KNOWN, Catalogue, judge_body
from exchange.core.dsse import parse_envelope
from exchange.core.statement import Statement, parse_statement
from exchange.store import tables
from exchange.store.database import Transaction
from exchange.store.documents import kept_for


def judge_unknown(tx: Transaction, catalogue: Catalogue) -> int:
    """Judge again what was recorded as of a form not known here: a form file may have come since. Returns how many were decided.

    Nil returns have nothing to judge, and bodies may still be missing: their forms are told by the obligations that lack.
    """
    decided = 0
    s = tables.SUBMISSION.c
    for row in tx.execute(_submissions().where((s.fits == NOT_KNOWN) | (s.obligations == ""))).all():
        decided += catalogue.named(_judge_again(tx, *row, catalogue=catalogue).form) is not None
    return decided


def judge_arrived(tx: Transaction, answered: Iterable[tuple[int, int]], catalogue: Catalogue) -> None:
    """Judge again the submissions at these places (log id, index): a document that they name was missing, and came."""
    for log_id, index in dict.fromkeys(answered):
        where = (tables.ENTRY.c.log_id == log_id, tables.ENTRY.c.index == index, tables.SUBMISSION.c.fits == NOT_HELD)
        for row in tx.execute(_submissions().where(*where)).all():
            _judge_again(tx, *row, catalogue=catalogue)


def judge_places(tx: Transaction, places: Iterable[tuple[int, int]], catalogue: Catalogue) -> None:
    """Judge again the submissions at these places (log id, index): what may be seen of their documents is another."""
    for log_id, index in places:
        where = (tables.ENTRY.c.log_id == log_id, tables.ENTRY.c.index == index)
        for row in tx.execute(_submissions().where(*where)).all():
            _judge_again(tx, *row, catalogue=catalogue)


def _submissions() -> Select[Any]:
    return select(tables.ENTRY.c.log_id, tables.ENTRY.c.index, tables.ENTRY.c.envelope).join(
        tables.SUBMISSION,
        (tables.SUBMISSION.c.log_id == tables.ENTRY.c.log_id) & (tables.SUBMISSION.c.index == tables.ENTRY.c.index),
    )


def _judge_again(tx: Transaction, log_id: int, index: int, envelope: bytes, *, catalogue: Catalogue) -> Statement:
    statement = parse_statement(parse_envelope(bytes(envelope)).payload)
    form = catalogue.named(statement.form)
    s = tables.SLOT.c
    at = (s.log_id == log_id, s.index == index, s.erased.is_not(None))
    erased = {row[0] for row in tx.execute(select(s.slot).where(*at))}  # hidden is not held, whatever is still here
    # Held for this State's own entries: a verdict on somebody else's document would tell what stands in it.
    held = kept_for(
        tx, statement.participant, {ref.commitment for ref in statement.documents if ref.slot not in erased}
    )
    values = {
        "fits": judge_body(catalogue, statement, {commitment: there.content for commitment, there in held.items()}),
        "directory": bool(form and form.directory),
        "obligations": " ".join(form.obligations) if form else "",
    }
    where = (tables.SUBMISSION.c.log_id == log_id, tables.SUBMISSION.c.index == index)
    tx.execute(update(tables.SUBMISSION).where(*where).values(**values))
    return statement
