"""Visit everybody: each peer in a thread of its own, so that one that is slow, down or lying costs the others nothing.

A peer that failed is left alone for a while, longer each time, up to an hour; a visit asked for by a person goes anyway.
A log that its State closed is asked for at one mirror after the other, until it is here whole.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

from exchange.core.checkpoint import origin_digest
from exchange.errors import ExchangeError, NotFound, Unreachable
from exchange.federation.founders import TrustList
from exchange.federation.gossip import Difference, Gossip
from exchange.federation.peer import PeerLog, Prove, open_client
from exchange.federation.presence import look_at, look_at_all
from exchange.federation.pull import Progress, Pulled, Puller
from exchange.federation.trustlist import peers_of
from exchange.store import documents
from exchange.store import log as logs
from exchange.store.log import LogState
from exchange.store.peers import note_contact
from exchange.trust.bundle import parse_bundle
from exchange.trust.participants import ParticipantLog, ParticipantRecord

MAX_VISITS = 32  # peers visited at once
MAX_BACKOFF = 3600.0  # seconds
OWN_HEAD_EVERY = 3600.0  # seconds between looks at a peer's copy of our own log
FIRST_LOOK_SECONDS = 5.0
STOP_SECONDS = 15.0  # more than the longest wait on a socket

_logger = logging.getLogger("exchange.rounds")


@dataclass(frozen=True, slots=True)
class Visit:
    """How one visit ended: what was pulled, log by log, or why not."""

    participant: str
    pulled: tuple[Pulled, ...]
    error: str | None


class _Succeeded(Exception):
    """The log that was asked for is not the one that its State keeps now."""


class Rounds:
    """Visits to all peers. `on_own_head` is told what each of them holds of our own log, `on_head` at the start what each log has
    been cosigned at; `afterwards` ends every round."""

    def __init__(
        self,
        puller: Puller,
        *,
        own: str,
        own_origin: str,
        timeout: float,
        on_own_head: Callable[[bytes, str], object],
        trust: TrustList | None = None,
        prove: Prove | None = None,
        on_head: Callable[[str, bytes], object] = lambda origin, note: None,
        afterwards: Callable[[], None] = lambda: None,
        client_for: Callable[[], Any] = open_client,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._puller, self._own, self._own_origin, self._timeout = puller, own, own_origin, timeout
        self._on_own_head, self._on_head, self._afterwards = on_own_head, on_head, afterwards
        self._trust, self._prove = trust, prove
        self._trust_seen: dict[str, str] = {}
        self._client = client_for()
        self._monotonic = monotonic
        self._etags: dict[str, str | None] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._looked: dict[str, float] = {}
        self._told: set[str] = set()  # whose head is known with its cosignatures since the start
        self._running, self._looking = threading.Lock(), threading.Lock()
        self._gossip = Gossip(puller.db, own_origin=own_origin, clock=puller.clock, on_own_head=on_own_head)
        self._pulling: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._stopped = threading.Event()

    def run(self, *, pause: float = 0.0, everybody: bool = True, progress: Progress | None = None) -> list[Visit]:
        """One round. `pause` is the base of the back-off of failing peers (seconds); `everybody` visits them all the same."""
        with self._running:
            peers = peers_of(self._puller.participants(), self._own)
            due = [peer for peer in peers if everybody or self._is_due(peer.participant)]
            if not due or self._stopped.is_set():
                return []
            with ThreadPoolExecutor(min(MAX_VISITS, len(due)), thread_name_prefix="visit") as pool:
                visits = list(pool.map(lambda peer: self._visit(peer, pause, progress), due))
                well = [peer for peer, visit in zip(due, visits, strict=True) if visit.error is None]
                list(pool.map(lambda log: self._recover(log, well, progress), self._incomplete()))
                list(pool.map(self._compare, self._gossip.differences(peer.participant for peer in due)))
            self._afterwards()
            self._puller.rest()
            return visits

    def stop(self) -> None:
        """End the round that runs, at its next look at the clock, and begin no other: the database is about to close."""
        self._stopped.set()
        for at_work in (self._running, self._looking):
            if at_work.acquire(timeout=STOP_SECONDS):
                at_work.release()
        self._client.close()

    def _now(self) -> float:
        """The visits' clock: for them, a node that stops is the end of time."""
        return float("inf") if self._stopped.is_set() else self._monotonic()

    def _is_due(self, participant: str) -> bool:
        return self._monotonic() >= self._failures.get(participant, (0, 0.0))[1]

    def _visit(self, record: ParticipantRecord, pause: float, progress: Progress | None) -> Visit:
        """The peer's own log, and what it holds of ours. Whatever goes wrong is its own affair, and noted."""
        peer = self._peer(record)
        pulled, error, answered = None, None, True
        try:
            try:
                pulled = self._pull_newest(peer, record, progress)
            except ExchangeError as failure:
                error, answered = str(failure), not isinstance(failure, Unreachable)
            if answered:
                self._listen(record, peer)
                self._look_at_own_log(record, peer.deadline)
        except Exception as failure:
            _logger.exception("visit to %s", record.participant)
            error = f"this node failed, not the peer: {type(failure).__name__}"
        self._note(record.participant, error, pause)
        return Visit(record.participant, () if pulled is None else (pulled,), error)

    def _pull_newest(self, peer: PeerLog, record: ParticipantRecord, progress: Progress | None) -> Pulled:
        """The log that the State keeps now. Where its own answer tells that this is another one, nothing is made of the old one's."""
        log = record.current_log

        def heed() -> None:
            self._compare_trust(peer)
            if self._current(record.participant, log) != log:
                raise _Succeeded(f"{log.origin} was closed, and another log goes on")

        peer.on_trust = heed
        try:
            return self._pull(peer, log.origin, progress)
        except _Succeeded:
            peer.on_trust = lambda: None
            return self._pull(peer, self._current(record.participant, log).origin, progress)

    def _current(self, participant: str, otherwise: ParticipantLog) -> ParticipantLog:
        record = self._puller.participants().records.get(participant)
        return otherwise if record is None else record.current_log

    def _compare_trust(self, peer: PeerLog) -> None:
        """The peer's word on the trust list, where it holds another than we do: its own newest record at least."""
        ours, tag = self._trust, peer.trust
        if ours is None or tag is None or tag in (ours.now_standing.tag, self._trust_seen.get(peer.node_url)):
            return
        try:
            ours.take(self.fetch_trust(peer.node_url, peer.deadline))
        except ExchangeError as failure:
            _logger.warning("the trust list at %s: %s", peer.node_url, failure)
        else:
            self._trust_seen[peer.node_url] = tag

    def fetch_trust(self, url: str, deadline: float | None = None) -> list[tuple[str, bytes]]:
        """What a node holds of the trust list, in one request; nothing where it is what we hold. Raises Unreachable, NotFound, Malformed."""
        if self._trust is None:
            return []
        until = self._monotonic() + self._timeout if deadline is None else deadline
        found = PeerLog(self._client, url, until, monotonic=self._now).trust_bundle(self._trust.now_standing.tag)
        return [] if found is None else parse_bundle(found)

    def _listen(self, record: ParticipantRecord, peer: PeerLog) -> None:
        """What the peer holds of all logs. It need not say, nor say the truth."""
        try:
            self._gossip.listen(record.participant, peer)
        except ExchangeError as failure:
            _logger.info("the heads at %s: %s", record.participant, failure)

    def _compare(self, difference: Difference) -> None:
        """Somebody holds a log otherwise than we do, or says so: what was signed tells."""
        record = self._puller.participants().records.get(difference.participant)
        if record is None:
            return
        mirror = self._peer(record, mirror_of(difference.claim.origin), hearsay=True)
        witness = self._peer(record, witness_of(difference.claim.origin), hearsay=True, deadline=mirror.deadline)
        if difference.claim.origin == record.current_log.origin:
            mirror = self._peer(record, deadline=mirror.deadline)
        try:
            self._gossip.follow(difference, mirror, witness)
        except ExchangeError as failure:
            _logger.warning("%s as held by %s: %s", difference.claim.origin, difference.participant, failure)
        except Exception:
            _logger.exception("%s as held by %s", difference.claim.origin, difference.participant)

    def _incomplete(self) -> list[ParticipantLog]:
        """Closed logs of anybody, our own State's included, that are not here whole."""
        records = self._puller.participants().records.values()
        closed = [log for record in records for log in record.logs[:-1]]
        if not closed:
            return []
        with self._puller.db.read() as tx:
            here, owed = {log.origin: log for log in logs.all_logs(tx)}, documents.count_missing(tx, self._puller.reach)
        return [log for log in closed if log.origin in here and _lacks(here[log.origin], log, owed)]

    def _recover(self, log: ParticipantLog, peers: list[ParticipantRecord], progress: Progress | None) -> None:
        """Ask one mirror after the other. Nobody has to keep one, so one that fails is passed over."""
        for record in peers:
            peer = self._peer(record, mirror_of(log.origin), hearsay=True)
            try:
                self._pull(peer, log.origin, progress)
            except ExchangeError as failure:
                _logger.info("the mirror of %s at %s: %s", log.origin, record.participant, failure)
            except Exception:
                _logger.exception("the mirror of %s at %s", log.origin, record.participant)
            if log not in self._incomplete():
                return

    def _peer(
        self,
        record: ParticipantRecord,
        prefix: str = "/log",
        *,
        hearsay: bool = False,
        deadline: float | None = None,
    ) -> PeerLog:
        until = self._monotonic() + self._timeout if deadline is None else deadline
        return PeerLog(self._client, record.node_url, until, prefix, hearsay, self._now, prove=self._prove)

    def _pull(self, peer: PeerLog, origin: str, progress: Progress | None) -> Pulled:
        place = peer.node_url + peer.prefix
        with self._alone(origin, peer.deadline):
            found = self._puller.pull(peer, origin, self._etags.get(place), progress)
            if not found.behind:  # else the same head must come again
                self._etags[place] = peer.etag or self._etags.get(place)
        return found

    @contextmanager
    def _alone(self, origin: str, deadline: float) -> Iterator[None]:
        """No two pulls of one log at a time. Raises Unreachable where another one takes longer than this visit may."""
        if not self._pulling[origin].acquire(timeout=max(0.0, min(deadline - self._now(), self._timeout))):
            raise Unreachable(f"another visit is still at {origin}")
        try:
            yield
        finally:
            self._pulling[origin].release()

    def bring(self, origin: str, seconds: float) -> None:
        """The newest entries of a log, from its State's node, within so many seconds: somebody asks for it now. Raises what went wrong."""
        for record in peers_of(self._puller.participants(), self._own):
            if record.current_log.origin == origin:
                self._pull(self._peer(record, deadline=self._monotonic() + seconds), origin, None)
                return
        raise NotFound(f"nobody keeps the log {origin} now")

    def _note(self, participant: str, error: str | None, pause: float) -> None:
        failures = 0 if error is None else self._failures.get(participant, (0, 0.0))[0] + 1
        wait = min(pause * 2.0 ** min(failures, 20), MAX_BACKOFF) if failures else 0.0
        self._failures[participant] = failures, self._monotonic() + wait
        if error is not None:
            _logger.warning("visit to %s: %s", participant, error)
        with self._puller.db.write() as tx:
            note_contact(tx, participant, self._puller.clock(), error)

    def _look_at_own_log(self, record: ParticipantRecord, deadline: float) -> None:
        """What its mirror and its witness know of our log: one that knows more than we do means that we are an old copy of ourselves."""
        last = self._looked.get(record.participant)
        if last is not None and self._monotonic() - last < OWN_HEAD_EVERY:
            return
        for place in (mirror_of(self._own_origin), witness_of(self._own_origin)):
            try:
                note = self._peer(record, place, deadline=deadline).checkpoint()
            except NotFound:
                pass  # they know nothing of ours, which is an answer
            except ExchangeError:
                continue  # they do not say
            else:
                self._on_own_head(note, record.participant)
            self._looked[record.participant] = self._monotonic()

    def own_face(self, url: str) -> tuple[str, str] | None:
        """Who answers under our own address: the key of its log and its instance; None where nobody does."""
        seen = look_at(self._client, url, self._puller.clock, FIRST_LOOK_SECONDS)
        return None if seen.error is not None else (seen.vkey, seen.instance)

    def clocks(self) -> list[timedelta]:
        """By how much the clocks of the peers that answer are ahead of ours."""
        urls = [peer.node_url for peer in peers_of(self._puller.participants(), self._own)]
        seen = look_at_all(self._client, urls, self._puller.clock)
        return [presence.ahead for presence in seen if presence.ahead is not None]

    def first_look(self) -> frozenset[str]:
        """Before anything is appended or cosigned: ask every peer at once what it knows of our log, and how far its own was cosigned.

        Where one does not say that of its log, the mirrors of two others do. Those who told a while ago are not asked again.
        Returns who answered since the start.
        """
        with self._looking:
            peers = peers_of(self._puller.participants(), self._own)
            if peers and not self._stopped.is_set():
                deadline = self._monotonic() + FIRST_LOOK_SECONDS
                with ThreadPoolExecutor(min(MAX_VISITS, len(peers)), thread_name_prefix="look") as pool:
                    list(pool.map(lambda peer: self._look_at_own_log(peer, deadline), peers))
                    due = [peer for peer in peers if peer.participant not in self._told]
                    list(pool.map(lambda peer: self._look_at_head(peer, peer, deadline), due))
                    there = [peer for peer in peers if peer.participant in self._looked][:2]
                    gone = [peer for peer in peers if peer.participant not in self._told]
                    list(pool.map(lambda pair: self._look_at_head(pair[0], pair[1], deadline), product(gone, there)))
            return frozenset(self._looked)

    def _look_at_head(self, owner: ParticipantRecord, at: ParticipantRecord, deadline: float) -> None:
        """The checkpoint of a State's log with its cosignatures, from its own node or from a mirror."""
        origin = owner.current_log.origin
        prefix = "/log" if at is owner else mirror_of(origin)
        try:
            self._on_head(origin, self._peer(at, prefix, deadline=deadline).checkpoint())
        except ExchangeError:
            return  # it does not say
        self._told.add(owner.participant)


def _lacks(here: LogState, log: ParticipantLog, owed: Mapping[int, int]) -> bool:
    if here.own or here.halted is not None or log.closed is None:
        return False
    return here.size < log.closed.size or bool(owed.get(here.id))


def mirror_of(origin: str) -> str:
    """Where a node serves its mirror of that log."""
    return f"/mirror/{origin_digest(origin)}"


def witness_of(origin: str) -> str:
    """Where a witness shows what it signed last of that log."""
    return f"/witness/{origin_digest(origin)}"
