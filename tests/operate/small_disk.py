"""A real disk of a few megabytes for one node, for any user: a tmpfs in a mount namespace of its own.

    with small_disk(24) as disk:            # None, and a line that says so, where this machine lets nobody have one
        disk.fill(leave=0)
    with disk_of_all(tmp_path, 64) as disk: # one that other users see as well, such as a database server of root's

This process reaches it through /proc; SQLite would not follow such a path, so the node enters the namespace (`run_on`).
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.node.space import free_bytes
from tests.crash.survivor import run_node

PLACE = Path("/mnt")  # covered in the namespace alone
_MOUNT = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && echo there && exec sleep 600'


@dataclass(frozen=True)
class SmallDisk:
    """`here` is how this process sees it; `keeper` the process that keeps it there."""

    here: Path
    keeper: int

    def fill(self, leave: int) -> Path:
        """A file that takes all of it but `leave` bytes."""
        path = self.here / "filler"
        with open(path, "wb", buffering=0) as file:
            left = free_bytes(self.here) - leave
            try:
                while left > 0:
                    left -= file.write(bytes(min(left, 65_536)))
            except OSError:
                pass  # leave == 0: to the last byte
        return path


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk | None]:
    command = ["unshare", "-rm", "sh", "-c", _MOUNT, "sh", str(megabytes), str(PLACE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None and keeper.stderr is not None
        try:
            if keeper.stdout.readline() == "there\n":
                yield SmallDisk(Path(f"/proc/{keeper.pid}/root{PLACE}"), keeper.pid)
            else:
                print(f"no small disk here: {keeper.stderr.read().strip()}")
                yield None
        finally:
            keeper.kill()


@contextmanager
def disk_of_all(folder: Path, megabytes: int) -> Iterator[SmallDisk | None]:
    """Root's servers run under another user, who may not look into root's namespace: for root it is mounted where all see it."""
    if os.geteuid():
        with small_disk(megabytes) as disk:
            yield disk
        return
    place = folder / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        print(f"no small disk here: {mounted.stderr.strip()}")
        yield None
        return
    for above in place.parents[: len(place.parents) - 2]:
        above.chmod(above.stat().st_mode | 0o011)
    try:
        yield SmallDisk(place, os.getpid())
    finally:
        subprocess.run(["umount", str(place)], check=True)


def run_on(keeper: int, name: str, said: str) -> None:
    """The child: the node in the folder `name` of that disk. It has one thread yet, as entering a user namespace asks."""
    system = ctypes.CDLL(None, use_errno=True)
    handles = [os.open(f"/proc/{keeper}/ns/{kind}", os.O_RDONLY) for kind in ("user", "mnt")]
    for handle in handles:
        if system.setns(handle, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(handle)
    run_node(str(PLACE / name), said)
