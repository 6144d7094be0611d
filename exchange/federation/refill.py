"""One's own log taken back from the mirrors of the others: for a node whose database is an old copy of itself.

It is a pull like any other: signed by our own key, proven entry by entry, documents by their commitments. What no mirror holds
stays lost; the officers' receipts tell (examples/operate/YEAR.md).
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Any

from exchange.errors import ExchangeError
from exchange.federation.peer import PeerLog
from exchange.federation.pull import Progress, Puller
from exchange.federation.rounds import Visit
from exchange.federation.trustlist import peers_of


def refill(
    puller: Puller, client: Any, *, own: str, origin: str, timeout: float, progress: Progress
) -> Iterator[Visit]:
    """Ask every other node in turn; each brings what the ones before did not have."""
    mirror = f"/mirror/{hashlib.sha256(origin.encode()).hexdigest()}"
    for record in peers_of(puller.participants(), own):
        peer = PeerLog(client, record.node_url, time.monotonic() + timeout, prefix=mirror)
        try:
            yield Visit(record.participant, (puller.pull(peer, origin, None, progress),), None)
        except ExchangeError as error:
            yield Visit(record.participant, (), str(error))
