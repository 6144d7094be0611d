"""What the officer is shown before signing is all that is signed, and paints nothing else on the screen."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.catalogue import Catalogue
from exchange.core.document import Document
from exchange.core.form import NOT_STATED, Form, parse_form
from exchange.core.statement import Period, Reference, Statement
from exchange.node.wording import in_words, printable, shown
from exchange.resources import form_files
from tests import builders
from tests.core.test_catalogue import form_file
from tests.world import body_of

pytestmark = pytest.mark.once

CATALOGUE = Catalogue.from_files(form_files())
FIRST = "ab" * 32
# What would repaint a terminal, turn the writing about, or hide: each with the name under which it is known.
PAINT = {
    "escape": "\x1b[2K\x1b[1A",
    "one-byte CSI": "\x9b2K",
    "bell": "\x07",
    "carriage return": "\r",
    "backspace": "\b",
    "right to left": "\u202e",
    "isolate": "\u2066",
    "no width": "\u200b",
    "line separator": "\u2028",
    "private use": "\ue000",
    "tag": "\U000e0041",
}


def known(code: str) -> Form:
    form = CATALOGUE.newest(code)
    assert form is not None
    return form


def body(content: Any, slot: str = "body") -> Document:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Document(slot, "body.json", bytes(32), data)


def words(what: Statement | None = None, *documents: Document, form: Form | None = None) -> str:
    what = what or builders.statement("XR")
    return "\n".join(in_words(what, documents, form or known(what.form.code), "Ruritania"))


def test_who_says_what_to_whom() -> None:
    text = words()
    assert "Ruritania states, under form ICT-03 (" + known("ICT-03").title() in text
    assert "to          everybody: it becomes public for ever" in text
    assert "xr.test.example/log of the federation test.example" in text
    assert "2026-11-20T09:30:00Z, in en" in text


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "replacing   begins a new series"),
        ({"message": "update"}, "replacing   replaces the current version of the series"),
        ({"message": "correction"}, "replacing   corrects the current version of the series"),
        ({"message": "withdrawal"}, f"withdraws the series: nothing of it stays current: withdraws {builders.FIRST}"),
        ({"message": "update", "return_": "nothing new"}, "replacing   nothing; it confirms the full return in force"),
        ({"references": (Reference("related", FIRST, None),)}, f"begins a new series: related {FIRST}"),
        ({}, "kept        without an end; it can be withdrawn, not unsaid"),
        ({"retain_until": "2030-01-31"}, "kept        until 2030-01-31, then every node deletes the documents"),
        ({"period": Period("2026", "2026")}, "return      full, for 2026"),
        ({"period": Period("2026-01", "2026-06")}, "return      full, for 2026-01 to 2026-06"),
        ({"return_": "nothing to declare"}, "return      nothing to declare"),
        ({"status": "exercise"}, "status      exercise - not an actual submission"),
        ({"audience": ("XA", "XI")}, "to          XA, XI"),
        ({"on_behalf_of": "XA"}, "on behalf of XA, whose own word it becomes only by countersignature"),
        ({"languages": ("en", "fr")}, "in en, fr"),
    ],
    ids=str,
)
def test_each_fact_has_its_line(changes: dict[str, Any], line: str) -> None:
    assert line in words(builders.statement("XR", **changes))


def test_every_answer_is_shown_whole() -> None:
    long = "x" * 500
    answers = body_of("POC-02", institution={"en": long, "fr": "Équipe « nationale »"}, languages=["en", "de"])
    answers["hours"] = {"time_zone": "Europe/Vienna", "weekly": [{"days": ["mon"], "from": "08:00", "to": "16:00"}]}
    text = words(None, body(answers), form=known("POC-02"))
    for told in (
        long,
        "Équipe « nationale »",
        "(fr)",
        "en; de",
        "Europe/Vienna",
        "mon",
        "08:00",
        "16:00",
        "Institution:",
    ):
        assert told in text
    stated = [name for name, answer in answers.items() if answer != NOT_STATED]
    assert f"{len(answers) - len(stated)} questions left open (not stated)" in text


def test_one_open_question_is_one() -> None:
    assert "1 question left open" in words(None, body({"x": NOT_STATED, "y": 1}))


def test_falsehood_and_nothing_are_answers() -> None:
    text = words(None, body({"no": False, "none": None, "zero": 0, "empty": "", "list": []}))
    for line in ("no: False", "none: None", "zero: 0", "empty: ", "list: "):
        assert f"\n    {line}" in text


def test_every_body_is_shown_in_whatever_language() -> None:
    """A translation is signed as well, and may say something else."""
    text = words(None, body({"text": "No"}), body({"text": "Oui"}, "body.fr"))
    assert "text: No" in text and "text: Oui" in text


def test_attachments_are_named_with_their_size() -> None:
    assert "document    a1: strategy.pdf, 1,234 bytes" in words(
        None, Document("a1", "strategy.pdf", bytes(32), bytes(1234))
    )


@pytest.mark.parametrize("content", [b"", b"no JSON", b"\xff", b'{"a":1,"a":2}', b"[1]", b'"text"'], ids=str)
def test_a_body_that_cannot_be_shown_says_so(content: bytes) -> None:
    assert "cannot be shown" in words(None, body(content))


def test_a_form_that_is_not_known_here_says_so_and_shows_the_answers() -> None:
    lines = in_words(builders.statement("XR"), [body({"field": "answer"})], None, "Ruritania")
    assert any("a form that is not known on this machine" in line for line in lines)
    assert "    field: answer" in lines


@pytest.mark.parametrize("paint", PAINT.values(), ids=PAINT.keys())
def test_nothing_repaints_the_screen(paint: str) -> None:
    """In an answer, deep in it, in the name of a field, in the words of a form file: each shows that something was there."""
    content = form_file(properties={"kind": {"x-cbm": {"label": {"en": f"L{paint}L"}}}})
    form = parse_form(content.replace(b'"A form"', json.dumps(f"T{paint}T").encode()))
    answers = {"kind": f"A{paint}A", f"F{paint}F": [{f"K{paint}K": {f"k{paint}": f"D{paint}D"}}]}
    lines = in_words(
        builders.statement("XR"), [body(answers), body({"kind": f"B{paint}B"}, "body.fr")], form, "Ruritania"
    )
    text = "".join(lines)
    assert text.isprintable()
    for around in "TLAFKDB":
        assert f"{around}\ufffd" in text, around


def test_a_line_break_in_an_answer_starts_no_line() -> None:
    text = words(None, body({"x": "first\n  to          XA"}))
    assert "x: first |   to          XA" in text


def test_blanks_of_other_scripts_are_blanks() -> None:
    assert printable("«\u00a0oui\u202fnon\u3000»") == "« oui non »"
    assert printable("Ünïcödé, 日本語, русский, العربية") == "Ünïcödé, 日本語, русский, العربية"


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_what_is_shown_is_printable_and_as_long_as_what_is_meant(text: str) -> None:
    assert printable(text).isprintable() and len(printable(text)) == len(text)
    assert shown(text) == printable(text.replace("\n", " | "))


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.text() | st.booleans() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=6
        ),
    )
)
def test_any_body_is_shown_line_by_line(answers: Any) -> None:
    statement = replace(builders.statement("XR"), documents=())
    lines = in_words(statement, [body(answers)], parse_form(form_file()), "Ruritania")
    assert "".join(lines).isprintable()
    told = [answer for answer in answers.values() if answer != NOT_STATED]
    heading = next(number for number, line in enumerate(lines) if line.startswith("  document"))
    assert len(lines) - heading - 1 == len(told) + (len(told) < len(answers))
