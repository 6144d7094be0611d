"""From participants' files to the records in force: whose keys, which version, and the audit.

Guarantees: of each participant the highest version counts that its identity keys signed, that proves possession of every
key, and that follows the record in force; where that fails, the last good one stays, with a finding, and no other
participant notices. Two records that cannot both stand, for an origin or a key that both list: the one in force stays, and where
neither is, that of the participant admitted first.

Specification: DESIGN.md section 2 (Trust list, Participant record), section 4 (rule 4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.core.keys import Kind
from exchange.errors import ExchangeError, RecordRefused
from exchange.trust.charter import Charter, Member
from exchange.trust.contents import TargetsSay, read_record
from exchange.trust.findings import EQUIVOCATION, RECORD_REFUSED, Finding
from exchange.trust.identities import FOUNDERS, in_force
from exchange.trust.participants import ParticipantRecord, Participants, Replaced, check_successor
from exchange.trust.possession import check_possession
from exchange.trust.rolefile import RoleFile


@dataclass(frozen=True, slots=True)
class Imported:
    files: dict[str, RoleFile]
    records: dict[str, ParticipantRecord]
    participants: Participants
    findings: list[Finding]


def import_records(
    says: TargetsSay,
    offered: Mapping[str, list[RoleFile]],
    files: Mapping[str, RoleFile],
    records: Mapping[str, ParticipantRecord],
    seen: Mapping[str, datetime],
    now: datetime,
) -> Imported:
    """`files` and `records` are those in force; what may follow them is among `offered`."""
    charter = says.charter
    findings: list[Finding] = []
    news: dict[str, tuple[RoleFile, ParticipantRecord]] = {}
    for code, member in charter.members.items():
        if code in says.faults:
            findings.append(Finding(RECORD_REFUSED, code, says.faults[code]))
            continue
        number = in_force(charter.federation, code, member.identities, seen, now)
        found, more = _newest(
            charter, member, number, offered.get(code, []), files.get(code), records.get(code), code in says.delegations
        )
        findings += more
        if found is not None:
            news[code] = found
    kept, participants, more = _together(charter, records, news, replaced_in(charter, seen, now))
    return Imported(
        {**files, **{code: news[code][0] for code in kept}},
        {**records, **{code: news[code][1] for code in kept}},
        participants,
        findings + more,
    )


def _newest(
    charter: Charter,
    member: Member,
    number: int,
    offered: list[RoleFile],
    file: RoleFile | None,
    record: ParticipantRecord | None,
    delegated: bool,
) -> tuple[tuple[RoleFile, ParticipantRecord] | None, list[Finding]]:
    """The file that takes the place of the one in force, with its record; None if that one stays."""
    code, findings = member.participant, []
    if not offered:
        return None, []
    who = member.identities[number].authority
    signed = who.signed(offered)
    base = file if file is not None and who.has_signed(file) else None
    twice = set()
    first: dict[int, RoleFile] = {base.version: base} if base is not None else {}
    for each in signed:
        other = first.setdefault(each.version, each)
        if other != each:
            twice.add(each.version)
            findings.append(Finding.of(EQUIVOCATION, (other, each)))
    for each in reversed(signed):
        if base is not None and each.version <= base.version:
            break
        if each.version in twice:  # each of the two may be the one that others took
            continue
        try:
            if not delegated and (member.final is None or each.digest.hex() != member.final.sha256):
                raise RecordRefused(f"{code}: nothing is delegated to it any more, and this is not its last record")
            return (each, _checked(charter, member, number, each, record)), findings
        except ExchangeError as error:
            why = f"the new record of {code} was not imported: {error}"
            findings.append(Finding(RECORD_REFUSED, code, why, (each,)))
    return None, findings


def _checked(
    charter: Charter, member: Member, number: int, file: RoleFile, before: ParticipantRecord | None
) -> ParticipantRecord:
    """1. Nothing but the record. 2. Of the kind that the founders say. 3. Every key proves possession. 4. Under keys that
    the founders replaced, a successor log is open. 5. One witness a State. 6. It follows the record in force.
    """
    says = read_record(file)  # 1
    record = says.record
    if record.kind != member.kind:  # 2
        raise RecordRefused(f"{record.participant} is a {member.kind}, its record says {record.kind}")
    identity = member.identities[number]
    check_possession(charter.federation, record, iter(identity.keys), says.proofs)  # 3
    opened = max((each.log for each in member.identities[: number + 1] if each.log is not None), default=0)
    if len(record.logs) <= opened:  # 4
        raise RecordRefused(
            f"{record.participant}: the founders replaced its identity keys; expected a successor log, number {opened + 1}"
        )
    witnesses = [key for key in record.keys if key.kind is Kind.WITNESS and key.before is None]
    if len(witnesses) > 1:  # 5
        raise RecordRefused(
            f"{record.participant}: a State is one witness, its record holds {len(witnesses)} witness keys"
        )
    record = stated(record, member)
    if before is not None:  # 6
        check_successor(before, record)
    return record


def stated(record: ParticipantRecord, member: Member) -> ParticipantRecord:
    """The record with what is for the founders to say: status and operator."""
    if (record.operator, record.status) == (member.operator, member.standings):
        return record
    return replace(record, operator=member.operator, status=member.standings)


def replaced_in(charter: Charter, seen: Mapping[str, datetime], now: datetime) -> Mapping[str, tuple[Replaced, ...]]:
    """By participant, the founders' replacements of its identity keys that took effect."""
    found = {}
    for code, member in charter.members.items():
        counts = in_force(charter.federation, code, member.identities, seen, now)
        changes = member.identities[1 : counts + 1]
        found[code] = tuple(
            Replaced(each.log, each.published) for each in changes if each.by == FOUNDERS and each.log is not None
        )
    return {code: replaced for code, replaced in found.items() if replaced}


def participants_of(
    charter: Charter, records: Mapping[str, ParticipantRecord], replaced: Mapping[str, tuple[Replaced, ...]]
) -> Participants:
    known = {code: stated(record, charter.members[code]) for code, record in sorted(records.items())}
    quotas = {code: charter.members[code].quota for code in known}
    return Participants(charter.federation, charter.live, known, charter.rosters, replaced, quotas)


def _together(
    charter: Charter,
    records: Mapping[str, ParticipantRecord],
    news: Mapping[str, tuple[RoleFile, ParticipantRecord]],
    replaced: Mapping[str, tuple[Replaced, ...]],
) -> tuple[list[str], Participants, list[Finding]]:
    """All at once where they agree, which is nearly always; else one after the other, those admitted first before others."""
    try:
        every = {**records, **{code: new[1] for code, new in news.items()}}
        return list(news), participants_of(charter, every, replaced), []
    except RecordRefused:
        pass
    order = sorted(news, key=lambda code: (code not in records, charter.members[code].status[0].since, code))
    kept: list[str] = []
    findings: list[Finding] = []
    known = dict(records)
    participants = participants_of(charter, known, replaced)
    for code in order:
        file, record = news[code]
        try:
            participants = participants_of(charter, {**known, code: record}, replaced)
        except RecordRefused as error:
            why = f"the new record of {code} was not imported: {error}"
            findings.append(Finding(RECORD_REFUSED, code, why, (file,)))
            continue
        known[code] = record
        kept.append(code)
    return kept, participants, findings
