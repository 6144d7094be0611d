"""What a return changes is told fact by fact; nothing that differs is passed over, and nothing paints the screen."""

from dataclasses import fields, replace
from typing import Any

import orjson
import pytest

from exchange.core.document import Document, commit
from exchange.core.statement import FormRef, Period, Statement
from exchange.node.difference import Earlier, EarlierDocument, differences
from tests import builders
from tests.world import shipped_forms

pytestmark = pytest.mark.once

FORM = shipped_forms().newest("POC-02")
STANDS = builders.statement("XR", form=FormRef("POC-02", 1, "ab" * 32))
NOTHING = "  nothing but the time of issue"


def body(**answers: Any) -> Document:
    return Document("body", "POC-02.json", bytes(32), orjson.dumps(answers))


def told(
    statement: Statement = STANDS, now: dict[str, Any] | None = None, before: dict[str, Any] | None = None
) -> list[str]:
    earlier = Earlier("cd" * 32, STANDS, before or {})
    return differences(earlier, statement, [body(**(now or {}))], FORM)[1:]


def test_what_begins_a_series_has_nothing_before_it() -> None:
    assert differences(None, STANDS, [], FORM) == [
        "Nothing stands before it: it begins a series, or its series has no current version here."
    ]


def test_the_same_again_is_told_as_such() -> None:
    later = replace(STANDS, issued="2026-11-21T09:30:00Z", message="update", series="ef" * 32)
    assert told(later) == [NOTHING]


OTHER: dict[str, Any] = {
    "form": FormRef("POC-02", 2, "ab" * 32),
    "return_": "nothing to declare",
    "status": "test",
    "period": Period("2025", "2026"),
    "languages": ("en", "fr"),
    "audience": "participating States",
    "release_on": "2027-01-01T00:00:00Z",
    "retain_until": "2030-01-01",
    "on_behalf_of": "XA",
}
SAME = {"v", "federation", "origin", "participant", "series", "issued", "message", "references", "documents"}
"""Not told as a difference: they never differ within a series, or are told beside it."""


@pytest.mark.parametrize("name", OTHER)
def test_every_fact_that_is_another_is_named(name: str) -> None:
    lines = told(replace(STANDS, **{name: OTHER[name]}))
    assert len(lines) == 1 and " -> " in lines[0], lines


def test_no_field_of_a_statement_is_forgotten() -> None:
    assert {field.name for field in fields(Statement)} == set(OTHER) | SAME


def test_every_answer_that_is_another_is_named_with_both() -> None:
    before = {"phone": "+12025550142", "email": "not stated", "person_name": {"en": "A"}}
    now = {"phone": "+12025550143", "email": "duty@cert.example", "person_name": {"en": "A"}}
    lines = told(now=now, before=before)
    assert len(lines) == 2
    assert lines[0].endswith(": +12025550142 -> +12025550143") and lines[1].endswith(
        ": not stated -> duty@cert.example"
    )
    assert told(now={}, before={"phone": "+1"})[0].endswith(": +1 -> not stated")
    assert told(now={"unheard_of": 1}, before={}) == ["  unheard_of: not stated -> 1"]


def test_an_answer_paints_nothing() -> None:
    [line] = told(now={"phone": "\x1b[2K\u202e1"}, before={})
    assert line.isprintable() and "\u202e" not in line


def test_attachments_are_told_apart_by_their_content() -> None:
    def held(slot: str, name: str, content: bytes) -> EarlierDocument:
        opening = slot.encode().ljust(32)
        return EarlierDocument(slot, name, commit(opening, content), opening)

    before = (held("a1", "a.pdf", b"1"), held("a2", "b.pdf", b"2"), EarlierDocument("a3", "c.pdf", "ab" * 32, None))
    now = [Document("a1", "b.pdf", bytes(32), b"1"), Document("a2", "a.pdf", bytes(32), b"3")]
    assert differences(Earlier("cd" * 32, STANDS, None, before), STANDS, now, FORM)[1:] == [
        "  attachment b.pdf: was called a.pdf",
        "  attachment a.pdf: not in the version before",
        "  attachment b.pdf: no longer there",
        "  attachment c.pdf: no longer there",
    ]


def test_answers_that_are_not_here_are_told_as_such() -> None:
    assert differences(Earlier("cd" * 32, STANDS, None), STANDS, [body(phone="1")], FORM)[1:] == [
        "  the answers of the version before are not here"
    ]
