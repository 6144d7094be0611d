"""The routes for officers: each is closed to who did not sign in, and answers as /openapi.json promises."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.api import ask, refused
from tests.officers import bearer, enrolled, signed_in
from tests.world import World, WorldNode

OPEN = {"/v1/session/challenge", ("post", "/v1/session")}


@dataclass
class Desk:
    node: WorldNode
    token: str
    document: dict[str, Any]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if operation.get("tags") == ["officers"]:
                    yield path, method, operation

    def promised(self, operation: dict[str, Any], status: str) -> jsonschema_rs.Draft202012Validator:
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        return jsonschema_rs.Draft202012Validator({**schema, "components": self.document["components"]})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        [officer] = enrolled(node, "releaser+auditor")
        yield Desk(node, signed_in(node, officer), node.get("/openapi.json").json())


def test_whoever_did_not_sign_in_is_told_nothing_else(desk: Desk) -> None:
    for path, method, operation in desk.operations():
        if path in OPEN or (method, path) in OPEN:
            assert "security" not in operation
            continue
        assert operation["security"] == [{"session": []}], path
        real = path.replace("{ident}", "ab" * 16)
        for headers in ({}, bearer("ab" * 32), bearer("x")):
            answer = ask(desk.node, method.upper(), real, headers)
            refused(answer, 401, "not-signed-in")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_every_good_answer_is_the_one_promised(desk: Desk) -> None:
    for path, method, operation in desk.operations():
        if method == "get" and "{" not in path:
            answer = desk.node.get(path, headers=bearer(desk.token))
            assert answer.status_code == 200, path
            assert answer.headers["cache-control"] == "no-store"
            desk.promised(operation, "200").validate(answer.json())
            misspelt = desk.node.get(f"{path}?misspelt=1", headers=bearer(desk.token))
            refused(misspelt, 400, "malformed")
