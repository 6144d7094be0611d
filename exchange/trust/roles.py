"""Officers: which role gives what at their own node, and whose key has one now.

Guarantees: a role gives what stands beside it here and nothing else, one that nobody knows gives nothing, and a record that
names such roles stays readable. A key counts from its first position up to its last in the State's own logs, as for
signatures. What a key may sign is not decided here: that is `may_sign` in the record, for every node alike.

Specification: DESIGN.md section 2 (Participant record, Key kinds); schemas/README.md section 22.
"""

from dataclasses import dataclass
from enum import StrEnum

from exchange.core.keys import Kind, PublicKey
from exchange.errors import RoleMissing
from exchange.trust.asker import OPERATOR
from exchange.trust.record import ParticipantRecord, Position


class Right(StrEnum):
    """What can be done at a State's own node, by somebody who proved who they are."""

    READ = "read what is not public"
    WRITE = "write drafts"
    SIGN = "sign drafts"
    RELEASE = "release drafts"
    SEE_ACTS = "see the local record"


_WRITES = frozenset({Right.WRITE})
_RELEASES = frozenset({Right.WRITE, Right.SIGN, Right.RELEASE})
_READS = frozenset({Right.READ})
_SEES = frozenset({Right.SEE_ACTS})
_NOTHING: frozenset[Right] = frozenset()

GIVES = {
    "editor": _WRITES | _READS,
    "releaser": _RELEASES | _READS,
    "reader": _READS,
    "contact holder": _NOTHING,
    "auditor": _READS | _SEES,
    OPERATOR: _SEES,
}
"""Whatever the form is."""
GIVES_FOR_CONTACTS = {"contact holder": _RELEASES}
"""With forms of the directory alone: who answers, and when."""

ROLES = tuple(GIVES)


@dataclass(frozen=True, slots=True)
class Officer:
    """Who proved to hold a key that has these roles in the record now; `keyid` is a name of its own for who holds none."""

    keyid: str
    roles: frozenset[str]

    def may(self, right: Right, *, contacts: bool = False) -> bool:
        """`contacts`: it is about a form of the directory."""
        given = [GIVES.get(role, _NOTHING) for role in self.roles]
        given += [GIVES_FOR_CONTACTS.get(role, _NOTHING) for role in self.roles if contacts]
        return any(right in rights for rights in given)

    def check(self, right: Right, *, contacts: bool = False) -> None:
        """Raises RoleMissing."""
        if not self.may(right, contacts=contacts):
            named = ", ".join(sorted(self.roles))
            raise RoleMissing(f"to {right} takes another role than this key has in the record ({named})")


BY_TOKEN = Officer("operator token", frozenset({OPERATOR}))
"""Whoever can read the node's own folder."""


def officer_in_force(record: ParticipantRecord, keyid: str, position: Position) -> Officer | None:
    """The officer with that signing key, if it counts at that position and has a role that is known here."""
    key = record.key(keyid)
    if key is None or key.kind is not Kind.SIGNING or not isinstance(key.public_key, PublicKey):
        return None
    if position < key.start or (key.before is not None and position >= key.before):
        return None
    roles = frozenset(key.roles) & frozenset(GIVES)
    return Officer(keyid, roles) if roles else None
