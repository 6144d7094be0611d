"""Documents whose bytes are safe, on their way into the registry, and the files of the larger ones. Nothing of a database here.

A file is named by its commitment, and written and fsynced before the transaction that names it.
"""

import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from exchange.core.document import MAX_DOCUMENT, SMALL_DOCUMENT, Committer, commit
from exchange.errors import StorageFailed, TooLarge
from exchange.files import fsync, make_folder

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document whose bytes are safe and whose commitment was computed from them: content in hand, or (None) in its file.

    `incoming` is that file where it does not stand in its place yet: `hold` moves it there, `discard` removes it.
    """

    slot: str
    name: str
    opening: bytes = field(repr=False)
    commitment: str
    size: int
    content: bytes | None = field(repr=False)
    incoming: "Incoming | None" = None

    @classmethod
    def small(cls, slot: str, name: str, opening: bytes, content: bytes) -> "Arrival":
        return cls(slot, name, opening, commit(opening, content), len(content), content)


class DocumentFolder:
    """The files of the larger documents, under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.check_space: Callable[[], None] = lambda: None  # raises where the disk has no room for more
        self._incoming = folder / "incoming"
        make_folder(self._incoming)

    def path(self, commitment: str) -> Path:
        return self.folder / commitment[:2] / commitment

    def receive(self, slot: str, name: str, opening: bytes) -> "Incoming":
        return Incoming(self, self._incoming / secrets.token_hex(16), slot, name, opening)

    def wipe(self, commitment: str) -> None:
        """Overwrite and remove a file that no row names any more. Raises StorageFailed.

        Overwriting reaches the bytes where a disk writes in place; where it does not (flash, snapshots), only the removal counts.
        """
        path = self.path(commitment)
        try:
            with open(path, "r+b", buffering=0) as file:
                left = os.fstat(file.fileno()).st_size
                while left > 0:
                    left -= file.write(bytes(min(left, _BLOCK)))
                os.fsync(file.fileno())
            path.unlink()
            fsync(path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageFailed(f"the file of an erased document, {commitment}, stays: {error.strerror}") from error

    def keep_only(self, named: Collection[str]) -> int:
        """Remove all other files, half-received ones too; returns how many."""
        orphans = [path for path in self.folder.rglob("*") if path.is_file() and path.name not in named]
        for path in orphans:
            path.unlink()
        return len(orphans)


class Incoming:
    """A document being received: bounded, hashed and written as it comes. Ends in `finish()` or `discard()`.

    Where the disk refuses, StorageFailed is raised, and nothing was recorded.
    """

    def __init__(self, home: DocumentFolder, path: Path, slot: str, name: str, opening: bytes) -> None:
        self._home, self._path, self._slot, self._name, self._opening = home, path, slot, name, opening
        self._committer = Committer(opening)
        self._size = 0
        with self._refusals():
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, chunk: bytes) -> None:
        """Raises TooLarge beyond 25 MiB; what was written so far is then to be discarded."""
        self._size += len(chunk)
        if self._size > MAX_DOCUMENT:
            raise TooLarge(f"the document in slot {self._slot} is larger than {MAX_DOCUMENT} bytes")
        self._committer.update(chunk)
        with self._refusals():
            self._file.write(chunk)

    def commitment(self) -> str:
        """Of all that was written so far."""
        return self._committer.commitment()

    def seal(self) -> Arrival:
        """Make the bytes durable where they are; a small document comes back in hand."""
        commitment, content = self.commitment(), None
        with self._refusals():
            self._file.flush()
            if self._size > SMALL_DOCUMENT:
                os.fsync(self._file.fileno())
            self._file.close()
            if self._size <= SMALL_DOCUMENT:
                content = self._path.read_bytes()
                self._path.unlink()
        incoming = self if content is None else None
        return Arrival(self._slot, self._name, self._opening, commitment, self._size, content, incoming)

    @property
    def path(self) -> Path:
        """Where the bytes lie for now."""
        return self._path

    def settle(self) -> None:
        """Move the sealed bytes under the name of their own commitment."""
        target = self._home.path(self.commitment())
        with self._refusals():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(self._path, target)
            fsync(target.parent)
            fsync(self._home.folder)  # whoever made the folder inside

    def finish(self) -> Arrival:
        """`seal` and `settle` at once, for a document that is wanted whatever comes after it."""
        arrival = self.seal()
        if arrival.incoming is not None:
            self.settle()
        return replace(arrival, incoming=None)

    def discard(self) -> None:
        """Remove what is not in its place; nothing happens to what is. What cannot be removed now is swept at the next start."""
        with suppress(OSError):  # closing writes what was not written yet, and may fail as the writing did
            self._file.close()
        with suppress(OSError):
            self._path.unlink()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise StorageFailed(f"the document in slot {self._slot} could not be kept here: {why}") from error
