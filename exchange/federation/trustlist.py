"""Who participates, out of `peers.json`, or out of the founders' trust list (founders.py): records in one shape.

Whatever the source, records come into force here and nowhere else: audited together, each a proper successor of the one
before, every version kept. A record that fails is not imported; the last good one stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.core.catalogue import Catalogue
from exchange.core.note import format_vkey
from exchange.errors import ExchangeError, RecordRefused
from exchange.federation.closings import check_closing
from exchange.federation.findings import report_bad_entry
from exchange.store import intake, registry
from exchange.store import log as logs
from exchange.store.alerts import raise_alert
from exchange.store.database import Database, Transaction
from exchange.store.log import LogState
from exchange.store.participants import keep_records, newest_records
from exchange.trust.admission import Admitted, Refused, admit
from exchange.trust.participants import ParticipantRecord, Participants, Position, check_successor, parse_participants

REJUDGE_AT_ONCE = 256  # entries read at a time
_SAME: dict[str, type] = {"admitted": Admitted, "refused": Refused}


@dataclass(frozen=True, slots=True)
class Imported:
    """The records now in force, which of them are new, and which were refused and why."""

    participants: Participants
    changed: tuple[str, ...]
    refused: dict[str, str]


def import_peers(
    db: Database,
    data: bytes,
    federation: str,
    catalogue: Catalogue,
    now: datetime,
    accept: Callable[[Participants], None] = lambda participants: None,
) -> Imported:
    """Bring the records of a `peers.json` into force, and judge by them what they decide anew, in one transaction.

    `accept` is given the records before they are durable: from its return on everything is judged by them, and where it
    raises, nothing is imported; it must not ask for the write lock itself. Raises Malformed or RecordRefused too, where
    the file as a whole cannot be used.
    """
    offered = parse_participants(data)
    if offered.federation != federation:
        raise RecordRefused(
            f"the file speaks for the federation {offered.federation!r}, this node belongs to {federation!r}"
        )
    refused: dict[str, str] = {}
    with db.write() as tx:
        before = newest_records(tx)
        known = dict(before)
        for code, record in offered.records.items():
            try:
                if code in known:
                    check_successor(known[code], record)
                # The whole set is audited with each step: a record may be sound alone and steal a key from another.
                known = dict(Participants(federation, offered.live, {**known, code: record}).records)
            except ExchangeError as error:
                refused[code] = str(error)
                _report_refusal(tx, code, error, now)
        participants = Participants(federation, offered.live, dict(sorted(known.items())))
        changed = bring_into_force(tx, before, participants, catalogue, now)
        # A pull that judged by the records before looks again under the write lock, which is ours until the commit.
        accept(participants)
    return Imported(participants, changed, refused)


def bring_into_force(
    tx: Transaction,
    before: Mapping[str, ParticipantRecord],
    participants: Participants,
    catalogue: Catalogue,
    now: datetime,
) -> tuple[str, ...]:
    """Keep the records that are new, with their logs, and judge by them what they decide anew. Returns whose they are."""
    changed = tuple(code for code, record in participants.records.items() if record != before.get(code))
    records = [participants.records[code] for code in changed]
    keep_records(tx, records, now)
    listed = [
        (log.origin, record.participant, ordinal, format_vkey(log.vkey))
        for record in records
        for ordinal, log in enumerate(record.logs)
    ]
    known = logs.add_logs(tx, listed)
    for code in changed:
        mine = [log for log in known if log.participant == code and log.stored]
        judge_anew(tx, mine, before.get(code), participants, code, catalogue, now)
        for log in mine:
            check_closing(tx, log, participants, now)
    if registry.to_judge_again(tx):
        for log in logs.all_logs(tx):
            _judge_listed(tx, log, "refused", 0, participants, catalogue, now)
    return changed


def _report_refusal(tx: Transaction, code: str, error: ExchangeError, now: datetime) -> None:
    raise_alert(
        tx,
        kind="record-refused",
        participant=code,
        origin="",
        raised=now,
        summary=f"the new record of {code} was not imported: {error}",
        evidence={"code": error.code, "detail": str(error)},
    )


def judge_anew(
    tx: Transaction,
    known: Sequence[LogState],
    before: ParticipantRecord | None,
    participants: Participants,
    code: str,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Judge what the new record of `code` decides in its logs: entries that waited for a key, and those that a closing of a key or a log reaches.

    So the verdict on an entry depends on the records in force and not on which came first, entry or record. What a closing
    reaches stays where it stands, as disputed (DESIGN section 4, rule 8); one that reaches further back says so of more entries.
    """
    reach = _reach(before, participants.records[code])
    for log in known:
        _judge_listed(tx, log, "waiting", 0, participants, catalogue, now)
        if reach is not None and reach[0] <= log.ordinal:
            start = reach[1] if reach[0] == log.ordinal else 0
            for verdict in ("admitted", "disputed"):
                _judge_listed(tx, log, verdict, start, participants, catalogue, now)


def _judge_listed(
    tx: Transaction,
    log: LogState,
    verdict: str,
    start: int,
    participants: Participants,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    while batch := registry.listed(tx, log, verdict, start=start, limit=REJUDGE_AT_ONCE):
        for entry in batch:
            decided = admit(entry.envelope, log.origin, entry.index, participants)
            if isinstance(decided, _SAME.get(verdict, ())):
                continue
            recorded = intake.rejudge(tx, log, entry.index, decided, catalogue, now)
            if recorded.verdict == "refused" and verdict != "refused":
                note = log.note or b""
                report_bad_entry(tx, log, entry.index, entry.envelope, recorded, note, now)
        start = batch[-1].index + 1


def _reach(before: ParticipantRecord | None, after: ParticipantRecord) -> Position | None:
    """The first position at which something ends that did not end there before; None where nothing does."""
    if before is None:
        return None  # nothing was admitted without a record
    old_keys = {key.public_key.keyid: key.before for key in before.keys}
    ends = [
        key.before
        for key in after.keys
        if key.before is not None and key.before != old_keys.get(key.public_key.keyid, key.before)
    ]
    ends += [
        (ordinal, log.closed.size)
        for ordinal, (was, log) in enumerate(zip(before.logs, after.logs, strict=False))
        if log.closed is not None and was.closed is None
    ]
    return min(ends, default=None)


def peers_of(participants: Participants, own: str) -> list[ParticipantRecord]:
    """Everybody else with a node, by code."""
    return [record for code, record in sorted(participants.records.items()) if code != own]
