"""Fetch documents in bulk, check each against the commitment it is offered for, and keep those that hold.

A document that does not come, or is not the one committed to, is missing: it is asked for again on every visit, and
stops neither the log nor the other documents.
"""

import contextlib
from collections.abc import Sequence

from exchange.core.catalogue import Catalogue
from exchange.core.document import SMALL_DOCUMENT
from exchange.errors import ExchangeError, NotFound, Unreachable
from exchange.federation.peer import OfferedDocument, PeerLog
from exchange.store import documents
from exchange.store.database import Database
from exchange.store.documents import Arrival, DocumentFolder
from exchange.store.fitting import judge_arrived
from exchange.store.log import LogState
from exchange.trust.admission import Admitted, Verdict

MISSING_AT_ONCE = 2_048  # missing documents looked at together
MAX_SPAN = 4_096  # entries that one answer of the documents stream covers
MAX_WRONG = 10_000  # lines of one answer that bring nothing: far more than an honest one holds, and read in no time
MAX_GAP = 64  # entries between two missing documents across which one answer is cheaper than two


def collect(peer: PeerLog, files: DocumentFolder, log: LogState, verdicts: Sequence[Verdict]) -> tuple[Arrival, ...]:
    """The documents of the next entries of the log, as far as they were admitted."""
    wanted = {
        (index, ref.slot): ref.commitment
        for index, verdict in enumerate(verdicts, log.stored)
        if isinstance(verdict, Admitted)
        for ref in verdict.statement.documents
    }
    return _fetch(peer, files, log, log.stored, log.stored + len(verdicts), wanted)


def _fetch(
    peer: PeerLog, files: DocumentFolder, log: LogState, start: int, end: int, wanted: dict[tuple[int, str], str]
) -> tuple[Arrival, ...]:
    """What came of `wanted`; the first offer of each counts."""
    arrivals: list[Arrival] = []
    wrong = 0
    if not wanted:
        return ()
    # A stream that breaks off leaves what came before it: the rest is asked for on the next visit.
    with (
        contextlib.suppress(Unreachable, NotFound),
        contextlib.closing(peer.documents(log.participant, log.origin, start, end)) as offers,
    ):
        for offer in offers:
            commitment = wanted.pop((offer.index, offer.slot), None) if offer is not None else None
            arrival = _take(peer, files, offer, commitment) if offer is not None and commitment is not None else None
            if arrival is not None:
                arrivals.append(arrival)
                continue
            wrong += 1
            if wrong >= MAX_WRONG:
                break
    return tuple(arrivals)


def _take(peer: PeerLog, files: DocumentFolder, offer: OfferedDocument, commitment: str) -> Arrival | None:
    """The document, if its bytes and opening give the commitment that was signed; its claimed commitment and size count for nothing."""
    if offer.content is not None:
        arrival = Arrival.small(offer.slot, offer.name, offer.opening, offer.content)
        return arrival if arrival.commitment == commitment and arrival.size <= SMALL_DOCUMENT else None
    incoming = files.receive(offer.slot, offer.name, offer.opening)
    try:
        peer.document(commitment, incoming.write)
        if incoming.commitment() == commitment:
            return incoming.finish()
    except ExchangeError:
        incoming.discard()
        return None
    except BaseException:
        incoming.discard()
        raise
    incoming.discard()
    return None


def fill(db: Database, peer: PeerLog, files: DocumentFolder, log: LogState, catalogue: Catalogue) -> int:
    """Ask again for what this log's entries name and this node does not hold. Returns how many documents came.

    All of it is asked for on each visit, whatever never comes: the oldest debt must not hide the newest document.
    """
    found = start = 0
    while not peer.out_of_time:
        with db.read() as tx:
            missing = documents.missing(tx, log.id, MISSING_AT_ONCE, start)
        if not missing:
            break
        first, end, wanted = _neighbours(missing)
        came = _fetch(peer, files, log, first, end, wanted)
        if came:
            with db.write() as tx:
                judge_arrived(tx, documents.hold(tx, came)[1], catalogue)
            found += len(came)
            start = first  # an answer has its bounds: where some came, more may come
        else:
            start = end
    return found


def _neighbours(missing: Sequence[tuple[int, str, str]]) -> tuple[int, int, dict[tuple[int, str], str]]:
    """[first, end) and what is wanted of it: the missing documents that stand close enough for one answer."""
    first = end = missing[0][0]
    wanted: dict[tuple[int, str], str] = {}
    for index, slot, commitment in missing:
        if index - end > MAX_GAP or index - first >= MAX_SPAN:
            break
        wanted[index, slot] = commitment
        end = index + 1
    return first, end, wanted
