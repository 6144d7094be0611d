"""What one entry looks like in the registry, as it follows from the entry, its form and its documents.

schemas/README.md sections 7 (the verdict on a body) and 14, read a second time. What follows from several entries
together (which one is current) is in series.py.
"""

import calendar
from functools import lru_cache
from typing import NamedTuple

from exchange.audit.shape import Reading, Shape
from exchange.core.form import Form

FITS, MISFIT, NOT_KNOWN, NOT_HELD = "fits", "does not fit: ", "form not known here", "not held"
RESTRICTED = "restricted"
FITTINGS = (FITS, MISFIT, NOT_KNOWN, NOT_HELD)

# How a statement acts on its series, in a few bits: message, return, status, and whether it opens the series.
MESSAGES = {"original": 1, "update": 2, "correction": 3, "withdrawal": 4}
RETURNS = {"full": 0, "nothing to declare": 1, "nothing new": 2}
STATUSES = {"actual": 0, "exercise": 1, "test": 2}
OPENS = 1 << 7


class Columns(NamedTuple):
    """What all statements of one shape look like in the registry: columns before the series and behind the time, and bits."""

    form: Form | None
    before: tuple[object, ...]
    behind: tuple[object, ...]
    code: bytes
    bits: int


def columns_of(shape: Shape, form: Form | None) -> Columns:
    """`form` is the very file that the statements name, if it is known."""
    period = shape.period
    days = (None, None) if period is None else (first_day(period.start), last_day(period.end))
    directory = form is not None and form.directory
    bits = MESSAGES.get(shape.message, 0) | RETURNS[shape.return_] << 3 | STATUSES[shape.status] << 5
    return Columns(
        form,
        (shape.participant, shape.form.code, shape.form.version, " ".join(form.obligations) if form else ""),
        (*days, shape.return_, shape.message, shape.status, directory),
        shape.form.code.encode(),
        bits | (OPENS if shape.opens else 0),
    )


def row_of(
    ident: bytes, reading: Reading, columns: Columns, fits: str, disputed: str | None = None
) -> tuple[object, ...]:
    """The columns of a submission, as `store.extract` reads them up to the flags, as they follow from the entry and its documents."""
    return (ident, *columns.before, reading.series, reading.issued, *columns.behind, disputed, fits)


@lru_cache(maxsize=1024)
def first_day(span: str) -> str:
    return span + "-01-01"[len(span) - 4 :]


@lru_cache(maxsize=1024)
def last_day(span: str) -> str:
    year, month = int(span[:4]), int(span[5:7] or "12")
    return span if len(span) == 10 else f"{span[:4]}-{month:02}-{calendar.monthrange(year, month)[1]:02}"


def kind_of(fits: str) -> str:
    if fits == RESTRICTED:  # what is told to those who are not given the body either
        return NOT_HELD
    return MISFIT if fits.startswith(MISFIT) else fits if fits in FITTINGS else NOT_KNOWN


def same_fitting(one: str, other: str) -> bool:
    """The words of a reason may change with a version of the program; that it does not fit, and where, may not."""
    if one.startswith(MISFIT) and other.startswith(MISFIT):
        return one.removeprefix(MISFIT).partition(":")[0] == other.removeprefix(MISFIT).partition(":")[0]
    return one == other
