"""A node that starts anew must not fork: before it appends, it asks the other nodes what they know of its log.

A database may be older than what was signed: a backup put back, a disk image, a machine that was cloned. Signing on from it would sign
a second history, and nothing in it says so. So with each start the appender is held until 2(W - k) + 1 of the log's witnesses have
answered (DESIGN section 4, rule 2; trust/quorum.py) and none of the others knows more; one that does stops the log, and is remembered
(node.consider_foreign_head). A node that is known to be restored (store/restored.py) is held until more than half have answered as
well: what was acknowledged last may have reached few. Reading, pulling and look-ups go on meanwhile. As a witness it signs nothing
before the first look, and a restored one nothing until it is settled: it learns how far it had gone from the same answers.

Where there is nobody to ask, a restored node waits for its operator (`cbm node run DIR --alone`); what is decided so stays on record as an
alert. A first node, with no other witness on its roster, goes on.
"""

import logging
import threading
from collections.abc import Callable, Collection

from exchange.node.node import Asked, Node
from exchange.store import log as logs
from exchange.store.alerts import raise_alert
from exchange.store.restored import ahead, restored, settle_restored
from exchange.trust.quorum import answers_needed, witnesses_for

ALERT = "started-alone/v1"
AGAIN_AFTER = 0.25  # seconds after a first look that was not enough; then twice as long each time, up to the round
STOP_SECONDS = 15.0  # more than the longest wait on a socket

_logger = logging.getLogger("exchange.recovery")


class Recovery:
    """Holds the appender of a node that has just started. `look` asks everybody, and says who has answered in this process's life."""

    def __init__(self, node: Node, look: Callable[[], Collection[str]], *, alone: bool = False) -> None:
        self._node, self._look, self._alone = node, look, alone
        self._asking, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_asking, name="recovery", daemon=True)
        self._looked = self._settled = False
        with node.db.read() as tx:
            self._restored, known, log = restored(tx), ahead(tx), logs.log_of(tx, node.origin)
        node.stop_if_convicted()
        if log.halted is not None:
            node.appender.stop(f"{log.halted}; see `cbm alerts`")
        if known > log.size:
            node.appender.stop(node.outgrown(f"another node was seen to hold our log at size {known}", log.size))
        self._why: str | None = None
        self._settle(frozenset(), alone=alone and len(node.participants.records) == 1)
        node.appender.held.append(lambda: self._why)
        node.witness.held.append(self._why_no_witness)

    def start(self) -> None:
        """Ask beside the serving, since nodes that start together ask one another; often at first, since the last of them comes soon."""
        self._thread.start()

    def close(self) -> None:
        """After the visits have stopped: then nothing here waits for long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_SECONDS)

    def _keep_asking(self) -> None:
        wait = AGAIN_AFTER
        try:
            while not self.ask() and not self._stop.wait(wait):
                wait = min(2 * wait, self._node.settings.pull_every)
        except Exception:
            _logger.exception("the others were not asked; the next round of visits asks them")

    def ask(self) -> bool:
        """Ask those who have not answered yet, unless that is settled. True where nothing is left to ask."""
        with self._asking:
            if not self._looked or not self._settled:
                answered = self._look()
                self._looked = True
                if not self._settled:
                    self._settle(answered, self._alone)
            return self._settled or self._node.appender.stopped is not None

    def _why_no_witness(self) -> str | None:
        if self._restored is not None:
            return self._why or self._node.appender.stopped
        return None if self._looked else "it has just started, and has not asked the others yet how far it had gone"

    def _witnesses(self) -> tuple[str, ...]:
        node = self._node
        record = node.participants.records[node.settings.participant]
        return witnesses_for(node.participants.rosters.at(node.clock()), record)

    def _settle(self, answered: Collection[str], alone: bool) -> None:
        node, witnesses = self._node, self._witnesses()
        told, needed = len(set(witnesses).intersection(answered)), answers_needed(len(witnesses))
        if self._restored is not None:
            needed = max(needed, len(witnesses) // 2 + 1)
        node.asked = Asked(told, needed)
        if node.appender.stopped is not None:
            return  # somebody knows more, and the next start asks again
        enough = told >= needed
        if not enough and not alone:
            self._why = self._cannot_ask(told, needed, len(witnesses))
            if self._looked:
                _logger.warning("the log takes no entries yet: %s", self._why)
            return
        if not enough:
            self._record_alone(told, needed, len(witnesses))
        elif alone:
            _logger.info("--alone was not needed: enough of the others answered, or there was nothing to ask")
        if self._restored is not None:
            with node.db.write() as tx:
                settle_restored(tx)
            _logger.info("restored from %s: %d of %d witnesses answered", self._restored, told, len(witnesses))
        node.appender.begin()
        self._restored = self._why = None
        self._settled = True

    def _record_alone(self, told: int, needed: int, of: int) -> None:
        node = self._node
        what = "started anew" if self._restored is None else f"restored from {self._restored}"
        with node.db.write() as tx:
            raise_alert(
                tx,
                kind=ALERT,
                participant=node.settings.participant,
                origin=node.origin,
                raised=node.clock(),
                summary=f"{what}; its operator let it go on while {told} of {of} witnesses could be asked",
                evidence={
                    "restored": self._restored,
                    "answered": told,
                    "others": of,
                    "needed": needed,
                    "at": node.clock().isoformat(),
                },
            )

    def _cannot_ask(self, told: int, needed: int, of: int) -> str:
        alone = f"start it once with `cbm node run {self._node.settings.directory} --alone`, which stays on record"
        if not of:
            return (
                f"this node was restored from {self._restored}, and could not ask what others know of its log: nobody else is on the roster; "
                f"import the newest peers.json and start again, or, if there are no others, {alone}"
            )
        what = "has just started" if self._restored is None else f"was restored from {self._restored}"
        return (
            f"this node {what}, and could not ask yet what the others know of its log: {told} of {of} witnesses answered, {needed} are needed; "
            f"it goes on asking; if they are gone for good, {alone}"
        )
