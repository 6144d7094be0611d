"""What was ordered to be forgotten, put together once every entry was read: nothing is gone without an order, nothing is here after one.

schemas/README.md section 24, read a second time. An order is in force here where its erasure is admitted and undisputed, and names a
submission of the same State, form and status that stands before it. One that was withdrawn may have been carried out before: then
either is right.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from exchange.audit.ledger import Ledger
from exchange.audit.work import AFTERWARDS, UNDELIVERED, Lacking, Said

TERM = timedelta(hours=72)
SLACK = timedelta(days=8)  # in which a node carries out what is due, even where no witness vouches for the time


UNEXPLAINED = "{} is not here, though this is its State's own node, and no order explains it"


class Order(NamedTuple):
    """That the slot (None: every one) of the submission `subject` be forgotten."""

    told: Said
    subject: bytes
    slot: str | None

    def covers(self, slot: str) -> bool:
        return self.slot in (None, slot)


class Slot(NamedTuple):
    """As the database says it: whether the document is here, and by which order it is not shown."""

    told: Said
    slot: str
    here: bool
    mark: str | None


class Forgotten:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        withdrawn = defaultdict(list)
        for told, series in ledger.withdrawals:
            withdrawn[series].append(told)
        self._withdrawn = withdrawn
        self._by: dict[bytes, list[Order]] = defaultdict(list)
        for told, subject, slot in ledger.erasures:
            self._by[subject].append(Order(told, subject, slot))

    def _may_be_withdrawn(self, order: Order) -> bool:
        return any(
            self._same(one, order.told) and self._after(one, order.told) for one in self._withdrawn[order.told.id]
        )

    def _same(self, one: Said, other: Said) -> bool:
        whose = self._ledger.logs[one.log].participant == self._ledger.logs[other.log].participant
        return whose and (one.form, one.status) == (other.form, other.status)

    def _after(self, one: Said, other: Said) -> bool:
        logs = self._ledger.logs
        return (logs[one.log].ordinal, one.at) > (logs[other.log].ordinal, other.at)

    def _over(self, told: Said) -> list[Order]:
        """Those orders that hit this submission."""
        return [one for one in self._by[told.id] if self.hits(one, told)]

    def explain(self, *, whole: bool, own: str) -> Iterator[tuple[Said, str]]:
        """Each entry that lacks documents: erased afterwards where orders explain all of it, else undelivered. In the log `own`, that of its
        State's own node, everything was once: what is not explained there is handed out, with the first slot."""
        for lacking in self._ledger.lacking:
            orders = self._over(lacking.told)
            open_slots = [slot for slot in lacking.slots if not any(one.covers(slot) for one in orders)]
            if whole:
                self._compare_marks(lacking, orders)
            if not open_slots and lacking.counted == UNDELIVERED:
                counts = self._ledger.counts[lacking.told.log]
                counts[UNDELIVERED] -= 1
                counts[AFTERWARDS] += 1
                self._ledger.no_longer_undelivered(lacking.told)
            elif open_slots and self._ledger.logs[lacking.told.log].origin == own:
                yield lacking.told, open_slots[0]

    def _compare_marks(self, lacking: Lacking, orders: Sequence[Order]) -> None:
        names = {f"{one.told.at} {self._ledger.logs[one.told.log].origin}" for one in orders}
        for slot, mark in zip(lacking.slots, lacking.marks, strict=True):
            if mark is not None and mark not in names:
                detail = f"{slot} is hidden, or gone, by an order that no log holds: {mark[:80]}"
                self._ledger.fault("unexplained", detail, log=lacking.told.log, index=lacking.told.at)

    def in_force(self) -> Iterator[Order]:
        """Those that nobody withdrew."""
        for orders in self._by.values():
            yield from (one for one in orders if not self._may_be_withdrawn(one))

    def compare(self, order: Order, slots: Sequence[Slot], claims: Sequence[tuple[Any, ...]], now: datetime) -> None:
        """What the database does about an order that is in force."""
        named = [one for one in slots if order.covers(one.slot) and self.hits(order, one.told)]
        if not named:
            return
        since, destroyed = _moment(claims, 1), _moment(claims, 2)
        for one in named:
            if one.mark is None:
                self._fault(one, f"{one.slot} is not hidden, though entry {order.told.at} orders it to be forgotten")
            elif one.here and since is not None and now > since + TERM + SLACK:
                self._fault(
                    one, f"{one.slot} is still here, though entry {order.told.at} ordered it to be forgotten {since}"
                )
            elif not one.here and destroyed is None and self._ledger.logs[one.told.log].own:
                self._fault(one, f"{one.slot} is gone before the term of its order, entry {order.told.at}, was over")
        if since is not None and destroyed is not None and destroyed < since + TERM:
            self._fault(named[0], f"entry {order.told.at} was carried out {destroyed}, before its term was over")

    def hits(self, order: Order, told: Said) -> bool:
        """Whether that submission is one that the order may have forgotten."""
        return self._same(order.told, told) and self._after(order.told, told)

    def _fault(self, one: Slot, detail: str) -> None:
        self._ledger.fault("document", detail, log=one.told.log, index=one.told.at)


def shortkey(digest: bytes) -> int:
    """How a database finds what has this hash."""
    return int.from_bytes(digest[:8], "big", signed=True)


def _moment(claims: Sequence[tuple[Any, ...]], column: int) -> datetime | None:
    for claim in claims:
        try:
            moment = datetime.fromisoformat(claim[column])
        except (TypeError, ValueError):
            continue
        return moment if moment.tzinfo is not None else None
    return None
