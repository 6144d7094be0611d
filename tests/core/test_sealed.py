"""A sealed letter: the same for all whom it names, nothing for anybody else, and nothing at all if a bit of it was changed."""

import pickle
import tracemalloc
from io import BytesIO
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import padding, sealing
from exchange.core.letter import check_rest, contents_of, format_letter, pieces_of, read_contents
from exchange.core.padding import FLOOR, padded
from exchange.core.sealed import (
    MAGIC,
    MAX_SEALED,
    PIECE,
    TAG_SIZE,
    ContentKey,
    address,
    read_preface,
    seal,
)
from exchange.core.sealing import SEALING_KEY_SIZE, SUITE, WRAP_SIZE, SealingKey, SealingPrivate
from exchange.errors import BadSeal, ExchangeError, Malformed, NotFound, TooLarge, WeakKey
from tests.core import flipped_in_each_byte
from tests.core.letters import (
    ENVELOPE,
    FEDERATION,
    ORIGIN,
    content_key,
    document,
    opened,
    own_keys,
    plaintext_of,
    preface_of,
    sealed,
    sealing_named,
)
from tests.core.salamander import two_faced

pytestmark = pytest.mark.once


def test_sender_and_recipients_read_the_same() -> None:
    documents = [document(), document("a1", b"%PDF " * 50_000, "map.pdf")]
    blob = sealed("XA", "XI", documents=documents)
    for code in ("XR", "XA", "XI"):
        assert opened(blob, code) == (ENVELOPE, [(one.slot, one.content) for one in documents])


def test_an_outsider_opens_nothing() -> None:
    preface, _ = preface_of(sealed("XA"))
    with pytest.raises(NotFound, match="not addressed to XC"):
        preface.unwrap("XC", own_keys("XC"))
    with pytest.raises(NotFound, match="is not here"):
        preface.unwrap("XA", own_keys("XC"))
    with pytest.raises(NotFound, match="is not here"):  # a key under the name of another is no key
        preface.unwrap("XA", {sealing_named("XA").public.keyid: sealing_named("XC")})


def test_one_ciphertext_with_two_keys_is_refused() -> None:
    """The two-faced ciphertext: both tags are right, and each recipient would read something else."""
    blob, keys = two_faced("XA", b"12 battalions remain at X.", "XI", b"No forces remain at X.")
    preface, file = preface_of(blob)
    rest = file.read()
    for key in keys.values():  # without the commitment, either would open
        decryptor = Cipher(AES256(key.raw), GCM(bytes(12))).decryptor()
        decryptor.authenticate_additional_data(preface.raw)
        decryptor.update(rest[:-TAG_SIZE])
        decryptor.finalize_with_tag(rest[-TAG_SIZE:])
    committed, other = keys.values()
    assert preface.unwrap("XA", own_keys("XA")) == committed
    with pytest.raises(BadSeal, match="not the one that the header commits to"):
        preface.unwrap("XI", own_keys("XI"))
    with pytest.raises(BadSeal, match="commits to"):
        preface.decrypt(other, BytesIO(rest).read, BytesIO().write)


def test_a_wrap_moved_to_another_state_does_not_open() -> None:
    blob = sealed("XA", "XI")
    start = len(preface_of(blob)[0].raw) - 3 * WRAP_SIZE
    for own in (0, 1, 2):
        moved = blob[: start + 2 * WRAP_SIZE] + blob[start + own * WRAP_SIZE : start + (own + 1) * WRAP_SIZE]
        moved += blob[start + 3 * WRAP_SIZE :]
        if own != 2:
            with pytest.raises(BadSeal):
                plaintext_of(moved, "XI")
            with pytest.raises(BadSeal):  # nor does any other recipient read on as if nothing had happened
                plaintext_of(moved, "XA")
    assert moved == blob


def test_a_wrap_of_another_letter_does_not_open() -> None:
    """The content key of a letter to two, wrapped into the header of a letter to one."""
    two, one = sealed("XA", "XI"), sealed("XA")
    taken = preface_of(two)[0].wraps
    preface, _ = preface_of(one)
    addressee = preface.header.recipients[0]
    with pytest.raises(BadSeal):
        type(preface)(preface.header, preface.raw, {addressee: taken[addressee]}).unwrap("XA", own_keys("XA"))


def test_a_recipient_cannot_be_dropped_added_or_renamed() -> None:
    blob = sealed("XA", "XI", "XO")
    preface, file = preface_of(blob)
    rest, wraps = file.read(), list(preface.wraps.values())
    key = preface.unwrap("XR", own_keys("XR"))
    for codes, kept in (
        (("XA", "XI"), wraps[:3]),
        (("XA", "XO"), [wraps[0], wraps[1], wraps[3]]),
        (("XA", "XI", "XO", "XU"), [*wraps, wraps[3]]),
        (("XA", "XI", "XU"), wraps),
    ):
        to = [(code, sealing_named("XO" if code == "XU" else code).public) for code in codes]
        header, _ = address(FEDERATION, ORIGIN, key, ("XR", sealing_named("XR").public), to)
        forged = next(
            seal(header, key, {k.public.keyid: k.public for k in map(sealing_named, (*codes, "XR", "XO"))}, 0, [])
        )
        forged = forged[: -len(kept) * WRAP_SIZE] + b"".join(kept)
        with pytest.raises(BadSeal):
            plaintext_of(forged + rest, "XA")
        with pytest.raises(BadSeal):  # not even under the right key
            changed, file = preface_of(forged + rest)
            changed.decrypt(key, file.read, BytesIO().write)


def test_every_byte_counts() -> None:
    blob = sealed("XA", documents=[])
    length = len(preface_of(blob)[0].raw)
    for at, changed in enumerate(flipped_in_each_byte(blob)):
        if at > length + 64 and at % 97 and at < len(blob) - 20:
            continue  # the ciphertext, one byte in a hundred
        with pytest.raises(ExchangeError) as caught:
            plaintext_of(changed, "XA")
        assert isinstance(caught.value, BadSeal | Malformed | NotFound | WeakKey)


def test_a_letter_cut_short_or_continued_is_refused() -> None:
    blob = sealed("XA")
    for size in (*range(0, len(blob), 211), len(blob) - TAG_SIZE, len(blob) - 1):
        with pytest.raises((BadSeal, Malformed)):
            plaintext_of(blob[:size], "XA")
    for more in (b"\0", bytes(16), bytes(PIECE)):
        with pytest.raises((BadSeal, Malformed)):
            plaintext_of(blob + more, "XA")


@pytest.mark.parametrize(
    "old, new",
    [
        (SUITE, "MLKEM768-X25519/HKDF-SHA256/AES-128-GCM"),
        (SUITE, "X25519/HKDF-SHA256/AES-256-GCM"),
        (SUITE, ""),
        ('{"federation"', '{ "federation"'),
        ('"sender"', '"Sender"'),
        (FEDERATION, "Test.example"),
        ('"XA"', '"xa"'),
        ('"XA"', '"XR"'),  # the sender among the recipients
        ('"XA"', '"XI"'),  # one recipient twice
        ('"XA"', '"XO"'),  # out of order
    ],
)
def test_a_header_in_any_other_form_is_refused(old: str, new: str) -> None:
    blob = sealed("XA", "XI")
    head = _head(blob)
    assert old.encode() in head
    changed = head.replace(old.encode(), new.encode(), 1)
    rest = blob[len(MAGIC) + 4 + len(head) :]
    with pytest.raises(Malformed):
        read_preface(BytesIO(MAGIC + len(changed).to_bytes(4, "big") + changed + rest).read)


def _head(blob: bytes) -> bytes:
    start = len(MAGIC) + 4
    return blob[start : start + int.from_bytes(blob[len(MAGIC) : start], "big")]


def test_a_header_without_end_is_not_read() -> None:
    read = []

    def endless(size: int) -> bytes:
        read.append(size)
        return (MAGIC + b"\xff" * 100)[:size] if len(read) == 1 else b"\xff" * size

    with pytest.raises(TooLarge):
        read_preface(endless)
    assert sum(read) < 100


def test_no_plaintext_counts_before_the_tag() -> None:
    """Whoever streams gets bytes to put aside; what says that they count comes after the last of them."""
    blob = sealed("XA", documents=[document("a1", b"x" * 1_000_000)])
    preface, file = preface_of(blob[:-1] + bytes([blob[-1] ^ 1]))
    key = preface.unwrap("XA", own_keys("XA"))
    with pytest.raises(BadSeal, match="its tag is wrong"):
        preface.decrypt(key, file.read, BytesIO().write)


def test_sizes_tell_next_to_nothing() -> None:
    assert {len(sealed("XA", documents=[document("a1", bytes(size))])) for size in range(0, 12_000, 500)} == {FLOOR}
    sizes = [padded(size) for size in range(20 * FLOOR)]
    assert all(size <= large <= max(FLOOR, size * 1.12) for size, large in enumerate(sizes))
    assert all(one <= next_one for one, next_one in pairwise(sizes)) and len(set(sizes)) < 110
    assert all(padded(size) == size for size in set(sizes))
    assert padded(MAX_SEALED) == MAX_SEALED
    # How many recipients there are is hidden in it too.
    assert len(sealed("XA", "XI", "XO")) == len(sealed("XA")) == FLOOR


@given(st.integers(FLOOR + 1, MAX_SEALED))
def test_padding_is_padme(size: int) -> None:
    assert size <= padded(size) <= size * 1.12
    exponent = size.bit_length() - 1
    told = bin(padded(size))[2:].rstrip("0")  # the digits that say anything
    assert len(told) <= exponent.bit_length() + 1


def test_a_size_that_padding_does_not_give_is_refused() -> None:
    """One letter has one size: whoever chose another could tell outsiders something by it."""
    key = content_key()
    header, keys = address(
        FEDERATION, ORIGIN, key, ("XR", sealing_named("XR").public), [("XA", sealing_named("XA").public)]
    )
    raw = next(seal(header, key, keys, 0, []))
    encryptor = Cipher(AES256(key.raw), GCM(bytes(12))).encryptor()
    encryptor.authenticate_additional_data(raw)
    blob = raw + encryptor.update(bytes(FLOOR)) + encryptor.finalize() + encryptor.tag
    with pytest.raises(Malformed, match="padding"):
        plaintext_of(blob, "XA")


def test_25_megabytes_for_57_recipients_in_flat_memory() -> None:
    codes = [f"X{chr(65 + n)}" if n < 26 else f"Y{chr(39 + n)}" if n < 52 else f"Z{chr(13 + n)}" for n in range(57)]
    codes = [*sorted(code for code in codes if code != "XR"), "ZZ"]
    assert len(set(codes)) == 57
    to = [(code, sealing_named(code).public) for code in codes]
    key, private = content_key(), own_keys("ZZ")
    header, keys = address(FEDERATION, ORIGIN, key, ("XR", sealing_named("XR").public), to)
    content = 25_000_000
    enclosed = contents_of(ENVELOPE, [document("a1", b"")])
    enclosed = type(enclosed)(enclosed.envelope, (type(enclosed.documents[0])("a1", "map.pdf", bytes(32), content),))
    tracemalloc.start()
    try:
        size, plaintext = format_letter(enclosed, (b"%" * 50_000 for _ in range(content // 50_000)))
        stream = seal(header, key, keys, size, plaintext)
        rest = bytearray()

        def read(size: int) -> bytes:
            while len(rest) < size and (piece := next(stream, b"")):
                rest.extend(piece)
            taken = bytes(rest[:size])
            del rest[:size]
            return taken

        preface = read_preface(read)
        total = preface.decrypt(preface.unwrap("ZZ", private), read, lambda piece: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == preface.room(size) and len(preface.raw) + total + TAG_SIZE == padded(len(preface.raw) + size + 16)
    assert peak < 2_000_000, peak


def test_more_than_a_document_may_have_is_not_sealed() -> None:
    key = content_key()
    header, keys = address(
        FEDERATION, ORIGIN, key, ("XR", sealing_named("XR").public), [("XA", sealing_named("XA").public)]
    )
    with pytest.raises(TooLarge):
        next(seal(header, key, keys, MAX_SEALED, []))


def test_a_letter_has_one_text() -> None:
    documents = [document(), document("a1", b"x" * 300)]
    contents = contents_of(ENVELOPE, documents)
    size, pieces = format_letter(contents, [one.content for one in documents])
    whole = b"".join(pieces)
    assert len(whole) == size
    file = BytesIO(whole + bytes(70_000))
    found, told = read_contents(file.read)
    assert (found, told) == (contents, size)
    assert [b"".join(pieces_of(file.read, one.size)) for one in found.documents] == [one.content for one in documents]
    check_rest(file.read)
    with pytest.raises(Malformed, match="zeros"):
        check_rest(BytesIO(bytes(70_000) + b"\1").read)
    with pytest.raises(Malformed):
        list(pieces_of(BytesIO(b"xy").read, 3))
    for old, new in ((b'"size":9', b'"size":-9'), (b"body", b"a1.x"), (b'"a1"', b'"a0"'), (b'{"env', b'{ "env')):
        index = whole[4 : 4 + int.from_bytes(whole[:4], "big")]
        assert old in index
        changed = index.replace(old, new, 1)
        with pytest.raises(Malformed):
            read_contents(BytesIO(len(changed).to_bytes(4, "big") + changed).read)
    with pytest.raises(TooLarge):
        read_contents(BytesIO(b"\xff" * 100).read)


def test_secrets_show_in_no_repr_and_no_pickle() -> None:
    private, key, letter = sealing_named("XA"), content_key(), contents_of(ENVELOPE, [document()])
    preface, _ = preface_of(sealed("XA"))
    told = f"{private!r} {key!r} {letter!r} {preface!r} {private.public.keyid}"
    for secret in (key.raw, letter.documents[0].opening, ENVELOPE, *preface.wraps.values()):
        assert repr(secret) not in told and secret.hex() not in told
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(private)
    with pytest.raises(Malformed) as caught:
        ContentKey(b"a key that is too short")
    assert "too short" not in str(caught.value)


P = 2**255 - 19
SMALL = [0, 1, P - 1, 325606250916557431795983626356110631294008115727848805560023387167927233504]


@pytest.mark.parametrize("u", [*SMALL, P, P + 1, P + 5, 2**255 + 9], ids=hex)
def test_a_sealing_key_of_small_order_or_with_two_spellings_is_refused(u: int) -> None:
    good = sealing_named("XA").public.raw
    with pytest.raises(WeakKey):
        SealingKey(good[: sealing.MLKEM_SIZE] + u.to_bytes(32, "little"))


def test_a_sealing_key_that_is_no_key_is_refused() -> None:
    good = sealing_named("XA").public.raw
    for raw in (b"", good[:-1], good + b"\0", bytes(32)):
        with pytest.raises(Malformed, match=str(SEALING_KEY_SIZE)):
            SealingKey(raw)
    with pytest.raises(WeakKey):  # a coefficient beyond q (FIPS 203 section 7.2)
        SealingKey(b"\xff" * sealing.MLKEM_SIZE + good[sealing.MLKEM_SIZE :])
    with pytest.raises(Malformed, match="seed"):
        SealingPrivate.from_seed(b"short")


def test_the_examples_in_the_module_texts_hold() -> None:
    import doctest

    for module in (padding, sealing):
        tried = doctest.testmod(module)
        assert tried.attempted and not tried.failed
