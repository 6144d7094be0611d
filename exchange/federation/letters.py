"""Ask a State's node for its sealed letters that may be for us: nobody but those whom they name learns whom they name.

Every node asks for every new one, with its proof, so that not even the asking tells who expects a letter. "Not there" is the
answer to whoever is not named: it is asked again for a day, hourly, since records travel, and then no more. A node that does not
answer at all is asked as long as it does not. What comes is kept if it is what was committed to, and served to nobody.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from exchange.core.outer import NAME
from exchange.errors import ExchangeError, NotFound, StorageFailed
from exchange.federation.peer import PeerLog
from exchange.store import documents
from exchange.store.database import Database
from exchange.store.folder import Arrival, DocumentFolder, Incoming
from exchange.store.log import LogState
from exchange.store.sealed import seek_no_more, sought_seals

AT_ONCE = 1_024  # letters of one log asked for in one visit
ASK_AGAIN = timedelta(hours=1)
ASK_FOR = timedelta(days=1)


def fetch_letters(
    db: Database, peer: PeerLog, files: DocumentFolder, log: LogState, now: datetime, asked: dict[str, datetime]
) -> int:
    """Of that log, from its own State's node. `asked` remembers when each was asked for last. Returns how many came."""
    if peer.hearsay or peer.prove is None or log.own:
        return 0
    with db.read() as tx:
        sought = sought_seals(tx, log.id, AT_ONCE)
    found = 0
    for index, commitment, since in sought:
        if peer.out_of_time:
            break
        last = asked.get(commitment)
        if last is not None and last <= now < last + ASK_AGAIN:
            continue
        try:
            arrival = _fetch(peer, files, commitment)
        except NotFound:
            asked[commitment] = now
            if now >= since + ASK_FOR:
                asked.pop(commitment)
                with db.write() as tx:
                    seek_no_more(tx, log.id, index)
            continue
        if arrival is not None:
            asked.pop(commitment, None)
            with db.write() as tx:
                documents.hold(tx, [arrival], log.participant)
            found += 1
    return found


def _fetch(peer: PeerLog, files: DocumentFolder, commitment: str) -> Arrival | None:
    """Raises NotFound where it is not for us; None where it did not come whole, or is another."""
    incoming: list[Incoming] = []

    def begin(opening: bytes) -> Callable[[bytes], None]:
        incoming.append(files.receive("body", NAME, opening))
        return incoming[0].write

    try:
        peer.letter(commitment, begin)
        if incoming[0].commitment() == commitment:
            return incoming.pop().finish()
    except (NotFound, StorageFailed):
        raise
    except ExchangeError:
        return None
    finally:
        for one in incoming:
            one.discard()
    return None
