import copy
import doctest
import json
import pickle
from hashlib import sha256, sha512
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import keys
from exchange.core.keys import RECORD_KINDS, PrivateKey, PublicKey, parse_public_key
from exchange.errors import BadSignature, Malformed, Unverified, WeakKey
from tests import key_named
from tests.core import flipped

# Just enough of RFC 8032 to make what an attacker makes.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY = (0, 1)


def add(a: Point, b: Point) -> Point:
    t = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + t, -1, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P


def multiply(n: int, point: Point) -> Point:
    result = IDENTITY
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def decode(raw: bytes) -> Point | None:
    """The point of an encoding, read as leniently as possible; None where there is none."""
    value = int.from_bytes(raw, "little")
    y, sign = value % 2**255 % P, value >> 255
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != x2:
        return None
    return (x if x & 1 == sign else -x % P), y


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def torsion() -> set[Point]:
    """The eight points of small order, found and not copied: L times any point has an order that divides 8."""
    found: set[Point] = set()
    y = 2
    while len(found) < 8:
        point = decode(y.to_bytes(32, "little"))
        if point:
            found |= {multiply(n, multiply(L, point)) for n in range(8)}
        y += 1
    return found


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or IDENTITY
SMALL = sorted(
    {
        (y | sign << 255).to_bytes(32, "little")
        for point in torsion()
        for y in (point[1], point[1] + P)
        for sign in ({0, 1} if point[0] == 0 else {point[0] & 1})
        if y < 2**255
    }
    | {(y | sign << 255).to_bytes(32, "little") for y in range(P, 2**255) for sign in (0, 1)}
)


def test_the_examples_in_the_module_are_true() -> None:
    assert doctest.testmod(keys) == (0, 2)


def test_the_weak_encodings_are_the_eight_points_in_all_spellings_and_every_y_not_below_p() -> None:
    assert len(torsion()) == 8
    assert len(SMALL) == 48
    for raw in SMALL:
        with pytest.raises(WeakKey):
            parse_public_key(raw)
        with pytest.raises(WeakKey):
            PublicKey(raw)  # not by the back door either
    for y in (2, 3, P - 2, P - 3):
        assert parse_public_key(y.to_bytes(32, "little")).raw == y.to_bytes(32, "little")


def test_a_key_of_small_order_is_refused_for_one_signature_under_it_fits_any_message() -> None:
    identity = encode(IDENTITY)
    forged = encode(BASE) + (1).to_bytes(32, "little")
    for message in (b"yes", b"no"):
        Ed25519PublicKey.from_public_bytes(identity).verify(forged, message)  # OpenSSL says yes to both
    with pytest.raises(WeakKey):
        parse_public_key(identity)


def test_a_signature_whose_r_is_of_small_order_is_refused_though_openssl_takes_it() -> None:
    key = key_named("officer")
    digest = sha512(key.seed).digest()
    secret = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    assert encode(multiply(secret, BASE)) == key.public.raw
    r = encode(IDENTITY)
    k = int.from_bytes(sha512(r + key.public.raw + b"message").digest(), "little")
    signature = r + (k * secret % L).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(key.public.raw).verify(signature, b"message")
    with pytest.raises(BadSignature):
        key.public.verify(b"message", signature)


def test_a_signature_whose_s_is_not_reduced_is_refused() -> None:
    key = key_named("officer")
    signature = key.sign(b"message")
    s = int.from_bytes(signature[32:], "little") + L
    with pytest.raises(BadSignature):
        key.public.verify(b"message", signature[:32] + s.to_bytes(32, "little"))


def verdict(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        parse_public_key(key).verify(message, signature)
    except Unverified:
        return False
    return True


def test_cctv_cases_hold_exactly_where_no_point_is_weak(vectors: Path | None) -> None:
    if vectors is None:
        return
    cases = json.loads((vectors / "cctv-ed25519" / "ed25519vectors.json").read_text())
    assert len(cases) == 914
    weak = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"}
    for case in cases:
        expected = weak.isdisjoint(case["flags"] or ())
        found = verdict(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        assert found == expected, case["number"]


def test_speccheck_cases_give_the_verdicts_of_libsodium(vectors: Path | None) -> None:
    if vectors is None:
        return
    cases = json.loads((vectors / "ed25519-speccheck" / "cases.json").read_text())
    table = (vectors / "ed25519-speccheck" / "results.md").read_text().splitlines()
    libsodium = next(row for row in table if row.startswith("|LibSodium")).split("|")[2:-1]
    found = [
        "V" if verdict(*(bytes.fromhex(case[name]) for name in ("pub_key", "message", "signature"))) else "X"
        for case in cases
    ]
    assert found == [cell.strip() for cell in libsodium]


def test_wycheproof_cases_give_the_published_verdicts(vectors: Path | None) -> None:
    if vectors is None:
        return
    groups = json.loads((vectors / "wycheproof-eddsa" / "ed25519_test.json").read_text())["testGroups"]
    count = 0
    for group in groups:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            found = verdict(key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert found == (case["result"] == "valid"), case
            count += 1
    assert count == 151


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_what_a_key_signs_verifies_under_its_public_key(seed: bytes, message: bytes) -> None:
    key = PrivateKey.from_seed(seed)
    key.public.verify(message, key.sign(message))
    assert PrivateKey.from_seed(key.seed).public == key.public == parse_public_key(key.public.raw)
    assert key.public.keyid == sha256(key.public.raw).hexdigest()


def test_a_flipped_bit_anywhere_breaks_the_signature() -> None:
    key, message = key_named("officer"), b"a return in ten minutes"
    signature = key.sign(message)
    for other in flipped(signature):
        assert not verdict(key.public.raw, message, other)
    for other in flipped(message):
        assert not verdict(key.public.raw, other, signature)
    for other in flipped(key.public.raw):
        assert not verdict(other, message, signature)


@settings(max_examples=200)
@given(st.binary(max_size=70), st.binary(max_size=70), st.binary(max_size=10))
def test_any_bytes_are_refused_and_nothing_else_is_raised(raw: bytes, signature: bytes, message: bytes) -> None:
    with pytest.raises(BadSignature):
        key_named("officer").public.verify(message, signature)
    try:
        key = parse_public_key(raw)
    except Malformed:
        assert len(raw) != 32
        return
    except WeakKey:
        assert raw in SMALL
        return
    assert len(key.raw) == 32


def test_a_key_that_is_no_point_verifies_nothing() -> None:
    raw = next(raw for y in range(2, 99) if decode(raw := y.to_bytes(32, "little")) is None)
    with pytest.raises(BadSignature):
        parse_public_key(raw).verify(b"message", key_named("officer").sign(b"message"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_or_seed_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        parse_public_key(bytes(length))
    with pytest.raises(Malformed):
        PrivateKey.from_seed(bytes(length))


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    key = key_named("officer")
    with pytest.raises(BadSignature):
        key.public.verify(b"", (key.sign(b"") + b"\0")[:length])


def test_a_private_key_shows_its_keyid_and_never_its_seed() -> None:
    key = key_named("officer")
    assert key.public.keyid in repr(key) and repr(key) == str(key) == f"{key}"
    assert key.seed.hex() not in repr(key) and repr(key.seed) not in repr(key)
    assert not hasattr(key, "__dict__")


def test_a_private_key_is_neither_pickled_nor_copied() -> None:
    key = key_named("officer")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(key, protocol)
    for copier in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copier(key)


def test_a_public_key_travels_to_worker_processes() -> None:
    key = key_named("officer").public
    assert pickle.loads(pickle.dumps(key)) == key  # noqa: S301 our own bytes


def openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_openssl_gives_the_same_verdicts_on_points_with_a_component_of_small_order() -> None:
    secret, nonce, verdicts = 7**90 % L, 7**91 % L, []
    for in_key in torsion():
        key = encode(add(multiply(secret, BASE), in_key))
        for in_r in torsion():
            r = encode(add(multiply(nonce, BASE), in_r))
            for message in (b"%d" % number for number in range(8)):
                k = int.from_bytes(sha512(r + key + message).digest(), "little")
                signature = r + ((nonce + k * secret) % L).to_bytes(32, "little")
                verdicts.append(verdict(key, message, signature))
                assert verdicts[-1] == openssl(key, message, signature), (in_key, in_r, message)
    assert len(verdicts) == 512 and 8 <= verdicts.count(True) < 128  # multiplied by the cofactor, all would hold


def test_a_library_that_multiplies_by_the_cofactor_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    keys._check_library()

    def lenient(signed: bytes, key: bytes) -> bytes:
        r, a = decode(signed[:32]), decode(key)
        assert r is not None and a is not None
        k = int.from_bytes(sha512(signed[:32] + key + signed[64:]).digest(), "little")
        s = int.from_bytes(signed[32:64], "little")
        assert multiply(8 * s, BASE) == add(multiply(8, r), multiply(8 * k, a))
        return signed[64:]

    monkeypatch.setattr(keys, "crypto_sign_open", lenient)
    with pytest.raises(RuntimeError, match="libsodium"):
        keys._check_library()


def test_the_kinds_are_the_words_of_the_record() -> None:
    words = ["identity", "signing", "node submission", "log", "witness", "transport", "sealing"]
    assert [str(kind) for kind in RECORD_KINDS] == words
