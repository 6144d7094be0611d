"""What every benchmark is given: how much to do, on which databases, the raw reference, and a folder to work in."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.entries import checked_size
from tests.benchmarks.nodes import ENGINES
from tests.benchmarks.raw import SECONDS, Reference
from tests.benchmarks.shelf import HOME, Progress, Shelf, open_shelf, silent


@dataclass(frozen=True)
class Scale:
    """How much is done. `runs` are an odd number, so that their median is one of them."""

    runs: int = 3
    pulled: int = 20_480  # entries pulled in one run
    submitted: int = 4_096  # submissions in one run, each by itself
    batched: int = 20_000  # submissions in one run of batches
    batch: int = 1_000  # submissions in one request
    clients: int = 64
    grown: int = 8_192  # entries pulled in one run at one size
    growth: tuple[int, ...] = (10_000, 100_000)
    searched: int = 100_000  # submissions, over `states`
    states: int = 8
    questions: int = 200  # warm questions of one sort to the search
    peers: int = 57
    looked_up: int = 10_000  # look-ups in one run
    connections: int = 16
    audited: int = 200_000
    sealed: int = 25_000_000  # bytes
    raw_seconds: float = SECONDS


USUAL = Scale()
LONG = Scale(growth=(10_000, 100_000, 1_000_000))


@dataclass(frozen=True)
class Bench:
    reference: Reference
    folder: Path
    scale: Scale
    engines: tuple[str, ...] = ENGINES
    home: Path = HOME
    say: Progress = field(default=silent)

    def shelf(self, code: str, size: int) -> Shelf:
        """Prepared before any clock runs."""
        return open_shelf(code, size, self.home, self.say)

    @contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """A folder for one node, gone afterwards: a million entries take gigabytes."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        try:
            yield folder / "node"
        finally:
            shutil.rmtree(folder)


@contextmanager
def prepared(
    scale: Scale, engines: tuple[str, ...] = ENGINES, home: Path = HOME, say: Callable[[str], None] = silent
) -> Iterator[Bench]:
    home.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="work-", dir=home) as folder,
        Reference(checked_size(), scale.raw_seconds) as reference,
    ):
        yield Bench(reference, Path(folder), scale, engines, home, say)
