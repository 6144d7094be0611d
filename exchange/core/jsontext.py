"""Strict JSON: RFC 8259 within the bounds of I-JSON (RFC 7493), so that no two readers see two things in one text.

Guarantee: `parse_json` takes a text or raises `Malformed`, and returns the same value that any other strict reader
would. Duplicate keys are refused because readers disagree on which one counts; integers beyond 2^53 - 1 because
JavaScript rounds them; deep nesting because it exhausts the stack of recursive readers. Numbers with a fraction or an
exponent are IEEE doubles.

`parse_canonical` takes the one form that we sign: no white space, no needless escapes, keys in the order of the format.

    >>> parse_json(b' {"a": [1, 2.5, null]} ', limit=100)
    {'a': [1, 2.5, None]}
    >>> canonical_json({"b": 1, "a": "\\u00e9"})
    b'{"b":1,"a":"\\xc3\\xa9"}'
"""

import json
from typing import Any

import orjson

from exchange.errors import Malformed, TooLarge

MAX_DEPTH = 32
"""Objects and lists within each other; `[]` is 1 deep."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every reader holds exactly (RFC 7493 section 2.2)."""

_LONGEST_INTEGER = len(str(-MAX_INTEGER))


def parse_json(data: bytes, *, limit: int) -> Any:
    """The value of a strict JSON text of at most `limit` bytes.

    1. Bounded. 2. RFC 8259 in UTF-8, without byte order mark, NaN, lone surrogates or anything after the value.
    3. At most MAX_DEPTH deep. 4. No duplicate keys, no integer beyond MAX_INTEGER.
    """
    value = _load(data, limit)  # 1, 2, 3
    if _dump(value) == data:  # 4: a text that comes back byte for byte holds every key once
        return value
    return json.loads(
        data.decode(), object_pairs_hook=_object, parse_int=_integer
    )  # 4: the slow way, for people's JSON


def parse_canonical(data: bytes, *, limit: int) -> Any:
    """The value of a text that is exactly what `canonical_json` writes for it; for envelopes, statements, openings."""
    value = _load(data, limit)
    if _dump(value) != data:
        raise Malformed(
            "canonical JSON was expected (no white space, no repeated keys, no needless escapes); another form came"
        )
    return value


def canonical_json(value: Any) -> bytes:
    """UTF-8 without white space, keys in the order given; refuses integers and strings that `parse_json` refuses."""
    return _dump(value)


def _load(data: bytes, limit: int) -> Any:
    if len(data) > limit:
        raise TooLarge(f"at most {limit:,} bytes of JSON were expected, {len(data):,} came")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"JSON was expected: {error}") from None
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:  # few texts have to be walked through
        _check_depth(value)
    return value


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
    except TypeError as error:  # orjson's JSONEncodeError: integers beyond 53 bits, lone surrogates, nesting beyond 254
        raise Malformed(f"a value that strict JSON cannot carry: {error}") from None


def _check_depth(value: Any) -> None:
    """Level by level, not by recursion: the attack is a text that is nothing but brackets."""
    level, depth = [value], 0
    while level := [item for item in level if type(item) in (list, dict)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise Malformed(f"JSON at most {MAX_DEPTH} levels deep was expected; this goes deeper")
        level = [inner for item in level for inner in (item.values() if type(item) is dict else item)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("a JSON object names a key twice; readers would disagree on which one counts")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER or abs(int(digits)) > MAX_INTEGER:
        raise Malformed(f"an integer beyond {MAX_INTEGER}; not every reader keeps it exactly")
    return int(digits)
