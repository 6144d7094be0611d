"""A node on PostgreSQL whose line to the server is cut at any message of a submit or a pull; the process lives on, or dies there.

The cut is made where the node's own system calls meet the socket: a message that never left, one that arrived while the node was
told that it did not (COMMIT among them: done, and not known), an answer that never came, a session that the server ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.crash.tracer import SERVER, Call, Fault, How


class Cut(Enum):
    """What becomes of a message."""

    NOT_SENT = "not sent, the line cut"
    SENT = "sent, the line cut before its answer"
    ENDED = "its session ended by the server before it"
    KILLED = "the node killed before it"


FAULTS = {Cut.NOT_SENT: How.LOST, Cut.SENT: How.KEPT, Cut.KILLED: How.KILL}


@dataclass
class Cutter:
    """Decides about messages while it is armed: the `number`-th meets its cut."""

    number: int = 0
    cut: Cut = Cut.SENT
    end_sessions: Callable[[], None] = lambda: None
    armed: bool = False
    struck: bool = False
    met: int = 0

    def __call__(self, call: Call) -> Fault | None:
        if not self.armed or call.path != SERVER or call.name != "sendto":
            return None
        self.met += 1
        if self.met != self.number:
            return None
        self.struck = True
        if self.cut is Cut.ENDED:
            self.end_sessions()
            return None
        return Fault(FAULTS[self.cut])
