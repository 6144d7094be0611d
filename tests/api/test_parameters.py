"""Nothing in a query is passed over in silence, and HTTP's methods are answered as HTTP says."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.api import URL, ask, refused
from tests.world import Published, World, WorldNode

MISSPELT = ["form_", "Form", "forms", "participant ", "q[]", "limit[0]", "next", "", "x" * 500, "a/b~c", "é", "\0"]


@pytest.fixture(scope="module")
def made(world: World) -> Published:
    return world["XR"].publish(attachments=(("strategy.pdf", bytes(100_000)),))


@pytest.fixture
def promised(node: WorldNode, made: Published) -> list[tuple[str, dict[str, Any]]]:
    """Every question of the contract with real values in its path and its required parameters, and what it may be asked by."""
    commitment = node.get(f"{URL}/{made.id}").json()["documents"][1]["commitment"]
    values = {"ident": made.id, "code": "POC-02", "participant": "XR", "commitment": commitment, "verdict": "refused"}
    required = {"participant": "XR", "origin": node.origin}
    found = []
    for path, methods in node.get("/openapi.json").json()["paths"].items():
        if "get" in methods and "tags" not in methods["get"]:  # those for officers: test_desk.py
            parameters = methods["get"].get("parameters", [])
            asked = {
                one["name"]: required[one["name"]] for one in parameters if one["in"] == "query" and one["required"]
            }
            known = {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
            query = f"?{urlencode(asked)}" if asked else ""
            found.append((path.format(**values) + query, known))
    return found


def also(path: str, *pairs: tuple[str, str]) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode(pairs)}"


def test_every_question_is_answered(node: WorldNode, promised: list[tuple[str, dict[str, Any]]]) -> None:
    assert len(promised) >= 16
    for path, _ in promised:
        assert node.get(path).status_code == 200, path


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_parameter_is_refused_everywhere(
    node: WorldNode, promised: list[tuple[str, dict[str, Any]]], name: str
) -> None:
    """A filter that is not applied gives a longer list, which looks like an answer."""
    for path, known in promised:
        problem = refused(node.get(also(path, (name, "1"))), 400, "malformed")
        assert problem["pointer"].startswith("/") and len(problem["detail"]) < 400
        assert all(each in problem["detail"] for each in known), problem
    assert refused(node.get(f"{URL}?a/b~c=1"), 400, "malformed")["pointer"] == "/a~1b~0c"


def test_a_parameter_is_said_once_unless_it_is_a_list(
    node: WorldNode, promised: list[tuple[str, dict[str, Any]]]
) -> None:
    tried = set()
    for path, known in promised:
        for name, schema in known.items():
            is_list = any(one.get("type") == "array" for one in (schema, *schema.get("anyOf", ())))
            answer = node.get(also(path.split("?")[0], (name, "test"), (name, "test")))
            if not is_list:
                assert refused(answer, 400, "malformed")["pointer"] == f"/{name}"
                assert "twice" in answer.json()["detail"]
            else:
                assert answer.status_code == 200
            tried.add((name, is_list))
    assert {("status", True), ("form", False), ("from", False), ("limit", False)} <= tried


@pytest.mark.parametrize(
    "asked",
    ["limit=05", "limit=+5", "limit= 5", "limit=5.0", "limit=1_0", "before=00", "before=-0", "limit=٥"]
    + [f"current={word}" for word in ("1", "0", "yes", "on", "True", "TRUE", "t", "", "false ")],
)
def test_each_value_has_one_spelling(node: WorldNode, asked: str) -> None:
    """What one reader takes for true, or for five, another may not."""
    refused(node.get(f"{URL}?{asked}"), 400, "malformed")


def test_what_is_no_part_of_the_contract_passes_a_query_over(node: WorldNode) -> None:
    """Monitors add numbers to addresses, so that no cache answers for the node."""
    assert node.get("/healthz?1763760000").status_code == 200


# --- methods


def the_same_head(node: WorldNode, path: str) -> None:
    bare, _, query = path.partition("?")
    whole, head = (ask(node, method, bare, query=query.encode()) for method in ("GET", "HEAD"))
    assert whole.content and head.content == b"", path
    assert (head.status_code, head.headers) == (whole.status_code, whole.headers), path


def test_head_is_the_head_of_what_get_answers(node: WorldNode, promised: list[tuple[str, dict[str, Any]]]) -> None:
    for path, _ in promised:
        the_same_head(node, path)
    for path in ("/healthz", "/log/checkpoint", "/log/tile/0/000.p/1", "/mirror/XA/checkpoint", "/openapi.json"):
        the_same_head(node, path)


@pytest.mark.parametrize("path", ["/nowhere", f"{URL}/abc", f"{URL}/{'0' * 64}", f"{URL}?limit=0", "/v1/documents"])
def test_a_refusal_has_the_same_head(node: WorldNode, path: str) -> None:
    the_same_head(node, path)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/node", "GET, HEAD"),
        (URL, "GET, POST, HEAD"),
        (f"{URL}/{'0' * 64}", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/log/checkpoint", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/local/pull", "POST"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "get", "FOO"])
def test_another_method_names_all_that_are_answered(node: WorldNode, path: str, methods: str, method: str) -> None:
    answer = ask(node, method, path)
    refused(answer, 405, "http-405")
    assert answer.headers["allow"] == methods


def test_head_of_what_only_takes_names_what_it_takes(node: WorldNode) -> None:
    answer = ask(node, "HEAD", "/local/pull")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


@pytest.fixture(autouse=True)
def stores_nothing(node: WorldNode, made: Published) -> Iterator[None]:
    before: httpx.Response = node.get("/v1/heads")
    yield
    assert node.get("/v1/heads").content == before.content
