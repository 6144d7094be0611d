"""The forms a node knows, and the second verdict: does the body fit the very file that was named?"""

import json
from typing import Any

import pytest

from exchange.core.catalogue import FITS, NOT_HELD, NOT_KNOWN, Catalogue
from exchange.core.form import LANGUAGES, parse_form
from exchange.core.statement import FormRef
from exchange.errors import Malformed
from exchange.resources import form_files


def form_file(code: str = "GEN-99", version: int = 1, **changes: Any) -> bytes:
    meta = {
        "code": code,
        "version": version,
        "title": dict.fromkeys(LANGUAGES, "A form"),
        "obligations": ["GEN:1"],
        "audience": "public",
        "cadence": {},
        "safeguards": [],
        "identifies": ["/kind"],
        "directory": False,
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "x-cbm": meta,
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {"kind": {"enum": ["a", "b"]}},
    }
    return json.dumps({**schema, **changes}).encode()


def ref(content: bytes, **changes: Any) -> FormRef:
    form = parse_form(content)
    fields = {"code": form.code, "version": form.version, "sha256": form.sha256, **changes}
    return FormRef(**fields)


def test_the_shipped_forms_are_known() -> None:
    catalogue = Catalogue.from_files(form_files())
    assert {("ICT-03", 1), ("POC-02", 1)} <= set(catalogue.forms)


def test_no_files_make_an_empty_catalogue() -> None:
    catalogue = Catalogue.from_files([])
    assert catalogue.newest("GEN-99") is None
    assert catalogue.judge(ref(form_file()), b"{}") == NOT_KNOWN


@pytest.mark.parametrize("order", [(1, 2, 10), (10, 2, 1)])
def test_the_newest_version_is_the_highest_number(order: tuple[int, ...]) -> None:
    catalogue = Catalogue.from_files(form_file(version=version) for version in order)
    newest = catalogue.newest("GEN-99")
    assert newest is not None and newest.version == 10
    assert catalogue.newest("GEN-9") is None


def test_a_form_is_named_by_code_version_and_bytes() -> None:
    content = form_file()
    catalogue = Catalogue.from_files([content])
    named = catalogue.named(ref(content))
    assert named is not None and named.content == content
    for change in ({"code": "GEN-98"}, {"version": 2}, {"sha256": "0" * 64}):
        assert catalogue.named(ref(content, **change)) is None
        assert catalogue.judge(ref(content, **change), b'{"kind": "a"}') == NOT_KNOWN


def test_the_same_file_twice_is_one_form() -> None:
    assert len(Catalogue.from_files([form_file(), form_file()]).forms) == 1


def test_two_files_of_one_version_are_refused() -> None:
    with pytest.raises(Malformed, match="two different files claim to be GEN-99 version 1"):
        Catalogue.from_files([form_file(), form_file(title="Changed after it was published")])


def test_a_file_that_is_no_form_is_refused() -> None:
    with pytest.raises(Malformed):
        Catalogue.from_files([form_file(), b"{}"])


def test_the_second_verdict_has_four_words() -> None:
    content = form_file()
    catalogue, form = Catalogue.from_files([content]), ref(content)
    assert catalogue.judge(form, b'{"kind": "a"}') == FITS == "fits"
    assert catalogue.judge(form, b'{"kind": "c"}').startswith("does not fit: /kind: ")
    assert catalogue.judge(form, b"[]").startswith("does not fit: /: ")
    assert catalogue.judge(form, b"\xff").startswith("does not fit: /: ")
    assert catalogue.judge(form, None) == NOT_HELD == "not held"
    assert Catalogue.from_files([]).judge(form, b'{"kind": "a"}') == NOT_KNOWN == "form not known here"


def test_an_erased_body_leaves_no_trace_in_the_verdict() -> None:
    content = form_file()
    assert "Maximilian" not in Catalogue.from_files([content]).judge(ref(content), b'{"kind": "Maximilian"}')
