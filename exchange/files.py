"""Files that are there whole or not at all, also after a power cut: written aside, made durable, then renamed.

A file is durable when its bytes were fsynced and its name was: the name is the folder's, and the folder's own that of the one above.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from exchange.errors import InUse, Misuse


def locked(path: Path, what: str) -> IO[str]:
    """The file, ours until it is closed; the kernel lets go of it however the process ends. Raises InUse, which says who does `what`."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = file.read().strip() or "unknown"
        file.close()
        raise InUse(f"another process (pid {holder}) {what}") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


@contextmanager
def whole_folder(target: Path, last: str) -> Iterator[Path]:
    """A folder to fill aside; it becomes `target` when the block ends well, and is removed when it does not.

    An empty folder that is there already is used, since its owner may write nothing beside it: what was filled then moves
    in file by file, the one named `last` last, without which the rest counts for nothing. Raises Misuse for any other `target`.
    """
    refuse_existing(target)
    inside = target.is_dir()
    home = target if inside else target.parent
    make_folder(home, 0o777)
    stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=home))
    try:
        yield stage
        for path in sorted(stage.rglob("*"), reverse=True):
            fsync(path)
        fsync(stage)
        if inside:
            for path in sorted(stage.iterdir(), key=lambda path: path.name == last):
                os.rename(path, target / path.name)
            stage.rmdir()
            fsync(target)
        else:
            refuse_existing(target)
            os.rename(stage, target)
            fsync(target.parent)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def refuse_existing(target: Path) -> None:
    if os.path.lexists(target) and not (target.is_dir() and not target.is_symlink() and not any(target.iterdir())):
        raise Misuse(f"{target} exists already, and nothing is ever written over it: name another place")


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put a file in the place of another."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    write_new(fresh, data, mode)
    os.replace(fresh, path)
    fsync(path.parent)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """The folder, if it is not there yet, and those above it; their names are durable."""
    if path.is_dir():
        return
    make_folder(path.parent, 0o777)
    path.mkdir(mode=mode, exist_ok=True)
    fsync(path.parent)


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def fsync(path: Path) -> None:
    """A file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_token(path: Path) -> str:
    """A fresh token each start, readable by the operator alone."""
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token
