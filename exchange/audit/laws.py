"""Which law and which key hold in each log, by the records; and whether the logs that are kept are those of the records."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exchange.audit.judgement import Law
from exchange.audit.ledger import Ledger
from exchange.audit.sources import LogClaim
from exchange.core.note import Vkey, format_vkey, parse_vkey
from exchange.errors import ExchangeError
from exchange.trust.record import ParticipantRecord


class Subject(NamedTuple):
    """Who is audited, by its own settings or its own words."""

    participant: str
    federation: str
    origin: str


class LogLaw(NamedTuple):
    """What one log is examined by. `closed`: the size and root at which its record closes it."""

    vkey: Vkey
    law: Law
    closed: tuple[int, bytes] | None


def law_of(log: LogClaim, federation: str, records: Mapping[str, ParticipantRecord]) -> LogLaw | None:
    """By the record that lists the log; else by the key that the node names, and then nothing in it is anybody's word."""
    law = Law.of(federation, log.origin, records)
    for record in records.values():
        for listed in record.logs:
            if listed.origin == log.origin:
                end = listed.closed
                return LogLaw(listed.vkey, law, None if end is None else (end.size, end.root))
    try:
        return LogLaw(parse_vkey(log.vkey or ""), law, None)
    except ExchangeError:
        return None


def check_logs(
    ledger: Ledger, logs: Sequence[LogClaim], records: Mapping[str, ParticipantRecord], subject: Subject
) -> None:
    """Every log that is kept is one of a record, as it says there; every log of a record is kept; one is the node's own."""
    listed = {
        log.origin: (record.participant, ordinal, format_vkey(log.vkey))
        for record in records.values()
        for ordinal, log in enumerate(record.logs)
    }
    # One database goes on with the successor of a log of its own, which its record closes.
    ended = {log.origin for record in records.values() for log in record.logs[:-1]}
    for number, log in enumerate(logs):
        should = listed.pop(log.origin, None)
        if should is None:
            ledger.fault("log", "no record lists this log", log=number)
        elif (said := (log.participant, log.ordinal, log.vkey or should[2])) != should:
            ledger.fault("log", f"kept as {said}, its record says {should}", log=number)
        before = log.own and log.participant == subject.participant and log.origin in ended
        if log.own is not (log.origin == subject.origin) and not before:
            ledger.fault(
                "log", f"kept as {'its own' if log.own else 'a mirror'}, its own is {subject.origin}", log=number
            )
    for origin, (participant, _, _) in listed.items():
        ledger.fault("log", f"the log {origin} of its record is not kept", participant=participant)
    if not any(log.origin == subject.origin for log in logs):
        ledger.fault("log", f"its own log {subject.origin} is not kept", participant=subject.participant)
