"""What every reader of a log asks for, near or far: the signed checkpoint and tiles (C2SP tlog-tiles).

Two real implementations: `store.log.StoredLog` (our own log and every mirror) and `federation.peer.PeerLog` (over HTTP).
"""

from typing import Protocol

from exchange.core.tiles import TilePath


class LogReader(Protocol):
    def checkpoint(self) -> bytes:
        """The signed note as it was published, byte for byte. Raises NotFound or Unreachable."""

    def tile(self, path: TilePath) -> bytes:
        """A hash tile or an entry bundle of exactly `path.width`. Raises NotFound or Unreachable."""
