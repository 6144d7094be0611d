"""Room on the disk: a node that runs out of it stops taking in before anything fails, and goes on when there is room again.

A full disk at the commit point costs the log its life until the restart (tlog.md section 3.11: Mammoth). So the door, the pulls and
`/readyz` look here first, each time anew: asking the kernel costs microseconds, and nothing has to be reset.
"""

import os
from collections.abc import Callable
from pathlib import Path

from exchange.errors import LogStopped

MEGABYTE = 1024 * 1024


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write on the disk of that folder."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


class Space:
    """The disks of some folders, and how much must stay free on each. `free` may be another way to look."""

    def __init__(self, folders: tuple[Path, ...], min_free: int, free: Callable[[Path], int] = free_bytes) -> None:
        self.folders, self.min_free, self.free = folders, min_free, free

    def left(self) -> int:
        """Bytes free on the fullest of the disks."""
        return min(self.free(folder) for folder in self.folders)

    def why(self) -> str | None:
        """Why nothing more is taken in, or None."""
        left = self.left()
        if left >= self.min_free:
            return None
        return (
            f"the disk has {left // MEGABYTE} MB left, fewer than the {self.min_free // MEGABYTE} of the setting min_free_mb: "
            "make room, and it goes on by itself"
        )

    def check(self) -> None:
        """Raises LogStopped where there is no room."""
        why = self.why()
        if why is not None:
            raise LogStopped(f"this node takes nothing in now: {why}")
