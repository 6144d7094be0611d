"""Prepared submissions on disk, signed once on all cores and used by every benchmark and both databases.

A shelf is the log of one State as a folder: bundles of 256 entries, the lines of their documents, the hashes of each level
of tiles. It grows when more is asked for. It stands in .run/bench (git-ignored) until its forms, its date or the code that
writes it change: a node takes no submission issued more than a week ago. What a shelf answers is what a real node with this
log would (tests/benchmarks/test_mirror.py compares the two byte by byte).
"""

import mmap
import os
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.keys import PrivateKey
from exchange.core.merkle import HASH_SIZE, leaf_hash, root_of, tree_root
from exchange.core.tiles import TILE_WIDTH, TilePath, format_bundle, parse_bundle, tile_reader
from exchange.resources import form_files
from tests import key_named
from tests.benchmarks import entries
from tests.benchmarks.child import ROOT

HOME = ROOT / ".run" / "bench"
FRESH = timedelta(days=5)  # of the seven that a door allows
LEVELS = 4  # of tiles: enough for 256^4 entries
AT_ONCE = 16  # bundles that one process makes at a time
FEW = 4  # bundles that are made sooner than a process is started
PROCESSES = 2

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """For those who do not want to hear how far it is."""


def log_key(code: str) -> PrivateKey:
    return key_named(f"{code} log")


def open_shelf(code: str, size: int, home: Path = HOME, progress: Progress = silent) -> "Shelf":
    """The first `size` submissions of that State or more, made where they are not there."""
    issued = _issued(home)
    folder = home / f"{issued:%Y-%m-%dT%H%M%SZ}-{_fingerprint()}" / code
    folder.mkdir(parents=True, exist_ok=True)
    _Writer(code, folder, f"{issued:%Y-%m-%dT%H:%M:%SZ}").grow(size, progress)
    return Shelf(code, folder)


def _fingerprint() -> str:
    """Of all that decides what is written."""
    sources = [Path(name).read_bytes() for name in (entries.__file__, __file__)]
    return sha256(b"\0".join([*form_files(), *sources])).hexdigest()[:16]


def _issued(home: Path) -> datetime:
    """When the submissions claim to be issued: the date of the set that stands here, or now; sets that are of no use are removed."""
    now = datetime.now(UTC).replace(microsecond=0)
    found = [now - timedelta(hours=1)]
    for path in sorted(home.glob("????-??-??T??????Z-*")):
        made, _, fingerprint = path.name.partition("Z-")
        issued = datetime.strptime(made, "%Y-%m-%dT%H%M%S").replace(tzinfo=UTC)
        if fingerprint == _fingerprint() and now - FRESH < issued < now:
            found.append(issued)
        else:
            shutil.rmtree(path)
    return found[-1]


def _make(code: str, bundles: range, issued: str) -> list[tuple[bytes, bytes, bytes]]:
    """(bundle, lines, leaf hashes) of each of these bundles."""
    made = []
    for bundle in bundles:
        start = bundle * TILE_WIDTH
        pieces = [entries.make(code, number, issued) for number in range(start, start + TILE_WIDTH)]
        leaves = b"".join(leaf_hash(piece.envelope) for piece in pieces)
        made.append(
            (format_bundle([piece.envelope for piece in pieces]), b"".join(piece.line for piece in pieces), leaves)
        )
    return made


class _Writer:
    """Adds to a shelf. `ends` is written last: what stands behind its last line was not finished, and is written over."""

    def __init__(self, code: str, folder: Path, issued: str) -> None:
        self._code, self._folder, self._issued = code, folder, issued
        self._ends = _read_ends(folder)

    def grow(self, size: int, progress: Progress) -> None:
        have, want = len(self._ends) // 2, (size + TILE_WIDTH - 1) // TILE_WIDTH
        if have >= want:
            return
        pieces = [range(first, min(first + AT_ONCE, want)) for first in range(have, want, AT_ONCE)]
        if want - have <= FEW:
            self._add(_make(self._code, range(have, want), self._issued))
            return
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("forkserver")) as pool:
            # A few at a time: what is made must not wait in memory for the disk.
            for start in range(0, len(pieces), 8):
                some = pieces[start : start + 8]
                made = pool.map(_make, [self._code] * len(some), some, [self._issued] * len(some))
                self._add(bundle for several in made for bundle in several)
                progress(f"prepared {len(self._ends) // 2 * TILE_WIDTH:,} entries of {self._code}")

    def _add(self, made: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        bundles_end, lines_end = self._ends[-2:] if self._ends else (0, 0)
        full = len(self._ends) // 2
        with _at(self._folder / "entries", bundles_end) as bundles, _at(self._folder / "documents", lines_end) as lines:
            for bundle, documents, leaves in made:
                bundles.write(bundle)
                lines.write(documents)
                _add_hashes(self._folder, full, leaves)
                full += 1
                self._ends.extend((bundles.tell(), lines.tell()))
        (self._folder / "ends.new").write_bytes(self._ends.tobytes())
        os.replace(self._folder / "ends.new", self._folder / "ends")


def _at(path: Path, position: int) -> BinaryIO:
    path.touch()
    file = path.open("r+b")
    file.seek(position)
    return file


def _add_hashes(folder: Path, index: int, tile: bytes) -> None:
    """Write full tile `index` of level 0, and one hash to each level above that this completes a tile of."""
    with _at(folder / "level0", index * len(tile)) as file:
        file.write(tile)
    for level in range(1, LEVELS):
        above = root_of([tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)])
        with _at(folder / f"level{level}", index * HASH_SIZE) as file:
            file.write(above)
            if (index + 1) % TILE_WIDTH:
                return
            index //= TILE_WIDTH
            file.seek(index * len(tile))
            tile = file.read(len(tile))


def _read_ends(folder: Path) -> "array[int]":
    ends = array("Q")
    if (folder / "ends").exists():
        ends.frombytes((folder / "ends").read_bytes())
    return ends


class Shelf:
    """The log of one State as a node would serve it, at any size up to `size`."""

    def __init__(self, code: str, folder: Path) -> None:
        self.code, self.origin = code, entries.origin_of(code)
        self._ends = _read_ends(folder)
        self.size = len(self._ends) // 2 * TILE_WIDTH
        self._files = {
            path.name: _mapped(path)
            for path in folder.iterdir()
            if path.name in ("entries", "documents") or path.name.startswith("level")
        }

    def tile(self, path: TilePath) -> bytes:
        """A bundle of entries or a tile of hashes; IndexError beyond what stands here."""
        if path.level is not None:
            start = path.index * TILE_WIDTH * HASH_SIZE
            hashes = self._files[f"level{path.level}"][start : start + path.width * HASH_SIZE]
            if len(hashes) != path.width * HASH_SIZE:
                raise IndexError(path)
            return hashes
        whole = self._piece("entries", path.index)
        return whole if path.width == TILE_WIDTH else format_bundle(parse_bundle(whole, TILE_WIDTH)[: path.width])

    def checkpoint(self, size: int) -> bytes:
        root = tree_root(size, tile_reader(size, self.tile))
        return sign_checkpoint(Checkpoint(self.origin, size, root), log_key(self.code))

    def documents(self, start: int, end: int) -> bytes:
        """Lines of the documents stream for the entries [start, end), each of which has one document."""
        lines = bytearray()
        while start < end:
            bundle, skip = divmod(start, TILE_WIDTH)
            piece, width = self._piece("documents", bundle), min(TILE_WIDTH - skip, end - start)
            lines += piece if width == TILE_WIDTH else b"".join(piece.splitlines(keepends=True)[skip : skip + width])
            start += width
        return bytes(lines)

    def made(self, start: int, end: int) -> Iterator[entries.Made]:
        """Submissions [start, end), for who sends them."""
        for bundle in range(start // TILE_WIDTH, (end + TILE_WIDTH - 1) // TILE_WIDTH):
            envelopes = parse_bundle(self._piece("entries", bundle), TILE_WIDTH)
            lines = self._piece("documents", bundle).splitlines(keepends=True)
            for number, (envelope, line) in enumerate(zip(envelopes, lines, strict=True), bundle * TILE_WIDTH):
                if start <= number < end:
                    yield entries.Made(envelope, line)

    def _piece(self, name: str, bundle: int) -> bytes:
        if bundle * TILE_WIDTH >= self.size:
            raise IndexError(bundle)
        column = ("entries", "documents").index(name)
        start = self._ends[2 * (bundle - 1) + column] if bundle else 0
        return self._files[name][start : self._ends[2 * bundle + column]]


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
