"""The same submission again is no error: the first receipt comes back, byte for byte, however it is sent and however late."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.core.merkle import leaf_hash
from exchange.core.note import parse_vkey
from exchange.core.pack import Pack
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.node.founding import officer_key
from exchange.node.judge import whole
from exchange.node.submit import door_of
from exchange.trust.participants import Participants
from tests import key_named
from tests.api import CLOSING, PARTS, URL, Answer, ask, kept, offer, part, parts, post, refused
from tests.api.wrong import flipped
from tests.world import World, WorldNode

Way = Callable[[WorldNode, Pack], httpx.Response | Answer]


def as_json(node: WorldNode, parcel: Pack) -> httpx.Response:
    return post(node, offer(parcel))


def by_parts(node: WorldNode, parcel: Pack) -> Answer:
    return ask(node, "POST", URL, PARTS, [*parts(parcel), CLOSING])


def first(answer: httpx.Response | Answer) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    recorded: dict[str, Any] = answer.json()
    assert recorded["new"] is True
    assert answer.headers["location"] == f"{URL}/{recorded['id']}"
    return recorded


def test_a_receipt_verifies_and_is_the_one_served(node: WorldNode) -> None:
    parcel = node.parcel()
    recorded = first(post(node, offer(parcel)))
    assert set(recorded) == {"id", "origin", "index", "new", "receipt"}
    receipt = str(recorded["receipt"]).encode()
    assert node.get(f"{URL}/{recorded['id']}/receipt").content == receipt
    vkey = parse_vkey(node.get("/v1/node").json()["log_vkey"])
    checkpoint = verify_receipt(parse_receipt(receipt), leaf_hash(parcel.envelope), vkey)
    assert checkpoint.origin == recorded["origin"] == node.origin
    assert parse_receipt(receipt).index == recorded["index"] == checkpoint.size - 1


def test_the_same_again_gets_the_first_receipt_byte_for_byte(node: WorldNode) -> None:
    parcel = node.parcel()
    recorded = first(post(node, offer(parcel)))
    node.publish()  # the log has grown since, and there is a newer checkpoint
    before = kept(node)
    for answer in (post(node, offer(parcel)), by_parts(node, parcel)):
        assert answer.status_code == 200
        assert answer.json() == {**recorded, "new": False}
    assert kept(node) == before


def test_a_large_one_again_is_answered_without_reading_it(node: WorldNode) -> None:
    parcel = node.parcel("ICT-03", attachments=(("strategy.pdf", bytes(100_000)),))
    recorded = first(by_parts(node, parcel))
    before = kept(node)
    head = [parts(parcel)[0], part("opening", b"{")]
    again = ask(node, "POST", URL, PARTS, [*head, *[bytes(64 * 1024)] * 1000])
    assert (again.status_code, again.json()) == (200, {**recorded, "new": False})
    assert again.taken == sum(map(len, head))
    assert kept(node) == before


def test_the_documents_are_not_asked_for_again(node: WorldNode) -> None:
    parcel = node.parcel()
    recorded = first(post(node, offer(parcel)))
    again = post(node, {**offer(parcel), "documents": []})
    assert (again.status_code, again.json()) == (200, {**recorded, "new": False})


def test_a_forgery_of_a_known_submission_is_still_refused(node: WorldNode) -> None:
    parcel = node.parcel()
    first(post(node, offer(parcel)))
    forged = Pack(flipped(parcel.envelope), parcel.documents, None, None)
    refused(post(node, offer(forged)), 403, "bad-signature")


def test_eight_days_later_the_first_receipt_still_comes_back(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        small, large = node.parcel(), node.parcel("ICT-03", attachments=(("strategy.pdf", bytes(100_000)),))
        late = node.parcel()
        recorded = [first(post(node, offer(small))), first(by_parts(node, large))]
        world.sleep(days=8)
        node.stop()
        node.start()
        again: list[httpx.Response | Answer] = [post(node, offer(small)), by_parts(node, large)]
        assert [answer.status_code for answer in again] == [200, 200]
        assert [answer.json() for answer in again] == [{**known, "new": False} for known in recorded]
        refused(post(node, offer(late)), 422, "clock-off")


def test_after_its_key_has_ended_the_first_receipt_still_comes_back(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        parcel, late = node.parcel(), node.parcel()
        recorded = first(post(node, offer(parcel)))
        record = world.participants.records["XR"]
        ended = replace(record.keys[0], before=(0, 1))
        successor = officer_key(key_named("XR officer 2").public, index=1)
        record = replace(record, keys=(ended, *record.keys[1:], successor))
        world.participants = Participants(world.participants.federation, False, {"XR": record})
        world.write_records(world.participants)
        node.pull()
        assert post(node, offer(parcel)).json() == {**recorded, "new": False}
        refused(post(node, offer(late)), 403, "key-not-allowed")
        first(post(node, offer(node.parcel(signers=(key_named("XR officer 2"),)))))


@pytest.mark.parametrize("way", [by_parts, as_json])
def test_of_many_at_once_one_is_the_first(node: WorldNode, way: Way) -> None:
    content = bytes(60_000) if way is not by_parts else bytes(100_000)
    parcel = node.parcel("ICT-03", attachments=(("strategy.pdf", content),))
    size = node.get("/v1/node").json()["size"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: way(node, parcel), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({(answer.json()["id"], answer.json()["index"], answer.json()["receipt"]) for answer in answers}) == 1
    assert node.get("/v1/node").json()["size"] == size + 1
    assert list((node.running.settings.documents / "incoming").iterdir()) == []
    commitment = node.get(answers[0].headers["location"]).json()["documents"][1]["commitment"]
    assert node.get(f"/v1/documents/{commitment}").content == content


def test_who_stops_waiting_does_not_stop_the_log(node: WorldNode) -> None:
    """A client that goes away cancels its own wait, and neither its submission nor anybody else's."""
    running = node.running.node
    parcel = node.parcel()
    candidate = whole(door_of(running), parcel.envelope, parcel.documents)

    async def give_up() -> None:
        waiting = asyncio.wrap_future(running.appender.submit(candidate))
        waiting.cancel()

    asyncio.run(give_up())
    assert node.publish().index > 0
    assert post(node, offer(parcel)).status_code == 200
