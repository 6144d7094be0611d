"""Who may read a document: the one rule, for a value in hand (`may_read`) and as a set of words for queries (`reach`).

Guarantees: both say the same. A word that does not stand here lets nobody in. What is sealed is never let out by this rule,
not even to its publisher: that is for the recipients, at another door. Specification: DESIGN.md section 4, rule 6.

    everybody: public   <   active participating States and Partners   <   active participating States   <   nobody
"""

from dataclasses import dataclass

from exchange.core.vocabulary import PUBLIC
from exchange.trust.asker import Asker

STATES_AND_PARTNERS = "States and Partners"
PARTICIPATING_STATES = "participating States"
CLOSED = "nobody"
"""No audience that a statement may name: what is held back until its day, from everybody but its publisher."""
SEALED = "sealed"
STATE, PARTNER = "participating State", "Partner"

WIDTH = {CLOSED: 0, PARTICIPATING_STATES: 1, STATES_AND_PARTNERS: 2, PUBLIC: 3}
ENFORCED = frozenset(WIDTH) - {CLOSED}
"""The audiences that a statement outside a seal may name. They lie within each other, so one is always the widest."""

_OF_KIND = {
    STATE: frozenset({PUBLIC, STATES_AND_PARTNERS, PARTICIPATING_STATES}),
    PARTNER: frozenset({PUBLIC, STATES_AND_PARTNERS}),
}
_EVERYBODY = frozenset({PUBLIC})


@dataclass(frozen=True, slots=True)
class Reach:
    """What an asker may read: documents for these audiences, and all of this publisher but the sealed ones."""

    words: frozenset[str]
    publisher: str | None

    def opens(self, readers: str, publisher: str) -> bool:
        """Whether it covers a document of that publisher which is for these readers now."""
        return readers in self.words or (publisher == self.publisher and readers != SEALED)

    @property
    def is_public(self) -> bool:
        return self.publisher is None and self.words == _EVERYBODY


def reach(asker: Asker) -> Reach:
    """An organisation or a Secretariat reads what is public; so does who is suspended or left, and what it published itself."""
    reader = asker.reads_as
    if reader is None:
        return PUBLIC_REACH
    return Reach(_OF_KIND.get(asker.kind or "", _EVERYBODY), reader)


def may_read(audience: str | tuple[str, ...], publisher: str, asker: Asker) -> bool:
    """`audience` of the document as it is now; a list names participants, each active."""
    if audience == SEALED:
        return False
    reader, reached = asker.reads_as, reach(asker)
    if reader is not None and reader == publisher:
        return True
    if isinstance(audience, tuple):
        return reader is not None and asker.kind is not None and reader in audience
    return audience in reached.words


def is_within(inner: str, outer: str) -> bool:
    """Whether nobody but readers of `outer` reads `inner`; both are words of `WIDTH`."""
    return WIDTH[inner] <= WIDTH[outer]


def widest(*audiences: str) -> str:
    return max(audiences, key=WIDTH.__getitem__, default=CLOSED)


PUBLIC_REACH = Reach(_EVERYBODY, None)
