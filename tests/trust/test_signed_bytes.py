"""What was signed is computed faster than python-tuf does it, and is the same: for every value, or left to python-tuf."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Metadata

from exchange.errors import Malformed
from exchange.trust.rolefile import parse_role
from tests.founders import Founders

pytestmark = pytest.mark.once

texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def with_custom(custom: Any) -> bytes:
    target = {"length": 1, "hashes": {"sha256": "00" * 32}, "custom": {"x": custom}}
    said = {"_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2027-01-01T00:00:00Z"}
    return json.dumps({"signatures": [], "signed": {**said, "targets": {"a": target}}}).encode()


@given(values)
def test_the_signed_bytes_are_those_of_python_tuf(custom: Any) -> None:
    raw = with_custom(custom)
    file = parse_role(raw, "targets")
    assert file.content == Metadata.from_bytes(raw).signed_bytes
    told = {"signatures": [], "signed": file.signed.to_dict()}
    assert file.raw == json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "\x7f", "é", "12:3.4", "\u2028", "", "𝄞"])
def test_texts_that_the_two_forms_write_differently_are_signed_as_python_tuf_writes_them(text: str) -> None:
    raw = with_custom({text: text})
    assert parse_role(raw, "targets").content == Metadata.from_bytes(raw).signed_bytes


@pytest.mark.parametrize("number", [0.5, 1.0, -2.5, 1e300, 1e-7])
def test_a_fraction_is_malformed_wherever_it_stands(number: float) -> None:
    for custom in (number, [number], {"a": number}, [1, {"b": [number]}]):
        with pytest.raises(Malformed):
            parse_role(with_custom(custom), "targets")


def test_every_file_of_an_honest_list_has_the_bytes_that_python_tuf_signs() -> None:
    for file in Founders().all_files():
        assert file.content == Metadata.from_bytes(file.raw).signed_bytes
