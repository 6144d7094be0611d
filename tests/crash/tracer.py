"""A real process whose every storage call is seen, before and after, and can be made to fail, to half fail, or to be its last.

with Traced(run_node, directory, root=directory, decide=lambda call: Fault(How.KILL) if call.name == "fsync" else None) as node:
    ...
node.calls        # everything that it did to the files under `root`, in order, with the bytes it wrote
"""

import contextlib
import os
import re
import signal
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from tests.crash import ptrace
from tests.processes import Forked

WRITES = frozenset({"write", "pwrite64", "writev", "pwritev"})
SYNCS = frozenset({"fsync", "fdatasync"})
MOVES = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})
REMOVALS = frozenset({"unlink", "unlinkat", "rmdir"})
MAKINGS = frozenset({"openat", "mkdir", "mkdirat"})
SIZES = frozenset({"ftruncate", "truncate", "fallocate"})
CHANGES = WRITES | SYNCS | MOVES | REMOVALS | MAKINGS | SIZES
READS = frozenset({"read", "pread64"})
NEED_ROOM = WRITES | MAKINGS
SPEECH = frozenset({"sendto", "sendmsg"})
LINE = frozenset({"connect", "sendto", "recvfrom"})
SERVER = "a line to the database server"

_BY_PATH = {name: (None, 0) for name in ("truncate", "rename", "link", "unlink", "mkdir", "rmdir")}
_BY_FOLDER = {name: (0, 1) for name in ("openat", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat")}
_TARGETS = {"rename": (None, 1), "link": (None, 1), "renameat": (2, 3), "renameat2": (2, 3), "linkat": (2, 3)}
_HERE = 0xFFFFFF9C  # AT_FDCWD, as 32 bits
_MOST = 1 << 22  # bytes of one write that are looked at


class How(Enum):
    """What becomes of a call."""

    KILL = "killed before it"
    LOST = "failed, and not persisted"
    KEPT = "failed, but persisted"
    HALF = "failed, half persisted"
    FULL = "disk full from it on"


@dataclass(frozen=True)
class Fault:
    how: How
    error: int = 0  # errno that the process is told


@dataclass
class Call:
    """One system call on a file below the root, on the line to the server, or (`path` None) what went out on another socket.

    A fault on the line is no error that is reported: the line is really cut, before what is sent or behind it.
    """

    name: str
    path: str | None
    began: int  # how many calls had ended when this one began
    flags: int = 0  # of an openat; the socket of what goes over the line
    offset: int = 0
    size: int = 0
    data: bytes = b""
    target: str | None = None
    result: int = 0
    fault: Fault | None = None

    @property
    def label(self) -> str:
        return f"{self.name} {self.path}"


Decide = Callable[[Call], Fault | None]


def _marked(
    ready: Connection, names: frozenset[str], target: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    """The child: nothing of its own before it is traced."""
    ready.recv()
    ptrace.mark(names)
    target(*arguments)


class Traced(Forked):
    """A process of the fork server, traced from before its first own step to its end by a thread of this one."""

    def __init__(
        self,
        target: Callable[..., None],
        *arguments: object,
        root: Path,
        decide: Decide = lambda call: None,
        names: frozenset[str] = CHANGES | SPEECH,
    ) -> None:
        self._root, self.decide = f"{root.resolve()}/", decide
        self.calls: list[Call] = []
        self._failure: BaseException | None = None
        self._under_way: dict[int, Call | None] = {}  # by thread
        self._lines: set[str] = set()
        theirs, ours = Pipe(duplex=False)
        super().__init__(_marked, theirs, names, target, arguments)
        ready = threading.Event()
        self._tracer = threading.Thread(target=self._trace, args=(ready,), name="tracer", daemon=True)
        self._tracer.start()
        ready.wait()
        ours.send(None)
        for end in (theirs, ours):
            end.close()

    def join(self) -> int:
        code = super().join()
        self._tracer.join()
        if self._failure is not None:
            raise self._failure
        return code

    def _trace(self, ready: threading.Event) -> None:
        try:
            ptrace.seize(self.pid)
            ready.set()
            self._follow()
        except BaseException as error:
            self._failure = error
            self.send(signal.SIGKILL)
            ready.set()

    def _follow(self) -> None:
        """Until nothing of the process is left."""
        while True:
            try:
                thread, status = os.waitpid(-1, ptrace.ANY_OF_THIS_THREAD)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                self._under_way.setdefault(thread, None)
                with contextlib.suppress(ProcessLookupError):  # it was killed in the meantime
                    self._stopped(thread, os.WSTOPSIG(status), status >> 16)
                continue
            self._under_way.pop(thread, None)
            if thread == self.pid:  # whatever it started goes with it
                for other in self._under_way:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(other, signal.SIGKILL)

    def _stopped(self, thread: int, number: int, event: int) -> None:
        if event == ptrace.EVENT_SECCOMP:
            self._before(thread)
        elif event == ptrace.EVENT_STOP and number != signal.SIGTRAP:
            ptrace.listen(thread)
        elif event:
            ptrace.go_on(thread)  # a thread begins, or has begun another
        elif number == signal.SIGTRAP | 0x80:
            self._behind(thread)
        else:
            ptrace.go_on(thread, with_signal=number)

    def _before(self, thread: int) -> None:
        stop = ptrace.where(thread)
        call = self._read(thread, ptrace.NAMES[stop.number], stop.arguments)
        if call is None:
            return ptrace.go_on(thread)
        if call.path is None:
            self.calls.append(call)  # before the first byte is out
            return ptrace.go_on(thread)
        call.fault = self.decide(call)
        match call.fault:
            case Fault(How.KILL):
                return self.send(signal.SIGKILL)
            case Fault(How.LOST) if call.path == SERVER:
                ptrace.cut(self.pid, call.flags)
            case Fault(How.LOST | How.FULL):
                ptrace.leave_out(thread)
            case Fault(How.HALF):
                call.size //= 2
                call.data = call.data[: call.size]
                ptrace.shorten(thread, call.size)
        self._under_way[thread] = call
        ptrace.go_on(thread, to_its_end=True)

    def _behind(self, thread: int) -> None:
        call, self._under_way[thread] = self._under_way[thread], None
        assert call is not None
        call.result = ptrace.where(thread).result or 0
        if call.fault is not None and call.path != SERVER:
            ptrace.report(thread, -call.fault.error)
        elif call.fault is not None and call.fault.how is How.KEPT:
            ptrace.cut(self.pid, call.flags)
        self.calls.append(call)
        if call.name == "connect":
            self._lines.add(self._open_file(thread, call.flags) or "")
        ptrace.go_on(thread)

    def _read(self, thread: int, name: str, arguments: tuple[int, ...]) -> Call | None:
        """What a thread is about to do; None where it concerns neither our files nor anybody outside."""
        call = Call(name, None, len(self.calls))
        if name == "connect":
            address = self._bytes(thread, arguments[1], arguments[2])
            call.path, call.flags = SERVER, arguments[0]
            return call if b".s.PGSQL." in address else None
        if name in _BY_PATH or name in _BY_FOLDER:
            call.path = self._named(thread, arguments, *(_BY_PATH.get(name) or _BY_FOLDER[name]))
            if name in _TARGETS:
                call.target = self._named(thread, arguments, *_TARGETS[name])
            call.flags = arguments[2] if name == "openat" else 0
            call.size = arguments[1] if name == "truncate" else 0
            if name == "openat" and not call.flags & (os.O_CREAT | os.O_TRUNC):
                return None
            return call if call.path or call.target else None
        return self._on_open_file(thread, call, arguments)

    def _on_open_file(self, thread: int, call: Call, arguments: tuple[int, ...]) -> Call | None:
        name, place = call.name, self._open_file(thread, arguments[0])
        if place in self._lines:
            call.path, call.flags = SERVER, arguments[0]
            return call
        if place is None or place.startswith("socket:"):
            speaks = place is not None and name in SPEECH | {"write", "writev"}
            call.data = (
                self._bytes(thread, arguments[1], arguments[2]) if speaks and name in ("sendto", "write") else b""
            )
            return call if speaks else None
        call.path = self._below(place)
        if call.path is None:
            return None
        if name in WRITES:
            call.data = self._written(thread, name, arguments)
            call.size = len(call.data)
            call.offset = arguments[3] if name.startswith("p") else self._position(thread, arguments[0])
        elif name == "ftruncate":
            call.size = arguments[1]
        return call

    def _written(self, thread: int, name: str, arguments: tuple[int, ...]) -> bytes:
        if not name.endswith("v"):
            return self._bytes(thread, arguments[1], arguments[2])
        vectors = self._bytes(thread, arguments[1], 16 * arguments[2])
        return b"".join(
            self._bytes(thread, *struct.unpack_from("2Q", vectors, at)) for at in range(0, len(vectors), 16)
        )

    def _bytes(self, thread: int, address: int, size: int) -> bytes:
        assert size <= _MOST, f"a call with {size} bytes"
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), size, address)

    def _position(self, thread: int, handle: int) -> int:
        text = Path(f"/proc/{thread}/fdinfo/{handle}").read_text()
        position, flags = re.search(r"pos:\s*(\d+)\s+flags:\s*(\d+)", text).groups()  # type: ignore[union-attr]
        return os.stat(f"/proc/{thread}/fd/{handle}").st_size if int(flags, 8) & os.O_APPEND else int(position)

    def _open_file(self, thread: int, handle: int) -> str | None:
        try:
            return os.readlink(f"/proc/{thread}/fd/{handle & 0xFFFFFFFF}")
        except OSError:
            return None

    def _named(self, thread: int, arguments: tuple[int, ...], folder: int | None, name: int) -> str | None:
        address, text = arguments[name], b""
        while b"\0" not in text:
            text += self._bytes(thread, address + len(text), 256 - (address + len(text)) % 256)
        path = os.fsdecode(text.partition(b"\0")[0])
        inside = folder is None or arguments[folder] & 0xFFFFFFFF == _HERE
        home = os.readlink(f"/proc/{thread}/cwd" if inside else f"/proc/{thread}/fd/{arguments[folder or 0]}")
        return self._below(os.path.normpath(os.path.join(home, path)))

    def _below(self, path: str) -> str | None:
        if path + "/" == self._root:
            return "."
        return (
            path.removeprefix(self._root) if path.startswith(self._root) and not path.endswith(" (deleted)") else None
        )
