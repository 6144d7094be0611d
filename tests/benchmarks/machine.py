"""What a process weighs and what it costs, out of /proc: its own and that of every process it started.

before = cpu_seconds(pid); ...; cores = (cpu_seconds(pid) - before) / seconds
"""

import os
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_KIB = 1024


def cpu_seconds(*pids: int) -> float:
    """Seconds on a processor so far of these processes and their children, ended ones that were waited for included."""
    members = {member for pid in pids for member in family(pid)}
    return sum(sum(map(int, fields[11:15])) for fields in map(_stat, members) if fields) / _TICK


def busy_seconds() -> float:
    """Seconds that the processors of the machine were busy so far, with whatever."""
    user, nice, system, _idle, _waiting, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + sum(rest[:2])) / _TICK


def memory_mib(pid: int) -> float:
    """Resident memory now, of the process and all that it started."""
    return sum(_status(member, "VmRSS") for member in family(pid)) / _KIB


def open_files(pid: int) -> int:
    return sum(_count(member) for member in family(pid))


def family(pid: int) -> list[int]:
    """The process and what it started, as far as it lives."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def folder_bytes(folder: Path) -> int:
    """What the files below take, those that vanish meanwhile left out."""
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.stat(os.path.join(base, name)).st_size
            except FileNotFoundError:
                continue


def _stat(pid: int) -> list[str]:
    """The fields behind the name of the program, which may hold blanks; none where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _count(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
