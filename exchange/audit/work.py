"""What goes to an examiner, and what comes back: a task, the rows that there are for it, and the outcome."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from exchange.audit.documents import Pieces, Row
from exchange.audit.judgement import Judged
from exchange.audit.registry import Columns
from exchange.audit.series import Finding
from exchange.audit.shape import Reading
from exchange.audit.tree import Signed, Tile

OPENED, RESTRICTED, UNDELIVERED, ABSENT = "opened", "restricted", "undelivered", "absent"
FORESEEN, AFTERWARDS = "erased as foreseen", "erased afterwards"
FINDINGS = ("convicting", "convicting nobody", "undelivered")  # what the evidence of a finding told (PLT-03) comes to
MAX_FINDINGS = 200  # of one run, told one by one; the others are counted


class Task(NamedTuple):
    """Examine the entries [start, end) of the log numbered `log`; those before `fresh` were accounted for in another run."""

    log: int
    start: int
    end: int
    fresh: int


@dataclass(frozen=True)
class Rows:
    """What there is to examine.

    entries     (index, envelope, id, verdict, code, *columns, current, in_force), in order; ends at `code`, with id None,
                where the registry is not at hand
    documents   of these entries, in order (documents.py)
    tiles       the hashes of each lowest tile, by its index
    checkpoints those of sizes start + 1 to end, and of size 0 with the first run
    pieces      large contents
    """

    entries: Iterable[Row]
    documents: Iterable[Row]
    tiles: Mapping[int, bytes]
    checkpoints: Sequence[Signed]
    pieces: Pieces


class Said(NamedTuple):
    """What an entry says about forgetting, or what it lacks: enough to put both together once all entries were read (orders.py)."""

    log: int
    at: int
    id: bytes
    form: str
    status: str


class Lacking(NamedTuple):
    """An entry, and the slots of which nothing is shown; `marks` is by which order, as the database says it, `here` whether it is there."""

    told: Said
    counted: str
    slots: tuple[str, ...]
    marks: tuple[str | None, ...]
    here: tuple[bool, ...]


@dataclass
class Outcome:
    """What a run came to. `counts` are entries by what became of them, `sums` whatever else was counted; `told` are findings (findings.py)."""

    task: Task
    tiles: list[tuple[Tile, int]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    untold: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    undelivered: list[tuple[int, str, str]] = field(default_factory=list)
    told: list[tuple[int, bytes | None, str | None]] = field(default_factory=list)
    lacking: list[Lacking] = field(default_factory=list)
    erasures: list[tuple[Said, bytes, str | None]] = field(default_factory=list)  # what each names
    withdrawals: list[tuple[Said, bytes]] = field(default_factory=list)  # of which series
    facts: dict[int, bytearray] = field(default_factory=lambda: defaultdict(bytearray))

    def fault(self, index: int, what: str, detail: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(self.task.log, index, what, detail))
        else:
            self.untold += 1

    def add(self, other: "Outcome") -> None:
        """The run behind this one, of the same log."""
        self.task = self.task._replace(end=other.task.end)
        self.tiles += other.tiles
        self.findings += other.findings
        self.untold += other.untold
        self.counts.update(other.counts)
        self.sums.update(other.sums)
        self.undelivered += other.undelivered
        self.told += other.told
        self.lacking += other.lacking
        self.erasures += other.erasures
        self.withdrawals += other.withdrawals
        for bucket, facts in other.facts.items():
            self.facts[bucket] += facts


class View(Protocol):
    """What a source shows of the registry. `whole`: every row, to be compared here; else lines that come later, by themselves."""

    whole: bool

    def listing(self, judged: Judged, reading: Reading, columns: Columns) -> bytes:
        """What tells the line that should be listed for this entry from every other."""

    def body(self, content: bytes) -> bytes:
        """What tells the body that a contact look-up should answer with from every other."""
