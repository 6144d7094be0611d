"""Look-ups answered from memory: never older than what was acknowledged before the question, nor than the minute that runs."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from exchange.api import ready
from exchange.api.ready import PATH, Ready
from tests.api import ask, refused
from tests.benchmarks.reads import Reads
from tests.world import START, Published, World, WorldNode

OFFICE = {"time_zone": "Europe/Vienna", "weekly": [{"days": ["mon"], "from": "08:00", "to": "16:00"}]}
MONDAY = datetime.fromisoformat("2026-11-23T00:00:00+01:00")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA") as world:
        yield world


@pytest.fixture
def node(world: World) -> WorldNode:
    return world["XR"]


def items(node: WorldNode, **asked: str) -> list[dict[str, Any]]:
    """Asked twice, so that the second answer comes from memory; they are the same."""
    answers = [node.get(PATH, params=asked) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    found: list[dict[str, Any]] = answers[0].json()["items"]
    return found


def phones(node: WorldNode, **asked: str) -> list[str]:
    return [item["phone"] for item in items(node, **asked)]


def update(node: WorldNode, first: Published, message: str = "update", *, kind: str = "full", **answers: Any) -> None:
    node.publish(header={"message": message, "series": first.id, "replaces": first.id, "kind": kind}, **answers)


# --- what is answered from memory, and what is not


def test_what_was_answered_is_answered_again_without_a_look_at_the_database(node: WorldNode) -> None:
    node.publish(phone="+43123456789")
    first = node.get(PATH)
    with Reads() as reads:
        again = node.get(PATH)
        assert reads.statements == 0
        assert node.get(PATH, params={"participant": "XR"}).status_code == 200
        assert reads.statements > 0
    assert again.content == first.content
    assert dict(again.headers) == dict(first.headers)
    assert again.headers["cbm-federation"] == "trial"
    assert again.headers["content-type"] == "application/json"


def test_a_refusal_is_the_same_each_time(node: WorldNode) -> None:
    for _ in range(2):
        refused(node.get(PATH, params={"participant": "ZZ"}), 404, "not-found")
        refused(node.get(PATH, params={"colour": "red"}), 400, "malformed")
        refused(node.get(PATH, params={"at": "now"}), 400, "malformed")
    assert node.post(PATH).status_code == 405


def test_many_who_ask_the_same_at_once_have_it_worked_out_once(node: WorldNode) -> None:
    node.publish()

    async def crowd(path: str) -> set[bytes]:
        transport = httpx.ASGITransport(node.running.app)
        async with httpx.AsyncClient(transport=transport, base_url=node.url) as client:
            answers = await asyncio.gather(*(client.get(path) for _ in range(16)))
        return {answer.content for answer in answers}

    with Reads() as reads:
        node.get(f"{PATH}?role=technical")
        alone = reads.statements
        assert len(asyncio.run(crowd(PATH))) == 1
        assert reads.statements == 2 * alone


def test_an_answer_that_failed_fails_for_all_who_waited_and_is_forgotten(node: WorldNode) -> None:
    """As the framework does it: the problem is sent, then the error is raised for the server's log."""
    made: list[None] = []

    async def failing(_scope: Scope, _receive: Receive, send: Send) -> None:
        made.append(None)
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        raise ZeroDivisionError

    async def crowd(front: Ready) -> list[int | BaseException]:
        transport = httpx.ASGITransport(front)
        async with httpx.AsyncClient(transport=transport, base_url=node.url) as client:
            answers = await asyncio.gather(*(client.get(PATH) for _ in range(3)), return_exceptions=True)
        return [answer if isinstance(answer, BaseException) else answer.status_code for answer in answers]

    front = Ready(failing, node.running.node)
    for times in (1, 2):
        raised, *waited = asyncio.run(crowd(front))
        assert isinstance(raised, ZeroDivisionError)
        assert (waited, len(made)) == ([500, 500], times)


def test_memory_is_bounded_and_the_oldest_answers_make_room(node: WorldNode, monkeypatch: pytest.MonkeyPatch) -> None:
    node.publish()
    size = len(node.get(PATH).content)
    monkeypatch.setattr(ready, "MAX_KEPT", 3 * (size + ready.ANSWER_OVERHEAD + 200))
    questions = [f"{PATH}?role=technical&at=2026-11-21T03:00:{second:02}Z" for second in range(10)]
    with Reads() as reads:
        for question in questions:
            node.get(question)
        before = reads.statements
        for question in questions[-3:]:
            node.get(question)
        assert reads.statements == before
        node.get(questions[0])
        assert reads.statements > before


# --- what moves


def test_what_a_state_says_is_seen_with_the_next_question(world: World, node: WorldNode) -> None:
    assert phones(node) == []
    first = node.publish(phone="+431234561")
    assert phones(node) == ["+431234561"]
    update(node, first, phone="+431234562")
    assert phones(node) == ["+431234562"]
    update(node, first, "correction", phone="+431234563")
    assert phones(node) == ["+431234563"]
    assert phones(world["XA"]) == []
    world.pull()
    assert phones(world["XA"], participant="XR") == ["+431234563"]
    update(node, first, "withdrawal")
    assert phones(node) == []
    assert phones(world["XA"], participant="XR") == ["+431234563"]
    world.pull()
    assert phones(world["XA"], participant="XR") == []


def test_a_confirmation_is_seen_with_the_next_question(world: World, node: WorldNode) -> None:
    first = node.publish(confirm_by="2026-12")
    world.sleep(days=10)
    assert items(node)[0]["freshness"] == "confirmed 10 days ago; to be confirmed again by 2026-12"
    update(node, first, kind="nothing new")
    assert items(node)[0]["freshness"] == "confirmed today; to be confirmed again by 2026-12"


def test_hours_begin_and_end_on_the_second(world: World, node: WorldNode) -> None:
    node.publish(hours=OFFICE)

    def reachable(at: datetime) -> str:
        world.now = at
        (item,) = items(node)
        return f"{item['reachable']}, {item['local_time'][11:16]}"

    instant = timedelta(microseconds=1)
    assert reachable(MONDAY.replace(hour=8) - instant) == "outside stated hours, 07:59"
    assert reachable(MONDAY.replace(hour=8)) == "reachable, 08:00"
    assert reachable(MONDAY.replace(hour=16) - instant) == "reachable, 15:59"
    assert reachable(MONDAY.replace(hour=16)) == "outside stated hours, 16:00"


def test_what_is_to_be_confirmed_turns_stale_on_the_second(world: World, node: WorldNode) -> None:
    node.publish(confirm_by="2026-11-21")
    world.now = START.replace(hour=23, minute=59, second=59, microsecond=999_999)
    assert items(node)[0]["freshness"] == "confirmed today; to be confirmed again by 2026-11-21"
    world.sleep(microseconds=1)
    assert items(node)[0]["freshness"] == "stale: to be confirmed by 2026-11-21, last confirmed 1 day ago"


def test_now_is_the_minute_that_runs(world: World, node: WorldNode) -> None:
    world.now = START.replace(minute=7, second=42)
    assert node.get(PATH).json()["at"] == "2026-11-21T03:07:00+00:00"
    world.sleep(seconds=18)
    assert node.get(PATH).json()["at"] == "2026-11-21T03:08:00+00:00"
    assert node.get(PATH, params={"at": "2026-11-21T03:07:42Z"}).json()["at"] == "2026-11-21T03:07:42+00:00"


def test_new_records_are_seen_with_the_next_question(world: World, node: WorldNode) -> None:
    node.publish()
    assert len(items(node)) == 1
    node.running.node.load_participants(replace(world.participants, live=True))
    assert items(node) == []  # a live node lists no test contact unless asked
    assert "cbm-federation" not in node.get(PATH).headers
    assert len(items(node, status="test")) == 1


@pytest.mark.parametrize("moves", ["the data", "the clock"])
def test_what_moved_while_an_answer_was_made_is_seen_with_the_next_question(
    world: World, node: WorldNode, moves: str
) -> None:
    bodies = iter([b"old", b"new"])

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        body = next(bodies)
        if moves == "the data":
            node.running.node.db.claim(participant="XR")
        else:
            world.sleep(minutes=1)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b'"x"')]})
        await send({"type": "http.response.body", "body": body})

    async def twice(front: Ready) -> list[bytes]:
        transport = httpx.ASGITransport(front)
        async with httpx.AsyncClient(transport=transport, base_url=node.url) as client:
            return [(await client.get(PATH)).content for _ in range(2)]

    assert asyncio.run(twice(Ready(app, node.running.node))) == [b"old", b"new"]


# --- conditions


def test_who_holds_the_answer_is_told_so_until_it_changes(world: World, node: WorldNode) -> None:
    node.publish()
    etag = node.get(PATH).headers["etag"]
    for known in (etag, f'"x", W/{etag}', "*"):
        answer = node.get(PATH, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert (answer.headers["cache-control"], answer.headers["cbm-federation"]) == ("no-cache", "trial")
        assert "content-length" not in answer.headers
    assert node.get(PATH, headers={"If-None-Match": '"x"'}).status_code == 200
    node.publish()
    changed = node.get(PATH, headers={"If-None-Match": etag})
    assert (changed.status_code, len(changed.json()["items"])) == (200, 2)
    etag = changed.headers["etag"]
    world.sleep(minutes=1)
    assert node.get(PATH, headers={"If-None-Match": etag}).status_code == 200


def test_the_first_who_asks_may_hold_the_answer_already(world: World, node: WorldNode) -> None:
    etag = node.get(PATH).headers["etag"]
    world["XR"].running.node.db.claim(participant="XR")  # a write that changes nothing
    assert node.get(PATH, headers={"If-None-Match": etag}).status_code == 304
    assert node.get(PATH).json()["items"] == []


def test_a_refusal_has_no_condition(node: WorldNode) -> None:
    for _ in range(2):
        refused(node.get(f"{PATH}?participant=ZZ", headers={"If-None-Match": "*"}), 404, "not-found")


def test_head_is_the_head_of_what_get_answers(node: WorldNode) -> None:
    node.publish()
    for _ in range(2):
        got, head = node.get(PATH), ask(node, "HEAD", PATH)
        assert (head.status_code, head.content) == (200, b"")
        assert dict(head.headers) == dict(got.headers)
    etag = got.headers["etag"]
    assert ask(node, "HEAD", PATH, {"If-None-Match": etag}).status_code == 304


# --- many at a time


def test_nobody_is_given_an_answer_older_than_what_was_acknowledged_before_the_question(node: WorldNode) -> None:
    """One officer corrects a telephone number again and again, while others look it up."""
    first = node.publish(phone="+431000100")
    acknowledged, over, wrong = [100], threading.Event(), list[str]()
    seen = set[int]()

    def look() -> None:
        newest = 0
        while not over.is_set():
            before = acknowledged[0]
            (item,) = node.get(PATH, params={"participant": "XR"}).json()["items"]
            number = int(item["phone"].removeprefix("+431000"))
            seen.add(number)
            if number < max(before, newest):
                wrong.append(f"{number} after {before} was acknowledged and {newest} seen")
            newest = number

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(101, 131):
        update(node, first, phone=f"+431000{number}")
        acknowledged[0] = number
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert len(seen) > 5
    assert phones(node) == ["+431000130"]
