"""The audit of a directory from beginning to end: one snapshot, every run of every log, then what takes all of them together.

1. Settings and records, and from them the law of each log.
2. Every entry, in runs that are worked off side by side: hash, verdict, registry, documents.
3. The tree above the runs: upper tiles, checkpoints, what lies outside them.
4. Cosignatures: every line, every quorum, and what this node signed itself. Findings that logs tell, and what is kept of them.
5. What was ordered to be forgotten: nothing is gone without an order, and nothing is here after one.
6. Series: repetitions, what is current and in force, who answers look-ups.
7. Rows that belong to nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from exchange import __version__
from exchange.audit.crew import Alone, Crew, Processes
from exchange.audit.desk import Brief, Desk, Examine, Learn, Settle, Snapshot, Unnamed
from exchange.audit.findings import Keys, check_findings
from exchange.audit.judgement import FOR_EVER
from exchange.audit.laws import LogLaw, Subject, check_logs, law_of
from exchange.audit.ledger import Ledger
from exchange.audit.orders import UNEXPLAINED, Forgotten, Slot, shortkey
from exchange.audit.records import compare_with_anchor, read_records
from exchange.audit.report import Report
from exchange.audit.series import Contact, Finding, Owner
from exchange.audit.sources import DirectoryPlace, DirectorySource, LogClaim
from exchange.audit.tree import why_unsigned
from exchange.audit.witnesses import Counted, check_lines, check_own_heads, check_quorums
from exchange.audit.work import ABSENT, Said, Task
from exchange.core.catalogue import Catalogue
from exchange.core.tiles import TILE_WIDTH
from exchange.errors import Unavailable
from exchange.store.extract import Extract
from exchange.trust.anchor import FoundersRoot, Listed
from exchange.trust.participants import Participants
from exchange.trust.record import ParticipantRecord
from exchange.trust.rolefile import TIMESTAMP
from exchange.trust.roster import Rosters, roster_of_records

RUN = 8 * TILE_WIDTH  # entries
FEW = 2 * RUN  # entries for which no process is worth its start
SNAPSHOT_SECONDS = 60.0  # for which a node may go on committing while the processes take their snapshots

Progress = Callable[[str, int, int], None]


def rosters_of(anchor: "Anchor | None", listed: Listed | None, records: Mapping[str, ParticipantRecord]) -> Rosters:
    """Who witnesses: by the anchor; else by the founders' list that the node itself has; else by its records."""
    if anchor is not None:
        return anchor.participants.rosters
    return roster_of_records(records) if listed is None else listed.participants.rosters


@dataclass(frozen=True)
class Anchor:
    """The records that the auditor trusts, and the file that they came in."""

    participants: Participants
    content: bytes

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()


def silent(what: str, done: int, total: int) -> None:
    """Shows nothing."""


def audit_directory(
    place: DirectoryPlace,
    subject: Subject,
    catalogue: Catalogue,
    *,
    anchor: Anchor | None,
    root: bytes | None = None,
    workers: int,
    now: datetime,
    progress: Progress = silent,
) -> Report:
    """`root`: the founders', an anchor in the place of records. Raises Misuse where there is no database of a node, Unavailable where it
    does not answer, UnknownKey where the list that is kept was not signed under that root."""
    began = time.monotonic()
    source = place.open()
    try:
        source.extract.check()
        source.relent()
        source.extract.begin()
        total = sum(log.stored for log in source.logs())
        crew: Crew = Alone(Desk(source)) if workers < 2 or total <= FEW else Processes(place, workers)
        try:
            _take_snapshot(place, source, crew)
            listed = _listed(source, root, now)
            if listed is not None and root is not None:
                anchor = Anchor(listed.participants, root)
            audit = _Audit(source, subject, catalogue, anchor, listed, crew, progress)
            return audit.report(place.name, now, began)
        finally:
            crew.close()
    finally:
        source.close()


def _listed(source: DirectorySource, root: bytes | None, now: datetime) -> Listed | None:
    """The founders' list that is kept here, under the root given, or else under the first that is kept, which vouches for nothing."""
    files = [
        ("timestamp.json" if role == TIMESTAMP else f"{version}.{role}.json", bytes(raw))
        for role, version, raw in source.stray("trust files")
    ]
    first = next((raw for name, raw in files if name == "1.root.json"), None) if root is None else root
    return None if first is None else FoundersRoot(first, tuple(files), now).read()


def _take_snapshot(place: DirectoryPlace, source: DirectorySource, crew: Crew) -> None:
    """One state of the database for everybody: where something was committed in between, all take theirs anew."""
    watch = Extract(place.database)
    try:
        deadline = time.monotonic() + SNAPSHOT_SECONDS
        while time.monotonic() < deadline:
            before = watch.changes()
            name = source.extract.begin()
            if isinstance(crew, Alone):
                return
            crew.everybody(Snapshot(name))
            if watch.changes() == before:
                return
        raise Unavailable("the node writes without a pause: audit it with --workers 1, or in a quieter moment")
    finally:
        watch.close()


class _Audit:
    def __init__(
        self,
        source: DirectorySource,
        subject: Subject,
        catalogue: Catalogue,
        anchor: Anchor | None,
        listed: Listed | None,
        crew: Crew,
        progress: Progress,
    ) -> None:
        self._source, self._subject, self._anchor, self._listed = source, subject, anchor, listed
        self._crew, self._progress, self._catalogue = crew, progress, catalogue
        self._logs = source.logs()
        self._ledger = Ledger(self._logs)
        self._notes: list[str] = []
        self._contacts = 0
        self._kept: Mapping[str, ParticipantRecord] = {}

    def report(self, name: str, now: datetime, began: float) -> Report:
        """Numbered as in the module."""
        ledger, subject = self._ledger, self._subject
        try:
            laws = self._laws(self._records())  # 1
            self._crew.everybody(Learn(Brief(tuple(self._logs), laws, self._catalogue, f"{now:%Y-%m-%d}")))
            self._entries(laws)  # 2
            for number, law in enumerate(laws):  # 3
                self._above(number, law)
            self._witnesses(laws)  # 4
            self._findings()
            self._forgotten(now)  # 5
            self._series()  # 6
            self._strays()  # 7
            logs = tuple(ledger.accounts())
        finally:
            ledger.close()
        return Report(
            of=name,
            seen="database",
            participant=subject.participant,
            federation=subject.federation,
            program=__version__,
            began=now.isoformat(timespec="seconds"),
            seconds=time.monotonic() - began,
            anchor=None if self._anchor is None else self._anchor.digest,
            submissions=sum(sums["registered"] for sums in ledger.sums),
            contacts=self._contacts,
            logs=logs,
            faults=tuple(ledger.faults),
            more_faults=ledger.more_faults,
            undelivered=tuple(ledger.undelivered),
            notes=(*self._notes, *ledger.findings()),
        )

    def _records(self) -> Mapping[str, ParticipantRecord]:
        subject, ledger = self._subject, self._ledger
        should = {"participant": subject.participant, "federation": subject.federation}
        found = self._source.settings()
        for name, value in should.items():
            if found.get(name) != value:
                ledger.fault("setting", f"the database is of {name} {found.get(name)!r}, the settings say {value!r}")
        kept = read_records(self._source.records(), subject.federation, founded=self._listed is not None)
        wrong = list(kept.wrong)
        if self._anchor is not None:
            wrong += compare_with_anchor(kept.records, subject.federation, self._anchor.participants)
        for participant, why in wrong:
            ledger.fault("record", why, participant=participant)
        self._kept = kept.records
        return kept.records

    def _laws(self, records: Mapping[str, ParticipantRecord]) -> tuple[LogLaw | None, ...]:
        check_logs(self._ledger, self._logs, records, self._subject)
        return tuple(law_of(log, self._subject.federation, records) for log in self._logs)

    def _entries(self, laws: Sequence[LogLaw | None]) -> None:
        tasks = [task for number, log in enumerate(self._logs) if laws[number] for task in runs(number, 0, log.stored)]
        work_off(self._crew, self._ledger, tasks, self._progress)

    def _above(self, number: int, law: LogLaw | None) -> None:
        """The tree over the runs, its head, and what was kept beyond."""
        ledger, log, source = self._ledger, self._logs[number], self._source
        if law is None:
            ledger.fault("log", "its key does not read, so nothing in it can be checked", log=number)
            ledger.counts[number][ABSENT] += log.stored
            return
        self._tiles(number, log)
        for (index,) in source.stray("entries beyond", log.key, log.stored):
            ledger.fault("entry", f"stands outside the {log.stored} that the log has", log=number, index=index)
        if not 0 <= log.size <= log.stored:
            ledger.fault("head", f"the head is of size {log.size}, {log.stored} entries are stored", log=number)
        if log.size and not list(source.checkpoints(log, log.size - 1, log.size)):
            ledger.fault("checkpoint", "none is kept for the head", log=number, index=log.size)
        ahead = 0
        for signed in source.checkpoints(log, log.stored or -1, FOR_EVER - 1):
            why = why_unsigned(signed, law.vkey)
            if why is not None:
                ledger.fault("checkpoint", why, log=number, index=signed.size)
            ahead += why is None and signed.size > log.stored
        if (
            ahead and log.origin == self._subject.origin
        ):  # signed, and gone: an old copy of itself, unless it is just taking its entries back
            ledger.fault(
                "head", f"it signed {ahead} checkpoints of more than the {log.stored} entries here", log=number
            )
        elif ahead:
            self._notes.append(f"{log.origin}: {ahead} signed checkpoints of entries that are not here yet")

    def _tiles(self, number: int, log: LogClaim) -> None:
        """Those of the lowest level were compared with their entries; here are the others, and those that should not be."""
        paths = {(0, index) for index in range((log.stored + TILE_WIDTH - 1) // TILE_WIDTH)}
        for level, index, hashes in self._ledger.growths[number].upper_tiles():
            paths.add((level, index))
            if self._source.hashes(log, level, index, index + 1).get(index) != hashes:
                self._ledger.fault("tile", f"tile {level}/{index} is not the one over the entries", log=number)
        for level, index in self._source.stray("tiles of", log.key):
            if (level, index) not in paths:
                detail = f"a tree of {log.stored} entries has no tile {level}/{index}"
                self._ledger.fault("tile", detail, log=number)

    def _witnesses(self, laws: Sequence[LogLaw | None]) -> None:
        ledger, source, federation = self._ledger, self._source, self._subject.federation
        records = self._kept
        rosters = rosters_of(self._anchor, self._listed, records)
        for number, log in enumerate(self._logs):
            counted, owner = Counted(), records.get(log.participant)
            wrong = list(
                check_lines(source.stray("cosignatures", log.key), federation, records, log.participant, counted)
            )
            if owner is not None:
                wrong += check_quorums(source.stray("quorums", log.key), rosters, owner, counted)
            for size, why in wrong:
                ledger.fault("cosignature", why, log=number, index=size)
            ledger.sums[number].update(cosignatures=counted.lines, witnessed=counted.witnessed)
        numbers = {log.key: number for number, log in enumerate(self._logs)}
        vkeys = {log.key: None if law is None else law.vkey for log, law in zip(self._logs, laws, strict=True)}
        mine = records.get(self._subject.participant)
        for key, (size, why) in check_own_heads(list(source.stray("witness heads")), vkeys, federation, mine):
            ledger.fault("witness", why, log=numbers.get(key), index=size)

    def _findings(self) -> None:
        ledger, source = self._ledger, self._source
        rows, alerts, halted = (source.stray(what) for what in ("findings", "convictions", "halted"))
        keys = Keys.of(self._subject.federation, self._kept)
        for what, number, index, why in check_findings(self._logs, ledger.told, rows, alerts, halted, keys):
            ledger.fault(what, why, log=number, index=index)

    def _forgotten(self, now: datetime) -> None:
        forgotten, today = Forgotten(self._ledger), f"{now:%Y-%m-%d}"
        for told, slot in forgotten.explain(whole=True, own=self._subject.origin):
            self._ledger.fault("unexplained", UNEXPLAINED.format(slot), log=told.log, index=told.at)
        numbers = {log.key: number for number, log in enumerate(self._logs)}
        for order in forgotten.in_force():
            slots = [
                Slot(Said(numbers[log], at, order.subject, form, status), slot, bool(here), mark)
                for log, at, slot, here, mark, until, form, status in self._source.stray(
                    "slots of", shortkey(order.subject)
                )
                if log in numbers and (until is None or until >= today)
            ]
            claims = self._source.stray("orders of", self._logs[order.told.log].key, order.told.at)
            claim = [one for one in claims if bytes(one[0]) == order.subject]
            forgotten.compare(order, slots, claim, now)

    def _series(self) -> None:
        owners = self._ledger.owners([FOR_EVER for _ in self._logs])
        for found in settle_all(self._crew, self._ledger, owners, listed=False):
            if isinstance(found, Contact):
                self._contacts += 1
            else:
                self._ledger.fault(found.what, found.detail, log=found.log, index=found.at)

    def _strays(self) -> None:
        ledger, source = self._ledger, self._source
        for found, wrong in self._crew.run([Unnamed()]):
            for why in wrong:
                ledger.fault("document", why)
            if found:
                self._notes.append(f"{found:,} documents are held that no entry of the registry names")
        for what in ("entries of no log", "tiles of no log", "checkpoints of no log", "cosignatures of no log"):
            for log, index in source.stray(what):
                ledger.fault("stray", f"{what}: {log}/{index}")
        for what, counted in (("submissions", "registered"), ("slots", "slots")):
            ((count,),) = source.stray(what)
            if count != sum(sums[counted] for sums in ledger.sums):
                for log, index in source.stray(f"{what} of no entry"):
                    ledger.fault("stray", f"{what} of no entry: {log}/{index}")


def runs(number: int, fresh: int, end: int) -> Iterator[Task]:
    """The runs of one log, from the tile on in which the entry `fresh` stands."""
    for start in range(fresh // TILE_WIDTH * TILE_WIDTH, end, RUN):
        yield Task(number, start, min(start + RUN, end), fresh)


def work_off(crew: Crew, ledger: Ledger, tasks: Sequence[Task], progress: Progress) -> None:
    """Every run, side by side; what they come to is put together in order."""
    total, done = sum(task.end - task.start for task in tasks), 0
    for outcome in crew.run(map(Examine, tasks)):
        ledger.take(outcome)
        done += outcome.task.end - outcome.task.start
        progress(ledger.logs[outcome.task.log].origin, done, total)


def settle_all(crew: Crew, ledger: Ledger, owners: Sequence[Owner], *, listed: bool) -> Iterator[Finding | Contact]:
    """What all series come to."""
    for found in crew.run((Settle(facts, owners, listed) for facts in ledger.facts()), deep=1):
        yield from found
