"""What a form lets its returns be: for whom, and for how long. The door of the State's own node holds to it."""

from dataclasses import replace
from typing import Any

import pytest

from exchange.core.confines import check_body, check_statement
from exchange.core.form import NOT_STATED, Form, judge, parse_form
from exchange.core.jsontext import canonical_json
from exchange.core.statement import DocumentRef, FormRef, Statement
from tests.core.test_catalogue import form_file
from tests.world import body_of, shipped_forms

STATES, PARTNERS = "participating States", "States and Partners"


def statement(form: Form, audience: Any, retain_until: str | None = None) -> Statement:
    return Statement(
        v=1,
        federation="test.example",
        origin="xr.test.example/log",
        participant="XR",
        form=FormRef(form.code, form.version, form.sha256),
        series=None,
        issued="2026-11-21T03:00:00Z",
        period=None,
        return_="full",
        message="original",
        references=(),
        status="test",
        on_behalf_of=None,
        languages=("en",),
        audience=audience,
        release_on=None,
        retain_until=retain_until,
        documents=(DocumentRef("body", "application/json", None, audience, "0" * 64),),
    )


def shipped(code: str) -> Form:
    form = shipped_forms().newest(code)
    assert form is not None
    return form


@pytest.mark.parametrize(
    ("code", "taken", "refused"),
    [
        ("POC-03", [STATES, ("XA", "XB")], ["public", PARTNERS]),
        ("ICT-06", [STATES, ("XA",)], ["public", PARTNERS]),
        ("CSE-08", [("XA", "XR")], ["public", STATES, PARTNERS]),
        ("CSE-09", [("XA",)], ["public", STATES, PARTNERS]),
        ("ICT-03", ["public", STATES, PARTNERS, ("XA",)], []),
    ],
)
def test_a_form_says_for_whom_its_returns_are_at_most(code: str, taken: list[Any], refused: list[Any]) -> None:
    form = shipped(code)
    for audience in taken:
        assert check_statement(form, statement(form, audience, "2026-11-22")) is None
    for audience in refused:
        found = check_statement(form, statement(form, audience, "2026-11-22"))
        assert found is not None and found.pointer == "/audience" and form.code in found.detail


@pytest.mark.parametrize(
    ("until", "pointer"),
    [(None, "/retain_until"), ("2026-11-25", "/retain_until"), ("2026-11-24", None), ("2026-11-21", None)],
)
def test_an_alert_about_a_child_is_kept_for_three_days_at_most(until: str | None, pointer: str | None) -> None:
    form = shipped("CSE-10")
    found = check_statement(form, statement(form, "public", until))
    assert (found and found.pointer) == pointer
    nil = replace(statement(form, "public", until), documents=())
    assert check_statement(form, nil) is None  # nothing to keep


def test_a_cancelled_alert_says_nothing_of_the_child() -> None:
    form = shipped("CSE-10")
    body = body_of("CSE-10", alert_id="XR-2026-0007", message="Cancel", cancel_reason="found")
    assert judge(form, canonical_json(body)) == ()
    for name, answer in (("first_name", {"en": "Anna"}), ("age", 9), ("description", {"en": "Brown hair"})):
        assert [one.pointer for one in judge(form, canonical_json(body | {name: answer}))] == [f"/{name}"]
        assert judge(form, canonical_json(body | {name: answer, "message": "Alert"})) == ()


@pytest.mark.parametrize("code", ["POC-01", "ICT-01", "CT-01"])
def test_what_the_decisions_keep_between_states_is_for_them_unless_a_state_says_otherwise(code: str) -> None:
    form = shipped(code)
    assert (form.version, form.audience) == (2, STATES)
    assert check_statement(form, statement(form, "public")) is None
    assert shipped_forms().forms[code, 1].audience == "public"


@pytest.mark.parametrize("code", ["POC-01", "POC-05"])
@pytest.mark.parametrize(("name", "answer"), [("person_name", {"en": "N. N."}), ("secure_phone", "+12025550100")])
def test_a_name_and_a_protected_number_are_never_public(code: str, name: str, answer: Any) -> None:
    form = shipped(code)
    found = check_body(form, "public", {name: answer})
    assert found is not None and found.pointer == f"/{name}" and "12025550100" not in found.detail
    for audience in (STATES, PARTNERS, ("XA",)):
        assert check_body(form, audience, {name: answer}) is None
    assert check_body(form, "public", {name: NOT_STATED}) is None


def test_an_answer_may_make_the_audience_narrower_and_is_never_repeated() -> None:
    form = shipped("ICT-06")
    assert check_body(form, STATES, {"attribution_made": "no"}) is None
    assert check_body(form, ("XA",), {"attribution_made": "yes"}) is None
    found = check_body(form, STATES, {"attribution_made": "yes"})
    assert found is not None and found.pointer == "/attribution_made" and "named participants" in found.detail
    listed = parse_form(
        form_file().replace(
            b'"directory": false',
            b'"directory": false, "narrower": [{"field": "kind", "except": ["not stated", "a"], "audiences": ["named"]}]',
        )
    )
    kept: list[Any] = ["a", ["a"], NOT_STATED, []]
    told: list[Any] = [{"en": "secret"}, ["a", "secret"], "secret", 7]
    for answer in kept:
        assert check_body(listed, "public", {"kind": answer}) is None
    for answer in told:
        found = check_body(listed, "public", {"kind": answer})
        assert found is not None and "secret" not in found.detail
    assert check_body(listed, "public", {}) is None
