"""Who takes part: the records of one federation, and the rules that they keep together and over time.

Guarantees: a `Participants` value has passed the audit, however it was made: in it no key stands for two participants
or does two kinds of work, and an origin has one owner. A record that replaces another decides nothing anew
(`check_successor`): it may close a log or a key's range and add new ones; it may not drop, widen or reopen one.

Specification: DESIGN.md section 2 (Participant record, Key kinds, the audit under Trust list), section 4 (rules 1, 4,
8). Before there is a trust list, the records stand in the operator's `peers.json` (a record:
recordtext.py):

    {"v": 1, "federation": "cbm.example", "live": false, "participants": []}
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from exchange.core.jsontext import parse_json
from exchange.core.keys import ALGORITHM, Kind, PublicKey
from exchange.core.merkle import EMPTY_ROOT
from exchange.core.note import ED25519
from exchange.core.sealing import SEALING_ALGORITHM, SealingKey
from exchange.core.vocabulary import is_federation
from exchange.errors import RecordRefused
from exchange.trust.record import (
    PLATFORM_FORMS,
    STATE_KINDS,
    Closed,
    ParticipantKey,
    ParticipantLog,
    ParticipantRecord,
    Position,
    Replaced,
    Standing,
    Thresholds,
    UnreadKey,
    show,
)
from exchange.trust.recordtext import (
    format_record,
    parse_integer,
    parse_list,
    parse_object,
    parse_record,
    parse_text,
    wrong,
)
from exchange.trust.roster import Quota, Rosters, roster_of_records

__all__ = [
    "Closed",
    "ParticipantKey",
    "ParticipantLog",
    "ParticipantRecord",
    "Participants",
    "Position",
    "Replaced",
    "Standing",
    "Thresholds",
    "UnreadKey",
    "audit",
    "check_successor",
    "format_participants",
    "format_record",
    "parse_participants",
    "parse_record",
]

MAX_PARTICIPANTS_FILE = 4 * 1024 * 1024  # bytes
MAX_PARTICIPANTS = 1_000  # records in one federation
DERIVED = Rosters()  # none given: they follow from the records


@dataclass(frozen=True, slots=True)
class Participants:
    """One federation's records by participant code. Making one runs the audit: an unaudited one does not exist.

    `rosters` say who witnesses; where none are given, they follow from the records. `replaced`: by code, where the founders
    replaced identity keys that were lost; `quotas`: what each may enter into its log in a day, where they say so.
    """

    federation: str
    live: bool
    records: Mapping[str, ParticipantRecord]
    rosters: Rosters = DERIVED
    replaced: Mapping[str, tuple[Replaced, ...]] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    _by_origin: Mapping[str, ParticipantRecord] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        audit(self)
        owners = {log.origin: record for record in self.records.values() for log in record.logs}
        object.__setattr__(self, "_by_origin", owners)
        if not self.rosters.history:
            object.__setattr__(self, "rosters", roster_of_records(self.records))

    def by_origin(self, origin: str) -> ParticipantRecord | None:
        """The participant whose log that is, or was."""
        return self._by_origin.get(origin)

    def replaced_before(self, origin: str) -> datetime | None:
        """When the founders published the replacement of identity keys on which that log rests; None where it rests on none."""
        record = self.by_origin(origin)
        ordinal = None if record is None else record.log_ordinal(origin)
        if record is None or ordinal is None:
            return None
        reaches = (each.published for each in self.replaced.get(record.participant, ()) if each.log <= ordinal)
        return max(reaches, default=None)


def parse_participants(data: bytes) -> Participants:
    """The audited records in `peers.json`; Malformed for its shape, RecordRefused for records that break the rules."""
    value = parse_json(data, limit=MAX_PARTICIPANTS_FILE)
    fields = parse_object(value, "", ("v", "federation", "live", "participants"))
    parse_integer(fields["v"], "/v", least=1, most=1)
    federation = parse_text(fields["federation"], "/federation", is_federation, "a name such as cbm.example")
    if not isinstance(fields["live"], bool):
        raise wrong("/live", "true or false", fields["live"])
    records: dict[str, ParticipantRecord] = {}
    for at, item in parse_list(fields["participants"], "/participants", most=MAX_PARTICIPANTS):
        record = parse_record(item, at)
        if record.participant in records:
            raise RecordRefused(f"{record.participant} has two records", pointer=f"{at}/participant")
        records[record.participant] = record
    return Participants(federation, fields["live"], records)


def format_participants(participants: Participants) -> bytes:
    """Indented, for people to read and edit; `parse_participants` gives an equal value back."""
    value = {
        "v": 1,
        "federation": participants.federation,
        "live": participants.live,
        "participants": [format_record(record) for record in participants.records.values()],
    }
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def audit(participants: Participants) -> None:
    """Raises RecordRefused where the records, taken together, break the rules.

    1. Each record is whole: its code fits its kind, the status is in order, every log but the last is closed, and every
       log key is an Ed25519 note key named like its origin.
    2. Only signing and node submission keys sign forms, and the latter name each PLT-* form that they may sign. A key that
       letters are sealed to does nothing else.
    3. A key's range does not end before it begins, and lies within the logs there are and the next one.
    4. An origin stands once, and is no name of a witness.
    5. A public key stands once: under one participant, for one kind of work, with one range; log keys included.
    None of the keys is weak: a `PublicKey` cannot be.
    """
    origins: dict[str, str] = {}
    uses: dict[bytes, str] = {}
    for code, record in participants.records.items():
        if code != record.participant:
            raise RecordRefused(f"the record of {record.participant} stands under the code {code}")
        _audit_record(record)  # 1
        for key in record.keys:
            _audit_key(record, key)  # 2, 3
        for log in record.logs:  # 4
            if log.origin in origins:
                raise RecordRefused(f"the origin {log.origin} stands twice, under {origins[log.origin]} and {code}")
            origins[log.origin] = code
            if log.origin.startswith(f"{participants.federation}/witness/"):
                raise RecordRefused(
                    f"{code}: {log.origin} is a name of witnesses; a log and a cosigner never share one"
                )
        for raw, use in _uses(record):  # 5
            if raw in uses:
                raise RecordRefused(f"the key {sha256(raw).hexdigest()} stands twice, as {uses[raw]} and as {use}")
            uses[raw] = use


def _audit_record(record: ParticipantRecord) -> None:
    code = record.participant
    if code.startswith("ORG-") == (record.kind in STATE_KINDS):
        raise RecordRefused(f"{code}: a State or Partner has two letters, any other ORG-...; this is a {record.kind}")
    if not record.names or not record.logs or not record.status:
        raise RecordRefused(f"{code}: expected a name, a log and a status at least")
    if list(record.status) != sorted(record.status, key=lambda standing: standing.since):
        raise RecordRefused(f"{code}: expected the status history oldest first")
    for log in record.logs[:-1]:
        if log.closed is None:  # with two open logs nobody could say which of two entries came first
            raise RecordRefused(f"{code}: {log.origin} is followed by another log and must be closed")
    for log in record.logs:
        if log.vkey.type != ED25519 or log.vkey.name != log.origin:
            raise RecordRefused(f"{code}: the key of {log.origin} is {log.vkey.name}, type {log.vkey.type}")
        if log.closed is not None and log.closed.size == 0 and log.closed.root != EMPTY_ROOT:
            raise RecordRefused(f"{code}: {log.origin} is closed at size 0 with the root of something else")


def _audit_key(record: ParticipantRecord, key: ParticipantKey) -> None:
    here = f"{record.participant}: {key.kind} key {key.public_key.keyid}"
    seals = isinstance(key.public_key, SealingKey)
    if (key.algorithm == ALGORITHM, key.algorithm == SEALING_ALGORITHM) != (
        isinstance(key.public_key, PublicKey),
        seals,
    ):
        raise RecordRefused(f"{here} is not of the algorithm it states, {key.algorithm}")
    if seals and key.kind is not Kind.SEALING:
        raise RecordRefused(f"{here} is of {key.algorithm}, which seals letters and does no other work")
    if key.kind is Kind.NODE_SUBMISSION:
        for code in key.may_sign:
            if not code.startswith(PLATFORM_FORMS):
                raise RecordRefused(f"{here} may sign {code}; a node signs named {PLATFORM_FORMS}* forms only")
    elif key.kind is not Kind.SIGNING and key.may_sign:
        raise RecordRefused(f"{here} may sign {key.may_sign[0]}; keys of this kind sign no forms")
    end = key.start if key.before is None else key.before
    if end < key.start:
        raise RecordRefused(f"{here} ends at {show(end)}, before it begins at {show(key.start)}")
    if end[0] > len(record.logs):
        raise RecordRefused(f"{here} has a range up to {show(end)}; log {len(record.logs)} would be the next")


def _uses(record: ParticipantRecord) -> Iterator[tuple[bytes, str]]:
    """Every public key with the work it does. A log's key may stand among the keys too: that is one use."""
    logs = {log.vkey.raw for log in record.logs}
    for log in record.logs:
        yield log.vkey.raw, f"log key of {log.origin}"
    for key in record.keys:
        if key.kind is Kind.LOG and key.public_key.raw in logs:
            logs.remove(key.public_key.raw)
        else:
            yield key.public_key.raw, f"{key.kind} key of {record.participant}"


def check_successor(old: ParticipantRecord, new: ParticipantRecord) -> None:
    """Raises RecordRefused unless `new` may replace `old`: what `old` granted, `new` takes back by closing only.

    1. Code and kind stay: a code is never given twice.
    2. The status history only grows.
    3. Logs stay, in their order, since positions count by it; an open one may be closed, once; new ones follow.
    4. Keys stay, unchanged but for an end that is set or moved back; new ones may come.
    5. Thresholds stay: they carry no position, so another one would judge anew what already stands in the log.
    """
    code = old.participant
    if (new.participant, new.kind) != (code, old.kind):  # 1
        raise RecordRefused(f"{code}, {old.kind}, cannot become {new.participant}, {new.kind}")
    if new.status[: len(old.status)] != old.status:  # 2
        raise RecordRefused(f"{code}: the status history was rewritten; it only grows")
    if len(new.logs) < len(old.logs):  # 3
        raise RecordRefused(f"{code}: {old.logs[len(new.logs)].origin} was dropped")
    for was, log in zip(old.logs, new.logs, strict=False):
        if log != was and replace(log, closed=None) != was:
            raise RecordRefused(f"{code}: {was.origin} was changed; an open log may be closed, once, and nothing else")
    for key in old.keys:  # 4
        _check_key(code, key, new.key(key.public_key.keyid))
    for form_code in (*old.thresholds.forms, *new.thresholds.forms):  # 5
        if new.threshold(form_code) != old.threshold(form_code):
            raise RecordRefused(f"{code}: the threshold for {form_code} was changed")
    if new.thresholds.erasure != old.thresholds.erasure:
        raise RecordRefused(f"{code}: the threshold for erasures was changed")


def _check_key(code: str, old: ParticipantKey, new: ParticipantKey | None) -> None:
    here = f"{code}: {old.kind} key {old.public_key.keyid}"
    if new is None:
        raise RecordRefused(f"{here} was dropped; a record lists every key it ever held")
    if replace(new, before=old.before) != old:
        raise RecordRefused(f"{here} was changed; its range may be closed, and nothing else")
    if old.before is not None and (new.before is None or new.before > old.before):
        raise RecordRefused(f"{here} was reopened; it ended at {show(old.before)}")
