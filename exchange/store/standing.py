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

from exchange.store.bulk import fetch
from exchange.store.cosignatures import (
    Judged,
    Kept,
    earliest_times,
    first_quorums,
    keep_quorum,
    kept_lines,
    newest_cosigned,
    newest_quorum_kept,
)
from exchange.store.database import Transaction
from exchange.store.log import LogState, all_logs
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
    placed = [(ids[origin], index) for origin, index in entries]
    quorums = first_quorums(tx, stamp(participants.rosters), placed)
    found = {}
    for (origin, index), (log, _) in zip(entries, placed, strict=True):
        quorum = quorums.get((log, index))
        if quorum is not None:
            tally = Tally(quorum.cosigned, quorum.of, quorum.asked, quorum.not_later_than)
            found[origin, index] = Standing(quorum.size, tally)
    return found | _without(tx, participants, {one: ids[one[0]] for one in entries if one not in found})


def standing(tx: Transaction, participants: Participants, origin: str, index: int) -> Standing:
    """Where one entry stands."""
    return standings(tx, participants, [(origin, index)])[origin, index]


def _without(tx: Transaction, participants: Participants, entries: Mapping[Entry, int]) -> dict[Entry, Standing]:
    """Entries without a quorum, with the ids of their logs: by the checkpoint over each that most States cosigned, the first of such."""
    cosigned = newest_cosigned(tx, entries.values())
    sizes: dict[Entry, int | None] = {}
    for (origin, index), log in entries.items():
        covering = [(many, -size) for size, many in cosigned.get(log, []) if size > index]
        sizes[origin, index] = -max(covering)[1] if covering else None
    times = earliest_times(tx, {(entries[one], size) for one, size in sizes.items() if size is not None})
    tallies: dict[tuple[str, int | None], Tally] = {}
    found = {}
    for one, size in sizes.items():
        record = participants.by_origin(one[0])
        if record is None:
            found[one] = Standing(None, Tally(0, 0, 0, None))
            continue
        if (one[0], size) not in tallies:
            by = _aware(times.get((entries[one], size), []) if size is not None else [])
            tallies[one[0], size] = judge(by, participants.rosters, record).tally
        found[one] = Standing(size, tallies[one[0], size])
    return found


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


def newest_vouched(tx: Transaction, participants: Participants, now: datetime) -> tuple[datetime | None, bool]:
    """The newest time that a quorum of States is known here to have vouched for, of whatever log; and whether any could vouch for one."""
    found, anybody = newest_quorum_kept(tx, stamp(participants.rosters)), False
    for log in all_logs(tx):
        head = head_standing(tx, participants, log, now)
        anybody = anybody or head.tally.of > 0
        if head.quorum is not None and (found is None or head.quorum > found):
            found = head.quorum
    return found, anybody


def _times(kept: Mapping[str, Kept], *, newest: bool) -> Iterable[tuple[str, datetime]]:
    return _aware((code, (one.newest if newest else one.earliest).time) for code, one in kept.items())


def _aware(times: Iterable[tuple[str, int]]) -> Iterable[tuple[str, datetime]]:
    for code, seconds in times:
        time = moment(seconds)
        if time is not None:
            yield code, time
