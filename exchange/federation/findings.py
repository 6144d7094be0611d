"""What a pull found wrong with a log, as alerts with the evidence that it is so.

A fork convicts by itself (core/evidence.py). A rollback, a bad entry or a head without its entries does not: stale caches and
broken disks look alike, so those alerts keep what was signed and say no more than it shows.
"""

from collections.abc import Mapping
from datetime import datetime

from exchange.core.base64text import format_base64
from exchange.core.checkpoint import Checkpoint
from exchange.core.evidence import InconsistentCheckpoints, build_evidence
from exchange.core.merkle import HashReader
from exchange.errors import BadProof, ExchangeError, Forked
from exchange.store.alerts import raise_alert
from exchange.store.convictions import convict, vouchers
from exchange.store.database import Transaction
from exchange.store.log import LogState, Signed
from exchange.store.rows import Decision


def fork_evidence(
    log: LogState, held: bytes, offered: bytes, read: HashReader | None
) -> InconsistentCheckpoints | None:
    """Proof that the two signed heads cannot both be true, or None where they can. `read` is the larger tree."""
    try:
        return build_evidence(log.vkey, held, offered, read)
    except BadProof:
        return None


def report_fork(tx: Transaction, log: LogState, evidence: InconsistentCheckpoints, now: datetime) -> Forked:
    """Two histories under one key: the proof is kept, and this log cosigned no more. So is the proof against a
    witness that signed both. Returns the error to raise."""
    summary = convict(tx, log, evidence, now)
    for witness, proof in vouchers(tx, log, evidence):
        convict(tx, log, proof, now, witness)
    return Forked(summary)


# The three below convict nobody, and whoever serves them can vary them without end: the first of its sort is kept for
# each head held, so that a peer cannot fill the table.


def report_rollback(
    tx: Transaction, log: LogState, last: Signed, offered: bytes, offers: Checkpoint, now: datetime
) -> None:
    summary = f"{log.participant} serves {log.origin} at size {offers.size}, after it signed size {last.size}"
    evidence = {"log_vkey": log.vkey, "larger": last.note.decode(), "served": offered.decode()}
    _raise(tx, log, "rollback/v1", summary, evidence, now, about=f"after {last.size}")


def report_unproven(tx: Transaction, log: LogState, offered: bytes, why: ExchangeError, now: datetime) -> None:
    """A signed head whose tiles or entries do not lead to it."""
    summary = f"{log.participant} signed a head of {log.origin} that its own entries do not lead to: {why}"
    evidence = {"log_vkey": log.vkey, "held": (log.note or b"").decode(), "served": offered.decode()}
    _raise(tx, log, "unproven-head/v1", summary, evidence, now, about=f"after {log.size}")


def report_bad_note(tx: Transaction, log: LogState, offered: bytes, why: ExchangeError, now: datetime) -> None:
    """What is served as a checkpoint is not signed by the log's key: evidence of nothing, and worth a look."""
    summary = f"what {log.participant} serves as the checkpoint of {log.origin} is not its log's: {why}"
    evidence = {"log_vkey": log.vkey, "code": why.code, "served": format_base64(offered[:4096])}
    _raise(tx, log, "bad-checkpoint/v1", summary, evidence, now, about=f"{why.code} after {log.size}")


def report_bad_entry(
    tx: Transaction, log: LogState, index: int, entry: bytes, decision: Decision, note: bytes, now: datetime
) -> None:
    """The log signed an entry that the one door refuses. Entry and signed head are the exhibit; the mirror holds the proof between them."""
    summary = (
        f"{log.participant} logged an entry at index {index} of {log.origin} that cannot be admitted: {decision.reason}"
    )
    evidence = {
        "log_vkey": log.vkey,
        "index": index,
        "code": decision.code,
        "detail": decision.reason,
        "entry": format_base64(entry),
        "checkpoint": note.decode(),
    }
    _raise(tx, log, "refused-entry/v1", summary, evidence, now)


def _raise(
    tx: Transaction,
    log: LogState,
    kind: str,
    summary: str,
    evidence: Mapping[str, object],
    now: datetime,
    about: str | None = None,
) -> None:
    raise_alert(
        tx,
        kind=kind,
        participant=log.participant,
        origin=log.origin,
        raised=now,
        summary=summary,
        evidence=evidence,
        about=about,
    )
