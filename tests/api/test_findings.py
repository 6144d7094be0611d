"""What a node found elsewhere is listed: entries that it does not admit, with the reason, and alerts with their evidence."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from exchange.node.founding import officer_key
from exchange.trust.participants import Participants
from tests import key_named
from tests.api import refused
from tests.world import World, WorldNode

NEW_KEY = key_named("XA officer 2")


@dataclass
class Waiting:
    """XA has an officer whom only its own node knows yet; three returns of hers stand between two of the first officer."""

    world: World
    enlarged: Participants

    @property
    def node(self) -> WorldNode:
        return self.world["XR"]

    def listed(self, verdict: str, **asked: Any) -> dict[str, Any]:
        answer = self.node.get(f"/v1/entries/{verdict}", params={"origin": self.world["XA"].origin, **asked})
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    with World(tmp_path, "XR", "XA") as world:
        record = world.participants.records["XA"]
        record = replace(record, keys=(*record.keys, officer_key(NEW_KEY.public)))
        enlarged = replace(world.participants, records={**world.participants.records, "XA": record})
        other = world["XA"]
        other.publish()
        world.write_records(enlarged, "XA")
        other.pull()
        for _ in range(3):
            other.publish(signers=(NEW_KEY,))
        other.publish()
        world["XR"].pull()
        yield Waiting(world, enlarged)
        world.participants = enlarged
        world.write_records(enlarged)
        world.pull()


def test_entries_that_wait_are_listed_with_the_reason(waiting: Waiting) -> None:
    found = waiting.listed("waiting")
    assert [entry["index"] for entry in found["items"]] == [1, 2, 3] and found["next"] is None
    for entry in found["items"]:
        assert (entry["verdict"], entry["code"]) == ("waiting", "unknown-key")
        assert NEW_KEY.public.keyid in entry["reason"] and len(entry["id"]) == 64
        refused(waiting.node.get(f"/v1/submissions/{entry['id']}"), 404, "not-found")
    assert waiting.listed("refused") == {"items": [], "next": None}
    [head] = [head for head in waiting.node.heads() if head["participant"] == "XA"]
    assert (head["admitted"], head["waiting"], head["refused"]) == (2, 3, 0)


def test_pages_of_entries_neither_lose_nor_repeat(waiting: Waiting) -> None:
    found, indexes = waiting.listed("waiting", limit=1), []
    while True:
        indexes += [entry["index"] for entry in found["items"]]
        if found["next"] is None:
            break
        found = waiting.node.get(found["next"]).json()
    assert indexes == [1, 2, 3]
    assert [entry["index"] for entry in waiting.listed("waiting", start=2)["items"]] == [2, 3]


def test_entries_are_those_promised(waiting: Waiting) -> None:
    document = waiting.node.get("/openapi.json").json()
    schema = document["paths"]["/v1/entries/{verdict}"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]}).validate(
        waiting.listed("waiting")
    )


@pytest.mark.parametrize("verdict", ["admitted", "Waiting", "waiting%00", "waiting/", "x"])
def test_another_verdict_is_a_404(node: WorldNode, verdict: str) -> None:
    refused(node.get(f"/v1/entries/{verdict}?origin={node.origin}"), 404, "not-found")


@pytest.mark.parametrize(
    "origin", ["", "nowhere", "xr.test.example", "XR.test.example/log", "xr.test.example/log ", "1 OR 1=1"]
)
def test_entries_of_an_unknown_log_are_a_404(node: WorldNode, origin: str) -> None:
    refused(node.get("/v1/entries/waiting", params={"origin": origin}), 404, "not-found")


def test_entries_of_no_log_are_refused(node: WorldNode) -> None:
    assert refused(node.get("/v1/entries/waiting"), 400, "malformed")["pointer"] == "/origin"
    assert refused(node.get("/v1/entries/waiting?origin=%00"), 400, "malformed")["pointer"] == "/origin"


def test_alerts_are_listed_in_their_order_with_what_shows_them(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        first: dict[str, httpx.Response] = {}
        for code in ("XA", "XI"):
            world[code].publish()
            first[code] = world[code].get("/log/checkpoint")
            world[code].publish()
        node.pull()
        for code in ("XI", "XA"):
            note = first[code].content

            def rolled_back(request: httpx.Request, real: Any, note: bytes = note) -> httpx.Response:
                if request.url.path == "/log/checkpoint":
                    return httpx.Response(200, stream=httpx.ByteStream(note), request=request)
                answer: httpx.Response = real()
                return answer

            world[code].fault = rolled_back
            node.pull()
        found = node.get("/v1/alerts").json()
        assert [(alert["participant"], alert["origin"]) for alert in found["items"]] == [
            ("XI", world["XI"].origin),
            ("XA", world["XA"].origin),
        ]
        assert found["next"] is None
        for alert in found["items"]:
            assert alert["kind"] == "rollback/v1" and alert["summary"]
            assert alert["evidence"]["served"] == first[alert["participant"]].text
        page = node.get("/v1/alerts?limit=1").json()
        rest = node.get(page["next"]).json()
        assert page["items"] + rest["items"] == found["items"]
        for code in ("XA", "XI"):
            world[code].fault = None
