"""A run of entries of one log, examined: rows in, findings out, and what the whole needs of them besides.

Pure: what is read comes in as rows, wherever from. Everything that follows from one entry alone is decided here; what
takes several (the tree above a tile, series, repetitions) leaves here as small values, to be put together once
all runs are done (tree.py, series.py).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from exchange.audit import work
from exchange.audit.documents import OVERSIZED, Offered, Row, prove, why_not_named
from exchange.audit.findings import convicted_by
from exchange.audit.judgement import ADMITTED, DISPUTED, REFUSED, WAITING, Judge, Judged, Law
from exchange.audit.keeping import Keeping, is_over
from exchange.audit.registry import FITS, MISFIT, NOT_HELD, NOT_KNOWN, Columns, columns_of, row_of, same_fitting
from exchange.audit.series import (
    ANSWERS,
    COUNTS,
    CURRENT,
    DELIVERED,
    IN_FORCE,
    MARKED,
    OPEN,
    REPEATS,
    UNSAID,
    bucket_of,
    pack_fact,
)
from exchange.audit.shape import MAX_SHAPES, Reading, Shape
from exchange.audit.tree import hash_tile, why_unsigned
from exchange.audit.words import key, said, short
from exchange.audit.work import ABSENT, FINDINGS, MAX_FINDINGS, Outcome, Rows, Said, Task, View
from exchange.core.catalogue import Catalogue
from exchange.core.evidence import EVIDENCE_SLOT, FINDING
from exchange.core.form import judge
from exchange.core.merkle import HASH_SIZE, leaf_hash
from exchange.core.note import Vkey
from exchange.core.tiles import TILE_WIDTH
from exchange.core.vocabulary import SEALED
from exchange.errors import Malformed

REPEATED = "duplicate-submission"
CONVICTS, CONVICTS_NOBODY, NOT_DELIVERED = FINDINGS
COLUMNS = (
    *("id", "participant", "form", "version", "obligations", "series", "issued", "period_start", "period_end"),
    *("return_kind", "message", "status", "directory", "disputed", "fits"),
)
LEFT = (
    8  # days after which a node has destroyed what nobody may see any more, even where no witness vouches for the time
)
_REGISTERED = 5  # where the columns of the registry begin in the row of an entry
_FLAGS = _REGISTERED + len(COLUMNS)  # and where its two flags stand: current, in force


class Examiner:
    """Of one log. `closed`: the size and root at which its record ends it."""

    def __init__(
        self,
        number: int,
        vkey: Vkey,
        law: Law,
        closed: tuple[int, bytes] | None,
        catalogue: Catalogue,
        view: View,
        today: str,
    ) -> None:
        self.today = today
        self.number, self.vkey, self.closed, self.view = number, vkey, closed, view
        self.judge = Judge(law).judge
        self._catalogue = catalogue
        self._columns: dict[Shape, Columns] = {}

    def examine(self, task: Task, rows: Rows) -> Outcome:
        """Every entry by itself; where one is missing it is named, and the tree goes on over what its tile says."""
        run = _Run(self, task, rows)
        for row in rows.entries:
            run.take(row)
        return run.finish()

    def lose(self, task: Task, tiles: Mapping[int, bytes], error: Malformed) -> Outcome:
        """What is left of a run that does not read: the tree goes on over what its tiles say."""
        outcome = self.examine(task, Rows((), (), tiles, (), lambda commitment: iter(())))
        outcome.findings, outcome.untold = [], 0
        outcome.fault(max(task.start, task.fresh), "entry", f"nothing up to entry {task.end - 1} can be read: {error}")
        return outcome

    def columns(self, shape: Shape) -> Columns:
        found = self._columns.get(shape)
        if found is None:
            if len(self._columns) >= MAX_SHAPES:
                self._columns.clear()
            found = self._columns[shape] = columns_of(shape, self._catalogue.named(shape.form))
        return found


class _Run:
    def __init__(self, examiner: Examiner, task: Task, rows: Rows) -> None:
        self._examiner, self._task, self._rows = examiner, task, rows
        self._outcome = outcome = Outcome(task)
        self._whole = examiner.view.whole
        self._leaves: list[bytes] = []
        self._lacking: list[tuple[str, str | None, bool]] = []
        self._at = task.start
        self._documents = Offered(rows.documents, self._stray)
        self._signed: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        for signed in rows.checkpoints:
            why = why_unsigned(signed, examiner.vkey)
            if why is not None:
                outcome.fault(signed.size, "checkpoint", why)
            else:
                self._signed[(signed.size - 1) // TILE_WIDTH].append((signed.size, signed.root))
                outcome.sums["checkpoints"] += 1
        if examiner.closed is not None and task.start < examiner.closed[0] <= task.end:
            self._signed[(examiner.closed[0] - 1) // TILE_WIDTH].append(examiner.closed)

    def take(self, row: Row) -> None:
        index, envelope = row[0], row[1]
        while self._at < index:
            self._absent()
        if type(envelope) is not bytes:
            self._outcome.fault(index, "entry", f"an envelope is bytes, this is {type(envelope).__name__}")
            envelope = b""
        self._leaves.append(leaf_hash(envelope))
        mine = self._documents.of(index)
        if index >= self._task.fresh:
            self._entry(row, envelope, mine)
        self._advance()

    def finish(self) -> Outcome:
        while self._at < self._task.end:
            self._absent()
        if self._leaves:
            self._tile()
        self._documents.of(self._task.end)
        self._outcome.sums["slots"] = self._documents.count
        return self._outcome

    def _stray(self, row: Row) -> None:
        self._outcome.fault(row[0], "slot", f"a document {short(row[1])} of an entry that is not there")

    def _absent(self) -> None:
        index = self._at
        self._outcome.fault(index, "entry", "it is missing")
        self._outcome.counts[ABSENT] += index >= self._task.fresh
        start = index % TILE_WIDTH * HASH_SIZE
        tile = self._rows.tiles.get(index // TILE_WIDTH, b"")
        self._leaves.append(tile[start : start + HASH_SIZE].ljust(HASH_SIZE, b"\0"))
        self._advance()

    def _advance(self) -> None:
        self._at += 1
        if len(self._leaves) == TILE_WIDTH:
            self._tile()
            self._leaves = []

    def _tile(self) -> None:
        leaves, start = self._leaves, self._at - len(self._leaves)
        number = start // TILE_WIDTH
        stored = self._rows.tiles.get(number)
        if stored != b"".join(leaves):
            at, why = _differ(stored, leaves)
            self._outcome.fault(start + at, "tile", f"tile 0/{number} {why}")
        self._outcome.tiles.append((hash_tile(leaves, start, self._signed.get(number, ())), len(leaves)))

    def _entry(self, row: Row, envelope: bytes, mine: Sequence[Row]) -> None:
        """The verdict and the id; then, of what is admitted, its documents and its line in the registry."""
        outcome, index, verdict, code = self._outcome, row[0], row[3], row[4]
        judged = self._examiner.judge(envelope, index)
        # That it repeats another is for its series to say; that it is refused for another reason besides changes nothing.
        repeats = code == REPEATED and verdict == REFUSED and judged.id is not None
        right = repeats or (verdict == judged.verdict and code == judged.code)
        if not right:
            detail = f"recorded as {said(verdict, code)}, it is {said(judged.verdict, judged.code)}"
            outcome.fault(index, "verdict", detail)
        if self._whole and row[2] != key(judged.id):
            outcome.fault(index, "id", f"its payload has the id {short(judged.id)}, and is not to be found by it")
        if judged.verdict in (ADMITTED, DISPUTED) and not repeats:
            self._admitted(row, judged, mine, right)
            return
        outcome.counts[WAITING if judged.verdict == WAITING and not repeats else REFUSED] += 1
        if self._whole:
            registered = row[_REGISTERED] is not None
            outcome.sums["registered"] += registered
            if right and (registered or mine):
                outcome.fault(index, "registry", f"registered, or with documents, and {said(verdict, code)}")
        if judged.id is not None:
            bits = OPEN if judged.verdict == WAITING else 0 if judged.verdict == REFUSED else _counts(judged)
            self._keep(judged, bits | (REPEATS | UNSAID if repeats else 0), index)

    def _keep(self, judged: Judged, bits: int, index: int, *more: Any) -> None:
        ident, reading = judged.id, judged.reading
        assert ident is not None  # noqa: S101 - what has none is not kept
        series = columns = None
        if reading is not None:
            series, columns = reading.series, self._examiner.columns(reading.shape)
        fact = pack_fact(ident, series, columns, self._examiner.number, index, bits, *more)
        self._outcome.facts[bucket_of(fact)] += fact

    def _admitted(self, row: Row, judged: Judged, mine: Sequence[Row], right: bool) -> None:
        index, ident, reading, view = row[0], judged.id, judged.reading, self._examiner.view
        assert ident is not None and reading is not None  # noqa: S101 - what is admitted has both
        columns = self._examiner.columns(reading.shape)
        delivered, withheld, fits, body = self._delivery(index, reading, columns, mine, right)
        disputed, lacking, self._lacking = judged.verdict == DISPUTED, self._lacking, []
        about = Said(self._examiner.number, index, ident, reading.shape.form.code, reading.shape.status)
        there = work.OPENED if delivered else work.RESTRICTED if withheld else work.UNDELIVERED
        keeping = Keeping(self._outcome, self._whole, self._examiner.today)
        self._outcome.counts[keeping.account(about, reading, lacking, there, disputed)] += 1
        bits = _counts(judged) | DELIVERED * delivered
        if not disputed and body is not None and fits == FITS and columns.form is not None and columns.form.directory:
            bits |= ANSWERS
        if not self._whole:
            told = view.body(body) if body is not None and bits & ANSWERS else b""
            self._keep(judged, bits, index, fits or NOT_HELD, view.listing(judged, reading, columns), told)
            return
        if row[_REGISTERED] is None:
            bits |= UNSAID
            if right:
                self._outcome.fault(index, "registry", "admitted, and not in the registry")
        else:
            self._outcome.sums["registered"] += 1
            # A body that is not the one committed to fits nothing; that is told of the document.
            expected = row_of(ident, reading, columns, row[_FLAGS - 1] if fits is None else fits, judged.since)
            if row[_REGISTERED:_FLAGS] != expected:
                self._compare(index, row[_REGISTERED:_FLAGS], expected)
            if row[_FLAGS]:
                bits |= CURRENT
            if row[_FLAGS + 1]:
                bits |= IN_FORCE
        self._keep(judged, bits, index)

    def _compare(self, index: int, found: Row, expected: Row) -> None:
        for name, is_, should in zip(COLUMNS, found, expected, strict=True):
            if name == "fits":
                if type(is_) is not str or not same_fitting(is_, should):
                    self._outcome.fault(index, "fits", f"recorded as {short(is_)}, it is {short(should)}")
            elif is_ != should:
                self._outcome.fault(index, "registry", f"{name} is {short(is_)}, by its entry {short(should)}")

    def _delivery(
        self, index: int, reading: Reading, columns: Columns, mine: Sequence[Row], right: bool
    ) -> tuple[bool, bool, str | None, bytes | None]:
        """(every document there and proven, none missing but restricted ones, how the body fits, the body).

        There is no answer for a body that is there and not proven. A restricted document may be missing by right: who holds it
        gives it to those alone whom it is for.
        """
        slots = reading.shape.slots
        fits: str | None
        delivered, withheld, fits, body = True, True, FITS, None
        if self._whole and right and len(mine) != len(slots):
            detail = f"{len(mine)} documents are listed, its statement names {len(slots)}"
            self._outcome.fault(index, "slot", detail)
            right = False
        for ordinal, slot in enumerate(slots):
            commitment = reading.commitments[ordinal]
            row = next((one for one in mine if one[1] == slot.slot), None)
            if self._whole and right and row is None:
                self._outcome.fault(index, "slot", f"{slot.slot} is not listed")
            expected = (slot.slot, ordinal, commitment, slot.media_type, slot.language, slot.audience)
            mark = row[14] if self._whole and row is not None else None
            here = row is not None and (not self._whole or self._is_listed(row, expected)) and row[9] is not None
            there = here and mark is None  # what is hidden is not shown, though it is here
            content = self._proven(row, commitment) if row is not None and there else None
            if content is None:
                delivered = False
            if content is None and (mark is not None or not (slot.restricted and not there)):
                withheld = False
                if mark is not None or not self._whole or (row is not None and row[9] is None and not row[7]):
                    self._lacking.append((slot.slot, mark, here and row is not None and bool(row[7])))
                if not is_over(reading, self._examiner.today) and len(self._outcome.undelivered) < MAX_FINDINGS:
                    self._outcome.undelivered.append((index, slot.slot, commitment.hex()))
            if slot.slot == EVIDENCE_SLOT and reading.shape.form.code == FINDING:
                self._finding(index, content)
            if slot.slot == "body" and slot.audience == SEALED:
                fits = FITS if self._whole else NOT_HELD  # whoever opens it judges what is inside
            elif slot.slot == "body":
                fits, body = (None if there and content is None else self._fitting(columns, content)), content
        return delivered, withheld, fits, body

    def _finding(self, index: int, evidence: bytes | None) -> None:
        """What a State tells of another's misbehaviour counts by its evidence alone, which is verified here again."""
        found = None if evidence is None else convicted_by(evidence)
        told = NOT_DELIVERED if evidence is None else CONVICTS_NOBODY if found is None else CONVICTS
        # What lies apart is larger than any evidence, and is read as nothing.
        digest = None if evidence is None else sha256(b"" if evidence is OVERSIZED else evidence).digest()
        self._outcome.sums[told] += 1
        self._outcome.told.append((index, digest, None if found is None else found.accused))

    def _is_listed(self, row: Row, expected: Row) -> bool:
        """Whether the row says of the document what the statement says; and told, whether it is held as it says."""
        index, held, there = row[0], row[7], row[9] is not None
        if row[1:7] != expected:
            self._outcome.fault(index, "slot", f"{row[1]} is listed otherwise than its statement says")
            return False
        if self._whole and (row[12] != key(row[3]) or (there and row[13] != row[12])):
            self._outcome.fault(index, "slot", f"{row[1]} is not to be found by its commitment")
        if bool(held) is not there and not (row[14] is not None and there):  # gone here, and held for another entry
            said = "held, and is not there" if held else "missing, and is there"
            self._outcome.fault(index, "slot", f"{row[1]} is listed as {said}")
        return True

    def _proven(self, row: Row, commitment: bytes) -> bytes | None:
        index, slot, size, content = row[0], row[1], row[9], row[10]
        length, why = prove(commitment, row, self._rows.pieces)
        if why is not None:
            self._outcome.fault(index, "document", f"{slot}: {why}")
            return None
        if length != size:
            self._outcome.fault(index, "document", f"{slot}: it is said to have {short(size)} bytes, and has {length}")
        if (hostile := why_not_named(row[8])) is not None:
            self._outcome.fault(index, "document", f"{slot}: {hostile}")
        self._outcome.sums["documents"] += 1
        return OVERSIZED if content is None else bytes(content)

    def _fitting(self, columns: Columns, body: bytes | None) -> str:
        if body is None:
            return NOT_HELD
        if columns.form is None:
            return NOT_KNOWN
        errors = judge(columns.form, body)
        return FITS if not errors else f"{MISFIT}{errors[0].pointer or '/'}: {errors[0].detail}"


def _counts(judged: Judged) -> int:
    return COUNTS | MARKED if judged.verdict == DISPUTED else COUNTS


def _differ(stored: bytes | None, leaves: Sequence[bytes]) -> tuple[int, str]:
    """Where a tile first differs from its entries, and how."""
    if type(stored) is not bytes:
        return 0, "is missing" if stored is None else f"is {type(stored).__name__}, not bytes"
    if len(stored) != len(leaves) * HASH_SIZE:
        return 0, f"has {len(stored)} bytes, {len(leaves)} hashes were expected"
    places = [at for at, leaf in enumerate(leaves) if stored[at * HASH_SIZE : (at + 1) * HASH_SIZE] != leaf]
    others = f", and {len(places) - 1} others" if len(places) > 1 else ""
    return places[0], f"has another hash than this entry{others}"
