"""What the other nodes hold of every log, compared with what is held here: two faces are caught as soon as two honest nodes talk.

Each checkpoint that a node serves bears `CBM-Heads`, which changes whenever any head at that node does. While it stands as it
stood, nothing is asked; else `GET /v1/heads` once, bounded. What that says is hearsay. A difference is followed up by the signed notes in
that node's mirror and under its witness, and for unequal sizes by tiles: only what the log signed counts (heads.py).
"""

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from exchange.core.base64text import parse_base64
from exchange.core.jsontext import MAX_INTEGER, parse_json
from exchange.core.merkle import HASH_SIZE, tree_root
from exchange.errors import Malformed, NotFound
from exchange.federation.heads import meet
from exchange.federation.peer import MAX_HEADS, PeerLog
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.log import LogState

MAX_LOGS = 4_096  # of one answer
MAX_FOLLOWED = 16  # differences looked into after one round


class Claim(NamedTuple):
    """A head as somebody says that it holds it."""

    origin: str
    size: int
    root: bytes


class Difference(NamedTuple):
    """A claim that is not known to agree with what is held here, and who makes it."""

    participant: str
    claim: Claim
    conflict: bool  # of a size that is held here; else it goes beyond


@dataclass(slots=True)
class _Heard:
    """What one node said last, and which of it was looked into already."""

    mark: str
    claims: tuple[Claim, ...]
    done: set[Claim] = field(default_factory=set)


class Gossip:
    """Of this process's life. `on_own_head` is told what others hold of our own log, where it is not what we hold."""

    def __init__(
        self,
        db: Database,
        *,
        own_origin: str,
        clock: Callable[[], datetime],
        on_own_head: Callable[[bytes, str], object],
    ) -> None:
        self._db, self._own, self._clock, self._on_own_head = db, own_origin, clock, on_own_head
        self._heard: dict[str, _Heard] = {}
        self._lock = threading.Lock()  # of `_heard`

    def listen(self, participant: str, peer: PeerLog) -> None:
        """After a visit asked for the checkpoint: what else that node holds, if that changed. Raises what went wrong with asking."""
        with self._lock:
            heard = self._heard.get(participant)
        if peer.heads_mark is None or (heard is not None and heard.mark == peer.heads_mark):
            return
        claims = parse_heads(peer.heads())
        known = set() if heard is None else heard.done & set(claims)
        with self._lock:
            self._heard[participant] = _Heard(peer.heads_mark, claims, known)

    def differences(self, participants: Iterable[str]) -> list[Difference]:
        """What is to be followed up now, contradictions first; what agrees is done with."""
        with self._lock:
            heard = {code: self._heard[code] for code in participants if code in self._heard}
        found: list[Difference] = []
        with self._db.read() as tx:
            here = {log.origin: log for log in logs.all_logs(tx)}
            for code, one in heard.items():
                for claim in one.claims:
                    log = here.get(claim.origin)
                    if claim in one.done or log is None or not claim.size or log.note is None:
                        continue
                    if log.halted is not None:
                        continue  # it is convicted, and has been held in two ways since
                    held = claim.size <= log.size
                    if log.participant == code and not held:
                        continue  # the next visit to that very log brings it
                    if held and claim.root == tree_root(claim.size, logs.reader(tx, log, claim.size)):
                        one.done.add(claim)
                    else:
                        found.append(Difference(code, claim, held))
        return sorted(found, key=lambda one: not one.conflict)[:MAX_FOLLOWED]

    def follow(self, difference: Difference, mirror: PeerLog, witness: PeerLog) -> None:
        """Fetch what was signed, and have it out: a fork is reported, and nothing else is. Once for each claim of a node."""
        participant, claim, _ = difference
        try:
            if claim.origin == self._own:
                self._on_own_head(mirror.checkpoint(), participant)
                return
            meet(self._db, mirror, self._log(claim.origin), self._clock())
            with contextlib.suppress(NotFound):  # it never cosigned that log
                meet(self._db, witness, self._log(claim.origin), self._clock())
        finally:
            with self._lock:
                if participant in self._heard:
                    self._heard[participant].done.add(claim)

    def _log(self, origin: str) -> LogState:
        with self._db.read() as tx:
            return logs.log_of(tx, origin)


def parse_heads(data: bytes) -> tuple[Claim, ...]:
    """The heads that `GET /v1/heads` lists; what else stands there is for others. Raises Malformed."""
    answer = parse_json(data, limit=MAX_HEADS)
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) > MAX_LOGS:
        raise Malformed(f"expected a list of at most {MAX_LOGS} heads")
    return tuple(map(_claim, items))


def _claim(item: object) -> Claim:
    if not isinstance(item, dict):
        raise Malformed("expected a head, with origin, size and root")
    origin, size, root = item.get("origin"), item.get("size"), item.get("root")
    if not (isinstance(origin, str) and type(size) is int and 0 <= size <= MAX_INTEGER and isinstance(root, str)):
        raise Malformed("expected a head, with origin, size and root")
    return Claim(origin, size, parse_base64(root, length=HASH_SIZE))
