"""Daily quotas of logs, from the founders' list: a log that grows faster is paused here until the next day, and no other notices.

What is beyond a quota is signed and stays promised; it is fetched when there is room for it again, so nothing is lost, and what is
stored is served and cosigned as ever. A day is one of UTC. A mirror that was away, or begins, takes what every day since may have brought,
of a log that it knows at most those of a month. An operator's own list has no quotas.
"""

from datetime import datetime, timedelta

from exchange.store.alerts import raise_alert
from exchange.store.database import Transaction
from exchange.store.log import LogState, promised
from exchange.store.quotas import OVER_QUOTA, bytes_since, stood_before
from exchange.trust.participants import Participants

MAX_DAYS = 31


def limit_of(tx: Transaction, log: LogState, participants: Participants, now: datetime) -> int | None:
    """Up to which entry the log may be stored today; None where it has no quota."""
    quota = participants.quotas.get(log.participant)
    record = participants.records.get(log.participant)
    if quota is None or record is None or log.own:
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    before = stood_before(tx, log, midnight)
    if before is None:
        size, days = 0, max(1, (midnight.date() - datetime.fromisoformat(record.status[0].since).date()).days + 1)
    else:
        size, days = before.size, min(MAX_DAYS, max(1, (midnight.date() - before.seen.date()).days))
    if log.stored > size and bytes_since(tx, log, size) >= days * quota.bytes_per_day:
        return log.stored
    return max(log.stored, size + days * quota.entries_per_day)


def paused_until(tx: Transaction, log: LogState, participants: Participants, now: datetime) -> datetime | None:
    """When a log that is beyond its quota goes on; None where it is not paused."""
    waiting = [signed for signed in promised(tx, log) if signed.size > log.stored]
    if not waiting or (limit := limit_of(tx, log, participants, now)) is None or limit > log.stored:
        return None
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def report_pause(tx: Transaction, log: LogState, signed: int, participants: Participants, now: datetime) -> None:
    """Once a day and log."""
    quota = participants.quotas[log.participant]
    raise_alert(
        tx,
        kind=OVER_QUOTA,
        participant=log.participant,
        origin=log.origin,
        raised=now,
        summary=f"{log.participant} logged more in {log.origin} than its quota of a day ({quota.entries_per_day:,} entries, "
        f"{quota.bytes_per_day:,} bytes): it is paused here at {log.stored:,} of {signed:,} entries until tomorrow",
        evidence={"stored": log.stored, "signed": signed, "day": f"{now:%Y-%m-%d}"},
        about=f"{now:%Y-%m-%d}",
    )
