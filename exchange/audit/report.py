"""What an audit came to: for people a line a log and a verdict, for machines one JSON object.

    {"kind": "cbm-audit/v1",
     "of": "/srv/cbm",                 the directory or address
     "seen": "database",               or "outside": only what the node serves
     "participant": "XR", "federation": "trial.example",
     "program": "0.2.0", "began": "2026-11-21T03:00:00+00:00", "seconds": 1.5,
     "anchor": null,                   or the SHA-256 of the records given with --trust
     "holds": true,                    false as soon as there is one fault
     "entries": 12,
     "submissions": 11,                in the registry
     "contacts": 2,                    of these, in force and answering look-ups
     "logs": [{"origin": "xr.example/log", "participant": "XR", "own": true,
               "size": 12,             of the head
               "stored": 12,           more where a pull is under way
               "checkpoints": 7,       whose signature and root hold
               "documents": 13,        held, and the ones committed to
               "cosignatures": 9,      lines of other States that hold
               "witnessed": 12,        the largest size that a quorum of them cosigned
               "faults": 0,
               "counts": {"opened": 10, "restricted": 0, "erased as foreseen": 0, "erased afterwards": 0,
                          "undelivered": 1, "disputed": 0, "refused": 1, "waiting": 0, "absent": 0}}],
     "faults": [{"participant": "XR", "log": "xr.example/log", "index": 3, "what": "entry", "detail": "..."}],
     "more_faults": 0,                 beyond the 1,000 that are listed
     "undelivered": [{"log": "xr.example/log", "index": 5, "slot": "body", "commitment": "<64 hex digits>"}],
     "notes": [], "unseen": []}        what is no fault, and what could not be looked at

The counts of a log add up to what is stored of it. An entry is *opened* where every document it names is held and
proven (or it names none), *restricted* where all that is not are documents that not everybody may read, *undelivered* where
another one is not, *disputed* by its State (section 13), and *absent* where
the log should have it and it is not there to be read, which is a fault. `log` and `index` are null where a fault is
not about one; `index` is the size of a checkpoint where it is about that. What a fault is about (`what`): `entry`
`tile` `checkpoint` `head` of a tree; `cosignature` of another State under a checkpoint, `witness`: this node's own; `id`
`verdict` of an entry; `finding` told in it (PLT-03), `alert`: one that is said to convict;
`registry` `series` `fits` of its line in the registry; `slot` `document` `held` of its documents; `ahead` (listed
before it can be checked); `contact`; `record` `log` `setting`; `stray` (a row that belongs to nothing).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

KIND = "cbm-audit/v1"
MAX_LISTED = 1_000  # faults, and undelivered documents, that are told one by one
CLASSES = (
    *("opened", "restricted", "erased as foreseen", "erased afterwards", "undelivered"),
    *("disputed", "refused", "waiting", "absent"),
)
SHOWN = 20  # faults of one log that people are shown


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not hold."""

    participant: str
    log: str | None
    index: int | None
    what: str
    detail: str

    def __str__(self) -> str:
        where = self.log or self.participant or "node"
        return f"{where}{'' if self.index is None else f' {self.index}'}: {self.what}: {self.detail}"


@dataclass(frozen=True, slots=True)
class LogAccount:
    """What became of every entry of one log."""

    origin: str
    participant: str
    own: bool
    size: int
    stored: int
    checkpoints: int
    documents: int
    cosignatures: int
    witnessed: int
    faults: int
    counts: dict[str, int]

    def __str__(self) -> str:
        mark = "NO  " if self.faults else "ok  "
        told = [f"{self.counts[name]:,} {name}" for name in CLASSES if self.counts[name] or name in ("opened",)]
        ahead = f" ({self.stored - self.size:,} ahead of its head)" if self.stored > self.size else ""
        what = "log" if self.own else "mirror"
        return (
            f"{mark}{self.participant}  {what} {self.origin}: {self.stored:,} entries{ahead}: {', '.join(told)};"
            f" {self.checkpoints:,} checkpoints, {self.documents:,} documents, {self.cosignatures:,} cosignatures,"
            f" witnessed up to {self.witnessed:,}"
        )


@dataclass(frozen=True)
class Report:
    of: str
    seen: str
    participant: str
    federation: str
    program: str
    began: str
    seconds: float
    anchor: str | None
    submissions: int
    contacts: int
    logs: tuple[LogAccount, ...]
    faults: tuple[Fault, ...]
    more_faults: int
    undelivered: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    _by_log: dict[str | None, list[Fault]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_log: dict[str | None, list[Fault]] = {}
        for fault in self.faults:
            by_log.setdefault(fault.log, []).append(fault)
        object.__setattr__(self, "_by_log", by_log)

    @property
    def holds(self) -> bool:
        return not self.faults and not self.more_faults

    @property
    def entries(self) -> int:
        return sum(log.stored for log in self.logs)

    def lines(self) -> Iterator[str]:
        """One line a log with its faults below, then what is about none, then the verdict."""
        for log in self.logs:
            yield str(log)
            yield from _told(self._by_log.get(log.origin, ()))
        yield from _told(self._by_log.get(None, ()))
        yield from (f"  - {note}" for note in (*self.notes, *(f"not seen: {what}" for what in self.unseen)))
        yield self.verdict

    @property
    def verdict(self) -> str:
        if not self.holds:
            return f"does not hold: {len(self.faults) + self.more_faults:,} faults in {self.entries:,} entries"
        under = "the records given" if self.anchor else "the node's own records, which nobody here has vouched for"
        part = "everything" if self.seen == "database" else "everything that can be seen from outside"
        return f"holds: {part}, {self.entries:,} entries of {len(self.logs)} logs, under {under}"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "of": self.of,
            "seen": self.seen,
            "participant": self.participant,
            "federation": self.federation,
            "program": self.program,
            "began": self.began,
            "seconds": round(self.seconds, 3),
            "anchor": self.anchor,
            "holds": self.holds,
            "entries": self.entries,
            "submissions": self.submissions,
            "contacts": self.contacts,
            "logs": [
                {name: getattr(log, name) for name in LogAccount.__slots__} | {"counts": dict(log.counts)}
                for log in self.logs
            ],
            "faults": [{name: getattr(fault, name) for name in Fault.__slots__} for fault in self.faults],
            "more_faults": self.more_faults,
            "undelivered": list(self.undelivered),
            "notes": list(self.notes),
            "unseen": list(self.unseen),
        }


def _told(faults: "list[Fault] | tuple[()]") -> Iterator[str]:
    yield from (f"    {fault}" for fault in faults[:SHOWN])
    if len(faults) > SHOWN:
        yield f"    and {len(faults) - SHOWN:,} more of these; --report lists them"
