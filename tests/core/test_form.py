import hashlib
import json
import time
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import form as module
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.form import DIALECT, LANGUAGES, MAX_ERRORS, MAX_FORM, NOT_STATED, FieldError, Form, judge, parse_form
from exchange.errors import Malformed, TooLarge

META: dict[str, Any] = {
    "code": "TST-01",
    "version": 1,
    "title": {lang: f"Title in {lang}" for lang in LANGUAGES},
    "obligations": ["OSCE:PC.DEC/1202:CBM-7"],
    "audience": "public",
    "cadence": {"every": "year"},
    "safeguards": ["R3"],
    "identifies": ["/kind"],
    "directory": False,
}


def or_not_stated(*alternatives: dict[str, Any], **annotations: Any) -> dict[str, Any]:
    return {"anyOf": [{"const": NOT_STATED}, *alternatives], **annotations}


FIELDS: dict[str, Any] = {
    "kind": {"enum": ["strategy", "policy"]},
    "adopted_on": or_not_stated({"type": "string", "format": "date"}),
    "in_force": or_not_stated(
        {"type": "string", "anyOf": [{"const": "in progress"}, {"pattern": "^[0-9]{4}$"}]},
        examples=["in progress", "2024"],
    ),
    "bodies": or_not_stated(
        {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["name", "since"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string", "minLength": 1}, "since": or_not_stated({"type": "integer"})},
            },
        }
    ),
    "text": or_not_stated(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[a-z]{2}$"},
            "additionalProperties": {
                "type": "string",
                "minLength": 1,
                "maxLength": 9,
                "pattern": "^[^\\u0000-\\u001f]*$",
            },
        },
        examples=[{"en": "A text"}],
    ),
    "phone": or_not_stated({"type": "string", "pattern": "^\\+[0-9]+$"}, examples=["+431234"]),
    "share": or_not_stated({"type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.5}),
    "a/b~c": or_not_stated({"type": "boolean"}),
    "shared": {"$ref": "#/$defs/address"},
    "choice": or_not_stated({"enum": ["yes", "no"]}, {"type": "integer", "minimum": 1}),
}
SCHEMA: dict[str, Any] = {
    "$schema": DIALECT,
    "x-cbm": META,
    "type": "object",
    "required": ["kind", "adopted_on"],
    "additionalProperties": False,
    "properties": FIELDS,
    "$defs": {"address": or_not_stated({"type": "string", "format": "uri"})},
    "if": {"properties": {"kind": {"const": "policy"}}, "required": ["kind"]},
    "then": {"required": ["phone"]},
}


def file_of(schema: Any) -> bytes:
    return json.dumps(schema, indent=2, ensure_ascii=False).encode()


CONTENT = file_of(SCHEMA)
FORM = parse_form(CONTENT)
BODY: dict[str, Any] = {"kind": "strategy", "adopted_on": "2024-03-01"}


def errors(**changes: Any) -> list[tuple[str, str]]:
    return [(error.pointer, error.detail) for error in judge(FORM, json.dumps(BODY | changes).encode())]


def test_a_form_is_its_file() -> None:
    assert (FORM.code, FORM.version, FORM.content) == ("TST-01", 1, CONTENT)
    assert FORM.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert FORM.obligations == ("OSCE:PC.DEC/1202:CBM-7",)
    assert FORM.audience == "public" and FORM.directory is False
    assert FORM.title("ru") == "Title in ru" and FORM.title("eo") == FORM.title() == "Title in en"
    assert FORM.meta["cadence"] == {"every": "year"} and FORM.schema["properties"] == FIELDS
    assert parse_form(CONTENT) == FORM and hash(FORM) == hash(parse_form(CONTENT))
    assert repr(FORM) == f"Form(code='TST-01', version=1, sha256='{FORM.sha256}')"


def test_the_example_in_the_module_is_a_form() -> None:
    lines = (module.__doc__ or "").split("\n\n")[2]
    form = parse_form(lines.encode())
    assert judge(form, b'{"kind":"strategy","adopted_on":"2024-03-01"}') == ()
    assert [error.pointer for error in judge(form, b'{"kind":"strategy","adopted_on":"2024"}')] == ["/adopted_on"]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("code", [None, "", "ict-03", "ICT-3", 3]),
        ("version", [None, 0, 10_000, True, 1.0, "1"]),
        ("title", [None, "Title", {}, {"en": "only English"}, META["title"] | {"ru": ""}, META["title"] | {"es": 1}]),
        ("obligations", [None, "OSCE:PC.DEC/1202:CBM-7", [1]]),
        ("audience", [None, "Public", "everybody", ["AT"]]),
        ("cadence", [None, "yearly", []]),
        ("safeguards", [None, "R3", [3]]),
        ("identifies", [None, "/kind", [1], ["kind"], ["/unknown"], ["/"]]),
        ("directory", [None, "no", 0]),
    ],  # and below, what a form may leave out
)
def test_an_incomplete_annotation_is_refused_by_name(key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(Malformed) as caught:
            parse_form(file_of(SCHEMA | {"x-cbm": META | {key: value}}))
        assert caught.value.pointer == f"/x-cbm/{key}"
    without = {name: value for name, value in META.items() if name != key}
    with pytest.raises(Malformed) as caught:
        parse_form(file_of(SCHEMA | {"x-cbm": without}))
    assert caught.value.pointer == f"/x-cbm/{key}"


@pytest.mark.parametrize(
    "schema",
    [
        True,
        [],
        {},
        {key: value for key, value in SCHEMA.items() if key != "$schema"},
        SCHEMA | {"$schema": "http://json-schema.org/draft-07/schema#"},
        SCHEMA | {"type": "array"},
        SCHEMA | {"x-cbm": []},
        SCHEMA | {"properties": None},
        SCHEMA | {"properties": FIELDS | {"more": {"type": "strin"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"type": "string", "format": "no such format"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"pattern": "("}}},
        SCHEMA | {"properties": FIELDS | {"more": {"pattern": "(?=a)a"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"pattern": "(a)\\1"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"minimum": "1"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"$ref": "#/$defs/nothing"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"$ref": "https://example.com/schema.json"}}},
        SCHEMA | {"properties": FIELDS | {"more": {"$ref": "file:///etc/hostname"}}},
        SCHEMA | {"required": "kind"},
    ],
)
def test_a_schema_that_is_none_is_refused_when_it_is_read(schema: Any) -> None:
    with pytest.raises(Malformed):
        parse_form(file_of(schema))


def test_a_form_file_is_strict_json_and_bounded() -> None:
    with pytest.raises(Malformed, match="twice"):
        parse_form(CONTENT.replace(b'"type": "object",', b'"type": "object", "type": "object",', 1))
    with pytest.raises(TooLarge):
        parse_form(CONTENT + b" " * MAX_FORM)


def test_a_form_is_compiled_once() -> None:
    module._validator.cache_clear()
    form = parse_form(CONTENT)
    for _ in range(5):
        judge(form, b"{}")
        parse_form(bytes(bytearray(CONTENT)))
    assert module._validator.cache_info().misses == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"adopted_on": NOT_STATED},
        {"in_force": "in progress"},
        {"in_force": "2024", "bodies": [{"name": "CERT", "since": 2008}, {"name": "NCSC", "since": NOT_STATED}]},
        {
            "text": {"en": "short", "fr": "court"},
            "phone": "+431",
            "share": 99.5,
            "a/b~c": False,
            "shared": "https://a.at/",
        },
        {"kind": "policy", "phone": NOT_STATED, "choice": "yes"},
        {"choice": 3},
    ],
)
def test_a_body_that_fits_has_no_errors(changes: dict[str, Any]) -> None:
    assert errors(**changes) == []


OR = ', or "not stated"'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "plan"}, [("/kind", 'expected one of "strategy", "policy"')]),
        ({"kind": NOT_STATED}, [("/kind", 'expected one of "strategy", "policy"')]),
        ({"adopted_on": "2024-02-30"}, [("/adopted_on", f"expected a date such as 2026-11-20{OR}")]),
        ({"adopted_on": "Not stated"}, [("/adopted_on", f"expected a date such as 2026-11-20{OR}")]),
        ({"adopted_on": 2024}, [("/adopted_on", f"expected text{OR}")]),
        ({"adopted_on": None}, [("/adopted_on", f"expected text{OR}")]),
        ({"in_force": "soon"}, [("/in_force", f'expected "in progress" or text such as "in progress"{OR}')]),
        ({"in_force": 2024}, [("/in_force", f"expected text{OR}")]),
        ({"bodies": "CERT"}, [("/bodies", f"expected a list{OR}")]),
        ({"bodies": []}, [("/bodies", f"expected a list that is not empty{OR}")]),
        (
            {"bodies": [{"name": "x", "since": 1}] * 2},
            [("/bodies", f"expected a list in which each entry stands once{OR}")],
        ),
        (
            {"bodies": [{"name": "CERT", "since": "2008"}]},
            [("/bodies/0/since", f"expected a whole number{OR}")],
        ),
        (
            {"bodies": [{"name": "", "since": 1}, {"since": 1, "head": "N. N."}]},
            [
                ("/bodies/0/name", 'expected text that is not empty ("not stated" is accepted for /bodies as a whole)'),
                (
                    "/bodies/1/head",
                    "expected no field of this name: the form does not ask for it"
                    ' ("not stated" is accepted for /bodies as a whole)',
                ),
                (
                    "/bodies/1/name",
                    'the field is missing: expected an answer ("not stated" is accepted for /bodies as a whole)',
                ),
            ],
        ),
        ({"bodies": [{"name": "CERT"}]}, [("/bodies/0/since", f"the field is missing: expected an answer{OR}")]),
        ({"text": {}}, [("/text", f"expected an object that is not empty{OR}")]),
        (
            {"text": {"english": "x"}},
            [
                (
                    "/text/english",
                    'expected a field name such as "en" here ("not stated" is accepted for /text as a whole)',
                )
            ],
        ),
        (
            {"text": {"fr": "too long a text"}},
            [("/text/fr", 'expected text of at most 9 characters ("not stated" is accepted for /text as a whole)')],
        ),
        (
            {"text": {"fr": "a\nb"}},
            [
                (
                    "/text/fr",
                    "expected text that starts with a visible character and holds no control characters"
                    ' ("not stated" is accepted for /text as a whole)',
                )
            ],
        ),
        ({"phone": "0043"}, [("/phone", f'expected text such as "+431234"{OR}')]),
        ({"share": 101}, [("/share", f"expected a number of at most 100{OR}")]),
        ({"share": -1}, [("/share", f"expected a number of at least 0{OR}")]),
        ({"share": 0.3}, [("/share", f"expected a multiple of 0.5{OR}")]),
        ({"a/b~c": "yes"}, [("/a~1b~0c", f"expected true or false{OR}")]),
        ({"shared": "no address"}, [("/shared", f"expected a web address such as https://example.org/strategy{OR}")]),
        ({"choice": "maybe"}, [("/choice", f'expected one of "yes", "no"{OR}')]),
        ({"choice": 0}, [("/choice", f'expected one of "yes", "no" or a number of at least 1{OR}')]),
        ({"kind": "policy"}, [("/phone", f"the field is missing: expected an answer{OR}")]),
        ({"title": "x"}, [("/title", "expected no field of this name: the form does not ask for it")]),
        (
            {"a": 1, "x/y": 2},
            [
                ("/a", "expected no field of this name: the form does not ask for it"),
                ("/x~1y", "expected no field of this name: the form does not ask for it"),
            ],
        ),
    ],
)
def test_an_error_points_at_the_fault_and_says_what_was_expected(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert sorted(errors(**changes)) == sorted(expected)


def test_a_missing_field_that_identifies_the_return_does_not_take_not_stated() -> None:
    assert judge(FORM, b"{}") == (
        FieldError("/kind", "the field is missing: expected an answer, since it identifies the return"),
        FieldError("/adopted_on", f"the field is missing: expected an answer{OR}"),
    )


def test_alternatives_of_objects_are_judged_by_the_one_that_was_meant() -> None:
    def tagged(kind: str, **properties: Any) -> dict[str, Any]:
        properties = {"kind": {"const": kind}, **properties}
        return {"type": "object", "required": [*properties], "additionalProperties": False, "properties": properties}

    schema = deepcopy(SCHEMA)
    schema["properties"]["way"] = or_not_stated(
        tagged("letter", street={"type": "string"}, town={"type": "string"}), tagged("call", number={"type": "string"})
    )
    form = parse_form(file_of(schema))
    found = judge(form, json.dumps(BODY | {"way": {"kind": "call", "number": 5}}).encode())
    assert [error.pointer for error in found] == ["/way/number"]
    assert "expected text" in found[0].detail and "/way as a whole" in found[0].detail


def test_what_the_body_says_is_never_repeated() -> None:
    secret = "Agent Ivanova, +7 000"
    body = {
        "kind": secret,
        "adopted_on": secret,
        "in_force": secret,
        "bodies": [{"name": 5, "since": secret}],
        "text": {"en": secret},
        "phone": secret,
        "share": secret,
        "a/b~c": secret,
        "shared": secret,
        "choice": secret,
    }
    found = judge(FORM, json.dumps(body).encode())
    assert len(found) >= 10
    assert not any("Ivanova" in error.detail or "Ivanova" in error.pointer for error in found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"null",
        b'"text"',
        b'{"kind":"strategy","kind":"strategy","adopted_on":"2024-03-01"}',
        b'{"kind":"strategy","adopted_on":NaN}',
        b'\xef\xbb\xbf{"kind":"strategy","adopted_on":"2024-03-01"}',
        b"[" * 60_000,
        b'{"kind":' * 8_000,
    ],
)
def test_a_body_is_one_strict_json_object(body: bytes) -> None:
    found = judge(FORM, body)
    assert [error.pointer for error in found] == [""] and found[0].detail


def test_a_body_is_bounded_at_the_byte() -> None:
    body = json.dumps(BODY).encode()
    assert judge(FORM, body + b" " * (SMALL_DOCUMENT - len(body))) == ()
    assert "65,536" in judge(FORM, body + b" " * (SMALL_DOCUMENT - len(body) + 1))[0].detail


def test_formats_are_checked_and_not_only_noted() -> None:
    def field(format_name: str) -> Form:
        return parse_form(file_of(SCHEMA | {"required": [], "properties": {"kind": {"format": format_name}}}))

    for format_name, wrong in [
        ("date", "2025-02-29"),
        ("date-time", "2026-11-20 09:30"),
        ("time", "25:00:00Z"),
        ("email", "at.example"),
        ("uri", "example"),
        ("ipv4", "256.0.0.1"),
        ("ipv6", "::g"),
        ("uuid", "1"),
        ("duration", "3 days"),
        ("hostname", "-a"),
    ]:
        (error,) = judge(field(format_name), json.dumps({"kind": wrong}).encode())
        assert error.pointer == "/kind" and error.detail.startswith("expected a"), format_name
    assert judge(field("regex"), b'{"kind":"("}')[0].detail == "expected text in the format regex"


def test_a_hostile_body_gets_few_errors_and_soon() -> None:
    started = time.perf_counter()
    bodies: list[dict[str, Any]] = [
        {f"k{number}": 1 for number in range(6_000)},
        {"bodies": [{}] * 16_000},
        {"bodies": [{"name": 1, "since": []}] * 2_000},
        {"text": {f"{number}": number for number in range(4_000)}},
        {"phone": "+" + "1" * 60_000 + "!"},
    ]
    for body in bodies:
        data = json.dumps(body, separators=(",", ":")).encode()
        assert len(data) <= SMALL_DOCUMENT
        found = judge(FORM, data)
        assert 1 <= len(found) <= MAX_ERRORS == 32
        assert all(len(error.detail) < 300 for error in found)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("key", ["k" * 101, "\x1b[2J", "a\nb", "\u202egpj", "\x00"])
def test_a_key_that_cannot_be_shown_is_not_shown(key: str) -> None:
    assert errors(bodies=[{"name": "CERT", "since": 1, key: 1}]) == [
        (
            "/bodies/0",
            "expected no field of this name: the form does not ask for it"
            ' ("not stated" is accepted for /bodies as a whole)',
        )
    ]


def test_what_has_thousands_of_entries_is_refused_as_such() -> None:
    crowd = {f"k{number}": 1 for number in range(501)}
    refusal = "does not fit, and has too many entries (above 500) to tell why"
    assert errors(**crowd) == [("", refusal)]
    assert errors(bodies=[1, {"name": crowd}]) == [("/bodies/1/name", refusal)]
    assert errors(bodies=[1] * 2_001) == [("/bodies", refusal.replace("500", "2,000"))]


def test_a_pattern_takes_linear_time() -> None:
    form = parse_form(file_of(SCHEMA | {"required": [], "properties": {"kind": {"pattern": "^(a+)+$"}}}))
    started = time.perf_counter()
    assert judge(form, json.dumps({"kind": "a" * 60_000 + "!"}).encode())
    assert time.perf_counter() - started < 2


def test_references_in_circles_do_not_catch_the_explanation() -> None:
    schema = deepcopy(SCHEMA)
    schema["$defs"] |= {
        "tree": {"type": "object", "required": ["left"], "properties": {"left": {"$ref": "#/$defs/tree"}}},
        "one": {"$ref": "#/$defs/two"},
        "two": {"$ref": "#/$defs/one"},
    }
    schema["properties"] |= {"tree": {"$ref": "#/$defs/tree"}, "loop": {"$ref": "#/$defs/one"}}
    schema["required"] = ["kind", "loop"]
    try:
        form = parse_form(file_of(schema))
    except Malformed:
        pytest.fail("a form may refer to itself")
    found = judge(form, json.dumps({"kind": "strategy", "tree": {"left": {}}}).encode())
    assert sorted(error.pointer for error in found) == ["/loop", "/tree/left/left"]


def test_judging_changes_neither_form_nor_body() -> None:
    body = bytearray(json.dumps(BODY | {"bodies": [{}]}).encode())
    before = bytes(body)
    schema_before = deepcopy(dict(FORM.schema))
    assert judge(FORM, bytes(body)) == judge(FORM, bytes(body))
    assert bytes(body) == before and FORM.schema == schema_before


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_form_and_get_errors_as_a_body(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_form(data)
    assert judge(FORM, data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=4), anything, max_size=5))
def test_any_object_fits_or_gets_errors_that_point_into_it(body: dict[str, Any]) -> None:
    for error in judge(FORM, json.dumps(body).encode()):
        assert error.detail and (error.pointer == "" or error.pointer.startswith("/"))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("audiences", [None, [], "public", ["everybody"], ["public", "public"], [["XA"]]]),
        (
            "narrower",
            [
                {},
                [{}],
                ["kind"],
                [{"field": "kind", "audiences": ["named"]}],
                [{"field": "kind", "answers": ["a"], "except": ["b"], "audiences": ["named"]}],
                [{"field": "kind", "answers": [1], "audiences": ["named"]}],
                [{"field": "kind", "answers": ["a"], "audiences": []}],
                [{"field": 1, "answers": ["a"], "audiences": ["named"]}],
            ],
        ),
        ("retention", [None, 0, -1, True, "3", 3.0, 3651]),
    ],
)
def test_what_a_form_may_leave_out_is_right_or_refused_by_name(key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(Malformed) as caught:
            parse_form(file_of(SCHEMA | {"x-cbm": META | {key: value}}))
        assert caught.value.pointer == f"/x-cbm/{key}"


@pytest.mark.parametrize("value", [[], "x", {"en": 5}, 7, None])
def test_any_annotation_is_complete_or_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        parse_form(file_of(SCHEMA | {"x-cbm": value}))
