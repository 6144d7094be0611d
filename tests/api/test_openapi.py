"""What /openapi.json promises is what the routes answer: a client can be generated from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest

from tests.api import CLOSING, PARTS, URL, ask, offer, parts, post
from tests.world import Published, World, WorldNode


@dataclass
class Promised:
    """A node that holds something of everything, and what it promises."""

    node: WorldNode
    made: Published
    document: dict[str, Any]

    def validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator({**schema, "components": self.document["components"]})

    def operations(self, tag: str | None = None) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Those for everybody, or those for officers."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if operation.get("tags", [None]) == [tag]:
                    yield path, method, operation


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Promised]:
    """XR holds submissions and documents of its own, and mirrors XA, whose checkpoint went back once."""
    with World(tmp_path_factory.mktemp("promised"), "XR", "XA") as world:
        node, other = world["XR"], world["XA"]
        made = node.publish(attachments=(("strategy.pdf", bytes(100_000)),))
        node.publish(edit=lambda statement: replace(statement, message="update", series=made.id))
        other.publish()
        first = other.get("/log/checkpoint")
        other.publish()
        node.pull()

        def rolled_back(request: httpx.Request, real: Any) -> httpx.Response:
            if request.url.path == "/log/checkpoint":
                return httpx.Response(200, stream=httpx.ByteStream(first.content), request=request)
            answer: httpx.Response = real()
            return answer

        other.fault = rolled_back
        node.pull()
        other.fault = None
        yield Promised(node, made, node.get("/openapi.json").json())


def test_every_route_of_the_contract_is_promised(promised: Promised) -> None:
    assert {(method, path) for path, method, _ in promised.operations()} == {
        ("get", "/v1/node"),
        ("get", "/v1/heads"),
        ("get", "/v1/peers"),
        ("get", "/v1/participants"),
        ("get", "/v1/participants/{participant}/policy"),
        ("get", "/v1/forms"),
        ("get", "/v1/forms/{code}"),
        ("get", "/v1/obligations"),
        ("get", "/v1/submissions"),
        ("post", "/v1/submissions"),
        ("get", "/v1/submissions/{ident}"),
        ("get", "/v1/submissions/{ident}/envelope"),
        ("get", "/v1/submissions/{ident}/receipt"),
        ("get", "/v1/submissions/{ident}/pack"),
        ("get", "/v1/documents"),
        ("get", "/v1/documents/{commitment}"),
        ("get", "/v1/contacts"),
        ("get", "/v1/alerts"),
        ("get", "/v1/entries/{verdict}"),
        ("get", "/v1/undelivered"),
        ("get", "/v1/forgotten"),
    }


def test_every_route_for_officers_is_promised(promised: Promised) -> None:
    """What they answer is held against the promise in test_desk.py."""
    assert {(method, path) for path, method, _ in promised.operations("officers")} == {
        ("post", "/v1/session/challenge"),
        ("post", "/v1/session"),
        ("get", "/v1/session"),
        ("delete", "/v1/session"),
        ("get", "/v1/acts"),
        ("get", "/v1/drafts"),
        ("post", "/v1/drafts"),
        ("get", "/v1/drafts/{ident}"),
        ("put", "/v1/drafts/{ident}"),
        ("delete", "/v1/drafts/{ident}"),
        ("post", "/v1/drafts/{ident}/signatures"),
        ("post", "/v1/drafts/{ident}/release"),
    }


def paths_of(promised: Promised, path: str) -> list[str]:
    """The route with real values in it."""
    commitments = [one["commitment"] for one in promised.node.get(f"{URL}/{promised.made.id}").json()["documents"]]
    values = {
        "ident": [promised.made.id],
        "code": ["POC-02"],
        "participant": ["XR"],
        "commitment": commitments,
        "verdict": ["refused", "waiting", "disputed"],
    }
    found = [path]
    for name, each in values.items():
        if f"{{{name}}}" in path:
            found = [path.replace(f"{{{name}}}", value) for value in each]
    question = {"/v1/documents": "?participant=XR", "/v1/entries/{verdict}": "?origin=xa.test.example/log"}.get(
        path, ""
    )
    return [one + question for one in found]


def test_every_good_answer_is_the_one_promised(promised: Promised) -> None:
    for path, method, operation in promised.operations():
        if method != "get":
            continue
        for real in paths_of(promised, path):
            answer = promised.node.get(real)
            assert answer.status_code == 200, real
            kind = answer.headers["content-type"].partition(";")[0]
            content = operation["responses"]["200"]["content"]
            assert kind in content or set(content) == {"*/*"}, (real, kind, set(content))
            if kind == "application/json" and kind in content:
                promised.validator(content[kind]["schema"]).validate(answer.json())
                assert content[kind]["schema"].get("$ref"), f"{path} promises nothing in particular"


def test_a_promise_leaves_nothing_out(promised: Promised) -> None:
    """Each list shows a real item, so that its schema was tried."""
    for path in (URL, "/v1/contacts", "/v1/forms", "/v1/heads", "/v1/peers", "/v1/participants", "/v1/alerts"):
        assert promised.node.get(path).json()["items"], path


MISSING = {"ident": "0" * 64, "code": "ZZZ-99", "participant": "ZZ", "commitment": "0" * 64, "verdict": "lost"}


def test_every_refusal_is_the_one_promised(promised: Promised) -> None:
    """What was not understood, what is not there, and a proof that does not hold; nothing else is said no to who only asks for what is public."""
    problems = promised.validator({"$ref": "#/components/schemas/Problem"})
    for path, method, operation in promised.operations():
        refused = {
            status
            for status, one in operation["responses"].items()
            if "application/problem+json" in one.get("content", {})
        }
        if method == "post":
            assert refused == {"400", "403", "409", "413", "422", "5XX"}
            continue
        gone = paths_of(promised, path)[0]
        if "{" in path:
            gone = path.format(**MISSING) + "?" + gone.partition("?")[2]
        answers = [
            promised.node.get(paths_of(promised, path)[0].split("?")[0] + "?misspelt=x"),
            promised.node.get(gone),
        ]
        for answer in answers:
            if answer.status_code != 200:
                assert str(answer.status_code) in refused, path
                problems.validate(answer.json())
        assert refused - {"401", "403", "404"} == {"400", "5XX"}, path
        wrong = promised.node.get(paths_of(promised, path)[0], headers={"Signature": "no proof at all"})
        assert (wrong.status_code == 401) == ("401" in refused), path
        if wrong.status_code == 401:
            problems.validate(wrong.json())
        assert answers[0].status_code == 400 and ("{" not in path or answers[1].status_code == 404), path


def test_what_is_submitted_is_what_was_promised(promised: Promised) -> None:
    operation = promised.document["paths"][URL]["post"]
    wanted = promised.validator(operation["requestBody"]["content"]["application/json"]["schema"])
    parcel = promised.node.parcel()
    wanted.validate(offer(parcel))
    assert not wanted.is_valid({**offer(parcel), "token": "x"})
    for answer in (
        post(promised.node, offer(parcel)),
        ask(promised.node, "POST", URL, PARTS, [*parts(parcel), CLOSING]),
    ):
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        promised.validator(schema).validate(answer.json())
    assert {status for status in operation["responses"] if status < "3"} == {"200", "201"}


def test_parameters_are_promised_with_their_bounds(promised: Promised) -> None:
    asked = {one["name"]: one["schema"] for one in promised.document["paths"][URL]["get"]["parameters"]}
    assert set(asked) == {
        "participant",
        "form",
        "obligation",
        "period",
        "status",
        "series",
        "current",
        "q",
        "before",
        "limit",
    }
    assert (asked["limit"]["minimum"], asked["limit"]["maximum"]) == (1, 100)
    [bulk] = [
        one for one in promised.document["paths"]["/v1/documents"]["get"]["parameters"] if one["name"] == "participant"
    ]
    assert bulk["required"] is True
    assert {one["name"] for one in promised.document["paths"]["/v1/documents"]["get"]["parameters"]} == {
        "participant",
        "from",
        "to",
        "origin",
    }


def test_the_document_is_whole(promised: Promised) -> None:
    """Every reference in it leads somewhere."""
    text = orjson.dumps(promised.document).decode()
    refs = {part.partition('"')[0] for part in text.split('"$ref":"')[1:]}
    for ref in refs:
        target: Any = promised.document
        for step in ref.removeprefix("#/").split("/"):
            target = target[step]
    assert promised.document["openapi"].startswith("3.1")
