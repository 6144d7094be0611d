"""Lists of submissions: pages that neither lose nor repeat, filters that narrow, bounds that hold."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from exchange.core.statement import Period, Reference
from tests.api import URL, ask, refused
from tests.api.conftest import Crowd
from tests.world import Published, World, WorldNode


def pages(node: WorldNode, path: str) -> Iterator[dict[str, Any]]:
    following: str | None = path
    while following is not None:
        answer = node.get(following).json()
        assert set(answer) == {"items", "next"}
        yield answer
        following = answer["next"]


def test_pages_neither_lose_nor_repeat_while_new_ones_arrive(crowd: Crowd) -> None:
    listed: list[str] = []
    indexes: list[int] = []
    size = crowd.node.get("/v1/node").json()["size"]
    for page in pages(crowd.node, f"{URL}?limit=7"):
        listed += [item["id"] for item in page["items"]]
        indexes += [item["index"] for item in page["items"]]
        assert len(page["items"]) == 7 or page["next"] is None
        assert page["next"] is None or page["next"].count("before=") == 1
        if len(listed) < 70:
            crowd.publish()
    assert indexes == list(range(size - 1, -1, -1))
    assert len(set(listed)) == len(listed) == size
    assert [item["index"] for item in crowd.node.get(f"{URL}?limit=2").json()["items"]] == [size + 8, size + 7]


def test_a_page_has_a_hundred_unless_less_is_asked_for(crowd: Crowd) -> None:
    assert len(crowd.node.get(URL).json()["items"]) == 100
    assert len(crowd.node.get(f"{URL}?limit=1").json()["items"]) == 1
    assert len(crowd.node.get(f"{URL}?limit=100").json()["items"]) == 100


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1e2", "ten", "", "9" * 30, "1.5", "NaN", "0x10"])
@pytest.mark.parametrize("path", [URL, "/v1/alerts", "/v1/entries/refused"])
def test_a_limit_is_one_to_a_hundred(crowd: Crowd, path: str, limit: str) -> None:
    answer = crowd.node.get(path, params={"limit": limit, **required(crowd).get(path, {})})
    assert refused(answer, 400, "malformed")["pointer"] == "/limit"


def required(crowd: Crowd) -> dict[str, dict[str, str]]:
    origin = {"origin": crowd.node.origin}
    return {"/v1/entries/refused": origin, "/v1/entries/waiting": origin, "/v1/documents": {"participant": "XB"}}


HUGE = [str(2**63 - 1), str(2**63), str(2**64), str(-(2**63) - 1), str(2**53), "9" * 4000, "-1"]


@pytest.mark.parametrize("number", HUGE, ids=lambda number: number[:25])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (URL, "before"),
        ("/v1/alerts", "after"),
        ("/v1/entries/waiting", "start"),
        ("/v1/documents", "from"),
        ("/v1/documents", "to"),
        ("/v1/forms/POC-02", "version"),
    ],
)
def test_a_number_that_no_reader_holds_is_refused(crowd: Crowd, path: str, name: str, number: str) -> None:
    asked = {name: number, **required(crowd).get(path, {})}
    assert refused(crowd.node.get(path, params=asked), 400, "malformed")["pointer"] == f"/{name}"


@pytest.mark.parametrize("word", ["\0", "a\0b", "\x1f", "\x7f", "\n", "x" * 201, "_" * 60_000, "%" * 20_000])
@pytest.mark.parametrize("name", ["participant", "form", "obligation", "period", "series"])
def test_a_word_that_is_none_is_refused(crowd: Crowd, name: str, word: str) -> None:
    assert refused(crowd.node.get(URL, params={name: word}), 400, "malformed")["pointer"] == f"/{name}"


@pytest.mark.parametrize(
    "period",
    ["2026-13", "2026-00", "2026-02-30", "2026-1", "26", "2026-01-01T00:00:00Z", "0000", "٢٠٢٦", "2026 to 2027"],
)
def test_a_period_is_one_of_the_calendar(crowd: Crowd, period: str) -> None:
    refused(crowd.node.get(URL, params={"period": period}), 400, "malformed")


@pytest.mark.parametrize(
    "asked", ["status=secret", "status=actual&status=actual&status=actual&status=actual", "current=maybe", "series=abc"]
)
def test_a_filter_that_means_nothing_is_refused(crowd: Crowd, asked: str) -> None:
    refused(crowd.node.get(f"{URL}?{asked}"), 400, "malformed")


@pytest.mark.parametrize("host", ["[", "[::1", "a/b?c", "evil.example#", "x:y:z", "\xff", ""])
def test_the_next_page_is_on_this_node_whatever_host_was_named(crowd: Crowd, host: str) -> None:
    answer = ask(crowd.node, "GET", URL, {"Host": host}, query=b"limit=1&form=ICT-03")
    assert answer.status_code == 200
    following = urlsplit(answer.json()["next"])
    assert (following.scheme, following.netloc, following.path) == ("", "", URL)
    assert set(parse_qs(following.query)) == {"limit", "form", "before"}


@dataclass
class Shelf:
    """A few returns that differ in everything that a filter asks for."""

    node: WorldNode
    made: dict[str, Published]

    def ids(self, **asked: Any) -> list[str]:
        """The names of what is listed, newest first."""
        names = {published.id: name for name, published in self.made.items()}
        answer: httpx.Response = self.node.get(URL, params=asked)
        return [names[item["id"]] for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with World(tmp_path_factory.mktemp("shelf"), "XR", "XA") as world:
        node, made = world["XR"], {}

        def publish(name: str, form: str = "POC-02", who: WorldNode = node, **header: Any) -> None:
            made[name] = who.publish(form, edit=lambda statement: replace(statement, **header))

        publish("contact")
        publish("strategy 2026", "ICT-03", period=Period("2026", "2026"), status="actual")
        publish("strategy of a spring", "ICT-03", period=Period("2025-03", "2025-05-15"), status="exercise")
        series = made["contact"].id
        publish("update", message="update", series=series)
        publish("foreign contact", who=world["XA"])
        assert node.pull() == {"XA": None}
        gone = (Reference("withdraws", made["strategy 2026"].id, None),)
        made["withdrawal"] = node.publish(
            "ICT-03",
            header={
                "kind": "full",
                "message": "withdrawal",
                "series": made["strategy 2026"].id,
                "replaces": made["strategy 2026"].id,
            },
            edit=lambda statement: replace(statement, status="actual", references=gone),
        )
        yield Shelf(node, made)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "withdrawal, foreign contact, update, strategy of a spring, strategy 2026, contact"),
        ({"participant": "XA"}, "foreign contact"),
        ({"participant": "ZZ"}, ""),
        ({"participant": "xa"}, ""),
        ({"form": "POC-02"}, "foreign contact, update, contact"),
        ({"form": "POC-%"}, ""),
        ({"form": "POC-02' OR '1'='1"}, ""),
        ({"obligation": "OSCE:PC.DEC/1202:CBM-8"}, "foreign contact, update, contact"),
        ({"obligation": "OSCE:PC.DEC/1202"}, ""),
        ({"obligation": "%"}, ""),
        ({"obligation": "OSCE:PC.DEC/1202:CBM-_"}, ""),
        ({"obligation": ""}, ""),
        ({"period": "2026"}, "strategy 2026"),
        ({"period": "2026-07-14"}, "strategy 2026"),
        ({"period": "2025"}, "strategy of a spring"),
        ({"period": "2025-05"}, "strategy of a spring"),
        ({"period": "2025-05-15"}, "strategy of a spring"),
        ({"period": "2025-05-16"}, ""),
        ({"period": "2025-02"}, ""),
        ({"status": "actual"}, "withdrawal, strategy 2026"),
        ({"status": ["exercise", "actual"]}, "withdrawal, strategy of a spring, strategy 2026"),
        ({"current": "true"}, "foreign contact, update, strategy of a spring"),
        ({"current": "true", "participant": "XR", "form": "POC-02"}, "update"),
        ({"current": "false"}, "withdrawal, strategy 2026, contact"),
        ({"series": "contact"}, "update, contact"),
        ({"series": "foreign contact"}, "foreign contact"),
        ({"series": "0" * 64}, ""),
    ],
)  # fmt: skip
def test_a_filter_narrows_the_list(shelf: Shelf, asked: dict[str, Any], found: str) -> None:
    asked = {
        name: shelf.made[value].id if name == "series" and value in shelf.made else value
        for name, value in asked.items()
    }
    assert shelf.ids(**asked) == (found.split(", ") if found else [])


def test_one_submission_shows_statement_body_and_history(shelf: Shelf) -> None:
    answer = shelf.node.get(f"{URL}/{shelf.made['update'].id}").json()
    assert answer["history"] == [shelf.made["contact"].id, shelf.made["update"].id]
    assert answer["statement"]["series"] == answer["series"] == shelf.made["contact"].id
    assert answer["body"]["role"] == "technical" and answer["current"] is True and answer["fits"] == "fits"
    assert shelf.node.get(f"{URL}/{shelf.made['contact'].id}").json()["history"] == answer["history"]
    withdrawal = shelf.node.get(f"{URL}/{shelf.made['withdrawal'].id}").json()
    assert withdrawal["body"] is None and withdrawal["history"] == [
        shelf.made["strategy 2026"].id,
        shelf.made["withdrawal"].id,
    ]


def test_the_history_of_a_long_series_is_whole(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        first = node.publish()
        updates = [
            node.parcel(edit=lambda statement: replace(statement, message="update", series=first.id))
            for _ in range(104)
        ]
        with ThreadPoolExecutor(16) as pool:
            made = sorted([first, *pool.map(node.submit, updates)], key=lambda one: one.index)
        answer = node.get(f"{URL}/{made[50].id}").json()
        assert answer["history"] == [one.id for one in made]


@pytest.mark.parametrize("ident", ["abc", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "%00" * 64, "0" * 62 + "%200"])
def test_an_id_is_64_lower_case_hex_digits(shelf: Shelf, ident: str) -> None:
    for kind in ("", "/envelope", "/receipt", "/pack"):
        refused(shelf.node.get(f"{URL}/{ident}{kind}"), 400, "malformed")


def test_an_id_that_nobody_has_is_a_404(shelf: Shelf) -> None:
    for kind in ("", "/envelope", "/receipt", "/pack", "/body", "/"):
        refused(shelf.node.get(f"{URL}/{'0' * 64}{kind}"), 404, "not-found")
