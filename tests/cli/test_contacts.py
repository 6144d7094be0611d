"""The card of a contact: what a tired duty officer reads, in the order in which it is needed."""

from typing import Any, cast

import pytest

from exchange.cli.contacts import card
from exchange.client.answers import Contact, fault
from exchange.core.form import NOT_STATED
from exchange.core.jsontext import parse_json
from exchange.resources import EXAMPLES


def contact(body: dict[str, Any], **changes: Any) -> Contact:
    """As GET /v1/contacts answers it."""
    answer: Any = {
        "participant": "XR",
        "name": "Ruritania",
        "form": "POC-02",
        "role": body["role"],
        "status": "actual",
        "reachable": "reachability not stated",
        "reachable_until": None,
        "local_time": None,
        "phone": body["phone"],
        "email": body["email"],
        "institution": body["institution"],
        "languages": body["languages"],
        "freshness": "confirmed today; no date of next confirmation stated",
        "confirmed": "2026-11-21T03:00:00Z",
        "confirm_by": NOT_STATED,
        "contact": body,
        "source": {
            "id": "ab" * 32,
            "origin": "xr.example/log",
            "index": 7,
            "standing": "witnessed",
            "cosignatures": "cosigned by 2 of 2, 2 asked for",
            "not_later_than": "2026-11-20T09:00:00Z",
            "late": False,
            "identity_replaced": None,
        },
        **changes,
    }
    assert fault(Contact, answer) is None
    return cast(Contact, answer)


def example(name: str = "POC-02") -> dict[str, Any]:
    return dict(parse_json((EXAMPLES / "returns" / f"{name}.json").read_bytes(), limit=100_000))


def test_the_card_reads_from_the_phone_down() -> None:
    shown = card(
        contact(
            example(),
            reachable="reachable",
            reachable_until="2026-11-22T00:00+01:00",
            local_time="2026-11-21T21:30+01:00",
        )
    )
    assert shown == [
        "Ruritania (XR), technical contact: CERT-XR, National Computer Security Incident Response Team of Ruritania",
        "  phone       +12025550142",
        "  now         REACHABLE (it is Sat 21:30 there)",
        "  hours       round the clock",
        "  no answer?  after 30 minutes National Situation Centre of Ruritania, +12025550143, watch@situation.xr.example",
        "  e-mail      duty@cert.xr.example",
        "  function    Duty officer",
        "  languages   en, de, fr",
        "  website     https://cert.xr.example",
        "  freshness   confirmed today; no date of next confirmation stated",
        "  seen        witnessed: cosigned by 2 of 2, 2 asked for; not later than 2026-11-20T09:00:00Z",
        f"  source      POC-02, entry 7 of xr.example/log, id {'ab' * 32}",
    ]


def test_what_is_not_stated_is_said_so_and_nothing_is_guessed() -> None:
    shown = card(contact(example("POC-02-hours-not-stated") | {"phone": NOT_STATED, "languages": NOT_STATED}))
    assert "  phone       not stated" in shown and "  now         reachability not stated" in shown
    assert "  languages   not stated" in shown
    assert not [line for line in shown if line.startswith(("  hours", "  no answer?", "  secure"))]


def test_texts_are_shown_in_the_language_asked_for_else_in_english_else_in_their_own() -> None:
    texts = {"de": "Lagezentrum", "en": "Situation centre", "fr": "Centre de situation"}
    body = example() | {"institution": texts, "function_title": {"ru": "Дежурный"}, "deputy": {"institution": texts}}
    for language, head in (("fr", "Centre de situation"), ("en", "Situation centre"), ("it", "Situation centre")):
        shown = card(contact(body), language)
        assert shown[0].endswith(f"contact: {head}")
        assert f"  no answer?  {head}" in shown
        assert "  function    Дежурный" in shown


@pytest.mark.parametrize("status", ["exercise", "test"])
def test_what_is_not_an_actual_contact_is_marked_before_the_phone(status: str) -> None:
    shown = card(contact(example(), status=status))
    assert shown[1] == f"  ATTENTION   status {status}: this is not an actual contact"
    assert shown[2].startswith("  phone")


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("2026-11-20T16:00+01:00", "REACHABLE (it is Fri 10:00 there, until Fri 16:00)"),
        ("2026-11-21T00:00+01:00", "REACHABLE (it is Fri 10:00 there, until midnight)"),
        ("2026-11-21T06:00+01:00", "REACHABLE (it is Fri 10:00 there, until Sat 06:00)"),
        (None, "outside stated hours (it is Fri 10:00 there)"),
    ],
)
def test_now_is_told_by_their_clock_and_by_when_it_ends(until: str | None, said: str) -> None:
    hours = {"time_zone": "Europe/Vienna", "weekly": [{"days": ["mon", "tue", "wed"], "from": "08:00", "to": "16:00"}]}
    shown = card(
        contact(
            example() | {"hours": hours},
            reachable="reachable" if until else "outside stated hours",
            reachable_until=until,
            local_time="2026-11-20T10:00+01:00",
        )
    )
    assert f"  now         {said}" in shown
    assert "  hours       mon-wed 08:00-16:00 (Europe/Vienna)" in shown


def test_several_spans_and_single_days_are_listed() -> None:
    weekly = [
        {"days": ["mon", "wed", "fri"], "from": "09:00", "to": "12:00"},
        {"days": ["sat", "sun"], "from": "22:00", "to": "06:00"},
    ]
    shown = card(contact(example() | {"hours": {"time_zone": "Asia/Almaty", "weekly": weekly}}))
    assert "  hours       mon+wed+fri 09:00-12:00, sat+sun 22:00-06:00 (Asia/Almaty)" in shown
