"""A draft: its template parses, its answers survive, and whatever an officer types is a statement or a clear no."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.catalogue import Catalogue
from exchange.core.confines import check_body, check_statement
from exchange.core.document import Document, commit
from exchange.core.form import NOT_STATED, Form, judge, parse_form
from exchange.core.statement import Statement, parse_statement
from exchange.errors import Malformed
from exchange.node.draft import HEADER, Draft, draft_of, parse_draft, prepare, template
from exchange.resources import EXAMPLES, form_files
from tests import key_named
from tests.core.test_catalogue import form_file

pytestmark = pytest.mark.once

CATALOGUE = Catalogue.from_files(form_files())
FORMS = list(CATALOGUE.forms.values())
EXAMPLE_RETURNS = sorted((EXAMPLES / "returns").glob("*.json"))
ISSUED = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
WHO = {"federation": "test.example", "origin": "xr.test.example/log", "participant": "XR"}
FIRST = "ab" * 32


def prepared(draft: Draft, form: Form, *contents: tuple[str, bytes]) -> tuple[Statement, tuple[Document, ...]]:
    opening = iter(key_named(f"opening {number}").seed for number in range(99))
    payload, documents = prepare(draft, form, contents, ISSUED, lambda: next(opening))
    return parse_statement(payload), documents


def ready(form: Form, **changes: Any) -> Draft:
    """A draft that lacks nothing but what the test is about."""
    header = {"kind": "full", "message": "original", "status": "test", "languages": ["en"], **WHO, **changes}
    return Draft(header, {}, ())


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.code)
def test_the_template_of_a_form_parses_back(form: Form) -> None:
    draft = parse_draft(template(form))
    assert set(draft.header) == set(HEADER) and draft.attachments == ()
    assert (draft.header["form"], draft.header["version"]) == (form.code, form.version)
    identify = {pointer[1:] for pointer in form.meta["identifies"]}
    questions = form.schema["properties"]
    assert draft.body == {name: "" if name in identify else NOT_STATED for name in questions}
    assert not any(draft.header[name] for name in ("federation", "origin", "participant", "replaces", "series"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.code)
def test_what_is_given_stands_in_the_heading(form: Form) -> None:
    draft = parse_draft(template(form, **WHO, replaces=FIRST, series=FIRST))
    assert {name: draft.header[name] for name in WHO} == WHO
    assert (draft.header["message"], draft.header["replaces"], draft.header["series"]) == ("update", FIRST, FIRST)
    assert parse_draft(template(form, **WHO)).header["message"] == "original"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.code)
def test_the_comments_explain_every_question(form: Form) -> None:
    text = template(form)
    for question in form.schema["properties"].values():
        assert f". {question['x-cbm']['label']['en']}" in text
        assert question["x-cbm"]["help"]["en"] in text
    assert text.count("(identifies the return)") == len(form.meta["identifies"]) + 1


@pytest.mark.parametrize("path", EXAMPLE_RETURNS, ids=lambda path: path.stem)
def test_an_example_survives_the_draft_and_fits(path: Path) -> None:
    body = json.loads(path.read_bytes())
    form = CATALOGUE.newest("-".join(path.stem.split("-")[:2]))
    assert form is not None
    readers = ["XB", "XA"] if form.audience == "named" else ""
    draft = parse_draft(draft_of(form, body, audience=readers, **WHO))
    assert draft.body == body
    statement, (document,) = prepared(draft, form)
    assert json.loads(document.content) == body
    assert judge(form, document.content) == ()
    assert statement.documents[0].commitment == commit(document.opening, document.content)
    assert (statement.form.code, statement.status, statement.message) == (form.code, "actual", "original")
    assert statement.audience == statement.documents[0].audience == (("XA", "XB") if readers else form.audience_now)
    days = None if form.retention is None else f"{ISSUED.date() + timedelta(days=form.retention)}"
    assert statement.retain_until == days
    assert check_statement(form, statement) is None and check_body(form, statement.audience, body) is None


@pytest.mark.parametrize("said", ["everybody", "named", "", [], [1], ["XA", 7], 3, True])
def test_an_audience_is_a_word_or_the_codes_of_those_who_may_read(said: Any) -> None:
    with pytest.raises(Malformed) as caught:
        prepared(ready(FORMS[0], audience=said), FORMS[0])
    assert caught.value.pointer == "/return/audience"
    assert prepared(ready(FORMS[0], audience="States and Partners"), FORMS[0])[0].audience == "States and Partners"


def test_a_form_that_is_kept_for_a_time_only_fills_in_the_day() -> None:
    form = parse_form(form_file().replace(b'"directory": false', b'"directory": false, "retention": 3'))
    assert prepared(ready(form), form)[0].retain_until == "2026-11-24"
    assert prepared(ready(form, retain_until="2026-11-22"), form)[0].retain_until == "2026-11-22"
    assert prepared(ready(form, kind="nothing to declare"), form)[0].retain_until is None


anything = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(anything)
def test_any_answer_survives_the_draft(answer: Any) -> None:
    form = parse_form(form_file())
    assert parse_draft(draft_of(form, {"kind": answer})).body == {"kind": answer}


LINE = "A line\n[return]\nform = 'EVIL-01'\x07\u2028"
ODD = {
    "a dot": {"a.b": {}},
    "a blank": {"a b": {}},
    "a quote": {'a"b': {}},
    "a line break": {"a\nb": {}},
    "no letter": {"": {}},
    "another script": {"имя": {}},
    "far away": {"\U0001f600": {}},
    "a schema that is true": {"x": True},
    "notes that are none": {"x": {"x-cbm": "note"}},
    "a label that is none": {"x": {"x-cbm": {"label": "Label", "help": ["Help"], "values": 7}}},
    "no English": {"x": {"x-cbm": {"label": {"fr": "Nom"}, "help": {"fr": "Aide"}}}},
    "lines in the words": {
        "x": {
            "x-cbm": {"label": {"en": LINE}, "help": {"en": LINE}, "item": LINE, "values": {LINE: {}}},
            "examples": [LINE],
        }
    },
}


@pytest.mark.parametrize("properties", ODD.values(), ids=ODD.keys())
def test_the_template_of_any_form_file_parses_back(properties: dict[str, Any]) -> None:
    """A form file may come from anywhere: its words are comments, and must not become lines of the draft."""
    content = form_file(properties={"kind": {"enum": ["a"]}, **properties})
    form = parse_form(content.replace(b'"A form"', json.dumps(LINE).encode()))
    (name,) = properties
    draft = parse_draft(template(form))
    assert draft.body == {"kind": "", name: NOT_STATED}
    assert draft.header["form"] == "GEN-99"
    assert parse_draft(draft_of(form, {"kind": "a", name: [1]})).body == {"kind": "a", name: [1]}


HEAD = "[return]\n"
HOSTILE = {
    "nothing": "",
    "no TOML": "return = ",
    "no return": "[body]\n",
    "a return that is a text": 'return = "full"',
    "a list of returns": "[[return]]\n",
    "another section": HEAD + "[secrets]\n",
    "another field": HEAD + "colour = 'red'\n",
    "one field twice": HEAD + "kind = 'full'\nkind = 'full'\n",
    "deep lists": HEAD + "languages = " + "[" * 100_000,
    "deep tables": HEAD + "kind = " + "{a = " * 100_000,
    "a number beyond all measure": HEAD + "version = " + "9" * 10_000,
    "no such day": HEAD + "retain_until = 2026-02-30\n",
    "a control character": HEAD + "kind = 'full\0'\n",
    "half a surrogate": HEAD + 'kind = "\\ud800"\n',
    "attachments that are a text": HEAD + "attachments = 'a.pdf'\n[attachments]\n",
    "an attachment without a file": HEAD + "[[attachments]]\nlanguage = 'en'\n",
    "an attachment of a number": HEAD + "[[attachments]]\nfile = 7\n",
    "an attachment with a slip": HEAD + "[[attachments]]\nfile = 'a.pdf'\nlangauge = 'en'\n",
    "a body that is a text": "body = 'x'\n" + HEAD,
    "a body that is a list": HEAD + "[[body]]\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_draft_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_draft(text)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text(alphabet='[]{}=."\n #return.body1'))
def test_any_text_is_a_draft_or_malformed(text: str) -> None:
    with suppress(Malformed):
        parse_draft(text)


odd_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.lists(st.text())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([name for name in HEADER if name not in ("form", "version")]), odd_values)
def test_any_heading_is_a_statement_or_malformed(name: str, value: Any) -> None:
    try:
        prepared(ready(FORMS[0], **{name: value}), FORMS[0])
    except Malformed as error:
        assert error.pointer is None or error.pointer.startswith("/")


def test_dates_need_no_quotes() -> None:
    form = parse_form(form_file())
    text = template(form, **WHO).replace('retain_until = ""', "retain_until = 2030-01-31")
    text = text.replace('kind = ""', "kind = [2026-09-01, {on = 2026-09-02}, 2026-09-01T10:00:00Z, 08:30:00]")
    draft = parse_draft(text)
    assert draft.body == {
        "kind": ["2026-09-01", {"on": "2026-09-02"}, "2026-09-01T10:00:00+00:00", "08:30:00"],
    }
    statement, _ = prepared(draft, form)
    assert statement.retain_until == "2030-01-31"
    with pytest.raises(Malformed, match="text in quotes"):
        prepared(ready(form, period=2026), form)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("", None), ("2026", ("2026", "2026")), ("2026-01 to 2026-06", ("2026-01", "2026-06"))],
)
def test_a_period_is_a_span_or_none(written: str, expected: tuple[str, str] | None) -> None:
    period = prepared(ready(FORMS[0], period=written), FORMS[0])[0].period
    assert (None if period is None else (period.start, period.end)) == expected


@pytest.mark.parametrize("written", ["2026 to", "to 2026", "2026 - 2027", "2027 to 2026", "2026-13", "last year"])
def test_a_period_that_is_none_points_at_it(written: str) -> None:
    with pytest.raises(Malformed) as caught:
        prepared(ready(FORMS[0], period=written), FORMS[0])
    assert (caught.value.pointer or "").startswith("/period")


@pytest.mark.parametrize(
    ("header", "relation", "slots"),
    [
        ({}, [], ["body"]),
        ({"kind": "nothing to declare"}, [], []),
        ({"message": "update", "series": FIRST, "replaces": FIRST}, ["supersedes"], ["body"]),
        ({"message": "correction", "series": FIRST, "replaces": FIRST}, ["supersedes"], ["body"]),
        ({"message": "withdrawal", "series": FIRST, "replaces": FIRST}, ["withdraws"], []),
        ({"message": "update", "kind": "nothing new", "series": FIRST, "replaces": FIRST}, ["related"], []),
    ],
)
def test_each_act_names_what_it_is_about(header: dict[str, str], relation: list[str], slots: list[str]) -> None:
    statement, documents = prepared(ready(FORMS[0], **header), FORMS[0])
    assert [reference.rel for reference in statement.references] == relation
    assert [ref.slot for ref in statement.documents] == [one.slot for one in documents] == slots


def test_attachments_stand_in_their_order_with_type_and_language() -> None:
    text = template(FORMS[0], **WHO).replace(
        "[body]",
        "[[attachments]]\nfile = 'annex/strategy.pdf'\nlanguage = 'fr'\n"
        "[[attachments]]\nfile = 'table.unknown'\n"
        "[[attachments]]\nfile = 'note.txt'\nmedia_type = 'text/markdown'\n[body]",
    )
    draft = parse_draft(text)
    assert draft.attachments == (
        ("annex/strategy.pdf", "application/pdf", "fr"),
        ("table.unknown", "application/octet-stream", None),
        ("note.txt", "text/markdown", None),
    )
    statement, documents = prepared(
        draft, FORMS[0], ("strategy.pdf", b"1"), ("table.unknown", b"2"), ("note.txt", b"3")
    )
    assert [(one.slot, one.name, one.content) for one in documents[1:]] == [
        ("a1", "strategy.pdf", b"1"),
        ("a2", "table.unknown", b"2"),
        ("a3", "note.txt", b"3"),
    ]
    assert [(ref.media_type, ref.language) for ref in statement.documents[1:]] == [
        (media_type, language) for _, media_type, language in draft.attachments
    ]
    assert len({one.opening for one in documents}) == 4


@pytest.mark.parametrize("name", ["../strategy.pdf", ".hidden", "con.pdf", "a\u202efdp.exe", "", "a" * 256])
def test_a_file_name_that_could_harm_is_refused(name: str) -> None:
    draft = Draft(ready(FORMS[0]).header, {}, ((name, "application/pdf", None),))
    with pytest.raises(Malformed):
        prepared(draft, FORMS[0], (name, b"x"))
