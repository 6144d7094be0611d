"""What follows from evidence that convicts: the proof is kept as an alert, once a key, and the log is cosigned no more.

All else goes on: what was mirrored is served, and what continues it is mirrored; nobody else's log is touched.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import orjson
from sqlalchemy import select

from exchange.core.checkpoint import parse_checkpoint
from exchange.core.cosignature import verified_lines
from exchange.core.evidence import (
    KIND,
    InconsistentCheckpoints,
    bared,
    format_evidence,
    parse_evidence,
    verify_evidence,
)
from exchange.core.note import Vkey, format_vkey, parse_note
from exchange.store import log as logs
from exchange.store.alerts import Alert, alerts_of_kind, raise_alert
from exchange.store.cosignatures import with_newest
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.participants import newest_records
from exchange.store.tables import SETTING
from exchange.trust.quorum import keys_of

Proof = tuple[bytes, InconsistentCheckpoints]
"""Evidence as its canonical text, and as what it is."""


def convict(
    tx: Transaction, log: LogState, evidence: InconsistentCheckpoints, now: datetime, witness: str | None = None
) -> str:
    """Keep proof against a log, or against the State `witness` that vouched for two histories of it. Returns what it comes to, in words."""
    evidence = bared(evidence)
    if witness is not None:
        summary = f"{witness} vouched, as a witness, for two histories of {log.origin}"
    elif log.own:
        summary = (
            f"two histories of {log.origin} were signed with this node's own key: close the log, and open a successor"
        )
    else:
        summary = f"{log.participant} signed two histories of {log.origin}; this node cosigns it no more"
    raise_alert(
        tx,
        kind=KIND,
        participant=witness or log.participant,
        origin=log.origin,
        raised=now,
        summary=summary,
        evidence=orjson.loads(format_evidence(evidence)),
        about=evidence.accused,  # one proof convicts; whoever holds the key can make others without end
    )
    if witness is None and not log.own:
        logs.halt(tx, log, summary)
    return summary


def evidence_of(alert: Alert) -> Proof | None:
    """What an alert proves; None where it does not convict by itself."""
    if alert.kind != KIND:
        return None
    text = orjson.dumps(alert.evidence)
    return text, parse_evidence(text)


def convictions(tx: Transaction) -> list[tuple[bytes, InconsistentCheckpoints, Alert]]:
    """Every alert that convicts, oldest first."""
    found = [(evidence_of(alert), alert) for alert in alerts_of_kind(tx, KIND)]
    return [(*proof, alert) for proof, alert in found if proof is not None]


def conviction_of(tx: Transaction, log: LogState) -> str | None:
    """What proves, by evidence that is verified here again, that this log's own key signed two histories; None where nothing does."""
    for _, evidence, alert in convictions(tx):
        if evidence.cosigner_vkey is None and evidence.log_vkey == log.vkey:
            verify_evidence(evidence)
            return alert.summary
    return None


def vouchers(
    tx: Transaction, log: LogState, evidence: InconsistentCheckpoints
) -> list[tuple[str, InconsistentCheckpoints]]:
    """The States whose witness signed both heads of a fork, with the proof of it: by lines under the notes, and those kept here before."""
    federation = tx.execute(select(SETTING.c.value).where(SETTING.c.name == "federation")).scalar() or ""
    keys = {key: code for code, record in newest_records(tx).items() for key in keys_of(federation, record)}
    a, b = (_cosigned(tx, log, note, keys) for note in (evidence.checkpoint_a, evidence.checkpoint_b))
    return [
        (keys[key], replace(evidence, cosigner_vkey=format_vkey(key), checkpoint_a=a[key], checkpoint_b=b[key]))
        for key in a
        if key in b
    ]


def _cosigned(tx: Transaction, log: LogState, data: bytes, keys: Collection[Vkey]) -> dict[Vkey, bytes]:
    """The witnesses that signed this checkpoint, each with a note that bears its line."""
    text, notes = parse_note(data).text, [data]
    kept = logs.kept_checkpoint(tx, log, parse_checkpoint(text).size)
    if kept is not None and parse_note(kept[1]).text == text:
        notes.append(with_newest(tx, log, parse_checkpoint(text).size, kept[1]))
    return {one.vkey: note for note in notes for one in verified_lines(parse_note(note), keys)}
