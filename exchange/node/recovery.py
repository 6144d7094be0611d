"""A restored node must not fork: before it appends, it asks the other nodes what they hold of its log.

A backup is old by nature: entries may have been acknowledged after it was made. Signing on from it would sign a second history. So the
mark of a restore (store/restored.py) holds the appender until enough of the others have answered and none of them knows more
(one that does stops the log, and is remembered: node.consider_foreign_head). It asks again with every round of visits. Where there is nobody to
ask, the operator says so once (`cbm node run DIR --alone`), and that stays on record as an alert.
"""

import logging
from collections.abc import Callable

from exchange.node.node import Node
from exchange.store import log as logs
from exchange.store.alerts import raise_alert
from exchange.store.restored import ahead, restored, settle_restored

ALERT = "started-alone/v1"

_logger = logging.getLogger("exchange.recovery")


def answers_needed(others: int) -> int:
    """2(W - k) + 1 with k = floor(2W/3) + 1, and always more than half.

    DESIGN section 4, rule 2. The formula relies on k cosignatures; as long as nobody cosigns, a minority might have missed the
    newest entries together.
    """
    return max(2 * (others - (2 * others // 3 + 1)) + 1, others // 2 + 1)


class Recovery:
    """Holds the appender of a restored node. `look` asks everybody and says how many have answered in this process's life."""

    def __init__(self, node: Node, look: Callable[[], int], *, alone: bool = False) -> None:
        """The first look, which every start takes, restored or not."""
        self._node, self._look = node, look
        with node.db.read() as tx:
            self._restored, known, size = restored(tx), ahead(tx), logs.log_of(tx, node.origin).size
        if known > size:
            node.appender.stop(node.outgrown(f"another node was seen to hold our log at size {known}", size))
        self._why: str | None = None
        node.appender.held.append(lambda: self._why)
        node.witness.held.append(lambda: self._why)
        self._settle(look(), alone)
        if alone and self._restored is None:
            _logger.info("--alone was not needed: enough of the others answered, or nothing was restored")

    def ask_again(self) -> None:
        """With each round of visits, as long as it is not settled."""
        if self._why is not None:
            self._settle(self._look(), alone=False)

    def _settle(self, answered: int, alone: bool) -> None:
        node, others = self._node, len(self._node.participants.records) - 1
        if self._restored is None or node.appender.stopped is not None:
            return  # nothing to settle; or somebody knows more, and the next start asks again
        enough = others > 0 and answered >= answers_needed(others)
        if not enough and not alone:
            self._why = _cannot_ask(self._restored, answered, others, str(node.settings.directory))
            _logger.warning("the log takes no entries yet: %s", self._why)
            return
        with node.db.write() as tx:
            if not enough:
                raise_alert(
                    tx,
                    kind=ALERT,
                    participant=node.settings.participant,
                    origin=node.origin,
                    raised=node.clock(),
                    summary=f"restored from {self._restored}; its operator let it go on while {answered} of {others} other nodes could be asked",
                    evidence={
                        "restored": self._restored,
                        "answered": answered,
                        "others": others,
                        "at": node.clock().isoformat(),
                    },
                )
            settle_restored(tx)
        _logger.info(
            "restored from %s: %d of %d other nodes answered, the log goes on", self._restored, answered, others
        )
        self._restored = self._why = None


def _cannot_ask(restored: str, answered: int, others: int, directory: str) -> str:
    start = f"this node was restored from {restored}, and could not ask what the other nodes hold of its log"
    alone = f"start it once with `cbm node run {directory} --alone`, which stays on record"
    if not others:
        return f"{start}: its peers.json names none; import the newest one and start again, or, if there are no others, {alone}"
    return (
        f"{start}: {answered} of {others} answered, {answers_needed(others)} are needed; it asks again with every round of visits; "
        f"if they are gone for good, {alone}"
    )
