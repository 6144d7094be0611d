"""The records that a node judges by: each version as it was kept, each a proper successor, and all of them those that the auditor trusts.

schemas/README.md section 12, "may follow", read a second time. What a record is and what records owe one another comes
from `trust.participants`, since records are given to the auditor in the same form.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from exchange.audit.sources import RecordClaim
from exchange.core.jsontext import parse_json
from exchange.errors import ExchangeError
from exchange.trust.participants import MAX_PARTICIPANTS_FILE, Participants
from exchange.trust.record import ParticipantRecord
from exchange.trust.recordtext import parse_record


@dataclass
class Kept:
    """The records in force, by code, and (participant, what is wrong) for each thing that is."""

    records: dict[str, ParticipantRecord] = field(default_factory=dict)
    wrong: list[tuple[str, str]] = field(default_factory=list)


def read_records(claims: Iterable[RecordClaim], federation: str, *, founded: bool = False) -> Kept:
    """Of every participant the last version counts, and every version must hold. `founded`: status and operator are what the founders
    say, whose own history only grows; an operator's list that was followed before may have said otherwise.

    1. It is the text whose hash was kept, and the record of that participant. 2. It may follow the version before it.
    3. Taken together, the last ones keep the rules that records owe one another.
    """
    kept = Kept()
    for number, claim in enumerate(claims):
        try:
            record, why = _read(claim)  # 1
        except ExchangeError as error:
            kept.wrong.append((claim.participant, f"version {number} does not read: {error}"))
            continue
        before = kept.records.get(record.participant)
        if before is not None and founded:
            before = replace(before, status=record.status)
        if before is not None and why is None and (change := why_not_after(before, record)) is not None:  # 2
            why = f"it may not follow the one before it: {change}"
        if why is not None:
            kept.wrong.append((claim.participant, f"version {number}: {why}"))
        kept.records[record.participant] = record
    try:
        Participants(federation, False, kept.records)  # 3
    except ExchangeError as error:
        kept.wrong.append(("", str(error)))
    return kept


def _read(claim: RecordClaim) -> tuple[ParticipantRecord, str | None]:
    """The record, and what is wrong with how it was kept. Raises Malformed, RecordRefused."""
    text = claim.record
    record = parse_record(parse_json(text.encode(), limit=MAX_PARTICIPANTS_FILE) if isinstance(text, str) else text)
    if record.participant != claim.participant:
        return record, f"it is the record of {record.participant}"
    if claim.sha256 is not None and sha256(text.encode()).digest() != claim.sha256:
        return record, "its text is not the one whose hash was kept"
    return record, None


def why_not_after(old: ParticipantRecord, new: ParticipantRecord) -> str | None:
    """None where `new` may follow `old`: it may end what was open and add, and nothing else."""
    if (old.participant, old.kind) != (new.participant, new.kind):
        return "the code or the kind is another"
    if new.status[: len(old.status)] != old.status:
        return "the history of the status is another"
    if len(new.logs) < len(old.logs):
        return "a log is gone"
    for was, is_ in zip(old.logs, new.logs, strict=False):
        if is_ != was and (was.closed is not None or replace(is_, closed=None) != was):
            return f"the log {was.origin} is another"
    by_keyid = {key.public_key.keyid: key for key in new.keys}
    for key in old.keys:
        now = by_keyid.get(key.public_key.keyid)
        if now is None:
            return f"the key {key.public_key.keyid} is gone"
        if replace(now, before=None) != replace(key, before=None):
            return f"the key {key.public_key.keyid} is another"
        if key.before is not None and (now.before is None or now.before > key.before):
            return f"the key {key.public_key.keyid} lasts longer"
    codes = {*old.thresholds.forms, *new.thresholds.forms, "*"}
    if any(_needed(old, code) != _needed(new, code) for code in codes) or (
        old.thresholds.erasure != new.thresholds.erasure
    ):
        return "a threshold is another"
    return None


def _needed(record: ParticipantRecord, code: str) -> int:
    forms = record.thresholds.forms
    return forms.get(code, forms.get("*", 1))


def compare_with_anchor(
    records: Mapping[str, ParticipantRecord], federation: str, anchor: Participants
) -> Sequence[tuple[str, str]]:
    """Each record must be the one that the auditor trusts, or an earlier version of it: a later one nobody here has vouched for."""
    if anchor.federation != federation:
        return [("", f"it is of the federation {federation}, the records given are those of {anchor.federation}")]
    wrong = []
    for code, record in sorted(records.items()):
        trusted = anchor.records.get(code)
        if trusted is None:
            wrong.append((code, "no record of it is among those given"))
        elif record != trusted and (why := why_not_after(record, trusted)) is not None:
            later = "it is a later version" if why_not_after(trusted, record) is None else why
            wrong.append((code, f"its record is not the one given: {later}"))
    return wrong
