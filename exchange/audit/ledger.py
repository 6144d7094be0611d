"""What the runs of an audit add up to: the tree of each log, the account of its entries, and the facts that wait to be settled.

Memory stays flat: of a full tile one hash is kept, of faults the first thousand, and facts go to a temporary file once
they are many.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence

from exchange.audit.findings import Told
from exchange.audit.report import CLASSES, MAX_LISTED, Fault, LogAccount
from exchange.audit.series import BUCKETS, Owner
from exchange.audit.sources import LogClaim
from exchange.audit.tree import Growth
from exchange.audit.work import FINDINGS, Lacking, Outcome, Said

IN_MEMORY = 32 * 1024 * 1024  # bytes of facts; what is more lies in a file without a name


class Ledger:
    """Of all logs, by their numbers."""

    def __init__(self, logs: Sequence[LogClaim]) -> None:
        self.logs = tuple(logs)
        self.growths = [Growth() for _ in logs]
        self.counts: list[Counter[str]] = [Counter() for _ in logs]
        self.sums: list[Counter[str]] = [Counter() for _ in logs]
        self.told: list[list[Told]] = [[] for _ in logs]
        self.faults: list[Fault] = []
        self.more_faults = 0
        self.undelivered: list[dict[str, object]] = []
        self.lacking: list[Lacking] = []
        self.erasures: list[tuple[Said, bytes, str | None]] = []
        self.withdrawals: list[tuple[Said, bytes]] = []
        self._faulty: Counter[str | None] = Counter()
        self._broken: Counter[int] = Counter()
        self._facts = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it lives as long as the audit
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self._end = 0

    def fault(
        self, what: str, detail: str, *, log: int | None = None, participant: str = "", index: int | None = None
    ) -> None:
        claim = None if log is None else self.logs[log]
        origin = None if claim is None else claim.origin
        self._faulty[origin] += 1
        if len(self.faults) < MAX_LISTED:
            self.faults.append(Fault(participant if claim is None else claim.participant, origin, index, what, detail))
        else:
            self.more_faults += 1

    def take(self, outcome: Outcome) -> None:
        """The next run of its log."""
        log = outcome.task.log
        for finding in outcome.findings:
            self.fault(finding.what, finding.detail, log=log, index=finding.at)
        self.more_faults += outcome.untold
        self._faulty[self.logs[log].origin] += outcome.untold
        self.counts[log].update(outcome.counts)
        self.sums[log].update(outcome.sums)
        for index, slot, commitment in outcome.undelivered[: MAX_LISTED - len(self.undelivered)]:
            place = {"log": self.logs[log].origin, "index": index, "slot": slot, "commitment": commitment}
            self.undelivered.append(place)
        self.told[log] += outcome.told
        self.lacking += outcome.lacking
        self.erasures += outcome.erasures
        self.withdrawals += outcome.withdrawals
        for tile, entries in outcome.tiles:
            for mark in self.growths[log].extend(tile, entries):
                self._contradicted(log, mark.size)
        for bucket, facts in outcome.facts.items():
            self.keep(bucket, facts)

    def _contradicted(self, log: int, size: int) -> None:
        """The first is told: once an entry is another, so is every root behind it."""
        self._broken[log] += 1
        if self._broken[log] == 1:
            detail = f"the entries do not lead to the root that was signed, or closed, at size {size}"
            self.fault("checkpoint", detail, log=log, index=size)

    def no_longer_undelivered(self, told: Said) -> None:
        """An order explains what that entry lacks."""
        place = (self.logs[told.log].origin, told.at)
        self.undelivered = [one for one in self.undelivered if (one["log"], one["index"]) != place]

    def grow(self, logs: Sequence[LogClaim]) -> None:
        """The same logs, some of them larger by now."""
        self.logs = tuple(logs)

    def keep(self, bucket: int, facts: bytes | bytearray) -> None:
        self._facts.seek(self._end)
        self._facts.write(facts)
        self._pieces[bucket].append((self._end, len(facts)))
        self._end += len(facts)

    def facts(self) -> Iterator[bytes]:
        """Bucket by bucket: all of one series come together."""
        for pieces in self._pieces:
            parts = []
            for start, length in pieces:
                self._facts.seek(start)
                parts.append(self._facts.read(length))
            if parts:
                yield b"".join(parts)

    def owners(self, ends: Sequence[int]) -> tuple[Owner, ...]:
        """Whose each log is; `ends`: how many entries of it stood there when the audit began, if it may have grown since."""
        return tuple(
            Owner(claim.participant, claim.ordinal, size, growth.size)
            for claim, size, growth in zip(self.logs, ends, self.growths, strict=True)
        )

    def findings(self) -> Iterator[str]:
        """What each log tells of others' misbehaviour, its evidence verified again."""
        for claim, sums in zip(self.logs, self.sums, strict=True):
            told = [f"{sums[what]:,} {what}" for what in FINDINGS if sums[what]]
            if told:
                yield f"{claim.origin}: findings of misbehaviour told (PLT-03): {', '.join(told)}"

    def accounts(self) -> Iterator[LogAccount]:
        """To be asked for last: what was taken after it is not in it."""
        for number, broken in sorted(self._broken.items()):
            if broken > 1:
                self.fault("checkpoint", f"nor to those signed at {broken - 1:,} larger sizes", log=number)
        for number, claim in enumerate(self.logs):
            yield LogAccount(
                origin=claim.origin,
                participant=claim.participant,
                own=claim.own,
                size=claim.size,
                stored=sum(self.counts[number].values()),
                checkpoints=self.sums[number]["checkpoints"] - self._broken[number],
                documents=self.sums[number]["documents"],
                cosignatures=self.sums[number]["cosignatures"],
                witnessed=self.sums[number]["witnessed"],
                faults=self._faulty[claim.origin],
                counts={name: self.counts[number][name] for name in CLASSES},
            )

    def close(self) -> None:
        self._facts.close()
