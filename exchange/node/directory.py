"""Who answers, and can be reached at a moment: the look-up behind `GET /v1/contacts` and `cbm contacts`.

Reachable now comes first, then those whose hours are not stated, then those who are closed: a duty officer reads from the top.
A contact past its `confirm_by` is shown as stale and never dropped. Nothing is guessed: what is not stated is said so.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from exchange.core.form import NOT_STATED
from exchange.core.span import last_day
from exchange.node.node import Node
from exchange.node.reachability import CLOSED, REACHABLE, UNKNOWN, Reachability, reachability
from exchange.store.contacts import StoredContact, contacts
from exchange.trust.audience import PUBLIC_REACH, Reach

_ORDER = {REACHABLE: 0, UNKNOWN: 1, CLOSED: 2}


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact point as its State stated it, with what follows for the moment asked about."""

    stored: StoredContact
    name: str
    reachability: Reachability
    freshness: str

    def field(self, name: str) -> Any:
        return self.stored.body.get(name, NOT_STATED)


def to_the_minute(moment: datetime) -> datetime:
    """Hours are stated to the minute: what is answered for the minute that runs stays true until it ends."""
    return moment.replace(second=0, microsecond=0)


def look_up(
    node: Node,
    reach: Reach = PUBLIC_REACH,
    *,
    participant: str | None,
    role: str | None,
    language: str | None,
    statuses: tuple[str, ...] | None,
    at: datetime,
    reachable_only: bool = False,
) -> list[Contact]:
    """Contacts in force that may be read, best first. On a live node only actual ones, unless statuses are named."""
    if statuses is None and node.participants.live:
        statuses = ("actual",)
    with node.db.read() as tx:
        stored = contacts(tx, reach, participant=participant, statuses=statuses)
    found = []
    for contact in stored:
        if role is not None and contact.body.get("role") != role:
            continue
        spoken = contact.body.get("languages", NOT_STATED)
        if language is not None and language not in (spoken if isinstance(spoken, list) else ()):
            continue
        record = node.participants.records.get(contact.participant)
        state = reachability(contact.body.get("hours", NOT_STATED), at)
        if reachable_only and state.answer == CLOSED:
            continue
        found.append(Contact(contact, record.name() if record else contact.participant, state, _freshness(contact, at)))
    return sorted(found, key=lambda contact: (_ORDER[contact.reachability.answer], _no_phone(contact)))


def _no_phone(contact: Contact) -> bool:
    return bool(contact.field("phone") == NOT_STATED)


def _freshness(contact: StoredContact, at: datetime) -> str:
    """When it was last confirmed, and whether that is still good, in words. Days are those of the calendar, in UTC."""
    today = at.astimezone(UTC).date()
    days = (today - datetime.fromisoformat(contact.confirmed).date()).days
    ago = "in the future" if days < 0 else "today" if days == 0 else f"{days} day{'s' if days != 1 else ''} ago"
    confirm_by = contact.body.get("confirm_by", NOT_STATED)
    if confirm_by == NOT_STATED:
        return f"confirmed {ago}; no date of next confirmation stated"
    if _end_of(confirm_by) < today:
        return f"stale: to be confirmed by {confirm_by}, last confirmed {ago}"
    return f"confirmed {ago}; to be confirmed again by {confirm_by}"


def _end_of(stated: Any) -> date:
    """The last day of a year, month or day; what is none counts as past, never as fresh."""
    try:
        return date.fromisoformat(last_day(stated))
    except (TypeError, ValueError):
        return date.min
