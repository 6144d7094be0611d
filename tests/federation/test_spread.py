"""A large pull is spread over processes; what is stored is the same to the last row."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from exchange.core.catalogue import Catalogue
from exchange.errors import BadProof, Unavailable
from exchange.federation import pull as pulling
from exchange.federation.collect import within
from exchange.federation.examine import ReadForms
from exchange.federation.pull import Puller
from exchange.workers import Worker, Workers
from tests import key_named
from tests.faults import edited, nil_returns, only, peer_log, sign_into
from tests.records import with_key
from tests.world import World, WorldNode, shipped_forms

PDF = (("a.pdf", b"%PDF " + bytes(100_000)), ("b.pdf", b"%PDF small"))
COMPARED = {
    "entry": '"index", key, envelope, verdict, code, reason',
    "submission": '"index", id, form, obligations, series, issued, message, status, current, in_force, directory, fits',
    "slot": '"index", slot, ordinal, commitment, key, media_type, language, audience, missing_since',
    "tile": 'level, "index", hashes',
    "checkpoint": "size, root, note",
}


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers[Catalogue]]:
    monkeypatch.setattr(pulling, "MANY", 100)
    monkeypatch.setattr(pulling, "PART", 60)
    made = Workers(2, ReadForms.of(shipped_forms()))
    yield made
    made.close()


def puller(node: WorldNode, workers: Workers[Catalogue] | None) -> Puller:
    inner = node.running.node
    clock = node.world.clock
    return Puller(inner.db, inner.files, lambda: inner.participants, inner.catalogue, clock, 256, workers)


def grown(world: World) -> None:
    """A log in which everything occurs: documents small and large, versions, repetitions, strangers' keys, nonsense."""
    xr = world["XR"]
    first = xr.publish(scope={"en": "first"})
    xr.publish("ICT-03", attachments=PDF)
    entries = nil_returns(xr, 300)
    sign_into(xr, *entries[:150], entries[3], b"nonsense", *nil_returns(xr, 20, 300, key_named("on its way")))
    xr.publish(header={"message": "update", "series": first.id, "replaces": first.id}, scope={"en": "second"})
    sign_into(xr, *entries[150:], entries[200])
    for number in range(8):
        xr.publish(scope={"en": f"number {number}"})


def stored(node: WorldNode) -> dict[str, list[Any]]:
    with node.running.node.db.read() as tx:
        where = "WHERE log_id = (SELECT id FROM log WHERE participant = 'XR')"
        return {
            name: sorted(map(repr, tx.execute(text(f"SELECT {columns} FROM {name} {where}"))))  # noqa: S608
            for name, columns in COMPARED.items()
        }


def test_workers_and_a_thread_ahead_store_what_one_after_the_other_stores(
    tmp_path: Path, workers: Workers[Catalogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path, "XR", "XA", "XB", "XI") as world:
        grown(world)
        ahead = puller(world["XB"], None).pull(peer_log(world, "XR"), world["XR"].origin)
        spread = puller(world["XI"], workers).pull(peer_log(world, "XR"), world["XR"].origin)
        with monkeypatch.context() as patch:
            patch.setattr(pulling, "MANY", 10_000)
            alone = puller(world["XA"], None).pull(peer_log(world, "XR"), world["XR"].origin)
        assert alone == ahead == spread
        assert stored(world["XA"]) == stored(world["XB"]) == stored(world["XI"])
        kinds = {alert["kind"] for alert in world["XI"].alerts()}
        assert kinds == {alert["kind"] for alert in world["XA"].alerts()} == {"refused-entry/v1"}


def test_two_more_runs_are_being_examined_while_one_is_stored(
    tmp_path: Path, workers: Workers[Catalogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one alone the workers wait for whoever stores."""
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *nil_returns(world["XR"], 256 * 3 + 200))
        happened = []

        def noting(name: str, really: Any) -> Any:
            def act(*given: Any) -> Any:
                happened.append(name)
                return really(*given)

            return act

        for name in ("_next_run", "_store"):
            monkeypatch.setattr(Puller, name, noting(name, getattr(Puller, name)))
        puller(world["XA"], workers).pull(peer_log(world, "XR"), world["XR"].origin)
        fetched, then = ["_next_run"], ["_store"]
        assert happened == fetched * 3 + then + fetched + then * 3


def test_what_was_proven_before_a_bad_run_is_kept(tmp_path: Path, workers: Workers[Catalogue]) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *nil_returns(world["XR"], 600))
        world["XR"].fault = only(
            "/tile/entries/001", edited(lambda body: body[:5_000] + bytes([body[5_000] ^ 1]) + body[5_001:])
        )
        with pytest.raises(BadProof):
            puller(world["XA"], workers).pull(peer_log(world, "XR"), world["XR"].origin)
        assert len(stored(world["XA"])["entry"]) == 256
        world["XR"].fault = None
        assert puller(world["XA"], workers).pull(peer_log(world, "XR"), world["XR"].origin).entries == 344


def test_a_worker_that_is_killed_costs_a_visit_and_nothing_else(
    tmp_path: Path, workers: Workers[Catalogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *nil_returns(world["XR"], 600))
        given = []

        def kill(self: Any, job: Any) -> None:
            given.append(job)
            if len(given) == 6:
                os.kill(self._process.pid, signal.SIGKILL)
                self._process.wait()
            really(self, job)

        really = Worker.give
        with monkeypatch.context() as patch:
            patch.setattr(Worker, "give", kill)
            with pytest.raises(Unavailable, match="ended by itself"):
                puller(world["XA"], workers).pull(peer_log(world, "XR"), world["XR"].origin)
        before = len(stored(world["XA"])["entry"])
        after = puller(world["XA"], workers).pull(peer_log(world, "XR"), world["XR"].origin)
        assert (after.entries, after.behind) == (600 - before, 0)


def test_records_that_change_in_between_decide(tmp_path: Path, workers: Workers[Catalogue]) -> None:
    """Judged by the workers under the old records, stored under the new ones."""
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *nil_returns(world["XR"], 200, 0, key_named("XR officer 2")))
        inner = world["XA"].running.node
        seen = iter([inner.participants])
        world.participants = with_key(world.participants, "XR", 2)
        new = world.participants
        between = Puller(inner.db, inner.files, lambda: next(seen, new), inner.catalogue, world.clock, 256, workers)
        between.pull(peer_log(world, "XR"), world["XR"].origin)
        with inner.db.read() as tx:
            query = text(
                "SELECT DISTINCT verdict FROM entry WHERE log_id = (SELECT id FROM log WHERE participant = 'XR')"
            )
            assert [row[0] for row in tx.execute(query)] == ["admitted"]
        world.write_records(world.participants)
        for node in world.nodes.values():
            node.pull()


def test_documents_that_find_no_room_come_afterwards(
    tmp_path: Path, workers: Workers[Catalogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much a peer offers, a run that waits for its turn holds so many bytes of it and no more."""
    with World(tmp_path, "XR", "XA") as world:
        for number in range(110):
            world["XR"].publish(scope={"en": f"number {number}"})
        monkeypatch.setattr(pulling, "MAX_OFFERED", 10_000)
        offered = []

        def kept(lines: Any, room: int) -> list[bytes]:
            offered.append(really(lines, room))
            return offered[-1]

        really = within
        monkeypatch.setattr(pulling, "within", kept)
        found = puller(world["XA"], workers).pull(peer_log(world, "XR"), world["XR"].origin)
        assert 0 < sum(len(line) for lines in offered for line in lines) <= 10_000
        assert (found.documents, found.missing) == (110, 0)
