import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import checkpoint as module
from exchange.core.checkpoint import (
    MAX_ORIGIN,
    Checkpoint,
    format_checkpoint,
    parse_checkpoint,
    parse_decimal,
    parse_origin,
    sign_checkpoint,
    verify_authorship,
    verify_checkpoint,
)
from exchange.core.merkle import EMPTY_ROOT, MAX_SIZE, leaf_hash
from exchange.core.note import COSIGNATURE, ED25519, Vkey, parse_vkey, sign_note
from exchange.errors import BadProof, BadSignature, Malformed, UnknownKey, WrongOrigin
from tests import key_named
from tests.core import flipped

KEY = key_named("log of Ruritania")
ORIGIN = "cbm.example/ruritania/log"
VKEY = Vkey(ORIGIN, ED25519, KEY.public)
CHECKPOINT = Checkpoint(ORIGIN, 1729, leaf_hash(b"root"))
TEXT = format_checkpoint(CHECKPOINT)
SIGNED = sign_checkpoint(CHECKPOINT, KEY)


def test_the_example_in_the_module_verifies() -> None:
    documented = module.__doc__ or ""
    vkey = parse_vkey(documented.split("whose key is `")[1].split("`")[0])
    lines = documented.split("signs:\n\n")[1].split("\n\nAn origin")[0]
    data = "\n".join(line.removeprefix("    ") for line in lines.split("\n")) + "\n"
    assert verify_checkpoint(data.encode(), vkey) == Checkpoint("example.org/log", 0, EMPTY_ROOT)


def test_a_checkpoint_is_three_lines_and_comes_back() -> None:
    assert TEXT.split(b"\n")[:2] == [ORIGIN.encode(), b"1729"] and TEXT.count(b"\n") == 3
    assert parse_checkpoint(TEXT) == CHECKPOINT
    assert verify_checkpoint(SIGNED, VKEY) == CHECKPOINT


@given(st.integers(0, MAX_SIZE), st.binary(min_size=32, max_size=32))
def test_every_size_and_root_come_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@given(st.binary(max_size=200) | st.text("abc./\n0123456789+=", max_size=90).map(str.encode))
def test_any_bytes_are_a_checkpoint_that_comes_back_or_are_refused(data: bytes) -> None:
    for whole in (data, TEXT + data, data + TEXT, TEXT[:-40] + data):
        try:
            checkpoint = parse_checkpoint(whole)
        except Malformed:
            continue
        assert format_checkpoint(checkpoint) == whole


def test_a_flipped_bit_anywhere_in_the_signed_note_is_refused() -> None:
    for data in flipped(SIGNED):
        with pytest.raises((Malformed, BadSignature, UnknownKey)):
            verify_checkpoint(data, VKEY)


NOT_DECIMAL = [
    "", "+5", "-5", "-0", " 5", "5 ", "05", "00", "1_000", "1,000", "0x5", "5.0", "5e3",
    "\u0661", "\u00b2", "\uff15", "5\u0661", "5\n", "5\r", "\t5", "5\0", str(MAX_SIZE + 1), "9" * 20, "1" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_DECIMAL)
def test_a_size_that_is_not_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_decimal(text.encode())
    with pytest.raises(Malformed):
        parse_checkpoint(TEXT.replace(b"1729", text.encode()))


@pytest.mark.parametrize("number", [0, 1, 9, 10, 1729, MAX_SIZE])
def test_plain_decimals_are_read(number: int) -> None:
    assert parse_decimal(str(number).encode()) == number


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\n", b"\n\n\n", TEXT[:-1], TEXT + b"\n", TEXT + b"extension\n", TEXT + b"extension",
        b"\n" + TEXT, b" " + TEXT,
        TEXT.replace(b"\n", b"\r\n"), TEXT.replace(b"\n", b"\r"), TEXT[:-1] + b"\r\n", TEXT.replace(b"\n", b" \n"),
        TEXT.replace(b"\n", b"\x0b"), TEXT.replace(b"\n", b"\x1c"), TEXT.replace(b"\n", "\u2028".encode()),
        TEXT.replace(b"=", b""), TEXT.replace(b"=", b"=="), TEXT.replace(b"cbm.example", b""),
        TEXT.replace(b"cbm", b"\xff"),
        ORIGIN.encode() + b"\n1729\n" + b"A" * 43 + b"\n", ORIGIN.encode() + b"\n1729\n" + b"A" * 40 + b"\n",
        ORIGIN.encode() + b"\n1729\n" + b"A" * 42 + b"B=\n",
    ],
)  # fmt: skip
def test_parse_refuses(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "origin",
    [
        "a",
        "7",
        "example.org",
        "example.org/log",
        "example.org:8443/log",
        "localhost:8001/log",
        "a-b.c/d_e/f.g-h",
        "a" * MAX_ORIGIN,
    ],
)
def test_origins_that_are_taken(origin: str) -> None:
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "", "/", "/log", "example.org/", "example.org//log", ".example", "example.", "-a", "a-", ":8000", "a:",
        "https://example.org/log/",
        "Example.org", "example.org/Log", "two words", "plus+", "exämple.org", "example.org\n", "example.org/\u0661",
        "a\0b", "a\tb",
        "a_b", "example.org/log?x", "example.org/log#x", "example.org/%41", "a@b", "a" * (MAX_ORIGIN + 1), "\ud800",
    ],
)  # fmt: skip
def test_origins_that_are_refused(origin: str) -> None:
    with pytest.raises(Malformed):
        parse_origin(origin)
    with pytest.raises(Malformed):
        format_checkpoint(Checkpoint(origin, 0, EMPTY_ROOT))


def test_nothing_is_formatted_that_does_not_read_back() -> None:
    for size, root in ((-1, EMPTY_ROOT), (MAX_SIZE + 1, EMPTY_ROOT), (0, b""), (0, bytes(31)), (0, bytes(33))):
        with pytest.raises(Malformed):
            format_checkpoint(Checkpoint(ORIGIN, size, root))


def test_the_root_of_an_empty_log_is_sha256_of_nothing() -> None:
    empty = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), KEY)
    assert verify_checkpoint(empty, VKEY).size == 0
    assert b"\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" in empty
    false = Checkpoint(ORIGIN, 0, bytes(32))
    with pytest.raises(BadProof):
        sign_checkpoint(false, KEY)
    signed = sign_note(format_checkpoint(false), ORIGIN, KEY)
    with pytest.raises(BadProof):
        verify_checkpoint(signed, VKEY)
    assert verify_authorship(signed, VKEY) == false  # the log did sign it, which convicts it


def test_a_checkpoint_of_another_origin_is_refused_though_the_key_signed_it() -> None:
    other = sign_note(format_checkpoint(Checkpoint("cbm.example/other", 5, EMPTY_ROOT)), ORIGIN, KEY)
    with pytest.raises(WrongOrigin):
        verify_checkpoint(other, VKEY)


def test_a_checkpoint_by_another_key_or_name_is_refused() -> None:
    for vkey in (Vkey(ORIGIN, ED25519, key_named("another").public), Vkey("cbm.example/other", ED25519, KEY.public)):
        with pytest.raises(UnknownKey):
            verify_checkpoint(SIGNED, vkey)


def test_a_cosigners_key_never_speaks_for_a_log() -> None:
    cosigner = Vkey(ORIGIN, COSIGNATURE, KEY.public)
    with pytest.raises(UnknownKey):
        verify_checkpoint(SIGNED, cosigner)


def test_a_signed_extension_line_is_refused() -> None:
    with pytest.raises(Malformed):
        verify_checkpoint(sign_note(TEXT + b"extension\n", ORIGIN, KEY), VKEY)
