"""What a disk keeps: the files of a folder as bytes, and a strict model of what of them survives a power cut.

    disk = Disk(photograph(folder))
    for call in traced.calls:
        disk.apply(call)
    put_back(folder, disk.after_power_cut())      # only what was fsynced is there

The model promises no more than POSIX does. Bytes survive if they were fsynced after they were written; a name (created, renamed or
removed) survives if its folder was. Of all the rest anything may survive or not, a single sector of a write included, and
once an fsync has failed, what it should have saved is lost although it can still be read (the page cache calls it clean).
"""

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, Union

from tests.crash.tracer import MOVES, REMOVALS, SYNCS, WRITES, Call, How

SECTOR = 512  # bytes that reach the disk together or not at all

Node = Union["_File", "_Folder"]
Step = TypeVar("Step", bound=tuple[int, object, object])
Photograph = dict[str, bytes | None]  # by path below the folder; None for a folder


def photograph(folder: Path) -> Photograph:
    """All that lies in the folder."""
    found: Photograph = {}
    for path in sorted(folder.rglob("*")):
        found[str(path.relative_to(folder))] = None if path.is_dir() else path.read_bytes()
    return found


def put_back(folder: Path, taken: Photograph) -> None:
    """Make the folder hold exactly that. Files that are there are written over, since one that is made anew is another file."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if str(path.relative_to(folder)) not in taken:
            path.rmdir() if path.is_dir() else path.unlink()
    for name, content in taken.items():
        path = folder / name
        if content is None:
            path.mkdir(exist_ok=True, mode=0o700)
        elif not path.exists() or path.read_bytes() != content:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(content)
                file.truncate()


@dataclass
class _File:
    now: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, int, bytes | None]] = field(default_factory=list)  # (call, offset or size, data or None)


@dataclass
class _Folder:
    now: dict[str, Node] = field(default_factory=dict)
    safe: dict[str, Node] = field(default_factory=dict)
    pending: list[tuple[int, str, Node | None]] = field(default_factory=list)


class Disk:
    """The disk under a folder, from what lay there safely at first."""

    def __init__(self, taken: Photograph) -> None:
        self._root, self._number = _Folder(), 0
        for name, content in taken.items():
            home, last = self._place(name)
            node: Node = _Folder() if content is None else _File(bytearray(content), bytearray(content))
            home.now[last] = home.safe[last] = node

    def apply(self, call: Call) -> None:
        """What a call did, which has ended. One that failed did nothing, unless it was only said to have failed."""
        at, self._number = self._number, self._number + 1
        if call.path is None and call.target is None:
            return
        if call.fault is not None and call.fault.how in (How.LOST, How.FULL):
            if call.name in SYNCS:
                self._lose(call)
            return
        if call.result < 0:
            return
        if call.name in WRITES:
            self._write(self._file(call), at, call.offset, call.data[: call.result])
        elif call.name in ("ftruncate", "truncate"):
            self._resize(self._file(call), at, call.size)
        elif call.name in SYNCS:
            self._save(call)
        elif call.name in MOVES:
            self._move(call, at)
        elif call.name in REMOVALS:
            self._name(call.path, at, None)
        elif call.name in ("mkdir", "mkdirat"):
            self._name(call.path, at, _Folder())
        elif call.name == "openat":
            self._open(call, at)
        else:
            raise AssertionError(f"what does {call.label} do to a disk?")

    def _place(self, name: str) -> tuple[_Folder, str]:
        *above, last = name.split("/")
        home = self._root
        for step in above:
            inner = home.now[step]
            assert isinstance(inner, _Folder)
            home = inner
        return home, last

    def _node(self, name: str) -> Node:
        if name == ".":
            return self._root
        home, last = self._place(name)
        return home.now[last]

    def _file(self, call: Call) -> _File:
        node = self._node(call.path or "")
        assert isinstance(node, _File), call.label
        return node

    def _open(self, call: Call, at: int) -> None:
        assert call.path is not None
        home, last = self._place(call.path)
        if last not in home.now:
            self._name(call.path, at, _File())
        elif call.flags & os.O_TRUNC:
            self._resize(self._file(call), at, 0)

    def _name(self, name: str | None, at: int, node: Node | None) -> None:
        if name is None:
            return  # outside of the folder
        home, last = self._place(name)
        home.pending.append((at, last, node))
        if node is None:
            del home.now[last]
        else:
            home.now[last] = node

    def _move(self, call: Call, at: int) -> None:
        assert call.path is not None and call.target is not None, "into or out of the folder"
        node = self._node(call.path)
        self._name(call.target, at, node)
        if not call.name.startswith("link"):
            self._name(call.path, at, None)

    def _write(self, file: _File, at: int, offset: int, data: bytes) -> None:
        file.pending.append((at, offset, data))
        _put(file.now, offset, data)

    def _resize(self, file: _File, at: int, size: int) -> None:
        file.pending.append((at, size, None))
        _cut(file.now, size)

    def _save(self, call: Call) -> None:
        """What had ended when the fsync began is safe."""
        match self._node(call.path or ""):
            case _File() as file:
                done, file.pending = _parted(file.pending, call.began)
                for _, where, data in done:
                    _cut(file.safe, where) if data is None else _put(file.safe, where, data)
            case _Folder() as folder:
                named, folder.pending = _parted(folder.pending, call.began)
                _rename(folder.safe, named)

    def _lose(self, call: Call) -> None:
        match self._node(call.path or ""):
            case _File() as file:
                file.pending = _parted(file.pending, call.began)[1]
            case _Folder() as folder:
                folder.pending = _parted(folder.pending, call.began)[1]

    def after_power_cut(self, chance: random.Random | None = None) -> Photograph:
        """What is there when the power is back: the safe part, and with `chance` something of the rest."""
        found: Photograph = {}
        self._collect(self._root, "", chance, found)
        return found

    def _collect(self, folder: _Folder, above: str, chance: random.Random | None, found: Photograph) -> None:
        names = dict(folder.safe)
        if chance is not None:
            _rename(names, folder.pending[: chance.randint(0, len(folder.pending))])
        for name, node in sorted(names.items()):
            path = above + name
            if isinstance(node, _Folder):
                found[path] = None
                self._collect(node, path + "/", chance, found)
            elif name.endswith("-shm"):  # memory of a process, never to be believed
                found[path] = (chance or random.Random(0)).randbytes(len(node.now))
            else:
                found[path] = _left_of(node, chance)


def _parted(pending: list[Step], began: int) -> tuple[list[Step], list[Step]]:
    """What had ended before that call began, and the rest."""
    return [step for step in pending if step[0] < began], [step for step in pending if step[0] >= began]


def _rename(names: dict[str, Node], steps: Iterable[tuple[int, str, Node | None]]) -> None:
    for _, name, node in steps:
        names.pop(name, None)
        if node is not None:
            names[name] = node


def _left_of(file: _File, chance: random.Random | None) -> bytes:
    """The safe bytes, and of what was written since, with `chance`, any sectors."""
    left = bytearray(file.safe)
    if chance is None:
        return bytes(left)
    for _, offset, data in file.pending:
        if data is None:
            if chance.random() < 0.5:
                _cut(left, offset)
            continue
        at = 0
        while at < len(data):
            piece = data[at : at + SECTOR - (offset + at) % SECTOR]
            if chance.random() < 0.5:
                _put(left, offset + at, piece)
            at += len(piece)
    return bytes(left)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _cut(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))
