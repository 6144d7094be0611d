"""Who asks: a State's node that proved itself, an officer at their own node, or anybody.

Guarantee: an `Asker` says no more than was proven. What a participant's status takes away is left out here, so that no rule
about readers has to ask for it again. Specification: DESIGN.md section 4, rule 6; section 2 (Participant record).
"""

from dataclasses import dataclass

from exchange.trust.record import ParticipantRecord

ACTIVE = "active"
OPERATOR = "operator"
READING_ROLES = frozenset({"reader", "editor", "releaser", "auditor"})
"""Officers who read what their own State may read. To operate a node is none of them."""


@dataclass(frozen=True, slots=True)
class Asker:
    """`participant`, whoever asks is; `kind` of it, None where it is not active; `own`: an officer or the operator at this very node."""

    participant: str | None
    kind: str | None
    roles: frozenset[str]
    own: bool

    @classmethod
    def node(cls, record: ParticipantRecord) -> "Asker":
        """The node of that participant, which proved itself."""
        return cls(record.participant, _kind(record), frozenset(), own=False)

    @classmethod
    def officer(cls, record: ParticipantRecord, roles: frozenset[str]) -> "Asker":
        """An officer of the participant whose node this is."""
        return cls(record.participant, _kind(record), roles, own=True)

    @property
    def reads_as(self) -> str | None:
        """The participant as which it reads documents that are not public; None for the public, and for who only runs the node."""
        return self.participant if not self.own or self.roles & READING_ROLES else None


NOBODY = Asker(None, None, frozenset(), own=False)
"""The public."""


def _kind(record: ParticipantRecord) -> str | None:
    return record.kind if record.status and record.status[-1].state == ACTIVE else None
