"""The commit point: who was answered is in the log, who is not in the log was not answered."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.core.base64text import format_base64
from exchange.core.merkle import leaf_hash
from exchange.core.pack import Pack
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.errors import KeyNotAllowed, LogStopped, StorageFailed
from exchange.node.appender import Recorded
from exchange.node.judge import Candidate, whole
from exchange.node.submit import door_of
from exchange.trust.participants import ParticipantKey, Participants
from tests import engine, key_named
from tests.databases import hand_in
from tests.world import World, WorldNode

AT_ONCE = 12


def passed(node: WorldNode, parcel: Pack) -> Candidate:
    """Through the door, and not yet in the queue."""
    return whole(door_of(node.running.node), parcel.envelope, parcel.documents)


def offer(node: WorldNode, parcel: Pack) -> Future[Recorded]:
    return node.running.node.appender.submit(passed(node, parcel))


def together(node: WorldNode, parcels: Iterable[Pack]) -> list[Future[Recorded]]:
    """Queued while another transaction runs: the first waits for it, the others for the first."""
    with node.running.node.db.write():
        return [offer(node, parcel) for parcel in parcels]


def outcome(future: Future[Recorded]) -> tuple[int, bool] | type[BaseException]:
    error = future.exception(timeout=30)
    return type(error) if error is not None else (future.result().index, future.result().new)


def checkpoints(node: WorldNode) -> list[int]:
    with hand_in(node.directory) as db:
        return [row[0] for row in db.exec_driver_sql("SELECT size FROM checkpoint ORDER BY size")]


def closed(world: World, code: str, *, before: int) -> Participants:
    """The records with the first officer's key closed at that index, and a second officer who goes on."""
    record = world.participants.records[code]
    ended = tuple(replace(key, before=(0, before)) if key.roles == ("releaser",) else key for key in record.keys)
    second: ParticipantKey = replace(record.keys[0], public_key=key_named(f"{code} officer 2").public)
    records = {**world.participants.records, code: replace(record, keys=(*ended, second))}
    return Participants(world.participants.federation, False, records)


def bring_into_force(world: World, participants: Participants) -> None:
    world.participants = participants
    world.write_records(participants)
    for node in world.nodes.values():
        node.running.import_records()


def test_submissions_that_come_together_share_a_checkpoint(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        futures = together(world["XR"], [world["XR"].parcel() for _ in range(AT_ONCE)])
        assert [outcome(future) for future in futures] == [(index, True) for index in range(AT_ONCE)]
        sizes = checkpoints(world["XR"])
        assert sizes[0] == 0 and sizes[-1] == AT_ONCE
        assert len(sizes) <= 3


def test_each_of_many_clients_gets_a_receipt_of_its_own(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        parcels = [world["XR"].parcel() for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            published = list(pool.map(world["XR"].submit, parcels))
        assert sorted(one.index for one in published) == list(range(AT_ONCE))
        for one in published:
            receipt = parse_receipt(one.receipt)
            assert receipt.index == one.index
            vkey = world.participants.records["XR"].current_log.vkey
            assert verify_receipt(receipt, leaf_hash(one.parcel.envelope), vkey).size > one.index
            assert world["XR"].get(f"/v1/submissions/{one.id}/receipt").content == one.receipt


def test_the_same_submission_twice_at_once_stands_once(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        one, other = world["XR"].parcel(), world["XR"].parcel()
        futures = together(world["XR"], [one, other, one, one, other])
        assert [outcome(future) for future in futures] == [(0, True), (1, True), (0, False), (0, False), (1, False)]
        assert world["XR"].heads()[0]["size"] == 2


def test_the_same_submission_later_gets_its_first_receipt(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        world["XR"].publish()
        size = world["XR"].heads()[0]["size"]
        world.sleep(days=300)  # what stands is answered again, however late
        world["XR"].stop()
        world["XR"].start()
        again = world["XR"].submit(first.parcel)
        assert (again.index, again.receipt) == (first.index, first.receipt)
        assert world["XR"].heads()[0]["size"] == size


FAILURES = [
    "INSERT ON checkpoint",
    "INSERT ON entry",
    "INSERT ON tile",
    "INSERT ON submission",
    "INSERT ON slot",
    "INSERT ON document",
    "INSERT ON opening",
    "UPDATE OF size ON log",
]


@contextmanager
def failing(node: WorldNode, when: str, code: str = "XX000") -> Iterator[None]:
    """The database fails at this in a way that nobody foresaw."""
    with hand_in(node.directory) as db:
        if db.dialect.name == "sqlite":
            db.exec_driver_sql(f"CREATE TRIGGER failure BEFORE {when} BEGIN SELECT RAISE(ABORT, 'it does not'); END")
        else:
            body = f"BEGIN RAISE EXCEPTION SQLSTATE '{code}'; END"
            db.exec_driver_sql(f"CREATE FUNCTION failure() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
            db.exec_driver_sql(f"CREATE TRIGGER failure BEFORE {when} FOR EACH ROW EXECUTE FUNCTION failure()")
        yield
        db.exec_driver_sql("DROP TRIGGER failure" + ("" if db.dialect.name == "sqlite" else f" ON {when.split()[-1]}"))


@pytest.mark.parametrize("failure", FAILURES)
def test_when_the_storage_fails_nobody_is_told_yes(tmp_path: Path, failure: str) -> None:
    with World(tmp_path, "XR") as world:
        first, head = world["XR"].publish(), world["XR"].get("/log/checkpoint").content
        parcels = [world["XR"].parcel() for _ in range(3)]
        with failing(world["XR"], failure):
            futures = together(world["XR"], parcels)
            assert [outcome(future) for future in futures] == [LogStopped] * 3
        ready = world["XR"].get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "reading only")
        refused = world["XR"].post("/v1/submissions", json=as_json(world["XR"].parcel()))
        assert (refused.status_code, refused.json()["code"]) == (503, "log-stopped")
        assert refused.headers["retry-after"]
        assert world["XR"].get("/log/checkpoint").content == head
        assert world["XR"].get(f"/v1/submissions/{first.id}/receipt").content == first.receipt
        world["XR"].stop()
        world["XR"].start()
        assert [world["XR"].submit(parcel).index for parcel in parcels] == [1, 2, 3]


@contextmanager
def full(node: WorldNode) -> Iterator[None]:
    """There is no room for more: of pages in the file, or what the server says then."""
    if engine.name == "postgresql":
        with failing(node, "INSERT ON entry", "53100"):  # disk_full
            yield
        return
    with node.running.node.db.write() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        most = tx.exec_driver_sql("PRAGMA max_page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    yield
    with node.running.node.db.write() as tx:
        tx.exec_driver_sql(f"PRAGMA max_page_count = {most}")


def test_a_full_database_takes_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first, head = world["XR"].publish(), world["XR"].get("/log/checkpoint").content
        parcels = [world["XR"].parcel(attachments=(("a.pdf", bytes(60_000)),)) for _ in range(3)]
        with full(world["XR"]):
            assert [outcome(future) for future in together(world["XR"], parcels)] == [StorageFailed] * 3
            refused = world["XR"].post("/v1/submissions", json=as_json(parcels[0]))
            assert (refused.status_code, refused.json()["code"]) == (503, "storage-failed")
            assert world["XR"].get("/log/checkpoint").content == head
        assert world["XR"].get("/readyz").status_code == 200
        assert [world["XR"].submit(parcel).index for parcel in parcels] == [1, 2, 3]
        assert world["XR"].get(f"/v1/submissions/{first.id}/receipt").content == first.receipt


def as_json(parcel: Pack) -> dict[str, object]:
    documents = [
        {
            "slot": one.slot,
            "name": one.name,
            "opening": format_base64(one.opening),
            "content": format_base64(one.content),
        }
        for one in parcel.documents
    ]
    return {"envelope": format_base64(parcel.envelope), "documents": documents}


def test_a_refused_submission_does_not_harm_its_batch(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        bring_into_force(world, closed(world, "XR", before=2))
        second = (key_named("XR officer 2"),)
        parcels = [world["XR"].parcel() for _ in range(3)] + [world["XR"].parcel(signers=second)]
        futures = together(world["XR"], parcels)
        assert [outcome(future) for future in futures] == [(0, True), (1, True), KeyNotAllowed, (2, True)]
        assert world["XR"].publish(signers=second).index == 3


def test_records_that_change_while_a_submission_waits_are_those_that_count(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        world["XR"].publish()
        candidate = passed(world["XR"], world["XR"].parcel())
        bring_into_force(world, closed(world, "XR", before=1))
        future = world["XR"].running.node.appender.submit(candidate)
        assert outcome(future) is KeyNotAllowed
        assert world["XR"].heads()[0]["size"] == 1


def test_a_door_passed_at_another_index_is_passed_again(tmp_path: Path) -> None:
    """The range of the key ends while the submission waits behind others."""
    with World(tmp_path, "XR") as world:
        bring_into_force(world, closed(world, "XR", before=1))
        candidate = passed(world["XR"], world["XR"].parcel())
        assert candidate.passed.until == 1
        world["XR"].publish(signers=(key_named("XR officer 2"),))
        future = world["XR"].running.node.appender.submit(candidate)
        assert outcome(future) is KeyNotAllowed


def test_a_client_that_stops_waiting_stops_nobody_else(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        with world["XR"].running.node.db.write():
            futures = [offer(world["XR"], world["XR"].parcel()) for _ in range(3)]
            for future in futures[:2]:
                future.cancel()
        assert outcome(futures[2])
        assert world["XR"].publish().index == world["XR"].heads()[0]["size"] - 1


def test_closing_finishes_what_waits_and_takes_no_more(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        appender = world["XR"].running.node.appender
        late = passed(world["XR"], world["XR"].parcel())
        with world["XR"].running.node.db.write():
            futures = [offer(world["XR"], world["XR"].parcel()) for _ in range(5)]
            closing_thread = threading.Thread(target=appender.close)
            closing_thread.start()
        closing_thread.join(timeout=30)
        assert [outcome(future) for future in futures] == [(index, True) for index in range(5)]
        with pytest.raises(LogStopped):
            appender.submit(late)


def test_a_full_queue_says_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.node.appender.MAX_QUEUED", 2)
    with World(tmp_path, "XR") as world:
        parcels = [world["XR"].parcel() for _ in range(5)]  # two in the writer's hands, two waiting, one too many
        futures = []
        with world["XR"].running.node.db.write(), pytest.raises(LogStopped, match="too many"):
            for parcel in parcels:
                futures.append(offer(world["XR"], parcel))
        assert [outcome(future) for future in futures] == [(index, True) for index in range(len(futures))]
        assert world["XR"].get("/readyz").status_code == 200
        assert world["XR"].submit(parcels[-1]).index == len(futures)
