import base64
import doctest
import json
from contextlib import suppress
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import dsse
from exchange.core.dsse import (
    MAX_ENVELOPE,
    MAX_SIGNATURES,
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    add_signature,
    format_envelope,
    pae,
    parse_envelope,
    sign_payload,
    verify_envelope,
)
from exchange.errors import BadSignature, Malformed, TooLarge, UnknownKey
from tests import key_named
from tests.core import flipped

PAYLOAD = b'{"v":1,"note":"any bytes will do"}'
OFFICERS = [key_named(f"officer {number}") for number in range(1, MAX_SIGNATURES + 2)]
KEYS = {key.public.keyid: key.public for key in OFFICERS}
ONE = sign_payload(PAYLOAD, OFFICERS[:1])
TWO = sign_payload(PAYLOAD, OFFICERS[:2])
GOOD = format_envelope(TWO)


def spelt(**changes: Any) -> bytes:
    """The good envelope as compact JSON, with other values for some of its keys."""
    return json.dumps(json.loads(GOOD) | changes, separators=(",", ":")).encode()


def listed(*entries: Any) -> bytes:
    return spelt(signatures=list(entries))


FIRST, SECOND = json.loads(GOOD)["signatures"]


def test_the_builders_of_this_test_spell_the_good_envelope() -> None:
    assert spelt() == listed(FIRST, SECOND) == GOOD
    verify_envelope(parse_envelope(GOOD), KEYS)


def test_published_pre_authentication_encodings_are_ours(vectors: Path | None) -> None:
    if vectors is None:
        return
    published = json.loads((vectors / "dsse" / "vectors.json").read_text())
    for case in published["pae"]:
        assert pae(case["type"], base64.b64decode(case["body_b64"])) == case["pae"].encode()
    for case in published["ours"]["pae"]:
        assert pae(case["type"], base64.b64decode(case["body_b64"])).hex() == case["pae_hex"]


def test_lengths_count_bytes_and_not_characters() -> None:
    assert pae("application/x-é", b"") == "DSSEv1 16 application/x-é 0 ".encode()
    assert pae("", b"\x00 1 ") == b"DSSEv1 0  4 \x00 1 "


def test_a_border_moved_between_type_and_body_changes_what_is_signed() -> None:
    assert len({pae("a", b"b c"), pae("a 1 b", b"c"), pae("a 3 b", b"c"), pae("", b"a 3 b c")}) == 4


def test_the_published_ecdsa_signature_verifies_over_our_encoding(vectors: Path | None) -> None:
    if vectors is None:
        return
    case = json.loads((vectors / "dsse" / "vectors.json").read_text())["ecdsa_p256_sha256"]
    envelope = case["envelope"]
    public = ec.EllipticCurvePublicNumbers(int(case["x"]), int(case["y"]), ec.SECP256R1()).public_key()
    raw = base64.b64decode(envelope["signatures"][0]["sig"])
    sig = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    body = base64.b64decode(envelope["payload"])
    public.verify(sig, pae(envelope["payloadType"], body), ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(sig, pae(PAYLOAD_TYPE, body), ec.ECDSA(SHA256()))


def test_a_legal_envelope_outside_our_profile_is_refused(vectors: Path | None) -> None:
    if vectors is None:
        return
    case = json.loads((vectors / "dsse" / "vectors.json").read_text())["ecdsa_p256_sha256"]
    with pytest.raises(Malformed):
        parse_envelope(json.dumps(case["envelope"], separators=(",", ":")).encode())


@pytest.mark.parametrize("count", range(1, MAX_SIGNATURES + 1))
def test_an_envelope_comes_back_whatever_the_number_of_its_signatures(count: int) -> None:
    envelope = sign_payload(PAYLOAD, OFFICERS[:count])
    data = format_envelope(envelope)
    assert parse_envelope(data) == envelope
    assert format_envelope(parse_envelope(data)) == data
    verify_envelope(envelope, KEYS)


def test_the_order_of_signing_does_not_show() -> None:
    assert {format_envelope(sign_payload(PAYLOAD, order)) for order in permutations(OFFICERS[:3])} == {
        format_envelope(add_signature(add_signature(ONE, OFFICERS[2]), OFFICERS[1]))
    }


def test_the_keyid_is_that_of_the_key_that_signed() -> None:
    assert [one.keyid for one in ONE.signatures] == [OFFICERS[0].public.keyid]
    OFFICERS[0].public.verify(pae(PAYLOAD_TYPE, PAYLOAD), ONE.signatures[0].sig)


def test_nothing_is_signed_by_nobody_nor_by_nine() -> None:
    for keys in ([], OFFICERS):
        with pytest.raises(Malformed, match="1 to 8 signatures"):
            sign_payload(PAYLOAD, keys)
    with pytest.raises(Malformed, match="1 to 8 signatures"):
        add_signature(sign_payload(PAYLOAD, OFFICERS[:MAX_SIGNATURES]), OFFICERS[MAX_SIGNATURES])


def test_two_signatures_of_one_key_are_refused_on_every_way() -> None:
    with pytest.raises(Malformed, match="once"):
        sign_payload(PAYLOAD, [OFFICERS[0], OFFICERS[0]])
    with pytest.raises(Malformed, match="once"):
        add_signature(TWO, OFFICERS[1])
    with pytest.raises(Malformed, match="once"):
        parse_envelope(listed(FIRST, FIRST))
    with pytest.raises(Malformed, match="once"):  # not even where the second is another text
        parse_envelope(listed(FIRST, FIRST | {"sig": SECOND["sig"]}))
    with pytest.raises(Malformed, match="once"):
        Envelope(PAYLOAD, (ONE.signatures[0], ONE.signatures[0]))


URL_SAFE = base64.urlsafe_b64encode(b"\xfb\xff\xfe" * 20).decode()


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (b" " + GOOD, None),
        (GOOD + b"\n", None),
        (GOOD + b"\x00", None),
        (GOOD.replace(b":", b": ", 1), None),
        (GOOD.replace(b"application/vnd", b"application\\/vnd"), None),
        (GOOD.replace(b'"payloadType"', b'"payload\\u0054ype"'), None),
        (b'{"payload":"",' + GOOD[1:], None),
        (b"\xef\xbb\xbf" + GOOD, None),
        (GOOD[:-1], None),
        (b"[]", ""),
        (b"null", ""),
        (b"{}", ""),
        (spelt(extra=1), ""),
        (json.dumps(dict(reversed(json.loads(GOOD).items())), separators=(",", ":")).encode(), ""),
        (spelt(payload=None), "/payload"),
        (spelt(payload=1), "/payload"),
        (spelt(payload=URL_SAFE), "/payload"),
        (spelt(payload="YR=="), "/payload"),
        (spelt(payload="YQ"), "/payload"),
        (spelt(payload="YQ==\n"), "/payload"),
        (spelt(payload="Y Q=="), "/payload"),
        (spelt(payloadType=PAYLOAD_TYPE.upper()), "/payloadType"),
        (spelt(payloadType="application/vnd.in-toto+json"), "/payloadType"),
        (spelt(payloadType=None), "/payloadType"),
        (spelt(signatures=None), "/signatures"),
        (spelt(signatures={}), "/signatures"),
        (listed(), "/signatures"),
        (listed(*[FIRST] * 9), "/signatures"),
        (listed(SECOND, FIRST), "/signatures"),
        (listed(FIRST, None), "/signatures/1"),
        (listed({"sig": FIRST["sig"]}), "/signatures/0"),
        (listed({"keyid": FIRST["keyid"]}), "/signatures/0"),
        (listed({"sig": FIRST["sig"], "keyid": FIRST["keyid"]}), "/signatures/0"),
        (listed(FIRST | {"cert": "x"}), "/signatures/0"),
        (listed(FIRST | {"keyid": FIRST["keyid"].upper()}), "/signatures/0/keyid"),
        (listed(FIRST | {"keyid": FIRST["keyid"][:-1]}), "/signatures/0/keyid"),
        (listed(FIRST | {"keyid": FIRST["keyid"] + "\n"}), "/signatures/0/keyid"),
        (listed(FIRST | {"keyid": None}), "/signatures/0/keyid"),
        (listed(FIRST | {"keyid": []}), "/signatures/0/keyid"),
        (listed(FIRST, SECOND | {"sig": ""}), "/signatures/1/sig"),
        (listed(FIRST, SECOND | {"sig": []}), "/signatures/1/sig"),
        (listed(FIRST, SECOND | {"sig": URL_SAFE}), "/signatures/1/sig"),
        (listed(FIRST, SECOND | {"sig": SECOND["sig"].rstrip("=")}), "/signatures/1/sig"),
    ],
)
def test_another_spelling_of_an_envelope_is_refused(data: bytes, pointer: str | None) -> None:
    with pytest.raises(Malformed) as caught:
        parse_envelope(data)
    assert caught.value.pointer == pointer


def test_an_envelope_holds_what_a_tile_can_hold_and_no_byte_more() -> None:
    room = MAX_ENVELOPE - len(format_envelope(sign_payload(b"", OFFICERS[:1])))
    largest = sign_payload(bytes(room // 4 * 3), OFFICERS[:1])
    assert MAX_ENVELOPE - 4 < len(format_envelope(largest)) <= MAX_ENVELOPE
    with pytest.raises(TooLarge):
        format_envelope(replace(largest, payload=largest.payload + b"123"))
    with pytest.raises(TooLarge):
        parse_envelope(b"[" * (MAX_ENVELOPE + 1))


@pytest.mark.parametrize(
    "signature", [Signature("key of AT", b"x"), Signature("AB" * 32, b"x"), Signature("ab" * 32, b"")]
)
def test_what_would_not_be_read_is_not_written(signature: Signature) -> None:
    with pytest.raises(Malformed):
        format_envelope(Envelope(PAYLOAD, (signature,)))


def test_one_flipped_bit_anywhere_is_refused_or_does_not_verify() -> None:
    parsed = 0
    for changed in flipped(format_envelope(ONE)):
        try:
            envelope = parse_envelope(changed)
        except Malformed:
            continue
        parsed += 1
        assert format_envelope(envelope) == changed
        with pytest.raises((BadSignature, UnknownKey)):
            verify_envelope(envelope, KEYS)
    assert parsed, "no flip gave another canonical envelope; the second half of this test did not run"


def test_a_key_that_nobody_vouches_for_is_unknown_whatever_the_others_say() -> None:
    with pytest.raises(UnknownKey):
        verify_envelope(TWO, {OFFICERS[0].public.keyid: OFFICERS[0].public})
    with pytest.raises(UnknownKey):
        verify_envelope(ONE, {})


def test_a_false_signature_beside_a_good_one_refuses_the_whole() -> None:
    for number in range(2):
        signatures = list(TWO.signatures)
        signatures[number] = replace(signatures[number], sig=bytes(64))
        with pytest.raises(BadSignature):
            verify_envelope(replace(TWO, signatures=tuple(signatures)), KEYS)


@pytest.mark.parametrize("length", [1, 63, 65, 2_420])
def test_a_signature_of_another_length_is_read_and_does_not_verify(length: int) -> None:
    envelope = Envelope(PAYLOAD, (replace(ONE.signatures[0], sig=bytes(length)),))
    with pytest.raises(BadSignature):
        verify_envelope(parse_envelope(format_envelope(envelope)), KEYS)


def test_a_signature_does_not_move_to_another_payload_or_another_type() -> None:
    with pytest.raises(BadSignature):
        verify_envelope(replace(ONE, payload=PAYLOAD + b" "), KEYS)
    key = OFFICERS[0]
    for message in (PAYLOAD, pae("application/vnd.cbm.sealed.v1+json", PAYLOAD)):
        with pytest.raises(BadSignature):
            verify_envelope(Envelope(PAYLOAD, (Signature(key.public.keyid, key.sign(message)),)), KEYS)


def test_one_key_under_two_keyids_does_not_count_twice() -> None:
    key = OFFICERS[0]
    alias = "f" * 64
    signatures = (ONE.signatures[0], Signature(alias, ONE.signatures[0].sig))
    with pytest.raises(UnknownKey):
        verify_envelope(Envelope(PAYLOAD, signatures), {key.public.keyid: key.public, alias: key.public})


def test_signing_and_reading_change_nothing_that_they_were_given() -> None:
    data, keys = bytes(GOOD), list(reversed(OFFICERS[:2]))
    before = parse_envelope(data)
    sign_payload(PAYLOAD, keys)
    add_signature(before, OFFICERS[2])
    verify_envelope(before, KEYS)
    assert keys == list(reversed(OFFICERS[:2]))
    assert data == GOOD and parse_envelope(data) == before == TWO


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_envelope(data)


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(["YQ==", "ab" * 32, PAYLOAD_TYPE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["keyid", "sig"]), inner),
    max_leaves=6,
)


@given(st.fixed_dictionaries({"payload": anything, "payloadType": anything, "signatures": anything}))
def test_the_right_keys_with_any_values_are_canonical_or_malformed(value: Any) -> None:
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    with suppress(Malformed):
        assert format_envelope(parse_envelope(data)) == data


@given(st.binary(max_size=300))
def test_every_payload_comes_back(payload: bytes) -> None:
    envelope = Envelope(payload, ONE.signatures)
    assert parse_envelope(format_envelope(envelope)) == envelope


def test_the_example_of_the_module_holds() -> None:
    assert doctest.testmod(dsse).failed == 0
