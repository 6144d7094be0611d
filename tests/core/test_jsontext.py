import doctest
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import jsonfields, jsontext
from exchange.core.jsontext import MAX_DEPTH, MAX_INTEGER, canonical_json, parse_canonical, parse_json
from exchange.errors import Malformed, TooLarge
from tests.core import flipped

LIMIT = 1_000

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"null", None),
        (b'""', ""),
        (b" \t\r\n[ ]\n", []),
        (b'{ "b" : 1 , "a" : [ true , -0.5e1 ] }', {"b": 1, "a": [True, -5.0]}),
        (b'"\\u00e9\\ud83d\\ude00"', "é😀"),
        (b'{"a":{"a":1},"b":{"a":1}}', {"a": {"a": 1}, "b": {"a": 1}}),
        (b"[9007199254740991, -9007199254740991]", [MAX_INTEGER, -MAX_INTEGER]),
        (b"[[" * 10 + b'"' + b"[{" * 100 + b'"' + b"]]" * 10, None),
    ],
)
def test_strict_json_is_read(text: bytes, value: Any) -> None:
    parsed = parse_json(text, limit=LIMIT)
    assert parsed == (value if value is not None else json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        b'{"a":1}\x00',
        b"{}{}",
        b"{} x",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1,}',
        b"{a:1}",
        b"// no\n{}",
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b"[0x10]",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[True]",
        b'"\t"',
        b'"\x00"',
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\ude00\\ud83d"',
        b'{"\\ud800":1}',
        b'"\\x41"',
        b'"open',
    ],
)
def test_what_is_not_json_in_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(text, limit=LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"x":{"a":null,"b":1,"a":null}}]',
        b'{"":1,"":1}',
    ],
)
def test_a_key_that_comes_twice_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed, match="twice"):
        parse_json(text, limit=LIMIT)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("digits", ["9007199254740992", "9007199254740993", "1" + "0" * 19, "9" * 25, "1" * 300])
@pytest.mark.parametrize("template", ["%s", '{"a":[%s]}', '{ "a": %s }'])
def test_an_integer_that_some_readers_round_is_refused(sign: str, digits: str, template: str) -> None:
    with pytest.raises(Malformed):
        parse_json((template % (sign + digits)).encode(), limit=LIMIT)


def test_thousands_of_digits_are_refused_without_being_computed() -> None:
    with pytest.raises(Malformed):
        parse_json(b"9" * 60_000, limit=65_536)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_is_counted_and_bounded(opening: bytes, closing: bytes) -> None:
    levels = 2 if opening.startswith(b"[{") else 1
    at_most = MAX_DEPTH // levels
    assert parse_json(opening * at_most + b"1" + closing * at_most, limit=LIMIT)
    with pytest.raises(Malformed, match="deep"):
        parse_json(opening * (at_most + 1) + b"1" + closing * (at_most + 1), limit=LIMIT)


@pytest.mark.parametrize("text", [b"[" * 200_000, b"[" * 900 + b"]" * 900, b'{"a":' * 200_000, b"[{" * 100_000])
def test_a_text_of_brackets_exhausts_no_stack(text: bytes) -> None:
    for parse in (parse_json, parse_canonical):
        with pytest.raises(Malformed):
            parse(text, limit=1_000_000)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse_json(b"[" + b",".join([b"[{}]"] * 100) + b"]", limit=LIMIT) == [[{}]] * 100


def test_size_is_checked_first_and_at_the_byte() -> None:
    assert parse_json(b'"123456"', limit=8) == "123456"
    with pytest.raises(TooLarge):
        parse_json(b'"1234567"', limit=8)
    with pytest.raises(TooLarge):
        parse_canonical(b"[" * 100_000, limit=8)


@pytest.mark.parametrize(
    "text",
    [
        b' {"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":1,"a":1}',
        b'{"\\u0061":1}',
        b'"\\/"',
        b'"\\u00e9"',
        b"1.50",
        b"1E5",
        b"-0",
        b"9007199254740992",
        b"18446744073709551616",
    ],
)
def test_one_value_has_one_canonical_text(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_canonical(text, limit=LIMIT)


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**70, "\ud800", {"\udc00": 1}, {1: 2}, b"bytes", object()])
def test_what_strict_json_cannot_carry_is_not_written(value: Any) -> None:
    with pytest.raises(Malformed):
        canonical_json(value)


def test_keys_stay_in_their_order_and_text_in_utf8() -> None:
    assert canonical_json({"z": "é", "a": ("x", None)}) == '{"z":"é","a":["x",null]}'.encode()


def test_values_read_twice_do_not_share_anything() -> None:
    text = b'{"a":[1]}'
    first = parse_json(text, limit=LIMIT)
    first["a"].append(2)
    assert parse_json(text, limit=LIMIT) == {"a": [1]}
    assert text == b'{"a":[1]}'


@given(values)
def test_every_value_comes_back(value: Any) -> None:
    text = canonical_json(value)
    assert parse_canonical(text, limit=10_000) == value
    assert parse_json(text, limit=10_000) == value
    assert parse_json(json.dumps(value, indent=1).encode(), limit=100_000) == value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-\\u trfnalsed', max_size=40).map(str.encode))
@settings(max_examples=400)
def test_arbitrary_bytes_are_read_as_others_read_them_or_malformed(data: bytes) -> None:
    try:
        value = parse_json(data, limit=50)
    except Malformed:
        return
    assert value == json.loads(data.decode("utf-8"))


def test_a_flipped_bit_never_gives_the_same_value() -> None:
    text = b'{"name":"return","list":[1,-2.5,true,null,"x"],"inner":{"a":"b"}}'
    value = parse_canonical(text, limit=LIMIT)
    for changed in flipped(text):
        try:
            assert parse_canonical(changed, limit=LIMIT) != value
        except Malformed:
            continue


def test_the_examples_of_the_modules_hold() -> None:
    assert doctest.testmod(jsontext).failed == 0
    assert doctest.testmod(jsonfields).failed == 0
