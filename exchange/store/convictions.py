"""What follows from evidence that convicts: the proof is kept as an alert, once a key, and the log is cosigned no more.

All else goes on: what was mirrored is served, and what continues it is mirrored; nobody else's log is touched.
"""

from datetime import datetime

import orjson

from exchange.core.evidence import KIND, InconsistentCheckpoints, bared, format_evidence, parse_evidence
from exchange.store import log as logs
from exchange.store.alerts import Alert, alerts_of_kind, raise_alert
from exchange.store.database import Transaction
from exchange.store.log import LogState

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
