"""How much the door takes, and when: sizes are bounded before reading, the last moment and the last byte still count."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from exchange.core.document import SMALL_DOCUMENT
from tests.api import JSON, PARTS, URL, ask, kept, offer, post, refused
from tests.world import WorldNode

LIMIT = 4 * 1024 * 1024
CHUNK = bytes(64 * 1024)


def test_a_body_announced_too_large_is_refused_unread(node: WorldNode) -> None:
    headers = {**JSON, "Content-Length": str(LIMIT + 1)}
    answer = ask(node, "POST", URL, headers, [CHUNK] * 100)
    refused(answer, 413, "too-large")
    assert answer.taken == 0


@pytest.mark.parametrize("length", ["99999999999999999999999999", "-1", "+5", "5e3", "0x10", "\u00b2", "", "1, 2"])
def test_a_length_that_is_none_is_refused_unread(node: WorldNode, length: str) -> None:
    answer = ask(node, "POST", URL, {**JSON, "Content-Length": length}, [CHUNK] * 100)
    refused(answer, 413, "too-large")
    assert answer.taken == 0


@pytest.mark.parametrize("headers", [JSON, {**JSON, "Content-Length": "10"}, {**JSON, "Content-Length": "0" * 30}])
def test_a_body_that_does_not_end_is_refused_at_the_limit(node: WorldNode, headers: dict[str, str]) -> None:
    answer = ask(node, "POST", URL, headers, (CHUNK for _ in range(10_000)))
    refused(answer, 413, "too-large")
    assert LIMIT < answer.taken <= LIMIT + len(CHUNK)


def test_a_body_of_exactly_the_limit_is_read(node: WorldNode) -> None:
    whole = orjson.dumps(offer(node.parcel()))
    answer = ask(node, "POST", URL, JSON, [whole, b" " * (LIMIT - len(whole))])
    assert (answer.status_code, answer.taken) == (201, LIMIT)


@pytest.mark.parametrize("headers", [JSON, PARTS])
def test_who_hangs_up_in_the_middle_is_no_fault_of_the_node(
    node: WorldNode, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    before = kept(node)
    refused(ask(node, "POST", URL, headers, [b"{"], hang_up=True), 400, "malformed")
    assert kept(node) == before
    assert caplog.records == []


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "multipart/mixed",
        "x" * 5000,
        "\xff",
    ],
)
def test_another_content_type_is_refused_unread(node: WorldNode, kind: str | None) -> None:
    answer = ask(node, "POST", URL, {} if kind is None else {"Content-Type": kind}, [CHUNK] * 100)
    problem = refused(answer, 400, "malformed")
    assert answer.taken == 0 and len(problem["detail"]) < 500


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", " application/json ;"])
def test_the_content_type_may_be_spelt_as_http_allows(node: WorldNode, kind: str) -> None:
    assert ask(node, "POST", URL, {"Content-Type": kind}, [orjson.dumps(offer(node.parcel()))]).status_code == 201


def test_a_document_of_exactly_64_kib_goes_as_json(node: WorldNode) -> None:
    content = bytes(range(256)) * (SMALL_DOCUMENT // 256)
    parcel = node.parcel("ICT-03", attachments=(("strategy.pdf", content),))
    answer = post(node, offer(parcel))
    assert answer.status_code == 201
    commitment = node.get(f"{URL}/{answer.json()['id']}").json()["documents"][1]["commitment"]
    assert node.get(f"/v1/documents/{commitment}").content == content


@pytest.mark.parametrize("age", [timedelta(minutes=-5), timedelta(0), timedelta(days=7)])
def test_the_last_moment_still_counts(node: WorldNode, age: timedelta) -> None:
    issued = f"{node.world.now - age:%Y-%m-%dT%H:%M:%SZ}"
    parcel = node.parcel(edit=lambda statement: replace(statement, issued=issued))
    assert post(node, offer(parcel)).status_code == 201
