"""Fetch documents in bulk, check each against the commitment it is offered for, and keep those that hold.

A document that does not come, or is not the one committed to, is missing: it is asked for again on every visit, and
stops neither the log nor the other documents.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.core.catalogue import Catalogue
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.dsse import parse_envelope
from exchange.core.statement import parse_statement
from exchange.errors import ExchangeError, NotFound, Unreachable
from exchange.federation.peer import OfferedDocument, PeerLog
from exchange.store import documents, registry
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.documents import Arrival, DocumentFolder
from exchange.trust.admission import Admitted, Verdict

FILL_AT_ONCE = 2_048  # missing documents asked for on one visit


@dataclass(frozen=True, slots=True)
class Collected:
    """What held (`arrivals`, with the index of its entry each) and how many offers did not."""

    arrivals: tuple[Arrival, ...]
    indexes: tuple[int, ...]
    wrong: int


def collect(
    peer: PeerLog, files: DocumentFolder, participant: str, start: int, verdicts: Sequence[Verdict]
) -> Collected:
    """The documents of the entries `start`.. that were admitted."""
    wanted = {
        (index, ref.slot): ref.commitment
        for index, verdict in enumerate(verdicts, start)
        if isinstance(verdict, Admitted)
        for ref in verdict.statement.documents
    }
    return _fetch(peer, files, participant, start, start + len(verdicts), wanted)


def _fetch(
    peer: PeerLog, files: DocumentFolder, participant: str, start: int, end: int, wanted: dict[tuple[int, str], str]
) -> Collected:
    arrivals: list[Arrival] = []
    indexes: list[int] = []
    wrong = 0
    # A stream that breaks off leaves what came before it: the rest is asked for on the next visit.
    with contextlib.suppress(Unreachable, NotFound):
        for offer in peer.documents(participant, start, end) if wanted else ():
            commitment = wanted.pop((offer.index, offer.slot), None)
            arrival = None if commitment is None else _take(peer, files, offer, commitment)
            if arrival is None:
                wrong += 1
            else:
                arrivals.append(arrival)
                indexes.append(offer.index)
    return Collected(tuple(arrivals), tuple(indexes), wrong)


def _take(peer: PeerLog, files: DocumentFolder, offer: OfferedDocument, commitment: str) -> Arrival | None:
    """The document, if its bytes and opening give the commitment that was signed; its claimed commitment and size count for nothing."""
    if offer.content is not None:
        arrival = Arrival.small(offer.slot, offer.name, offer.opening, offer.content)
        return arrival if arrival.commitment == commitment and arrival.size <= SMALL_DOCUMENT else None
    incoming = files.receive(offer.slot, offer.name, offer.opening)
    try:
        peer.document(commitment, incoming.write)
        if incoming.commitment() != commitment:
            incoming.discard()
            return None
        return incoming.finish()
    except ExchangeError:
        incoming.discard()
        return None


def fill(db: Database, peer: PeerLog, files: DocumentFolder, origin: str, catalogue: Catalogue) -> int:
    """Ask again for what this log's entries name and this node does not hold. Returns how many documents came."""
    with db.read() as tx:
        log = logs.log_of(tx, origin)
        missing = documents.missing(tx, log.id, FILL_AT_ONCE)
    if not missing:
        return 0
    wanted = {(index, slot): commitment for index, slot, commitment in missing}
    came = _fetch(peer, files, log.participant, missing[0][0], missing[-1][0] + 1, wanted)
    with db.write() as tx:
        for arrival in came.arrivals:
            documents.hold(tx, arrival)
        for index in sorted(set(came.indexes)):
            for envelope in logs.entries(tx, log, index, index + 1):
                statement = parse_statement(parse_envelope(envelope).payload)
                registry.judge_again(tx, log.id, index, statement, catalogue)
    return len(came.arrivals)
