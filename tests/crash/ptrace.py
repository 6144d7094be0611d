"""Linux' own debugger's door (ptrace(2), seccomp(2)) through ctypes: stop a process at chosen system calls, before and after each.

A seccomp filter in the process marks the calls; everything else runs at full speed. Without a compiler, a Debian package or
root, and exact: a call can be left out, done by half, or done and then reported as failed. For x86-64 (`MACHINE`).
"""

import ctypes
import os
import platform
import socket
import struct
from dataclasses import dataclass

MACHINE = "x86_64"
NUMBERS = {
    "read": 0,
    "write": 1,
    "pread64": 17,
    "pwrite64": 18,
    "writev": 20,
    "connect": 42,
    "sendto": 44,
    "recvfrom": 45,
    "sendmsg": 46,
    "fsync": 74,
    "fdatasync": 75,
    "truncate": 76,
    "ftruncate": 77,
    "rename": 82,
    "mkdir": 83,
    "rmdir": 84,
    "link": 86,
    "unlink": 87,
    "openat": 257,
    "mkdirat": 258,
    "unlinkat": 263,
    "renameat": 264,
    "linkat": 265,
    "fallocate": 285,
    "pwritev": 296,
    "renameat2": 316,
}
NAMES = {number: name for name, number in NUMBERS.items()}

_AUDIT_ARCH = 0xC000003E
_RAX, _RDX, _ORIG_RAX = 10 * 8, 12 * 8, 15 * 8  # where struct user keeps them

_CONT, _SYSCALL, _POKEUSER, _SEIZE, _LISTEN, _SYSCALL_INFO = 7, 24, 6, 0x4206, 0x4208, 0x420E
_TRACE_ALL = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x100000  # SYSGOOD, FORK, VFORK, CLONE, SECCOMP, EXITKILL
_PIDFD_GETFD = 438
EVENT_SECCOMP, EVENT_STOP = 7, 128
ANY_OF_THIS_THREAD = 0x40000000 | 0x20000000  # __WALL | __WNOTHREAD: other threads wait for their own children

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    answer = _libc.ptrace(request, pid, address, data & (1 << 64) - 1)
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request:#x}): {os.strerror(number)}")
    return int(answer)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def mark(names: frozenset[str]) -> None:
    """In the process itself: from now on these calls stop for whoever traces it; without a tracer they would fail."""
    assert platform.machine() == MACHINE, (
        f"faults at system calls are injected on {MACHINE} alone, not {platform.machine()}"
    )
    numbers = [NUMBERS[name] for name in names]
    load, equal, end = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 4), (equal, 0, len(numbers) + 1, _AUDIT_ARCH), (load, 0, 0, 0)]
    steps += [(equal, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(end, 0, 0, 0x7FFF0000), (end, 0, 0, 0x7FF00000)]  # allowed, traced
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    prctl = _libc.prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    no_new_privileges, seccomp, by_filter = 38, 22, 2
    for arguments in ((no_new_privileges, 1, None), (seccomp, by_filter, ctypes.addressof(program))):
        if prctl(*arguments, 0, 0):
            raise OSError(ctypes.get_errno(), "this system does not let a process mark its calls (seccomp)")


@dataclass(frozen=True)
class Stop:
    """Where a thread stands: before a marked call (`number`, `arguments`), or behind one (`result`)."""

    number: int
    arguments: tuple[int, ...]
    result: int | None


def seize(pid: int) -> None:
    """Trace a process that has one thread; those it starts come along. From the same thread as everything that follows."""
    try:
        _ptrace(_SEIZE, pid, 0, _TRACE_ALL)
    except OSError as error:
        raise AssertionError(
            f"this system does not let a process trace its own child ({error.strerror}); "
            "in a container, allow ptrace (--cap-add SYS_PTRACE)"
        ) from None


def where(thread: int) -> Stop:
    buffer = ctypes.create_string_buffer(88)
    _ptrace(_SYSCALL_INFO, thread, len(buffer), ctypes.addressof(buffer))
    if buffer.raw[0] == 2:  # behind the call
        return Stop(-1, (), struct.unpack_from("q", buffer.raw, 24)[0])
    number, *arguments = struct.unpack_from("7Q", buffer.raw, 24)
    return Stop(number, tuple(arguments), None)


def go_on(thread: int, *, to_its_end: bool = False, with_signal: int = 0) -> None:
    """Until the next marked call, or to the end of this one."""
    _ptrace(_SYSCALL if to_its_end else _CONT, thread, 0, with_signal)


def listen(thread: int) -> None:
    """Leave a process stopped that somebody stopped."""
    _ptrace(_LISTEN, thread)


def cut(process: int, handle: int) -> None:
    """Shut down a socket of the process, as a line that is cut: it can send and be answered no more."""
    number = _libc.syscall(_PIDFD_GETFD, pidfd := os.pidfd_open(process), handle, 0)
    os.close(pidfd)
    if number < 0:
        raise OSError(ctypes.get_errno(), "this system does not hand over a socket of a traced process")
    with socket.socket(fileno=number) as line:
        line.shutdown(socket.SHUT_RDWR)


def leave_out(thread: int) -> None:
    """Before a call: the kernel does not do it."""
    _ptrace(_POKEUSER, thread, _ORIG_RAX, -1)


def shorten(thread: int, size: int) -> None:
    """Before a write: only so many bytes of it."""
    _ptrace(_POKEUSER, thread, _RDX, size)


def report(thread: int, result: int) -> None:
    """Behind a call: what the process is told about it."""
    _ptrace(_POKEUSER, thread, _RAX, result)
