"""The quorum: have enough other States seen this checkpoint, and since when has it existed?

Guarantees: States are counted, not keys; the log's own State and all others of its operator never count; a cosignature counts
under the roster that was in force at its time and under no other. With k = floor(2W/3) + 1 of W, two heads that cannot both be
true are never both witnessed unless 2k - W witnesses lie (tlog.md section 9.1), and `not_later_than`, the (W - k + 1)-th earliest
time, is no later than the time of some honest one: W - k liars cannot move it before the checkpoint existed.

Specification: DESIGN.md section 2 (Cosignature, witness; Quorum), C2SP tlog-policy. Cosignatures are read by
core/cosignature.py, who may cosign by roster.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exchange.core.cosignature import Cosignature, verify_cosignatures
from exchange.core.keys import Kind, PublicKey
from exchange.core.note import COSIGNATURE, Note, Vkey
from exchange.core.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from exchange.errors import NotFound
from exchange.trust.participants import ParticipantLog, ParticipantRecord, Participants
from exchange.trust.roster import Roster, Rosters

RECORDED, WITNESSED = "recorded", "witnessed"
LATE_AFTER = timedelta(days=8)
"""7 days from signing to the door, and one for a quorum: what claims to be older than that is marked late."""
STALE_AFTER = timedelta(days=1)
"""A head whose newest quorum is older than that may hide what came since."""
FRESH_FOR = timedelta(hours=1)
"""After that an unchanged head is cosigned anew."""

_QUORUM = "quorum"


@dataclass(frozen=True, slots=True)
class Tally:
    """What cosignatures come to, in numbers: how many States, of how many witnesses, and how many are asked for.

    `not_later_than` is None while fewer than W - k + 1 have cosigned.
    """

    cosigned: int
    of: int
    asked: int
    not_later_than: datetime | None

    @property
    def witnessed(self) -> bool:
        return 0 < self.asked <= self.cosigned

    @property
    def standing(self) -> str:
        return WITNESSED if self.witnessed else RECORDED

    @property
    def words(self) -> str:
        if not self.of:
            return "cosigned by nobody: there is no other State to do it"
        return f"cosigned by {self.cosigned} of {self.of}, {self.asked} asked for"

    def is_late(self, issued: datetime) -> bool:
        """Whether the time that its writer claims lies too far before the first that others vouch for."""
        return self.not_later_than is not None and self.not_later_than - issued > LATE_AFTER


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What cosignatures come to: `by` whom since when (earliest first), and the rest as in a `Tally`."""

    by: tuple[tuple[str, datetime], ...]
    of: int
    asked: int
    not_later_than: datetime | None

    @property
    def tally(self) -> Tally:
        return Tally(len(self.by), self.of, self.asked, self.not_later_than)

    @property
    def witnessed(self) -> bool:
        return self.tally.witnessed

    @property
    def standing(self) -> str:
        return self.tally.standing

    @property
    def words(self) -> str:
        return self.tally.words

    def is_late(self, issued: datetime) -> bool:
        return self.tally.is_late(issued)


def quorum_of(witnesses: int) -> int:
    """How many of so many witnesses must have cosigned; 0 where there is no quorum to be had."""
    return 2 * witnesses // 3 + 1 if witnesses else 0


def answers_needed(witnesses: int) -> int:
    """How many of so many witnesses must have told what they know of a log before it goes on after a restart: 2(W - k) + 1.

    DESIGN section 4, rule 2: where W - k of them lie and W - k others missed the newest head that was witnessed, one who knows it is
    still among them. 0 where there is nobody to ask.
    """
    return 2 * (witnesses - quorum_of(witnesses)) + 1 if witnesses else 0


def witness_name(federation: str, participant: str) -> str:
    """The name under which a State cosigns. Derived, so that no record can claim another's."""
    return f"{federation}/witness/{participant}"


def witness_keys(participants: Participants) -> dict[Vkey, str]:
    """Every key under which any State ever cosigned, and whose it is."""
    return {
        vkey: code for code, record in participants.records.items() for vkey in keys_of(participants.federation, record)
    }


def keys_of(federation: str, record: ParticipantRecord) -> tuple[Vkey, ...]:
    """A key that ended goes on counting: what was cosigned under it stays cosigned, and the State counts once."""
    name = witness_name(federation, record.participant)
    return tuple(
        Vkey(name, COSIGNATURE, key.public_key)
        for key in record.keys
        if key.kind is Kind.WITNESS and isinstance(key.public_key, PublicKey)
    )


def witnesses_for(roster: Roster, record: ParticipantRecord) -> tuple[str, ...]:
    """Who counts for the logs of that participant under a roster."""
    operator = roster.operator_of(record.participant) or record.operator
    return tuple(
        seat.participant
        for seat in roster.seats
        if seat.participant != record.participant and seat.operator != operator
    )


def judge(times: Iterable[tuple[str, datetime]], rosters: Rosters, record: ParticipantRecord) -> Cosigned:
    """What these verified cosignatures come to, for a log of that participant.

    Under each roster its own times are counted. The first under which there are enough answers; where there are never enough, the one
    that most of its witnesses cosigned under, the newest of several.
    """
    known, best = list(times), Cosigned((), 0, 0, None)
    for roster, start, end in rosters.spans():
        found = _under(roster, [one for one in known if start <= one[1] < end], record)
        if found.witnessed:
            return found
        if len(found.by) >= len(best.by):
            best = found
    return best


def _under(roster: Roster, times: Iterable[tuple[str, datetime]], record: ParticipantRecord) -> Cosigned:
    witnesses = witnesses_for(roster, record)
    first: dict[str, datetime] = {}
    for code, time in times:
        if code in witnesses:
            first[code] = min(time, first.get(code, time))
    by = tuple(sorted(first.items(), key=lambda one: (one[1], one[0])))
    asked = quorum_of(len(witnesses))
    enough = len(witnesses) - asked + 1
    return Cosigned(by, len(witnesses), asked, by[enough - 1][1] if len(by) >= enough and witnesses else None)


def newest_quorum(
    times: Iterable[tuple[str, datetime]], rosters: Rosters, record: ParticipantRecord, now: datetime
) -> datetime | None:
    """Since when a quorum of the present roster vouches for a head as the largest, by the newest time of each; None if none does."""
    witnesses = witnesses_for(rosters.at(now), record)
    newest: dict[str, datetime] = {}
    for code, time in times:
        if code in witnesses:
            newest[code] = max(time, newest.get(code, time))
    asked, latest = quorum_of(len(witnesses)), sorted(newest.values(), reverse=True)
    return latest[asked - 1] if 0 < asked <= len(latest) else None


def is_stale(quorum: datetime | None, now: datetime) -> bool:
    return quorum is None or now - quorum > STALE_AFTER


def moment(time: int) -> datetime | None:
    """A cosignature's time; None beyond the year 9999, which no clock shows and no roster covers."""
    try:
        return datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def times_of(cosignatures: Iterable[Cosignature], keys: Mapping[Vkey, str]) -> list[tuple[str, datetime]]:
    """Who cosigned when, as far as that is a time."""
    found = ((keys[one.vkey], moment(one.time)) for one in cosignatures)
    return [(code, time) for code, time in found if time is not None]


def verify_quorum(note: Note, participants: Participants, record: ParticipantRecord) -> Cosigned:
    """Judge the cosignatures under a checkpoint of that participant by the rosters of those records. Raises BadSignature for a
    line of a known witness that does not verify."""
    keys = witness_keys(participants)
    return judge(times_of(verify_cosignatures(note, keys), keys), participants.rosters, record)


def policy_of(participants: Participants, record: ParticipantRecord, log: ParticipantLog, roster: Roster) -> Policy:
    """The quorum for one log under one roster, for verifiers of any make. Raises NotFound where there is no quorum to be had."""
    codes = witnesses_for(roster, record)
    keys = {
        code: keys_of(participants.federation, participants.records[code])
        for code in codes
        if code in participants.records
    }
    known, asked = [code for code in codes if keys.get(code)], quorum_of(len(codes))
    if not 0 < asked <= len(known):
        raise NotFound(
            f"there are not enough witnesses for {record.participant} under this roster, so there is no policy"
        )
    witnesses: list[PolicyWitness] = []
    groups: list[PolicyGroup] = []
    for code in known:
        url = f"{participants.records[code].node_url}/witness"
        names = [code] if len(keys[code]) == 1 else [f"{code}.{number}" for number in range(1, len(keys[code]) + 1)]
        witnesses += [PolicyWitness(name, vkey, url) for name, vkey in zip(names, keys[code], strict=True)]
        if len(names) > 1:  # one State, one vote, whatever keys it went through
            groups.append(PolicyGroup(code, 1, tuple(names)))
    groups.append(PolicyGroup(_QUORUM, asked, tuple(known)))
    return Policy((PolicyLog(log.vkey, f"{record.node_url}/log"),), tuple(witnesses), tuple(groups), _QUORUM)
