"""The records of a world, changed as its States would change them, and given to its nodes."""

from dataclasses import replace

from exchange.trust.participants import ParticipantRecord, Participants, Position
from tests import key_named
from tests.builders import participant_key
from tests.world import World


def with_record(participants: Participants, record: ParticipantRecord) -> Participants:
    """The records, with this one in the place of that State's."""
    records = {**participants.records, record.participant: record}
    return Participants(participants.federation, participants.live, records)


def with_key(
    participants: Participants, code: str, number: int = 2, *, start: Position = (0, 0), before: Position | None = None
) -> Participants:
    """The records, with one more officer of that State (`key_named("XR officer 2")`)."""
    record = participants.records[code]
    officer = participant_key(key_named(f"{code} officer {number}"), start=start, before=before)
    return with_record(participants, replace(record, keys=(*record.keys, officer)))


def in_force(world: World, participants: Participants, *codes: str) -> None:
    """The nodes named (all unless named) have these records and have read them."""
    world.write_records(participants, *codes)
    for code in codes or tuple(world.nodes):
        world[code].running.import_records()
