"""GET /v1/contacts: who answers at a moment, those reachable first, and nothing guessed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.core.document import commit
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.pack import Pack
from exchange.core.statement import FormRef, format_statement, parse_statement
from exchange.resources import FORMS
from tests.api import refused
from tests.world import Published, World, WorldNode, renamed

OFFICE = {
    "time_zone": "Europe/Vienna",
    "weekly": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "16:00"}],
}
ALWAYS = {
    "time_zone": "Europe/Prague",
    "weekly": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"}],
}
MONDAY_MORNING = "2026-11-23T09:00:00+01:00"


@dataclass
class Directory:
    """XR has three desks (office hours, always open, not stated) and a fourth for exercises; XA has one."""

    node: WorldNode
    made: dict[str, Published]

    def names(self, **asked: Any) -> list[str]:
        names = {published.id: name for name, published in self.made.items()}
        answer = self.node.get("/v1/contacts", params=asked)
        assert answer.status_code == 200, answer.content
        assert answer.json()["next"] is None
        return [names[contact["source"]["id"]] for contact in answer.json()["items"]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with World(tmp_path_factory.mktemp("directory"), "XR", "XA") as world:
        node = world["XR"]
        made = {
            "office": node.publish(hours=OFFICE, phone="+43123456789", languages=["de", "en"], confirm_by="2026-12"),
            "unstated": node.publish(email="desk@csirt.example"),
            "always": node.publish(hours=ALWAYS, languages=["en"], confirm_by="2025"),
            "drill": node.publish(edit=lambda statement: replace(statement, status="exercise")),
            "arcadia": world["XA"].publish(hours=ALWAYS),
            "strategy": node.publish("ICT-03"),
        }
        assert node.pull() == {"XA": None}
        yield Directory(node, made)


def test_those_reachable_come_first_then_the_unstated_then_the_closed(directory: Directory) -> None:
    """The world's clock stands at Saturday, 03:00 UTC."""
    assert directory.names() == ["arcadia", "always", "unstated", "drill", "office"]
    assert directory.names(participant="XR", at=MONDAY_MORNING)[:2] == ["office", "always"]


def test_now_leaves_out_only_those_outside_their_stated_hours(directory: Directory) -> None:
    assert directory.names(participant="XR", now="true") == ["always", "unstated", "drill"]
    assert directory.names(participant="XR", now="true", at=MONDAY_MORNING) == ["office", "always", "unstated", "drill"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"participant": "XA"}, ["arcadia"]),
        ({"role": "technical", "participant": "XA"}, ["arcadia"]),
        ({"role": "diplomatic"}, []),
        ({"language": "de"}, ["office"]),
        ({"language": "en"}, ["always", "office"]),
        ({"language": "d"}, []),
        ({"status": "exercise"}, ["drill"]),
        ({"status": ["test", "exercise"], "participant": "XR"}, ["always", "unstated", "drill", "office"]),
        ({"status": "actual"}, []),
    ],
)
def test_a_question_narrows_the_list(directory: Directory, asked: dict[str, Any], found: list[str]) -> None:
    assert directory.names(**asked) == found


def test_an_answer_says_where_it_comes_from_and_how_fresh_it_is(directory: Directory) -> None:
    items = directory.node.get("/v1/contacts", params={"participant": "XR", "at": MONDAY_MORNING}).json()["items"]
    office, always, unstated, _ = items
    assert (office["reachable"], office["reachable_until"], office["local_time"]) == (
        "reachable",
        "2026-11-23T16:00+01:00",
        "2026-11-23T09:00+01:00",
    )
    assert (office["phone"], office["email"], office["form"]) == ("+43123456789", "not stated", "POC-02")
    assert office["contact"]["hours"] == OFFICE
    assert office["freshness"] == "confirmed 2 days ago; to be confirmed again by 2026-12"
    assert always["freshness"].startswith("stale: to be confirmed by 2025")
    assert (unstated["reachable"], unstated["reachable_until"]) == ("reachability not stated", None)
    for item, name in ((office, "office"), (always, "always")):
        source = item["source"]
        assert source == {
            "id": directory.made[name].id,
            "origin": directory.node.origin,
            "index": directory.made[name].index,
            "standing": "recorded",
            "cosignatures": "cosigned by 0 of 1, 1 asked for",
            "not_later_than": None,
            "late": False,
            "identity_replaced": None,
        }
        assert directory.node.get(f"/v1/submissions/{source['id']}").json()["body"] == item["contact"]


@pytest.mark.parametrize(
    ("at", "heard"),
    [
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00+00:00"),
        ("2026-11-23T09:00:00+01:00", "2026-11-23T09:00:00+01:00"),
        ("2026-11-23T09:00-0330", "2026-11-23T09:00:00-03:30"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
        ("9998-12-31T23:59:59-23:59", "9998-12-31T23:59:59-23:59"),
        ("1970-01-01T00:00:00+23:59", "1970-01-01T00:00:00+23:59"),
    ],
)
def test_a_moment_has_a_zone(directory: Directory, at: str, heard: str) -> None:
    assert directory.node.get("/v1/contacts", params={"at": at}).json()["at"] == heard


def test_without_a_moment_it_is_now(directory: Directory) -> None:
    assert directory.node.get("/v1/contacts").json()["at"] == "2026-11-21T03:00:00+00:00"


NO_MOMENTS = """
2026-11-23T09:00:00 2026-11-23 2026 now yesterday 2026-02-30T00:00:00Z 2026-11-23T24:00:01Z 2026-11-23T23:59:60Z
0001-01-01T00:00:00Z 9999-12-31T23:59:59Z 1969-12-31T23:59:59Z 2026-11-23T09:00:00+24:00 1790000000 -2026-01-01T00:00:00Z
"""


@pytest.mark.parametrize("at", [*NO_MOMENTS.split(), "", "\0", "9" * 300, "٢٠٢٦-11-23T09:00:00Z"])
def test_a_moment_that_is_none_is_refused(directory: Directory, at: str) -> None:
    assert refused(directory.node.get("/v1/contacts", params={"at": at}), 400, "malformed")["pointer"] == "/at"


def test_a_plus_that_the_url_has_eaten_is_refused_not_guessed(directory: Directory) -> None:
    refused(directory.node.get("/v1/contacts?at=2026-11-23T09:00:00+01:00"), 400, "malformed")


@pytest.mark.parametrize("participant", ["ZZ", "xr", "", " ", "XR'--", "x" * 200, "Р"])
def test_an_unknown_participant_is_a_404_and_no_empty_list(directory: Directory, participant: str) -> None:
    refused(directory.node.get("/v1/contacts", params={"participant": participant}), 404, "not-found")


@pytest.mark.parametrize("asked", ["status=secret", "now=soon", "participant=%00", "role=%0a", "language=" + "x" * 201])
def test_a_question_that_means_nothing_is_refused(directory: Directory, asked: str) -> None:
    refused(directory.node.get(f"/v1/contacts?{asked}"), 400, "malformed")


# --- a form that somebody drops in, and that answers contact look-ups in its own words

OWN_FORM = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "x-cbm": {
        "code": "DES-01",
        "version": 1,
        "title": {language: "A desk" for language in ("en", "fr", "de", "it", "ru", "es")},
        "obligations": [],
        "audience": "public",
        "cadence": {},
        "safeguards": [],
        "identifies": ["/desk"],
        "directory": True,
    },
    "required": ["desk"],
    "properties": {
        "desk": {"type": "string"},
        "hours": {},
        "confirm_by": {},
        "phone": {},
        "role": {},
        "languages": {},
        "email": {},
    },
}
STRANGE: list[Any] = [
    None,
    5,
    "always",
    [],
    {},
    [[]],
    {"time_zone": 5, "weekly": 5},
    {"time_zone": "Europe/Vienna"},
    {"weekly": []},
]
STRANGE += [
    {"time_zone": "Europe/Vienna", "weekly": [{"days": "mon", "from": "8", "to": 9}]},
    {"time_zone": "Europe/Vienna", "weekly": [5]},
    {"time_zone": "../../etc/passwd", "weekly": []},
    {"time_zone": "Europe", "weekly": []},
    {"time_zone": "", "weekly": []},
    {"time_zone": "Europe/Vienna\0", "weekly": []},
    {"time_zone": "Europe/Vienna", "weekly": [{"days": ["sat"], "from": "99:99", "to": "aa:bb"}]},
]


def desk(node: WorldNode, body: dict[str, Any]) -> Pack:
    """A return on the dropped-in form."""
    form = orjson.dumps(OWN_FORM)
    parcel = node.parcel()
    document = renamed(parcel.documents[0], content=orjson.dumps(body))
    statement = parse_statement(parse_envelope(parcel.envelope).payload)
    ref = replace(statement.documents[0], commitment=commit(document.opening, document.content))
    statement = replace(statement, form=FormRef("DES-01", 1, hashlib.sha256(form).hexdigest()), documents=(ref,))
    return Pack(format_envelope(sign_payload(format_statement(statement), [node.officer])), (document,), None, None)


def test_a_form_without_code_answers_look_ups_whatever_its_fields_hold(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        node.stop()
        (node.directory / "forms").mkdir()
        (node.directory / "forms" / "DES-01.v1.json").write_bytes(orjson.dumps(OWN_FORM))
        node.start()
        plain = node.submit(desk(node, {"desk": "plain", "hours": ALWAYS, "phone": "+12025550142"}))
        for value in STRANGE:
            node.submit(
                desk(node, {"desk": "odd", **{name: value for name in OWN_FORM["properties"] if name != "desk"}})
            )
        answer = node.get("/v1/contacts?participant=XR")
        assert answer.status_code == 200, answer.content[:300]
        items = answer.json()["items"]
        assert len(items) == 1 + len(STRANGE)
        assert [item["reachable"] for item in items].count("reachable") == 1
        assert items[0]["source"]["id"] == plain.id and items[0]["phone"] == "+12025550142"
        assert node.get("/v1/contacts?language=en").status_code == 200
        assert [form["code"] for form in node.get("/v1/forms").json()["items"]].count("DES-01") == 1
        assert (FORMS / "DES-01.v1.json").exists() is False
