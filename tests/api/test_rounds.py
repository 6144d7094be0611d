"""Submissions that come in one round of the loop are judged together, by a worker where one is spare, and answered as if each came alone."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from exchange.api import bridge
from exchange.core.catalogue import Catalogue
from exchange.node import lines
from exchange.node.lines import JudgeLines
from exchange.node.submit import door_of
from exchange.workers import Workers
from tests.api import JSON, URL, kept, offer, post
from tests.api.test_refusals import DOCUMENT_CASES, DOOR_CASES, JSON_CASES
from tests.world import World, WorldNode

BODIES = 9


@pytest.fixture(params=["0", "2"], ids=["judged here", "judged by workers"])
def node(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorldNode]:
    monkeypatch.setenv("CBM_WORKERS", request.param)
    with World(tmp_path, "XR", "XA") as world:
        workers = workers_of(world["XR"])
        if workers is not None:
            workers.submit(JudgeLines.by(door_of(world["XR"].running.node), ())).result()
        yield world["XR"]


def workers_of(node: WorldNode) -> Workers[Catalogue] | None:
    found: Workers[Catalogue] | None = node.running.app.state.room.workers
    return found


def at_once(node: WorldNode, bodies: list[bytes]) -> list[tuple[int, Any]]:
    """Asked in one round of one loop."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(node.running.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://xr.test.example") as client:
            return await asyncio.gather(*(client.post(URL, content=body, headers=JSON) for body in bodies))

    return [(answer.status_code, answer.json()) for answer in asyncio.run(run())]


def bodies_of(node: WorldNode, number: int = BODIES) -> list[bytes]:
    return [orjson.dumps(offer(node.parcel())) for _ in range(number)]


def asked(node: WorldNode, monkeypatch: pytest.MonkeyPatch) -> list[JudgeLines]:
    """The jobs that the workers get from here on."""
    jobs: list[JudgeLines] = []
    workers = workers_of(node)
    if workers is not None:
        real = workers.submit

        def submit(job: Any) -> Future[Any]:
            jobs.append(job)
            return real(job)

        monkeypatch.setattr(workers, "submit", submit)
    return jobs


def test_each_of_a_round_is_answered_as_if_it_came_alone(node: WorldNode, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [case.make(node) for case in (*JSON_CASES, *DOCUMENT_CASES, *DOOR_CASES)]
    wrong = [one if isinstance(one, bytes) else orjson.dumps(one) for one in cases]
    alone = [(answer.status_code, answer.json()) for answer in (post(node, body) for body in wrong)]
    good, size = bodies_of(node), node.get("/v1/node").json()["size"]
    jobs = asked(node, monkeypatch)
    answers = at_once(node, [*wrong, *good, good[0]])
    assert answers[: len(wrong)] == alone
    recorded = answers[len(wrong) :]
    assert sorted(status for status, _ in recorded) == [200] + [201] * BODIES
    assert {one["index"] for _, one in recorded} == set(range(size, size + BODIES))
    assert bool(jobs) is (workers_of(node) is not None)


def test_what_stands_is_found_again_in_a_round(node: WorldNode) -> None:
    good = bodies_of(node)
    first = dict(enumerate(at_once(node, good)))
    before = kept(node)
    again = dict(enumerate(at_once(node, good)))
    assert again == {at: (200, {**one, "new": False}) for at, (_, one) in first.items()}
    assert kept(node) == before


def test_what_nobody_foresaw_in_one_harms_no_other(node: WorldNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers fail with the whole round, which is then judged here, one by one."""
    bad, *good = bodies_of(node)
    real = lines.judge_line

    def judge(body: bytes, door: Any) -> Any:
        if body == bad:
            raise RuntimeError("nobody foresaw this")
        return real(body, door)

    workers = workers_of(node)
    if workers is not None:

        def submit(_: Any) -> Future[Any]:
            failed: Future[Any] = Future()
            failed.set_exception(RuntimeError("a worker process failed"))
            return failed

        monkeypatch.setattr(workers, "submit", submit)
    monkeypatch.setattr(bridge, "judge_line", judge)
    answers = at_once(node, [*good, bad])
    assert [status for status, _ in answers] == [201] * len(good) + [500]
    assert answers[-1][1]["code"] == "internal"


def test_a_log_that_stopped_tells_each_of_a_round(node: WorldNode) -> None:
    bodies = bodies_of(node)
    before = kept(node)
    node.running.node.appender.stop("its disk burns")
    assert [(status, one["code"]) for status, one in at_once(node, bodies)] == [(503, "log-stopped")] * BODIES
    assert kept(node) == before


def test_a_round_waits_for_no_process_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one that is spare it is judged here, and one is made ready for the next."""
    monkeypatch.setenv("CBM_WORKERS", "1")
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        jobs = asked(node, monkeypatch)
        assert [status for status, _ in at_once(node, bodies_of(node))] == [201] * BODIES
        workers = workers_of(node)
        assert jobs == [] and workers is not None and workers._waking is not None
        workers._waking.result()
        assert [status for status, _ in at_once(node, bodies_of(node))] == [201] * BODIES
        assert len(jobs) == 1
