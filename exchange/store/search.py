"""Questions in words to the registry, newest first: the index names what may answer, the registry has the last word.

A page takes the same few questions however much there is; what was struck, or does not pass a filter that may change, is not
shown, whatever the index says. `behind` (fulltext.py) tells what the index does not know yet.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from exchange.core.search import Query, context
from exchange.store.database import Transaction
from exchange.store.fulltext import searched, texts, upto
from exchange.store.inverted import find
from exchange.store.marks import marks_for, voices
from exchange.store.query import Filter, load_those
from exchange.store.registry import SubmissionState
from exchange.trust.audience import PUBLIC_REACH, Reach

CONTEXT_BYTES = 2 * 1024 * 1024  # of the bodies of one page that are read again for their contexts


def search(
    tx: Transaction,
    wanted: Filter,
    query: Query,
    reach: Reach = PUBLIC_REACH,
    *,
    before: int | None = None,
    limit: int = 100,
) -> list[SubmissionState]:
    """Newest arrival first, behind the cursor `before`, as `query.submissions`. What may not be read is not found."""
    end = (upto(tx) or 0) + 1
    found: list[SubmissionState] = []
    at = end if before is None else min(before, end)
    pages = find(tx, query, marks_for(wanted), at, limit, voices(reach))
    while len(found) < limit and (named := _some(pages, limit - len(found))):
        found += load_those(tx, named, wanted, limit - len(found), reach)
    return found


def _some(pages: Iterator[list[int]], number: int) -> list[int]:
    """So many that the registry need be asked but once as a rule; none where there are no more."""
    named: list[int] = []
    while len(named) < number and (page := next(pages, None)) is not None:
        named += page
    return named


def contexts(tx: Transaction, states: Sequence[SubmissionState], query: Query) -> list[str | None]:
    """For each, where in its texts something of the question stands; None where that would take too long to read.

    They are as they were loaded for whoever asks: what they may not read is not there.
    """
    pieces = [searched(state.documents) for state in states]
    sizes = accumulate(sum(piece.size for piece in each if piece.is_body) for each in pieces)
    few = [each for each, size in zip(pieces, sizes, strict=True) if size <= CONTEXT_BYTES]
    found = [context(said, query) for said in texts(tx, few)]
    return [*found, *[None] * (len(states) - len(found))]
