"""Keys of founders and States: two algorithms, one text for each key."""

import base64
from contextlib import suppress
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import SSlibKey

from exchange.core.identity import P256, IdentityKey, parse_identity
from exchange.core.keys import ALGORITHM
from exchange.errors import BadSignature, ExchangeError, Malformed, WeakKey
from exchange.trust.tufkeys import from_tuf, to_tuf, tuf_keyid
from tests.founders import holder

pytestmark = pytest.mark.once


@pytest.mark.parametrize("algorithm", [ALGORITHM, P256])
def test_a_key_reads_back_and_verifies_what_its_holder_signed(algorithm: str) -> None:
    one = holder("somebody", algorithm)
    assert parse_identity(one.public.text) == one.public
    signature = one.sign(b"message")
    one.public.verify(b"message", signature)
    for bit in range(8 * len(signature)):
        hit = bytearray(signature)
        hit[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            one.public.verify(b"message", bytes(hit))
    for wrong in (b"", signature[:-1], signature + b"\0", holder("another", algorithm).sign(b"message")):
        with pytest.raises(BadSignature):
            one.public.verify(b"message", wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ed25519",
        "Ed25519:",
        "RSA:AAAA",
        "ECDSA-P256:" + base64.b64encode(b"\4" + bytes(64)).decode(),
        "Ed25519:" + "A" * 200,
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_identity(text)


def test_a_compressed_point_would_be_a_second_name_and_is_refused() -> None:
    key = derive_private_key(7, SECP256R1()).public_key()
    with pytest.raises(Malformed):
        IdentityKey(P256, key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(WeakKey):
        IdentityKey(ALGORITHM, b"\1" + bytes(31))


@given(st.text(max_size=150))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    with suppress(ExchangeError):
        assert parse_identity(text).text == text


def test_keys_and_keyids_are_those_of_securesystemslib() -> None:
    for _ in range(5):
        public = generate_private_key(SECP256R1()).public_key()
        theirs = SSlibKey.from_crypto(public)
        ours = IdentityKey(P256, public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
        assert (tuf_keyid(ours), to_tuf(ours)) == (theirs.keyid, theirs.to_dict())
        assert from_tuf(theirs.keyid, theirs) == ours
    plain = holder("plain").public
    value = to_tuf(plain)
    theirs = SSlibKey.from_dict(tuf_keyid(plain), value)
    assert from_tuf(theirs.keyid, theirs) == plain and plain.fingerprint == sha256(plain.raw).hexdigest()


def test_a_key_under_a_keyid_that_is_not_its_own_is_refused() -> None:
    plain = holder("plain").public
    with pytest.raises(Malformed, match="stands under"):
        from_tuf("0" * 64, SSlibKey.from_dict("0" * 64, to_tuf(plain)))
