import base64
import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import base64text
from exchange.core.base64text import format_base64, parse_base64
from exchange.errors import Malformed


def test_the_example_in_the_module_is_true() -> None:
    assert doctest.testmod(base64text) == (0, 1)


@given(st.binary(max_size=200))
def test_every_byte_string_comes_back(data: bytes) -> None:
    text = format_base64(data)
    assert text == base64.b64encode(data).decode()
    assert parse_base64(text) == parse_base64(text.encode()) == data


@given(st.binary(max_size=40) | st.text(max_size=40) | st.text("AQgw+/-_= \n", max_size=9))
def test_any_text_is_refused_or_is_the_only_one_for_its_bytes(text: str | bytes) -> None:
    try:
        data = parse_base64(text)
    except Malformed:
        return
    assert format_base64(data) == (text if isinstance(text, str) else text.decode())


def test_parse_refuses_trailing_bits_that_the_standard_library_takes() -> None:
    assert base64.b64decode("YR==", validate=True) == base64.b64decode("YQ==", validate=True) == b"a"
    assert parse_base64("YQ==") == b"a"
    with pytest.raises(Malformed):
        parse_base64("YR==")


@pytest.mark.parametrize(
    "text",
    [
        "YQ",
        "YQ=",
        "YQ===",
        "=YQ=",
        "YQ==YQ==",
        "Y",
        "=",
        "====",
        " YQ==",
        "YQ==\n",
        "Y Q==",
        "YQ==\0",
        "_-8=",
        "Y\u0661==",
        "é",
    ],
)
def test_parse_refuses_padding_spaces_and_alphabets_that_are_not_canonical(text: str) -> None:
    with pytest.raises(Malformed):
        parse_base64(text)


def test_parse_refuses_a_wrong_length() -> None:
    assert parse_base64("YWI=", length=2) == b"ab"
    for length in (0, 1, 3):
        with pytest.raises(Malformed, match="got 2"):
            parse_base64("YWI=", length=length)
