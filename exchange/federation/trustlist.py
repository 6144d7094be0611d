"""Who participates. Until the founders' trust list exists, `peers.json` says so, in the records' final shape.

Whatever the source, records come into force here and nowhere else: audited together, each a proper successor of the one
before, every version kept. A record that fails is not imported; the last good one stays.
"""

from dataclasses import dataclass
from datetime import datetime

from exchange.core.catalogue import Catalogue
from exchange.core.note import format_vkey
from exchange.errors import ExchangeError, RecordRefused
from exchange.store import log as logs
from exchange.store import registry
from exchange.store.alerts import raise_alert
from exchange.store.database import Database
from exchange.store.participants import keep_record, newest_records
from exchange.trust.admission import Waiting, admit
from exchange.trust.participants import ParticipantRecord, Participants, check_successor, parse_participants

REJUDGE_AT_ONCE = 1_000  # waiting entries judged in one transaction


@dataclass(frozen=True, slots=True)
class Imported:
    """The records now in force, which of them are new, and which were refused and why."""

    participants: Participants
    changed: tuple[str, ...]
    refused: dict[str, str]


def import_peers(db: Database, data: bytes, federation: str, catalogue: Catalogue, now: datetime) -> Imported:
    """Bring the records of a `peers.json` into force. Raises Malformed or RecordRefused where the file as a whole cannot be used."""
    offered = parse_participants(data)
    if offered.federation != federation:
        raise RecordRefused(
            f"the file speaks for the federation {offered.federation!r}, this node belongs to {federation!r}"
        )
    refused: dict[str, str] = {}
    changed: list[str] = []
    with db.write() as tx:
        known = newest_records(tx)
        for code, record in offered.records.items():
            try:
                if code in known:
                    check_successor(known[code], record)
                # The whole set is audited with each step: a record may be sound alone and steal a key from another.
                known = dict(Participants(federation, offered.live, {**known, code: record}).records)
            except ExchangeError as error:
                refused[code] = str(error)
                raise_alert(
                    tx,
                    kind="record-refused",
                    participant=code,
                    origin="",
                    raised=now,
                    summary=f"the new record of {code} was not imported: {error}",
                    evidence={"code": error.code, "detail": str(error)},
                )
                continue
            if keep_record(tx, record, now):
                changed.append(code)
            for ordinal, log in enumerate(record.logs):
                logs.add_log(
                    tx, origin=log.origin, participant=code, ordinal=ordinal, vkey=format_vkey(log.vkey), own=False
                )
    participants = Participants(federation, offered.live, known)
    if changed:
        judge_waiting(db, participants, catalogue, now)
    return Imported(participants, tuple(changed), refused)


def judge_waiting(db: Database, participants: Participants, catalogue: Catalogue, now: datetime) -> int:
    """Judge every waiting entry again, in log order: a new record may hold the key. Returns how many were decided."""
    decided = 0
    with db.read() as tx:
        known = logs.all_logs(tx)
    for log in known:
        start = 0
        while True:
            with db.write() as tx:
                batch = registry.listed(tx, log, "waiting", start=start, limit=REJUDGE_AT_ONCE)
                for entry in batch:
                    verdict = admit(entry.envelope, log.origin, entry.index, participants)
                    if not isinstance(verdict, Waiting):
                        registry.rejudge(tx, log, entry.index, verdict, catalogue, now)
                        decided += 1
            if len(batch) < REJUDGE_AT_ONCE:
                break
            start = batch[-1].index + 1
    return decided


def peers_of(participants: Participants, own: str) -> list[ParticipantRecord]:
    """Everybody else with a node, by code."""
    return [record for code, record in sorted(participants.records.items()) if code != own]
