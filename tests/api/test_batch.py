"""A batch at the door: each line is answered as it would have been alone, and nothing of the others comes of a wrong one."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.api import batch
from exchange.core.base64text import format_base64
from exchange.core.dsse import parse_envelope
from exchange.core.merkle import leaf_hash
from exchange.core.note import parse_vkey
from exchange.core.pack import Pack
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.core.statement import submission_id
from exchange.node.lines import JudgeLines
from exchange.node.submit import door_of
from tests.api import LINES, URL, Answer, ask, kept, lines_of, offer, post, refused
from tests.api.test_refusals import DOCUMENT_CASES, DOOR_CASES, ENVELOPE_CASES, FORM_CASES, JSON_CASES
from tests.api.wrong import flipped
from tests.databases import hand_in
from tests.world import World, WorldNode

CHUNK = bytes(64 * 1024)


def send(node: WorldNode, *offered: Any) -> list[dict[str, Any]]:
    """What the node says of each line."""
    return told(ask(node, "POST", URL, LINES, [lines_of(*offered)]))


def told(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    assert answer.headers["content-type"] == LINES["Content-Type"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.endswith(b"\n")
    return [orjson.loads(line) for line in answer.content.splitlines()]


def new(node: WorldNode, number: int) -> list[Pack]:
    return [node.parcel() for _ in range(number)]


def test_a_batch_stands_under_one_checkpoint_with_a_receipt_for_each(node: WorldNode) -> None:
    parcels, size = new(node, 5), node.get("/v1/node").json()["size"]
    answers = send(node, *map(offer, parcels))
    vkey = parse_vkey(node.get("/v1/node").json()["log_vkey"])
    for index, (parcel, recorded) in enumerate(zip(parcels, answers, strict=True), size):
        assert set(recorded) == {"id", "origin", "index", "new", "receipt"}
        assert (recorded["index"], recorded["new"], recorded["origin"]) == (index, True, node.origin)
        receipt = recorded["receipt"].encode()
        assert verify_receipt(parse_receipt(receipt), leaf_hash(parcel.envelope), vkey).size == size + 5
        assert node.get(f"{URL}/{recorded['id']}/receipt").content == receipt
        document = node.get(f"{URL}/{recorded['id']}").json()["documents"][0]
        assert node.get(f"/v1/documents/{document['commitment']}").content == parcel.documents[0].content
    with hand_in(node.directory) as db:
        sizes = [row[0] for row in db.exec_driver_sql("SELECT size FROM checkpoint ORDER BY size")]
    assert sizes[-1] == size + 5 and not set(range(size + 1, size + 5)) & set(sizes)


def test_the_same_batch_again_gets_the_first_receipts_byte_for_byte(node: WorldNode) -> None:
    parcels = new(node, 4)
    first = send(node, *map(offer, parcels))
    node.publish()
    before = kept(node)
    again = send(node, *map(offer, reversed(parcels)))
    assert again == [{**recorded, "new": False} for recorded in reversed(first)]
    assert post(node, offer(parcels[1])).json() == again[2]
    assert kept(node) == before


def test_what_stood_before_is_found_among_what_is_new(node: WorldNode) -> None:
    old, (one, other) = node.parcel(), new(node, 2)
    recorded = post(node, offer(old)).json()
    bare = {**offer(old), "documents": []}  # its documents are not asked for again
    answers = send(node, offer(one), bare, offer(other), offer(one), offer(old))
    assert [answer["new"] for answer in answers] == [True, False, True, False, False]
    assert answers[1] == answers[4] == {**recorded, "new": False}
    assert answers[3] == {**answers[0], "new": False}


@pytest.mark.parametrize(
    "cases", [JSON_CASES, DOCUMENT_CASES, ENVELOPE_CASES, DOOR_CASES, FORM_CASES], ids=lambda cases: cases[0].name
)
def test_a_wrong_line_is_told_what_it_would_be_alone_and_harms_no_other(node: WorldNode, cases: Any) -> None:
    wrong = [case.make(node) for case in cases]
    alone = [post(node, offered).json() for offered in wrong]
    size = node.get("/v1/node").json()["size"]
    good = [offer(parcel) for parcel in new(node, len(wrong))]
    answers = send(node, *[each for pair in zip(wrong, good, strict=True) for each in pair])
    for one, other in zip(answers[::2], alone, strict=True):
        if one["code"] == "too-large":  # alone it is refused unread, and the detail says how long it claims to be
            del one["detail"], other["detail"]
        assert one == other
    assert [(one["index"], one["new"]) for one in answers[1::2]] == [(size + at, True) for at in range(len(good))]
    assert node.get("/v1/node").json()["size"] == size + len(good)


def test_a_batch_of_nothing_right_stores_nothing(node: WorldNode) -> None:
    before = kept(node)
    forged = [{**offer(parcel), "envelope": format_base64(flipped(parcel.envelope))} for parcel in new(node, 3)]
    assert [answer["code"] for answer in send(node, *forged)] == ["bad-signature"] * 3
    assert kept(node) == before


def test_an_update_and_its_original_come_in_their_order(tmp_path: Path) -> None:
    """The id of an original is known before it is sent."""
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        first, second = node.parcel(), node.parcel()

        def update(of: Pack) -> Any:
            ident = submission_id(parse_envelope(of.envelope).payload)
            return offer(node.parcel(edit=lambda said: replace(said, message="update", series=ident)))

        answers = send(node, offer(first), update(first), update(second), offer(second))
        assert [answer.get("code", answer.get("index")) for answer in answers] == [0, 1, "unknown-series", 2]


LAST = "every line ends in a line feed"


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("nothing", b"", 400, LAST),
        ("one without an end", b"{}", 400, LAST),
        ("a good one, cut off", b"", 400, LAST),
        ("1,001 lines", b"\n" * 1_001, 413, "1,000"),
        ("16 MiB and one byte", b"\n".ljust(16 * 1024 * 1024 + 1), 413, "16777216"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_what_is_no_batch_is_refused_whole(node: WorldNode, name: str, body: bytes, status: int, said: str) -> None:
    if name == "a good one, cut off":
        body = lines_of(*map(offer, new(node, 3)))[:-1]
    before = kept(node)
    answer = ask(node, "POST", URL, LINES, [body])
    problem = refused(answer, status, "malformed" if status == 400 else "too-large")
    assert said in problem["detail"]
    assert kept(node) == before


def test_a_batch_announced_too_large_is_refused_unread(node: WorldNode) -> None:
    answer = ask(node, "POST", URL, {**LINES, "Content-Length": str(16 * 1024 * 1024 + 1)}, [CHUNK] * 1_000)
    refused(answer, 413, "too-large")
    assert answer.taken == 0


def test_a_batch_that_does_not_end_is_refused_at_the_limit(node: WorldNode) -> None:
    answer = ask(node, "POST", URL, LINES, (CHUNK for _ in range(10_000)))
    refused(answer, 413, "too-large")
    assert answer.taken <= batch.MAX_BATCH + len(CHUNK)


@pytest.mark.parametrize("missing", [0, 1, 500])
def test_a_batch_that_breaks_off_commits_nothing(node: WorldNode, missing: int) -> None:
    body = lines_of(*map(offer, new(node, 3)))
    before = kept(node)
    refused(ask(node, "POST", URL, LINES, [body[: len(body) - missing]], hang_up=True), 400, "malformed")
    assert kept(node) == before


def test_a_batch_has_a_time_to_arrive(node: WorldNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "READING", 0.05)
    before = kept(node)

    def dripping() -> Iterator[bytes]:
        yield from (lines_of(offer(node.parcel()))[:100] for _ in range(10_000))

    answer = ask(node, "POST", URL, LINES, dripping(), pause=0.01)
    assert "arrives within" in refused(answer, 400, "malformed")["detail"]
    assert kept(node) == before


def test_a_parameter_is_refused(node: WorldNode) -> None:
    refused(ask(node, "POST", URL, LINES, [lines_of(offer(node.parcel()))], query=b"dry=true"), 400, "malformed")


@pytest.mark.parametrize("kind", ["application/x-ndjson; charset=utf-8", " Application/X-NDJSON "])
def test_the_content_type_may_be_spelt_as_http_allows(node: WorldNode, kind: str) -> None:
    assert told(ask(node, "POST", URL, {"Content-Type": kind}, [lines_of(offer(node.parcel()))]))[0]["new"]


def test_a_log_that_stopped_says_so_on_each_line_and_finds_what_stands(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        old, fresh = node.parcel(), node.parcel()
        [recorded] = send(node, offer(old))
        node.running.node.appender.stop("its disk burns")
        answers = send(node, offer(fresh), offer(old), b"{")
        assert [answer.get("code") for answer in answers] == ["log-stopped", None, "malformed"]
        assert answers[1] == {**recorded, "new": False}
        assert answers[0] == post(node, offer(fresh)).json()


def _answers(folder: Path, many: int, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(batch, "MANY", many)
    with World(folder, "XR", "XA") as world:
        node = world["XR"]
        wrong = [case.make(node) for case in (*DOOR_CASES, *DOCUMENT_CASES) if case.name != "the node's own key"]
        workers = node.running.app.state.room.workers
        workers.submit(JudgeLines.by(door_of(node.running.node), ())).result()
        asked: list[Any] = []
        real = workers.submit
        monkeypatch.setattr(workers, "submit", lambda job: [asked.append(job), real(job)][1])  # type: ignore[func-returns-value]
        answers = send(node, *wrong, *map(offer, new(node, 9)), wrong[0])
        assert bool(asked) is (many == 1), "processes are asked where there are enough lines"
        world.pull()
    return answers


def test_workers_say_what_this_process_would_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lines, in two worlds whose parcels are alike to the byte: judged here, and spread over two processes."""
    monkeypatch.setattr(batch, "PART", 7)
    monkeypatch.setenv("CBM_WORKERS", "2")
    here, there = (_answers(tmp_path / str(many), many, monkeypatch) for many in (10_000, 1))
    for one, other in zip(here, there, strict=True):
        for answer in (one, other):
            answer.pop("receipt", None)  # under two log keys
        assert one == other
    assert sum("new" in answer for answer in there) == 9


def test_a_worker_that_dies_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MANY", 1)
    monkeypatch.setenv("CBM_WORKERS", "1")
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        offered = [offer(parcel) for parcel in new(node, 3)]
        workers = node.running.app.state.room.workers
        workers.submit(JudgeLines.by(door_of(node.running.node), ())).result()
        send(node, offered[0])
        before = kept(node)
        worker = workers._idle.get_nowait()
        worker._process.kill()
        worker._process.wait()
        workers._idle.put(worker)
        refused(ask(node, "POST", URL, LINES, [lines_of(*offered)]), 503, "unavailable")
        assert kept(node) == before
        assert [answer["new"] for answer in send(node, *offered)] == [False, True, True]


def test_batches_and_singles_at_once_agree(node: WorldNode) -> None:
    """The same few submissions, in many requests at the same time: each is the first once."""
    parcels = new(node, 6)

    async def run() -> list[list[dict[str, Any]]]:
        async def one(number: int) -> list[dict[str, Any]]:
            turned = parcels[number:] + parcels[:number]
            return await asyncio.to_thread(send, node, *map(offer, turned))

        return await asyncio.gather(*[one(number) for number in range(6)])

    said = [answer for answers in asyncio.run(run()) for answer in answers]
    assert sum(answer["new"] for answer in said) == 6
    assert len({(answer["id"], answer["index"], answer["receipt"]) for answer in said}) == 6
