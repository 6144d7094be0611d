"""The power fails after every single call of a node's life: what it had said by then must stand on what the disk had kept by then.

A life is several processes over one folder, one after the other, with one disk under all of them (disk.py). What a node said is read
off its sockets at the call that sent it, so that an answer which leaves before the fsync is found out, however quick the fsync.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import orjson

from exchange.config import SETTINGS_FILE
from exchange.core.checkpoint import verify_checkpoint
from tests.crash.clients import Clients
from tests.crash.disk import Disk, Photograph, put_back
from tests.crash.survivor import Survivor
from tests.crash.tracer import Traced


@dataclass(frozen=True)
class Cut:
    """The disk after a power cut, and how much had been said by then."""

    after: str
    left: Photograph
    acknowledged: int
    checkpoints: int


class Life:
    """What a folder's processes did and said, in order; `cuts` are the different disks that the power could have left."""

    def __init__(self, home: Path, chance: random.Random) -> None:
        self.home, self._chance, self._disk = home, chance, Disk({})
        self._begun = 0
        self.receipts: list[bytes] = []
        self.notes: list[bytes] = []
        self.whole: list[Cut] = []  # nothing but what was fsynced
        self.torn: list[Cut] = []  # and any part of the rest

    def go_through(self, node: Traced) -> None:
        """A process that has ended."""
        for call in node.calls:
            call.began += self._begun
            if call.path is None and call.target is None:
                self._listen(call.data)
            self._disk.apply(call)
            self._keep(self.whole, call.label, self._disk.after_power_cut())
            self._keep(self.torn, call.label, self._disk.after_power_cut(self._chance))
        self._begun += len(node.calls)

    def _listen(self, data: bytes) -> None:
        if data.startswith(b'{"id":') and b'"receipt":' in data:
            self.receipts.append(orjson.loads(data)["receipt"].encode())
        elif b"\n\n\xe2\x80\x94 " in data and not data.startswith((b"{", b"HTTP/")):
            self.notes.append(data)

    def _keep(self, cuts: list[Cut], after: str, left: Photograph) -> None:
        """Of moments with the same disk the last one says it all: more had been said by then."""
        if cuts and cuts[-1].left == left:
            cuts.pop()
        cuts.append(Cut(after, left, len(self.receipts), len(self.notes)))


def holds(life: Life, directory: Path, clients: Clients, cut: Cut) -> bool:
    """The power is back: the node stands on what is left and keeps all its words. Returns whether there was a node yet.

    `clients` know all that was ever said; here they insist on what had been said by then, and send the rest again.
    """
    put_back(life.home, cut.left)
    if not (directory / SETTINGS_FILE).exists():
        assert not cut.acknowledged and not cut.checkpoints, f"after {cut.after}: the whole node is gone"
        return False
    told = set(life.receipts[: cut.acknowledged])
    after = clients.copy()
    after.acknowledged = {envelope: told_ for envelope, told_ in clients.acknowledged.items() if told_.receipt in told}
    after.waiting = [parcel for parcel in clients.parcels if parcel.envelope not in after.acknowledged]
    after.seen = {}
    for note in life.notes[: cut.checkpoints]:
        seen = verify_checkpoint(note, clients.vkey)
        after.seen[seen.size] = seen
    with Survivor(directory) as back:
        after.transport = back.wire
        after.compare(back.url)
        after.submit_the_rest(back.url)
        assert after.compare(back.url) == len(clients.parcels)
    return True
