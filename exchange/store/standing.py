"""Where an entry stands: recorded only, or witnessed by a quorum of States, and since when it has existed at the latest.

A checkpoint that covers an entry vouches for it. The first one with a quorum counts; while there is none, of the newest few the one
that most States cosigned is told of. What a quorum came to is kept beside the cosignatures, so that a list costs one question; rosters that
change have everything judged anew, as it is asked for.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from exchange.store import log as logs
from exchange.store.bulk import fetch
from exchange.store.cosignatures import Judged, Kept, first_quorums, keep_quorum, kept_lines, newest_cosigned
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.trust.participants import Participants
from exchange.trust.quorum import Cosigned, Tally, is_stale, judge, moment, newest_quorum
from exchange.trust.roster import Rosters

Entry = tuple[str, int]
"""Origin and index."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`size` is the checkpoint by which the entry stands so; None where nobody cosigned any that covers it."""

    size: int | None
    tally: Tally


@lru_cache(maxsize=8)
def stamp(rosters: Rosters) -> str:
    """A short name of these rosters."""
    return hashlib.sha256(repr(rosters).encode()).hexdigest()[:16]


def judged(tx: Transaction, participants: Participants, log: LogState, size: int) -> Cosigned:
    """The cosignatures kept under a checkpoint, judged now."""
    record = participants.records[log.participant]
    return judge(_times(kept_lines(tx, log, size), newest=False), participants.rosters, record)


def judge_anew(tx: Transaction, participants: Participants, log: LogState, size: int) -> Cosigned:
    """As `judged`, and kept if it is a quorum: for when lines came in."""
    found = judged(tx, participants, log, size)
    if found.witnessed and found.not_later_than is not None:
        kept = Judged(size, len(found.by), found.of, found.asked, found.not_later_than)
        keep_quorum(tx, log, stamp(participants.rosters), kept)
    return found


def standings(tx: Transaction, participants: Participants, entries: Collection[Entry]) -> dict[Entry, Standing]:
    """Where each of these entries stands."""
    ids = dict(fetch(tx, "SELECT origin, id FROM log")) if entries else {}
    quorums = first_quorums(tx, stamp(participants.rosters), {(ids[origin], index) for origin, index in entries})
    found = {}
    without = _Without(tx, participants, ids)
    for origin, index in entries:
        quorum = quorums.get((ids[origin], index))
        if quorum is None:
            found[origin, index] = without.standing(origin, index)
        else:
            tally = Tally(quorum.cosigned, quorum.of, quorum.asked, quorum.not_later_than)
            found[origin, index] = Standing(quorum.size, tally)
    return found


def standing(tx: Transaction, participants: Participants, origin: str, index: int) -> Standing:
    """Where one entry stands."""
    return standings(tx, participants, [(origin, index)])[origin, index]


class _Without:
    """Entries without a quorum, asked for together: each log and each checkpoint costs its question once."""

    def __init__(self, tx: Transaction, participants: Participants, ids: Mapping[str, int]) -> None:
        self._tx, self._participants, self._ids = tx, participants, ids
        self._cosigned: dict[str, list[tuple[int, int]]] = {}
        self._tallies: dict[tuple[str, int | None], Tally] = {}

    def standing(self, origin: str, index: int) -> Standing:
        record = self._participants.by_origin(origin)
        if record is None:
            return Standing(None, Tally(0, 0, 0, None))
        if origin not in self._cosigned:
            self._cosigned[origin] = newest_cosigned(self._tx, self._ids[origin])
        covering = [(many, -size) for size, many in self._cosigned[origin] if size > index]
        size = -max(covering)[1] if covering else None
        if (origin, size) not in self._tallies:
            self._tallies[origin, size] = (
                judge([], self._participants.rosters, record).tally
                if size is None
                else judged(self._tx, self._participants, logs.log_of(self._tx, origin), size).tally
            )
        return Standing(size, self._tallies[origin, size])


@dataclass(frozen=True, slots=True)
class HeadStanding:
    """A head and those who vouch for it: by their earliest lines, and how old the newest quorum is (`quorum`)."""

    tally: Tally
    quorum: datetime | None
    stale: bool


def head_standing(tx: Transaction, participants: Participants, log: LogState, now: datetime) -> HeadStanding:
    """How the head of a log stands now. One that nobody can witness is never stale: nobody is asked for."""
    record = participants.records.get(log.participant)
    if record is None:  # nobody knows yet who takes part
        return HeadStanding(Tally(0, 0, 0, None), None, False)
    kept = kept_lines(tx, log, log.size)
    tally = judge(_times(kept, newest=False), participants.rosters, record).tally
    quorum = newest_quorum(_times(kept, newest=True), participants.rosters, record, now)
    return HeadStanding(tally, quorum, tally.of > 0 and is_stale(quorum, now))


def _times(kept: Mapping[str, Kept], *, newest: bool) -> Iterable[tuple[str, datetime]]:
    for code, one in kept.items():
        time = moment((one.newest if newest else one.earliest).time)
        if time is not None:
            yield code, time
