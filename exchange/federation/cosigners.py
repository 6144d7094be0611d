"""Ask the other States to cosign this State's head: at once after each commit, again every hour, and never in anybody's way.

Each peer is asked by itself, with one request under way at most, for the newest head there is when its turn comes: heads that came
and went meanwhile are skipped. One that does not answer, or not yet, is left alone for a while, longer each time. An entry is
recorded before anybody is asked, and stays so whatever they answer.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.core.addcheckpoint import SIZE_TYPE, format_request, parse_size_answer
from exchange.core.merkle import prove_consistency
from exchange.core.note import parse_lines, parse_note
from exchange.errors import ExchangeError, Unreachable
from exchange.federation.lines import take_lines
from exchange.federation.peer import PeerLog
from exchange.federation.trustlist import peers_of
from exchange.store import log as logs
from exchange.store.cosignatures import kept_lines
from exchange.store.database import Database
from exchange.store.log import LogState
from exchange.trust.participants import ParticipantRecord, Participants
from exchange.trust.quorum import FRESH_FOR, keys_of

ASK_SECONDS = 12.0  # a witness may visit us for 5 seconds before it answers
MAX_AT_ONCE = 16  # peers
TRIES = 3  # requests of one turn: a witness may name another size than the one we thought
FIRST_BACKOFF, MAX_BACKOFF = 1.0, 300.0  # seconds
LOOK_AGAIN = 15.0  # seconds between looks at what is due, if nothing happens
STOP_SECONDS = 5.0

_logger = logging.getLogger("exchange.cosigners")


@dataclass(slots=True)
class _Asked:
    """What is known of one peer as our witness: the size that it signed last, and when it may be asked again."""

    size: int = 0
    failures: int = 0
    not_before: float = 0.0
    busy: bool = False


class Cosigners:
    """Asks until `stop`. Every wait is bounded, and nothing here holds a lock while it waits for a peer."""

    def __init__(
        self,
        db: Database,
        client: Any,
        *,
        own: str,
        origin: str,
        participants: Callable[[], Participants],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db, self._client, self._own, self._origin = db, client, own, origin
        self._participants, self._clock, self._monotonic = participants, clock, monotonic
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()  # of `_asked` and `_turns`
        self._turns: set[Future[str | None]] = set()
        self._pool = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="cosigner")
        self._woken, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="cosigners", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is a new head."""
        self._woken.set()

    def ask_now(self) -> dict[str, str | None]:
        """Ask everybody whose line is missing or old, whatever failed before, and wait: what went wrong, by participant."""
        turns = {record.participant: turn for record, turn in self._begin(patient=False)}
        return {code: turn.result() for code, turn in turns.items()}

    def stop(self) -> None:
        """Begin nothing more; what is under way has a moment to end."""
        self._stopped.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_SECONDS)
        with self._lock:
            turns = set(self._turns)
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(turns, timeout=STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                self._begin(patient=True)
            except Exception:
                _logger.exception("nobody was asked to cosign")
            self._woken.wait(self._pause())

    def _pause(self) -> float:
        """Until the first of those who failed may be asked again, and not for long in any case."""
        with self._lock:
            waits = [asked.not_before - self._monotonic() for asked in self._asked.values() if asked.failures]
        return min([max(wait, 0.05) for wait in waits if wait > 0] + [LOOK_AGAIN])

    def _begin(self, *, patient: bool) -> list[tuple[ParticipantRecord, "Future[str | None]"]]:
        """Give a turn to everybody who is due and has none."""
        participants, begun = self._participants(), []
        with self._db.read() as tx:
            log = logs.log_of(tx, self._origin)
            lines = kept_lines(tx, log, log.size)
        if log.note is None:
            return []
        old = (self._clock() - FRESH_FOR).timestamp()
        for record in peers_of(participants, self._own):
            kept = lines.get(record.participant)
            if (kept is not None and kept.newest.time > old) or not keys_of(participants.federation, record):
                continue
            with self._lock:
                asked = self._asked.setdefault(record.participant, _Asked())
                if asked.busy or self._stopped.is_set() or (patient and self._monotonic() < asked.not_before):
                    continue
                asked.busy = True
                turn = self._pool.submit(self._turn, record, asked)
                self._turns.add(turn)
            turn.add_done_callback(self._done)
            begun.append((record, turn))
        return begun

    def _done(self, turn: "Future[str | None]") -> None:
        with self._lock:
            self._turns.discard(turn)
        self._woken.set()  # a newer head may have come while this one was under way

    def _turn(self, record: ParticipantRecord, asked: _Asked) -> str | None:
        """Ask one peer for its line. Whatever goes wrong is noted, and told."""
        why: str | None = None
        try:
            self._ask(record, asked)
        except ExchangeError as error:
            why = str(error)
        except Exception as error:
            _logger.exception("asking %s to cosign", record.participant)
            why = f"this node failed, not the peer: {type(error).__name__}"
        with self._lock:
            asked.failures = 0 if why is None else asked.failures + 1
            wait = min(FIRST_BACKOFF * 2.0 ** min(asked.failures - 1, 20), MAX_BACKOFF) if why is not None else 0.0
            asked.not_before = self._monotonic() + wait
            asked.busy = False
        if why is not None and asked.failures in (1, 5):
            _logger.warning("%s does not cosign: %s", record.participant, why)
        return why

    def _ask(self, record: ParticipantRecord, asked: _Asked) -> None:
        peer = PeerLog(self._client, record.node_url, self._monotonic() + ASK_SECONDS, "/witness", monotonic=self._now)
        for _ in range(TRIES):
            log, body = self._request(asked.size)
            status, kind, answer = peer.add_checkpoint(body)
            if status == 200:
                note = parse_note(log.note or b"")
                lines = parse_lines(answer)
                taken = take_lines(self._db, self._participants(), log, log.size, note.text, lines, self._clock())
                if taken.get(record.participant, 0) <= (self._clock() - FRESH_FOR).timestamp():
                    raise Unreachable(
                        f"{record.node_url} answers with no cosignature of {record.participant} of this hour"
                    )
                asked.size = log.size
                return
            if status != 409 or kind.partition(";")[0].strip() != SIZE_TYPE:
                raise Unreachable(
                    f"{record.node_url} does not cosign {self._origin}: it answers {status}{_said(answer)}"
                )
            asked.size = parse_size_answer(answer)
            if asked.size > log.size:
                raise Unreachable(
                    f"{record.node_url} cosigned {self._origin} at size {asked.size}, which is beyond ours, {log.size}"
                )
        raise Unreachable(f"{record.node_url} names another size each time")

    def _request(self, old: int) -> tuple[LogState, bytes]:
        """The newest head, with the proof from what the peer signed last."""
        with self._db.read() as tx:
            log = logs.log_of(tx, self._origin)
            old = min(old, log.size)
            proof = prove_consistency(old, log.size, logs.reader(tx, log, log.size)) if old < log.size else ()
        return log, format_request(old, proof, log.note or b"")

    def _now(self) -> float:
        """For requests under way, a node that stops is the end of time."""
        return float("inf") if self._stopped.is_set() else self._monotonic()


def _said(answer: bytes) -> str:
    """What a refusal says, in short: somebody else wrote it."""
    text = answer[:200].decode("utf-8", "replace")
    return f" ({''.join(c if c.isprintable() else ' ' for c in text)})" if text else ""
