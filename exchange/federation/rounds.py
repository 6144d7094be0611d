"""Visit everybody: each peer in a thread of its own, so that one that is slow, down or lying costs the others nothing.

A peer that failed is left alone for a while, longer each time, up to an hour; a visit asked for by a person goes anyway.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from exchange.errors import ExchangeError
from exchange.federation.peer import PeerLog, open_client
from exchange.federation.pull import Progress, Pulled, Puller
from exchange.federation.trustlist import peers_of
from exchange.store.peers import note_contact
from exchange.trust.participants import ParticipantRecord

MAX_VISITS = 32  # peers visited at once
MAX_BACKOFF = 3600.0  # seconds
OWN_HEAD_EVERY = 3600.0  # seconds between looks at a peer's copy of our own log
FIRST_LOOK_SECONDS = 5.0

_logger = logging.getLogger("exchange.rounds")


@dataclass(frozen=True, slots=True)
class Visit:
    """How one visit ended: what was pulled, log by log, or why not."""

    participant: str
    pulled: tuple[Pulled, ...]
    error: str | None


class Rounds:
    """Visits to all peers. `on_own_head` is told what each of them holds of our own log."""

    def __init__(
        self,
        puller: Puller,
        *,
        own: str,
        own_origin: str,
        timeout: float,
        on_own_head: Callable[[bytes, str], None],
        client_for: Callable[[], object] = open_client,
    ) -> None:
        self._puller, self._own, self._timeout = puller, own, timeout
        self._own_mirror = f"/mirror/{hashlib.sha256(own_origin.encode()).hexdigest()}"
        self._on_own_head = on_own_head
        self._client = client_for()
        self._etags: dict[str, str | None] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._looked: dict[str, float] = {}
        self._running = threading.Lock()

    def run(self, *, pause: float = 0.0, everybody: bool = True, progress: Progress | None = None) -> list[Visit]:
        """One round. `pause` is the base of the back-off of failing peers (seconds); `everybody` visits them all the same."""
        with self._running:
            peers = peers_of(self._puller.participants(), self._own)
            due = [peer for peer in peers if everybody or self._is_due(peer.participant)]
            if not due:
                return []
            with ThreadPoolExecutor(min(MAX_VISITS, len(due)), thread_name_prefix="visit") as pool:
                return list(pool.map(lambda peer: self._visit(peer, pause, progress), due))

    def _is_due(self, participant: str) -> bool:
        return time.monotonic() >= self._failures.get(participant, (0, 0.0))[1]

    def _visit(self, record: ParticipantRecord, pause: float, progress: Progress | None) -> Visit:
        code, deadline = record.participant, time.monotonic() + self._timeout
        pulled, error = [], None
        for log in record.logs:
            peer = PeerLog(self._client, record.node_url, deadline)  # type: ignore[arg-type]
            try:
                pulled.append(self._puller.pull(peer, log.origin, self._etags.get(log.origin), progress))
                self._etags[log.origin] = peer.etag or self._etags.get(log.origin)
            except ExchangeError as failure:
                error = str(failure)
        if error is None:
            self._look_at_own_log(record, deadline)
        self._note(code, error, pause)
        return Visit(code, tuple(pulled), error)

    def _note(self, participant: str, error: str | None, pause: float) -> None:
        failures = 0 if error is None else self._failures.get(participant, (0, 0.0))[0] + 1
        wait = min(pause * 2.0 ** min(failures, 20), MAX_BACKOFF) if failures else 0.0
        self._failures[participant] = failures, time.monotonic() + wait
        if error is not None:
            _logger.warning("visit to %s: %s", participant, error)
        with self._puller.db.write() as tx:
            note_contact(tx, participant, self._puller.clock(), error)

    def _look_at_own_log(self, record: ParticipantRecord, deadline: float) -> None:
        """A mirror that knows more of our log than we do means that we are an old copy of ourselves."""
        last = self._looked.get(record.participant)
        if last is not None and time.monotonic() - last < OWN_HEAD_EVERY:
            return
        try:
            note = PeerLog(self._client, record.node_url, deadline, prefix=self._own_mirror).checkpoint()  # type: ignore[arg-type]
        except ExchangeError:
            return  # they hold nothing of ours yet, or do not say
        self._looked[record.participant] = time.monotonic()
        self._on_own_head(note, record.participant)

    def first_look(self) -> int:
        """Before anything is appended: ask every peer at once what it holds of our log. Returns how many answered."""
        peers = peers_of(self._puller.participants(), self._own)
        if not peers:
            return 0
        deadline = time.monotonic() + FIRST_LOOK_SECONDS
        with ThreadPoolExecutor(min(MAX_VISITS, len(peers)), thread_name_prefix="look") as pool:
            list(pool.map(lambda peer: self._look_at_own_log(peer, deadline), peers))
        return len(self._looked)
