"""Findings and convictions as a node keeps them, against what the evidence in the logs says when it is verified here once more.

    1. What is kept of an entry that tells a finding (PLT-03) is what its evidence comes to, and is kept of no other entry.
    2. What convicts a key of this federation was raised as an alert; every alert that convicts verifies, and accuses whom its key belongs to.
    3. A log whose key is convicted is cosigned no more.

An entry that was not read yet is no fault: evidence arrives after its entry, and is read after a round of visits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exchange.audit.sources import LogClaim
from exchange.core.evidence import InconsistentCheckpoints, parse_evidence, verify_evidence
from exchange.core.keys import Kind, PublicKey
from exchange.core.note import COSIGNATURE, Vkey, format_vkey
from exchange.errors import BadProof, Malformed
from exchange.trust.record import ParticipantRecord

Row = tuple[Any, ...]
Told = tuple[int, bytes | None, str | None]
"""An entry that tells a finding: its index, the SHA-256 of its evidence (None where it is not held), and the vkey that it convicts."""
Wrong = tuple[str, int | None, int | None, str]
"""What is wrong: of what sort, in the log of which number, at which index, in words."""


@dataclass
class Keys:
    """Whose each key is, by its vkey: logs' and witnesses'."""

    logs: dict[str, str] = field(default_factory=dict)
    witnesses: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, federation: str, records: Mapping[str, ParticipantRecord]) -> "Keys":
        found = cls()
        for code, record in records.items():
            found.logs |= {format_vkey(log.vkey): code for log in record.logs}
            for key in record.keys:
                if key.kind is Kind.WITNESS and isinstance(key.public_key, PublicKey):
                    found.witnesses[format_vkey(Vkey(f"{federation}/witness/{code}", COSIGNATURE, key.public_key))] = (
                        code
                    )
        return found

    def owner(self, evidence: InconsistentCheckpoints) -> str | None:
        """Who is convicted; None where the key is of no log, or no witness, that a record here lists."""
        known = self.logs if evidence.cosigner_vkey is None else self.witnesses
        return known.get(evidence.accused) if evidence.log_vkey in self.logs else None


def convicted_by(evidence: bytes) -> InconsistentCheckpoints | None:
    """The evidence, if it convicts."""
    try:
        found = parse_evidence(evidence)
        verify_evidence(found)
    except (Malformed, BadProof):
        return None
    return found


def check_findings(
    logs: Sequence[LogClaim],
    told: Sequence[Sequence[Told]],
    rows: Iterable[Row],
    alerts: Iterable[Row],
    halted: Iterable[Row],
    keys: Keys,
) -> Iterator[Wrong]:
    """`told` by the number of the log; `rows`: log, index, evidence, accused; `alerts` that convict: participant, origin, evidence; `halted`: log.

    Numbered as in the module.
    """
    numbers = {log.key: number for number, log in enumerate(logs)}
    kept = {(numbers.get(log), index): (evidence, accused) for log, index, evidence, accused in rows}
    proven: set[str] = set()
    yield from _check_alerts(alerts, keys, proven, {log.origin: number for number, log in enumerate(logs)})  # 2
    for number, entries in enumerate(told):
        for index, digest, accused in entries:
            row = kept.pop((number, index), None)
            if row is None or digest is None:
                continue
            if not isinstance(row[0], bytes | memoryview) or (bytes(row[0]), row[1]) != (digest, accused):  # 1
                yield "finding", number, index, f"kept as convicting {row[1]}; its evidence convicts {accused}"
            elif accused is not None and accused not in proven and accused in {**keys.logs, **keys.witnesses}:  # 2
                yield "finding", number, index, f"it convicts {accused}, and no alert that does so is kept"
    for found, index in kept:
        yield "finding", found, index, "a finding is kept of an entry that tells none"
    stopped = {numbers.get(log) for (log,) in halted}
    for number, log in enumerate(logs):
        if not log.own and log.vkey in proven and number not in stopped:  # 3
            yield "log", number, None, "its key is convicted of two histories, and it is cosigned as before"


def _check_alerts(alerts: Iterable[Row], keys: Keys, proven: set[str], numbers: Mapping[str, int]) -> Iterator[Wrong]:
    for participant, origin, text in alerts:
        evidence = convicted_by(text.encode()) if isinstance(text, str) else None
        if evidence is None:
            yield "alert", numbers.get(origin), None, f"it is said to convict {participant}, and its evidence does not"
            continue
        owner = keys.owner(evidence)
        named = evidence.log_vkey.partition("+")[0]
        if (owner, named) != (participant, origin):
            detail = f"it accuses {participant} over {origin}; its evidence convicts {owner} over {named}"
            yield "alert", numbers.get(origin), None, detail
            continue
        proven.add(evidence.accused)
