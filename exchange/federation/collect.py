"""Fetch documents in bulk, check each against the commitment it is offered for, and keep those that hold.

A document that does not come, or is not the one committed to, is missing: it is asked for again on every visit, and
stops neither the log nor the other documents.
"""

import contextlib
from collections.abc import Generator, Sequence

from exchange.core.catalogue import Catalogue
from exchange.errors import ExchangeError, NotFound, StorageFailed, Unreachable
from exchange.federation.examine import Offers, Wanted, match
from exchange.federation.offers import OfferedDocument
from exchange.federation.peer import PeerLog
from exchange.store import documents
from exchange.store.database import Database
from exchange.store.documents import Missing
from exchange.store.fitting import judge_arrived
from exchange.store.folder import Arrival, DocumentFolder
from exchange.store.log import LogState
from exchange.store.rows import COMMITMENT, EntryRows, is_over
from exchange.trust.audience import PUBLIC_REACH, Reach

MISSING_AT_ONCE = 2_048  # missing documents looked at together
MAX_SPAN = 4_096  # entries that one answer of the documents stream covers
MAX_GAP = 64  # entries between two missing documents across which one answer is cheaper than two


def blocks_of(
    peer: PeerLog, log: LogState, start: int, end: int, *, proven: bool = False
) -> Generator[bytes, None, None]:
    """The documents stream of the entries [start, end), in blocks of whole lines; one that breaks off leaves what came before it.

    `proven`: not only what is public, but what the peer gives to this node.
    """
    with (
        contextlib.suppress(Unreachable, NotFound),
        contextlib.closing(peer.documents(log.participant, log.origin, start, end, proven=proven)) as blocks,
    ):
        yield from blocks


def within(blocks: Generator[bytes, None, None], room: int) -> list[bytes]:
    """The lines that come first, in blocks, as many as fit into so many bytes."""
    taken = []
    with contextlib.closing(blocks):
        for block in blocks:
            fits = block if len(block) <= room else block[: block.rfind(b"\n", 0, room) + 1]
            taken.append(fits)
            room -= len(fits)
            if fits is not block:
                break
    return [block for block in taken if block]


def without_forgotten(offers: Offers, rows: Sequence[EntryRows], today: str) -> Offers:
    """What a run of entries has forgotten by itself is neither fetched nor kept: it was to be kept until yesterday, or an erasure names it.

    Where that erasure turns out to have no effect, the document is missing, and is asked for as any other.
    """
    orders = {order for row in rows for order in row.orders}
    forgotten = {
        bytes(slot[COMMITMENT]).hex()  # type: ignore[call-overload]
        for row in rows
        for slot in row.slots
        if is_over(slot, today)
        or (orders and row.id is not None and not orders.isdisjoint(((row.id, None), (row.id, slot[0]))))
    }
    if not forgotten:
        return offers
    return Offers(
        [one for one in offers.small if one[3] not in forgotten],
        [one for one in offers.large if one[0] not in forgotten],
    )


def received(peer: PeerLog, files: DocumentFolder, offers: Offers, *, proven: bool = False) -> list[Arrival]:
    """What held of the offers, the larger documents fetched one by one."""
    arrivals = offers.arrivals()
    for commitment, offer in offers.large:
        arrival = _fetch(peer, files, offer, commitment, proven)
        if arrival is not None:
            arrivals.append(arrival)
    return arrivals


def _fetch(
    peer: PeerLog, files: DocumentFolder, offer: OfferedDocument, commitment: str, proven: bool
) -> Arrival | None:
    """The larger document, if its bytes and opening give the commitment that was signed."""
    incoming = files.receive(offer.slot, offer.name, offer.opening)
    try:
        peer.document(commitment, incoming.write, proven=proven)
        if incoming.commitment() == commitment:
            return incoming.finish()
    except StorageFailed:  # this node's own trouble, and the end of the visit: the document is not missing
        incoming.discard()
        raise
    except ExchangeError:
        incoming.discard()
        return None
    except BaseException:
        incoming.discard()
        raise
    incoming.discard()
    return None


def fill(
    db: Database, peer: PeerLog, files: DocumentFolder, log: LogState, catalogue: Catalogue, reach: Reach = PUBLIC_REACH
) -> int:
    """Ask again for what this log's entries name, this node may read and does not hold. Returns how many documents came.

    Who this node is, is proven where something is asked for that is not public.

    All of it is asked for on each visit, whatever never comes: the oldest debt must not hide the newest document.
    """
    found = start = 0
    while not peer.out_of_time:
        with db.read() as tx:
            missing = documents.missing(tx, log.id, MISSING_AT_ONCE, start, reach)
        if not missing:
            break
        first, end, wanted, proven = _neighbours(missing)
        blocks = blocks_of(peer, log, first, end, proven=proven)
        came = received(peer, files, match(blocks, wanted), proven=proven)
        if came:
            with db.write() as tx:
                judge_arrived(tx, documents.hold(tx, came, log.participant)[1], catalogue)
            found += len(came)
            start = first  # an answer has its bounds: where some came, more may come
        else:
            start = end
    return found


def _neighbours(missing: Sequence[Missing]) -> tuple[int, int, Wanted, bool]:
    """[first, end), what is wanted of it, the missing documents that stand close enough for one answer, and whether any is not public."""
    first = end = missing[0].entry
    wanted: Wanted = {}
    proven = False
    for index, slot, commitment, is_public in missing:
        if index - end > MAX_GAP or index - first >= MAX_SPAN:
            break
        wanted[index, slot] = commitment
        proven = proven or not is_public
        end = index + 1
    return first, end, wanted, proven
