"""The safeguards that the forms can hold by themselves (R6, R7, R9, R10): what they refuse, whatever the writer meant."""

from typing import Any

import pytest

from exchange.core.form import NOT_STATED, judge
from tests.test_schemas import CODES, body_with, form

pytestmark = pytest.mark.once

TEXTS = [
    (code, name)
    for code in CODES
    for name, asked in form(code).schema["properties"].items()
    if asked["x-cbm"]["kind"] in ("mtext", "longtext")
]


@pytest.mark.parametrize(("code", "name"), [text for text in TEXTS if text[0].startswith(("CT-", "CSE-"))])
def test_no_text_about_terrorists_or_children_takes_a_live_address(code: str, name: str) -> None:
    if "R7" not in form(code).meta["safeguards"] and "R10" not in form(code).meta["safeguards"]:
        return
    onion = "expyuzz4wqqyqhjn2fjkfl" + "a" * 34
    for address in ("https://forum.example/x", "www.forum.example", f"{onion}.onion", "hXXp://forum.example"):
        found = judge(form(code), body_with(code, name, {"en": f"It is at {address} today"}))
        assert [error.pointer for error in found] == [f"/{name}/en"], (address, found)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ICT-06", "description"),
        ("ICT-06", "origin_indication"),
        ("ICT-07", "circumstances"),
        ("ICT-10", "categories_described"),
        ("ICT-10", "crisis_procedures"),
        ("ICT-10", "shared_challenges"),
        ("CSE-10", "description"),
        ("CSE-10", "clothing"),
    ],
)
def test_no_text_about_infrastructure_or_a_child_takes_coordinates(code: str, name: str) -> None:
    refused = ("48.20821, 16.37382", "lat 48,2082", "N 48°12′30″", "48.2082", "1.2345.6", "a48.20821b", "7.7.77777")
    for place in refused:
        found = judge(form(code), body_with(code, name, {"en": f"The station at {place} failed"}))
        assert [error.pointer for error in found] == [f"/{name}/en"], (place, found)
    for words in (
        "Version 4.2.17",
        "12,500,000 households",
        "1.5 hours",
        "at 04:20 on 2026-11-19",
        "No. 48. 2082",
        "7.",
    ):
        assert judge(form(code), body_with(code, name, {"en": words})) == (), words


@pytest.mark.parametrize("name", ["Anna Elphberg", "Anna-Maria E.", "Anna 9", "A" * 41, "Anna\tE"])
def test_an_alert_takes_one_first_name_and_no_more(name: str) -> None:
    found = judge(form("CSE-10"), body_with("CSE-10", "first_name", {"en": name}))
    assert [error.pointer for error in found] == ["/first_name/en"]
    for right in ("Anna", "Anna-Maria", "Zoë", "Анна", "D’Arcy"):
        assert judge(form("CSE-10"), body_with("CSE-10", "first_name", {"en": right})) == ()


@pytest.mark.parametrize("latitude", ["48.21", "48.208", "48,2", "91", "-90.5", "48.2N"])
def test_a_child_was_last_seen_within_some_kilometres_and_no_nearer(latitude: str) -> None:
    seen = {"place": {"en": "Strelsau"}, "latitude": latitude, "longitude": "16.4", "at": "2026-11-20T16:30Z"}
    assert judge(form("CSE-10"), body_with("CSE-10", "last_seen", seen))
    assert judge(form("CSE-10"), body_with("CSE-10", "last_seen", seen | {"latitude": "-48.2"})) == ()


def test_a_figure_so_small_that_it_may_be_a_person_is_not_taken() -> None:
    def counted(value: Any) -> bytes:
        one = {"indicator": "convictions", "breakdown": "sex", "group": {"en": "Girls"}, "value": value}
        return body_with("CSE-02", "indicators", [one])

    for small in (1, 2, 3, 4, -1, 5.5, "4"):
        assert judge(form("CSE-02"), counted(small)), small
    for value in (0, 5, 1240, "fewer than 5"):
        assert judge(form("CSE-02"), counted(value)) == (), value
    both = {"indicator": "convictions", "breakdown": ["sex", "age band"], "group": NOT_STATED, "value": 9}
    assert judge(form("CSE-02"), body_with("CSE-02", "indicators", [both]))


@pytest.mark.parametrize(
    "reference", ["Anna Elphberg", "ELPHBERG", "anna-1", "CR 2026", "CR/2026/", "-1", "A" * 64 + "1"]
)
def test_a_reference_is_a_number_and_no_name(reference: str) -> None:
    right = reference == "CR/2026/"
    assert (judge(form("CSE-08"), body_with("CSE-08", "request_reference", reference)) == ()) is right


def test_addresses_in_an_incident_are_written_so_that_nobody_follows_them() -> None:
    for name in ("description", "origin_indication"):
        assert (
            judge(form("ICT-06"), body_with("ICT-06", name, {"en": "Requests came from hxxp[:]//forum[.]example"}))
            == ()
        )
        assert judge(form("ICT-06"), body_with("ICT-06", name, {"en": "Requests came from hxxp://forum.example"}))
