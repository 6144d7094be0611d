"""The text that opens a session says one thing, in one way, and is nothing else that an officer's key signs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.checkpoint import parse_checkpoint
from exchange.core.dsse import pae, parse_envelope
from exchange.core.identity import IdentityKey
from exchange.core.keys import ALGORITHM, Kind
from exchange.core.note import parse_note
from exchange.errors import Malformed
from exchange.trust.challenge import Challenge, format_challenge, parse_challenge
from exchange.trust.possession import statement_of_possession
from tests import key_named

SAID = Challenge(
    "test.example", "XR", "https://cbm.xr.example/node", "ab" * 32, "0123456789abcdef" * 6, "2026-11-21T03:02:00Z"
)
TEXT = format_challenge(SAID)


def test_a_challenge_reads_back_and_is_the_one_documented() -> None:
    assert parse_challenge(TEXT) == SAID
    assert TEXT.decode().splitlines() == [
        "cbm-session/v1",
        "federation test.example",
        "participant XR",
        "node https://cbm.xr.example/node",
        f"key {'ab' * 32}",
        "purpose open a session of an officer at this node",
        f"nonce {'0123456789abcdef' * 6}",
        "expires 2026-11-21T03:02:00Z",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"federation": "test.example\nparticipant XA"},
        {"participant": "xr"},
        {"node": "ftp://cbm.xr.example"},
        {"node": "https://cbm.xr.example "},
        {"node": "https://cbm.xr.example\nkey x"},
        {"keyid": "AB" * 32},
        {"nonce": "ab"},
        {"expires": "2026-11-21T03:02:00+00:00"},
        {"expires": "2026-02-30T03:02:00Z"},
    ],
)
def test_what_has_another_line_in_it_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        format_challenge(replace(SAID, **change))


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_another_challenge_or_none(place: int, bit: int) -> None:
    changed = bytearray(TEXT)
    changed[place] ^= 1 << bit
    try:
        said = parse_challenge(bytes(changed))
    except Malformed:
        return
    assert said != SAID and format_challenge(said) == bytes(changed)


@given(st.binary(max_size=1200))
def test_random_bytes_are_refused_as_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_challenge(data)


def test_it_is_no_other_thing_that_keys_sign() -> None:
    """A signature over it is worth nothing at the door, under a note, as a cosignature, a proof or in the trust list."""
    for parse in (parse_envelope, parse_note, parse_checkpoint):
        with pytest.raises(Malformed):
            parse(TEXT)
    key = IdentityKey(ALGORITHM, key_named("any").public.raw)
    others = [
        pae("application/vnd.cbm.submission.v1+json", TEXT),
        statement_of_possession("test.example", "XR", Kind.SIGNING, key),
        b"cosignature/v1\ntime 1\n",
        b'{"_type":"targets"}',
        b'"@method": GET\n',
        b"cbm-identity/v1\n",
    ]
    for other in others:
        assert other[:10] != TEXT[:10]
        with pytest.raises(Malformed):
            parse_challenge(other)
