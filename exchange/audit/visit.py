"""The audit of a node from outside: everything that it serves, against what its logs say it should serve.

    1. Records, logs and heads as it names them, and the law of each log.
    2. Every entry under the checkpoint that is served, with tiles and documents.
    3. The lines of its registry and its contacts, as it lists them.
    4. What its logs have grown by meanwhile, for a line may show it already.
    5. The upper tiles, the series, the cosignatures, and the numbers it says of itself.

A node that answers while it works cannot be held still. What came during the audit may show in an answer or not yet; what
was there before must show.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange import __version__
from exchange.audit.crew import Alone, Crew, Processes
from exchange.audit.desk import Brief, Desk, Examine, Learn
from exchange.audit.forgotten import check_forgotten
from exchange.audit.judgement import DISPUTED, REFUSED, WAITING
from exchange.audit.laws import LogLaw, Subject, check_logs, law_of
from exchange.audit.ledger import Ledger
from exchange.audit.listing import Contacts, list_contacts, list_registry
from exchange.audit.outside import NodePlace, NodeSource
from exchange.audit.quorums import Claims, Counting, check_claims, check_head
from exchange.audit.records import compare_with_anchor, read_records
from exchange.audit.report import Report
from exchange.audit.run import FEW, Anchor, Progress, rosters_of, runs, settle_all, silent, work_off
from exchange.audit.series import Contact
from exchange.audit.sources import LogClaim, RecordClaim
from exchange.audit.work import ABSENT, AFTERWARDS, FORESEEN, OPENED, RESTRICTED, UNDELIVERED, Task
from exchange.core.base64text import format_base64
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, origin_digest, verify_checkpoint
from exchange.core.form import parse_form
from exchange.core.merkle import EMPTY_ROOT
from exchange.core.note import format_vkey
from exchange.core.tiles import TILE_WIDTH
from exchange.errors import ExchangeError, Malformed, NotFound, Unavailable, Unreachable
from exchange.trust.anchor import FoundersRoot, Listed

UNSEEN = (
    "checkpoints signed before the one that is served, and cosignatures that no answer rests on",
    "earlier versions of records",
    "which full return is in force, but for those that answer contact look-ups",
    "restricted documents, and whatever is kept and not served",
)


def audit_node(
    place: NodePlace,
    forms: list[bytes],
    *,
    anchor: Anchor | None,
    root: bytes | None = None,
    workers: int,
    now: datetime,
    progress: Progress = silent,
) -> Report:
    """Raises Unreachable where the node does not answer. `forms`: the form files at hand; others are fetched. `root`: the founders', an
    anchor in the place of records; raises UnknownKey where the list that the node serves was not signed under it."""
    began = time.monotonic()
    source = place.open()
    try:
        listed = _listed(source, root, now)
        if listed is not None and root is not None:
            anchor = Anchor(listed.participants, root)
        return _Visit(place, source, forms, anchor, listed, workers, progress, now).report(now, began)
    finally:
        source.close()


def _listed(source: NodeSource, root: bytes | None, now: datetime) -> Listed | None:
    """The founders' list that it serves, under the root given, or else under its own, which vouches for nothing."""
    if root is None and source.reader.node().get("trust") is None:
        return None
    theirs, bundle = source.reader.trust_list()
    return FoundersRoot(theirs if root is None else root, (), now).read(bundle)


@dataclass(frozen=True)
class _Head:
    """What a node says of a log, and what it serves as its checkpoint: the note, and what is signed in it."""

    item: Mapping[str, Any]
    note: bytes | None
    signed: Checkpoint | None


def _continues(before: Checkpoint, now: Checkpoint | None) -> bool:
    """As far as the two heads alone can tell: that a larger tree begins with the smaller one is for its entries to show."""
    return now is not None and (now.size > before.size or now == before)


class _Visit:
    def __init__(
        self,
        place: NodePlace,
        source: NodeSource,
        forms: list[bytes],
        anchor: Anchor | None,
        listed: Listed | None,
        workers: int,
        progress: Progress,
        now: datetime,
    ) -> None:
        self._place, self._source, self._reader, self._listed = place, source, source.reader, listed
        self._anchor, self._workers, self._progress = anchor, workers, progress
        self._today = f"{now:%Y-%m-%d}"
        self._notes: list[str] = []
        self._about = about = self._reader.node()
        self._peers = {str(item.get("participant")): item for item in self._reader.items("/v1/peers")}
        self._subject = Subject(*(str(about.get(name)) for name in Subject._fields))
        self._claims = self._participants()
        kept = read_records(
            (RecordClaim(str(item.get("participant")), None, item) for item in self._claims), self._subject.federation
        )
        self._records = kept.records
        self._first = self._heads()
        self._logs = [self._claim(head) for head in self._first]
        self._ledger = Ledger(self._logs)
        self._catalogue = self._fetch_forms(forms)
        for participant, why in kept.wrong:
            self._ledger.fault("record", why, participant=participant)
        if anchor is not None:
            for participant, why in compare_with_anchor(kept.records, self._subject.federation, anchor.participants):
                self._ledger.fault("record", why, participant=participant)
        if about.get("log_vkey") != self._own_vkey():
            self._ledger.fault(
                "record", "it names another log key than its record", participant=self._subject.participant
            )
        check_logs(self._ledger, self._logs, self._records, self._subject)
        for number, head in enumerate(self._first):
            self._check_head(number, head)

    def report(self, now: datetime, began: float) -> Report:
        """Numbered as in the module, from the second step on."""
        ledger, subject = self._ledger, self._subject
        total = sum(log.size for log in self._logs)
        few = self._workers < 2 or total <= FEW
        crew: Crew = Alone(Desk(self._source)) if few else Processes(self._place, self._workers)
        try:
            sizes = [log.size for log in self._logs]
            laws = self._examine(crew, [0 for _ in self._logs])  # 2
            claims = [Claims() for _ in self._logs]
            lines = list_registry(self._reader, ledger, claims, self._progress)  # 3
            contacts = list_contacts(self._reader, ledger)
            heads = self._grow()  # 4
            self._examine(crew, sizes)
            for number, law in enumerate(laws):  # 5
                self._above(number, law, heads[number])
            check_forgotten(self._reader, ledger, self._logs, subject.origin)
            self._settle(crew, sizes, contacts)
            self._count(laws, heads, claims)
            logs = tuple(ledger.accounts())
        finally:
            crew.close()
            ledger.close()
        return Report(
            of=self._place.name,
            seen="outside",
            participant=subject.participant,
            federation=subject.federation,
            program=__version__,
            began=now.isoformat(timespec="seconds"),
            seconds=time.monotonic() - began,
            anchor=None if self._anchor is None else self._anchor.digest,
            submissions=lines,
            contacts=len(contacts),
            logs=logs,
            faults=tuple(ledger.faults),
            more_faults=ledger.more_faults,
            undelivered=tuple(ledger.undelivered),
            notes=(*self._notes, *ledger.findings()),
            unseen=UNSEEN,
        )

    def _participants(self) -> list[dict[str, Any]]:
        items = self._reader.participants().get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise Unreachable(f"{self._place.name} does not answer like a node of the exchange")
        return items

    def _own_vkey(self) -> str | None:
        record = self._records.get(self._subject.participant)
        return None if record is None else format_vkey(record.current_log.vkey)

    def _fetch_forms(self, forms: list[bytes]) -> Catalogue:
        """The forms at hand, and those that only this node has: a statement names its form by the hash of the file."""
        known = {(form.code, form.version): form for form in map(parse_form, forms)}
        for code, version in self._reader.forms():
            if (code, version) not in known:
                try:
                    form = parse_form(self._reader.form(code, version))
                except (Malformed, NotFound) as error:
                    self._ledger.fault("form", f"{code} version {version}: {error}")
                    continue
                known[form.code, form.version] = form
        return Catalogue(known)

    def _heads(self) -> list[_Head]:
        heads = []
        for item in self._reader.items("/v1/heads"):
            prefix = self._prefix(str(item.get("origin")))
            try:
                note = self._reader.checkpoint(prefix)
            except NotFound:
                note = None
            law = law_of(LogClaim(None, str(item.get("origin")), "", 0, None, False, 0, 0), "", self._records)
            signed = None
            if note is not None and law is not None:
                try:
                    signed = verify_checkpoint(note, law.vkey)
                except ExchangeError:
                    signed = None  # told by _check_head
            heads.append(_Head(item, note, signed))
        return heads

    def _prefix(self, origin: str) -> str:
        return "/log" if origin == self._subject.origin else f"/mirror/{origin_digest(origin)}"

    def _claim(self, head: _Head) -> LogClaim:
        origin, participant = str(head.item.get("origin")), str(head.item.get("participant"))
        record = self._records.get(participant)
        ordinal = None if record is None else record.log_ordinal(origin)
        size, root = (0, EMPTY_ROOT) if head.signed is None else (head.signed.size, head.signed.root)
        key = (self._prefix(origin), head.note, root)
        return LogClaim(key, origin, participant, ordinal or 0, None, origin == self._subject.origin, size, size)

    def _check_head(self, number: int, head: _Head) -> None:
        """What it says of the log is what the checkpoint says that it serves; a checkpoint may be newer."""
        size, root = head.item.get("size"), head.item.get("root")
        if head.signed is None:
            if head.note is not None:
                self._ledger.fault(
                    "checkpoint", "what is served as its checkpoint is not signed by its key", log=number
                )
            elif size != 0 or root != format_base64(EMPTY_ROOT):
                self._ledger.fault("head", f"said to have {size!r} entries, and no checkpoint is served", log=number)
        elif type(size) is not int or size > head.signed.size:
            detail = f"said to have {size!r} entries, the checkpoint served is of {head.signed.size}"
            self._ledger.fault("head", detail, log=number)
        elif size == head.signed.size and root != format_base64(head.signed.root):
            self._ledger.fault("head", f"said to have the root {root!r}, another was signed", log=number)

    def _examine(self, crew: Crew, fresh: list[int]) -> tuple[LogLaw | None, ...]:
        laws = tuple(law_of(log, self._subject.federation, self._records) for log in self._logs)
        crew.everybody(Learn(Brief(tuple(self._logs), laws, self._catalogue, self._today)))
        tasks = [
            task
            for number, log in enumerate(self._logs)
            if laws[number] and log.size > fresh[number]
            for task in runs(number, fresh[number], log.size)
        ]
        work_off(crew, self._ledger, tasks, self._progress)
        return laws

    def _grow(self) -> list[_Head]:
        """The heads as they are now. A log may have grown; what else has changed cannot be judged by what was read before."""
        heads = {str(head.item.get("origin")): head for head in self._heads()}
        if self._participants() != self._claims or {log.origin for log in self._logs} != set(heads):
            raise Unavailable(f"the records of {self._place.name} changed while it was audited: begin again")
        grown = []
        for number, (log, first) in enumerate(zip(self._logs, self._first, strict=True)):
            head = heads[log.origin]
            if head != first:
                self._check_head(number, head)
            if (before := first.signed) is not None and not _continues(before, head.signed):
                later = "nothing" if head.signed is None else f"size {head.signed.size}"
                detail = f"first served at size {before.size}, and then {later} that does not continue it"
                self._ledger.fault("head", detail, log=number)
            size = 0 if head.signed is None else head.signed.size
            grown.append(self._claim(head) if size > log.size else log)
        self._logs = grown
        self._ledger.grow(grown)
        return [heads[log.origin] for log in self._logs]

    def _above(self, number: int, law: LogLaw | None, head: _Head) -> None:
        """Upper tiles, and the numbers that the node says of the log."""
        ledger, log = self._ledger, self._logs[number]
        if law is None:
            ledger.fault("log", "no record lists it, so nothing in it can be checked", log=number)
            return
        for level, index, hashes in ledger.growths[number].upper_tiles():
            if self._source.tile(log.key[0], level, index, log.size) != hashes:
                ledger.fault("tile", f"tile {level}/{index} is not the one over the entries", log=number)
        counts = ledger.counts[number]
        ours = {name: counts[name] for name in (DISPUTED, REFUSED, WAITING)}
        ours["admitted"] = sum(counts[name] for name in (OPENED, RESTRICTED, UNDELIVERED, FORESEEN, AFTERWARDS))
        said = {name: head.item.get(name) for name in ours}
        total = sum(value for value in said.values() if isinstance(value, int))
        if head.item.get("size") == log.size and total == log.size and said != ours and not counts[ABSENT]:
            ledger.fault("head", f"said to hold {said}, it holds {ours}", log=number)
        if total != head.item.get("size"):
            said_of = f"{log.origin}: says that it holds {total:,} entries under a head of"
            self._notes.append(f"{said_of} {head.item.get('size')!r}")

    def _count(self, laws: Sequence[LogLaw | None], heads: Sequence[_Head], claims: Sequence[Claims]) -> None:
        """Cosignatures: of the heads served, and of what is said of entries."""
        federation, ledger = self._subject.federation, self._ledger
        rosters = rosters_of(self._anchor, self._listed, self._records)
        for number, (log, law, head) in enumerate(zip(self._logs, laws, heads, strict=True)):
            owner = self._records.get(log.participant)
            if owner is None or law is None or head.note is None or head.signed is None:
                continue
            counting = Counting(federation, self._records, rosters, owner)
            lines, quorum, why = check_head(counting, head.note, self._said_of(log, head.signed.size))
            witnessed = head.signed.size if quorum else 0
            if why is not None:
                ledger.fault("cosignature", why, log=number, index=head.signed.size)
            for found in check_claims(self._reader, counting, law.vkey, claims[number]):
                if isinstance(found, int):
                    witnessed = max(witnessed, found)
                else:
                    ledger.fault("cosignature", found[1], log=number, index=found[0])
            if claims[number].beyond:
                beyond = f"of {claims[number].beyond:,} entries the cosignatures were not looked at"
                self._notes.append(f"{log.origin}: {beyond}")
            ledger.sums[number].update(cosignatures=lines, witnessed=witnessed)

    def _said_of(self, log: LogClaim, size: int) -> Any:
        """What the node said of that very head, before it was fetched."""
        said = self._about if log.own else self._peers.get(log.participant, {})
        return said.get("head") if said.get("size") == size else None

    def _settle(self, crew: Crew, sizes: list[int], contacts: Contacts) -> None:
        ledger, left = self._ledger, dict(contacts)
        for found in settle_all(crew, ledger, ledger.owners(sizes), listed=True):
            if isinstance(found, Contact):
                answered = left.pop((found.log, found.at), None)
                if answered is None and found.settled:
                    ledger.fault("contact", "in force, and not among the contacts", log=found.log, index=found.at)
                elif answered is not None and answered != (found.id, found.body):
                    ledger.fault("contact", "answered with another body than its return", log=found.log, index=found.at)
            elif found.what != "held" or not self._arrived(crew, found.log, found.at):
                ledger.fault(found.what, found.detail, log=found.log, index=found.at)
        for number, index in left:
            if index < sizes[number]:
                ledger.fault("contact", "answered, and not in force", log=number, index=index)

    def _arrived(self, crew: Crew, number: int, index: int) -> bool:
        """Whether the documents of an entry that lacked one have come since it was looked at."""
        start = index // TILE_WIDTH * TILE_WIDTH
        task = Task(number, start, min(start + TILE_WIDTH, self._logs[number].size), index)
        for outcome in crew.run([Examine(task)]):
            return not any(at == index for at, _, _ in outcome.undelivered)
        return False
