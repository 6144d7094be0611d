"""Carrying out what was ordered to be forgotten: hidden at once, destroyed when its term is over by time that others vouch for.

An erasure hides in the transaction that admits it (store/erasures.py); here its term is counted. A statement's `retain_until` hides from the
day after on. With each round and each start:

1. Orders that are new begin their term; one stamped by a clock that was wrong begins it anew.
2. What was to be kept until yesterday is hidden; what a wrong clock hid is shown again.
3. What has been hidden for its term is destroyed (trust/orders.py): opening, bytes, words of the index, in one transaction, the commit point.
4. Behind it the files are overwritten and removed, and what the database keeps of deleted rows is let go. A crash before that leaves files
   that no row names, which the next start sweeps away.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from exchange.core.catalogue import Catalogue
from exchange.errors import StorageFailed
from exchange.store import erasures, hiding
from exchange.store.database import Database, Transaction
from exchange.store.folder import DocumentFolder
from exchange.store.hiding import Hidden
from exchange.store.standing import newest_vouched
from exchange.store.tables import FORESEEN
from exchange.trust.orders import WITHDRAWABLE, Moment, retention_ends
from exchange.trust.participants import Participants

_logger = logging.getLogger("exchange.erasure")


class Eraser:
    """Of one node. `forgotten` is told whenever something was hidden or destroyed, so that nothing is kept in memory either."""

    def __init__(
        self,
        db: Database,
        files: DocumentFolder,
        catalogue: Catalogue,
        participants: Callable[[], Participants],
        clock: Callable[[], datetime],
    ) -> None:
        self._db, self._files, self._catalogue = db, files, catalogue
        self._participants, self._clock = participants, clock
        self._owed = False
        self.forgotten: list[Callable[[], None]] = []

    def look(self) -> int:
        """Everything that is due now. Returns how many documents were destroyed."""
        with self._db.read() as tx:
            moment = self._moment(tx)
            today, yet = moment.today, hiding.hidden(tx)
            idle = not (yet or erasures.running(tx) or self._wrong(tx, today))
        if idle and not self._owed:
            return 0
        changed = False
        while not idle:
            with self._db.write() as tx:
                changed = self._begin(tx, moment) or changed  # 1
                wrong = self._wrong(tx, today)
                hiding.mark(tx, wrong, self._catalogue, moment.clock.isoformat())  # 2
                erasures.reapply(tx, wrong, self._catalogue, moment.clock.isoformat())
            changed = changed or bool(wrong)
            if not wrong:
                break
        destroyed = 0
        while not idle and (count := self._destroy(moment)):  # 3
            destroyed += count
        if destroyed:
            _logger.info("%d documents were destroyed, as their States ordered", destroyed)
        if changed or destroyed:
            for tell in self.forgotten:
                tell()
        if destroyed or self._owed:
            self._owed = not self._db.forget()  # 4
        return destroyed

    def _moment(self, tx: Transaction) -> Moment:
        now = self._clock()
        return Moment(now, *newest_vouched(tx, self._participants(), now))

    def _wrong(self, tx: Transaction, today: str) -> dict[hiding.Place, dict[str, str | None]]:
        return hiding.overdue_to_hide(tx, today) or hiding.hidden_too_early(tx, today)

    def _begin(self, tx: Transaction, moment: Moment) -> bool:
        began = False
        for one in erasures.running(tx):
            stamped = None if one.since is None else datetime.fromisoformat(one.since)
            since = moment.since(stamped)
            if since != stamped:
                erasures.stamp(tx, one, since=since.isoformat())
                began = True
        return began

    def _destroy(self, moment: Moment) -> int:
        """At most so many in one transaction. The orders are done with once nothing that they hid is left."""
        with self._db.write() as tx:
            over = {
                one.order: one
                for one in erasures.running(tx)
                if one.since is not None and moment.reached(datetime.fromisoformat(one.since) + WITHDRAWABLE)
            }
            due = [one for one in hiding.hidden(tx) if self._is_due(one, moment, over)]
            files = hiding.destroy(tx, due[: hiding.AT_ONCE])
            if len(due) <= hiding.AT_ONCE:
                for one in over.values():
                    erasures.stamp(tx, one, destroyed=moment.clock.isoformat())
        # The commit point: from here on nothing in the database leads to them.
        self._remove(files)
        return min(len(due), hiding.AT_ONCE)

    def _is_due(self, one: Hidden, moment: Moment, over: "dict[str, erasures.Running]") -> bool:
        if one.retain_until is not None and moment.reached(retention_ends(one.retain_until)):
            return True
        return one.order != FORESEEN and one.order in over

    def _remove(self, files: Sequence[str]) -> None:
        for commitment in files:
            try:
                self._files.wipe(commitment)
            except StorageFailed as error:
                _logger.error("%s; the next start of the node removes it", error)
