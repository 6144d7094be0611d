"""Every error is problem+json with a stable code and the next step, uncacheable, and tells nothing of this machine."""

import logging
from pathlib import Path

import pytest

from exchange import errors
from exchange.api.problems import STATUS, problem
from exchange.errors import ExchangeError, by_code
from exchange.resources import FORMS
from tests.api import JSON, URL, ask, offer, post, refused
from tests.databases import hand_in
from tests.world import World, WorldNode


def every_error() -> list[type[ExchangeError]]:
    line: list[type[ExchangeError]] = [ExchangeError]
    for kind in line:
        line += kind.__subclasses__()
    return line


def table() -> dict[str, int]:
    """The codes and their statuses as schemas/README.md promises them."""
    text = (FORMS.parent / "README.md").read_text().partition("## 17 Errors")[2].partition("## 18")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith(("| `", "| *`"))]
    return {row[1].strip(" *`"): int(row[2]) for row in rows}


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.code)
def test_every_error_of_the_tree_has_the_status_that_the_contract_says(kind: type[ExchangeError]) -> None:
    answer = problem(kind("what was expected, and what came", pointer="/field"))
    assert answer.status_code == table()[kind.code]
    assert answer.media_type == "application/problem+json" and answer.headers["cache-control"] == "no-store"
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    assert by_code(kind.code) is kind


def test_the_contract_lists_the_codes_of_the_tree_and_no_others() -> None:
    codes = [kind.code for kind in every_error()]
    assert len(set(codes)) == len(codes)
    assert set(codes) == set(table())
    assert all(issubclass(kind, ExchangeError) for kind in STATUS)
    assert {name for name in vars(errors) if isinstance(vars(errors)[name], type)} - {"ClassVar"} == {
        kind.__name__ for kind in every_error()
    }


PATHS = [
    "/",
    "/nowhere",
    "/v1",
    "/v1/",
    "/v1/nowhere",
    "/v1/node/",
    "/docs",
    "/redoc",
    "/openapi.json/",
    "/local",
    "/local/",
    "/%00",
    "/%ff",
    "/%F0%9F%92%A9",
    "//",
    "/v1//node",
]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_there_is_a_404(node: WorldNode, path: str) -> None:
    refused(node.get(path), 404, "not-found")


def test_a_long_path_is_not_repeated_whole(node: WorldNode) -> None:
    assert len(refused(node.get("/" + "x" * 50_000), 404, "not-found")["detail"]) < 300
    assert len(refused(ask(node, "POST", f"{URL}/" + "x" * 50_000), 405, "http-405")["detail"]) < 300


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize(
    "path", ["/v1/node", "/v1/heads", "/v1/documents", "/v1/contacts", f"{URL}/{'0' * 64}/receipt", "/healthz"]
)
def test_another_method_is_a_405_that_names_the_right_one(node: WorldNode, path: str, method: str) -> None:
    answer = ask(node, method, path)
    refused(answer, 405, "http-405")
    assert "GET" in answer.headers["allow"]


def test_a_parameter_at_fault_is_pointed_at(node: WorldNode) -> None:
    for path, pointer in (
        (f"{URL}?limit=x", "/limit"),
        (f"{URL}?status=x", "/status/0"),
        ("/v1/documents", "/participant"),
        (f"{URL}?current=5", "/current"),
    ):
        assert refused(node.get(path), 400, "malformed")["pointer"] == pointer


def change(node: WorldNode, how: str) -> None:
    """A hand in the database of the running node."""
    with hand_in(node.directory) as db:
        db.exec_driver_sql(how)


def test_a_file_that_is_gone_is_told_without_a_word_of_this_machine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A real fault: somebody has removed a document's file under the running node."""
    with World(tmp_path, "XR", audited=False) as world:
        node = world["XR"]
        published = node.publish("ICT-03", attachments=(("strategy.pdf", bytes(100_000)),))
        commitment = node.get(f"{URL}/{published.id}").json()["documents"][1]["commitment"]
        file = node.running.node.files.path(commitment)
        content = file.read_bytes()
        file.unlink()
        with caplog.at_level(logging.CRITICAL, "exchange.api"):
            for path in (f"/v1/documents/{commitment}", f"{URL}/{published.id}/pack"):
                refused(node.get(path), 500, "internal")
        file.write_bytes(content)
        assert node.get(f"/v1/documents/{commitment}").content == content
        world.check()


def test_a_database_that_fails_is_told_without_a_word_of_this_machine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A real fault: a table is gone. Every route that needs it answers 500, the others go on."""
    with World(tmp_path, "XR", audited=False) as world:
        node = world["XR"]
        node.publish()  # an empty list would not need it
        parcel = node.parcel()
        change(node, "ALTER TABLE log RENAME TO gone")
        with caplog.at_level(logging.CRITICAL, "exchange.api"):
            for path in (
                "/v1/node",
                "/v1/heads",
                URL,
                "/v1/contacts",
                "/log/checkpoint",
                "/log/tile/0/000.p/1",
                "/readyz",
            ):
                refused(node.get(path), 500, "internal")
            refused(post(node, offer(parcel)), 500, "internal")
        assert node.get("/healthz").status_code == node.get("/v1/forms").status_code == 200
        change(node, "ALTER TABLE gone RENAME TO log")
        assert post(node, offer(parcel)).status_code == 201
        world.check()


def test_the_operators_log_tells_what_the_answer_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with World(tmp_path, "XR", audited=False) as world:
        node = world["XR"]
        change(node, "DROP TABLE alert")
        refused(node.get("/v1/alerts?after=0"), 500, "internal")
    [record] = [record for record in caplog.records if record.name == "exchange.api"]
    assert "/v1/alerts" in record.getMessage() and record.exc_info and "alert" in str(record.exc_info[1])


@pytest.mark.parametrize("host", ["[", "[::1", "a b", "\xff", "x" * 5000, "", "a/b?c#d"])
def test_no_host_header_makes_a_500(node: WorldNode, host: str) -> None:
    refused(ask(node, "GET", "/nowhere", {"Host": host}), 404, "not-found")
    refused(ask(node, "DELETE", "/v1/node", {"Host": host}), 405, "http-405")
    refused(ask(node, "POST", URL, {**JSON, "Host": host}, [b""]), 400, "malformed")
