"""Who else saw it: the cosignatures under a receipt, judged by the roster of an anchor, and the policy that came along.

The policy in a pack decides nothing where an anchor is at hand, and vouches for nobody where none is: it is there for verifiers of other
make, who compare it with one that they got elsewhere.
"""

from exchange.core.cosignature import verify_cosignatures
from exchange.core.note import Note
from exchange.core.policy import Policy, format_policy, parse_policy
from exchange.core.statement import Statement
from exchange.errors import Malformed, NotFound
from exchange.trust.participants import ParticipantLog, ParticipantRecord, Participants
from exchange.trust.quorum import LATE_AFTER, Cosigned, policy_of

NO_COSIGNATURE = "cosigned by no other State"


def in_words(found: Cosigned) -> str:
    """One line: how it stands, and since when others vouch for it."""
    time = found.not_later_than
    since = "" if time is None else f"; not later than {time:%Y-%m-%dT%H:%M:%SZ}"
    if found.witnessed:
        return f"witnessed: {found.words}{since}"
    return f"recorded, and not witnessed: {found.words}{since}"


def by_whom(found: Cosigned) -> str:
    return "cosigned, the earliest first, by " + ", ".join(code for code, _ in found.by)


def lateness(found: Cosigned, statement: Statement) -> str | None:
    """What to say of a claimed time that lies too far before the first that others vouch for; None where it does not."""
    if not found.is_late(statement.issued_time):
        return None
    return f"LATE: it says that it was issued {statement.issued}, more than {LATE_AFTER.days} days before other States saw it"


def unvouched(note: Note, policy: Policy | None) -> str:
    """Without an anchor: how many cosigned by the pack's own word. Raises BadSignature."""
    if len(note.signatures) == 1:
        return NO_COSIGNATURE
    if policy is None:
        return "who cosigned is not judged: nothing here says who may"
    count = len({one.vkey.name for one in verify_cosignatures(note, policy.vkeys)})
    return f"cosigned by {count} of the witnesses that the pack's own policy names: nobody here vouches for them"


def read_policy(data: bytes, log: ParticipantLog) -> Policy:
    """The policy in a pack. Raises Malformed unless it is written in the one way and speaks of this log."""
    policy = parse_policy(data)
    if format_policy(policy) != data:
        raise Malformed("the policy in a pack is written without comments and needless spaces")
    if [one.vkey for one in policy.logs] != [log.vkey]:
        raise Malformed(f"the policy in the pack does not speak of the log {log.origin}")
    return policy


def is_of_a_roster(policy: Policy, participants: Participants, record: ParticipantRecord, log: ParticipantLog) -> bool:
    """Whether one of the anchor's rosters gives that very policy."""
    for roster in participants.rosters.history:
        try:
            if policy_of(participants, record, log, roster) == policy:
                return True
        except NotFound:
            continue
    return False
