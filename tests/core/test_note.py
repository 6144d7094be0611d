import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import note as module
from exchange.core.checkpoint import parse_checkpoint
from exchange.core.keys import PrivateKey
from exchange.core.note import (
    COSIGNATURE,
    ED25519,
    MAX_NOTE,
    MAX_SIGNATURES,
    MAX_VKEY,
    Note,
    NoteSignature,
    Vkey,
    format_note,
    format_vkey,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)
from exchange.errors import BadSignature, ExchangeError, Malformed, TooLarge, UnknownKey, WeakKey
from tests import key_named
from tests.core import flipped

KEY = key_named("log of Ruritania")
NAME = "example.org/ruritania"
VKEY = Vkey(NAME, ED25519, KEY.public)
TEXT = b"first line\n\nlast line\n"
SIGNED = sign_note(TEXT, NAME, KEY)
LINE = SIGNED.removeprefix(TEXT + b"\n")
GROUND = (50_899, 94_748)  # two key ids that meet, found among a hundred thousand names
STRANGER = key_named("a stranger")
STRANGERS_LINE = sign_note(TEXT, "example.org/stranger", STRANGER).removeprefix(TEXT + b"\n")


def test_the_example_in_the_module_verifies() -> None:
    documented = module.__doc__ or ""
    vkey = parse_vkey(documented.split("under the vkey `")[1].split("`")[0])
    lines = documented.split("`:\n\n")[1].split("\n\nOnly")[0]
    data = "\n".join(line.removeprefix("    ") for line in lines.split("\n")) + "\n"
    note, signers = verify_note(data.encode(), [vkey])
    assert note.text == b"This is an example message.\n" and signers == (vkey,)


def test_published_notes_get_the_published_verdicts(vectors: Path | None) -> None:
    if vectors is None:
        return
    cases = json.loads((vectors / "signed-note" / "notes.json").read_text())["cases"]
    assert len(cases) == 16
    refusals = {"malformed": Malformed, "unverified": UnknownKey, "invalid-signature": BadSignature}
    for case in cases:
        data, vkeys = base64.b64decode(case["note_b64"]), [parse_vkey(text) for text in case["vkeys"]]
        if case["expect"] == "ok":
            note, signers = verify_note(data, vkeys)
            assert len(signers) == case["verified"] and format_note(note) == data
            continue
        with pytest.raises(refusals[case["expect"]]):
            verify_note(data, vkeys)


def test_the_published_signer_key_makes_the_published_signature(vectors: Path | None) -> None:
    if vectors is None:
        return
    published = json.loads((vectors / "signed-note" / "notes.json").read_text())
    seed = base64.b64decode(published["signer_keys"]["PeterNeumann"].split("+", 4)[4])[1:]
    case = next(case for case in published["cases"] if case["name"] == "one known, one unknown")
    note = parse_note(base64.b64decode(case["note_b64"]))
    key = PrivateKey.from_seed(seed)
    assert [format_vkey(Vkey("PeterNeumann", ED25519, key.public))] == case["vkeys"]
    assert parse_note(sign_note(note.text, "PeterNeumann", key)).signatures == note.signatures[:1]


def test_published_examples_without_keys_are_read(vectors: Path | None) -> None:
    if vectors is None:
        return
    text = (vectors / "signed-note" / "spec-examples-unverifiable.txt").read_text()
    data = text.split("\n\n", 1)[1].encode()
    note = parse_note(data)
    assert format_note(note) == data
    assert parse_checkpoint(note.text).size == 20852163
    assert [len(line.signature) for line in note.signatures] == [64, 72]  # a log's own, and a witness's with its time
    with pytest.raises(UnknownKey):
        verify_note(data, [VKEY])


def test_what_is_signed_verifies_and_comes_back() -> None:
    note, signers = verify_note(SIGNED, [VKEY])
    assert note.text == TEXT and signers == (VKEY,) and format_note(note) == SIGNED
    assert parse_vkey(format_vkey(VKEY)) == VKEY


def test_the_last_empty_line_separates_so_that_nobody_else_chooses_what_was_signed() -> None:
    within = TEXT + b"\n" + LINE  # a text that itself looks like a signed note
    data = sign_note(within, NAME, KEY)
    assert verify_note(data, [VKEY])[0].text == within
    with pytest.raises(BadSignature):
        verify_note(within.replace(b"first", b"other"), [VKEY])


def test_a_flipped_bit_anywhere_is_refused() -> None:
    for data in flipped(SIGNED):
        with pytest.raises((Malformed, BadSignature, UnknownKey)):
            verify_note(data, [VKEY])
    for text in flipped(format_vkey(VKEY).encode()):
        with pytest.raises(ExchangeError):
            parse_vkey(text.decode("latin-1"))


@given(st.binary(max_size=200) | st.text(alphabet="\n \u2014abc+=", max_size=60).map(str.encode))
def test_any_bytes_are_a_note_that_comes_back_or_are_refused(data: bytes) -> None:
    for whole in (data, TEXT + b"\n" + data, data + b"\n" + LINE):
        try:
            note = parse_note(whole)
        except Malformed:
            continue
        assert format_note(note) == whole


@given(st.text(max_size=60), st.binary(max_size=60))
def test_any_text_is_a_vkey_that_comes_back_or_is_refused(text: str, data: bytes) -> None:
    keyid = sha256(text.encode(errors="replace") + b"\n" + data).hexdigest()[:8]
    made = f"{text}+{keyid}+{base64.b64encode(data).decode()}"
    for candidate in (text, made):
        try:
            vkey = parse_vkey(candidate)
        except (Malformed, WeakKey):
            continue
        assert format_vkey(vkey) == candidate


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"\n\n", TEXT, TEXT + b"\n", TEXT + LINE, LINE, b"text\n\n\n" + LINE[:-1], b"text" + LINE,
        SIGNED[:-1], SIGNED + b"\n", SIGNED + b"trailing\n", SIGNED.replace(b"\n", b"\r\n"), SIGNED[:-1] + b"\r\n",
        SIGNED.replace(b"first", b"fir\tst"), SIGNED.replace(b"first", b"fir\0st"),
        SIGNED.replace(b"first", b"fir\x1fst"),
        SIGNED.replace(b"first", b"fir\xffst"), SIGNED.replace(b"first", b"fir\xed\xa0\x80st"), b"\xef\xbb\xbf" + LINE,
        SIGNED.replace("\u2014".encode(), b"-"), SIGNED.replace("\u2014 ".encode(), "\u2014".encode()),
        SIGNED.replace("\u2014 ".encode(), " \u2014 ".encode()), SIGNED.replace("\u2014 ".encode(), "\u2013 ".encode()),
        SIGNED.replace(b"/ruritania ", b"/ruritania  "), SIGNED.replace(b"/ruritania ", b"/ruri+tania "),
        SIGNED.replace(b"/ruritania ", "/ruri\u2003tania ".encode()),
        SIGNED.replace(b"/ruritania ", "/ruri\u2028tania ".encode()),
        SIGNED.replace(b"example.org/ruritania", b""), b"text\n\n \n",
        SIGNED[:-1] + b" \n", SIGNED[:-1] + b" more\n", SIGNED[:-1] + b"=\n",
        TEXT + b"\n" + "\u2014 name AAAAAA==\n".encode(), TEXT + b"\n" + "\u2014 name \n".encode(),
        TEXT + b"\n" + "\u2014 name\n".encode(),
    ],
)  # fmt: skip
def test_parse_refuses(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_note(data)


def test_only_the_newline_ends_a_line() -> None:
    text = "one\u2028two\u0085three\u2029\n".encode()
    note, _ = verify_note(sign_note(text, NAME, KEY), [VKEY])
    assert note.text == text
    for end in ("\u2028", "\u0085", "\u2029"):
        with pytest.raises(Malformed):
            parse_note(SIGNED[:-1] + end.encode() + STRANGERS_LINE)


def test_a_signature_with_trailing_bits_is_refused() -> None:
    assert LINE.endswith(b"=\n")
    last = LINE[-3:-2]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) + 1 : alphabet.index(last) + 2]
    spelt = LINE[:-3] + other + LINE[-2:]
    encoded = [line.split(b" ")[2].strip() for line in (LINE, spelt)]
    assert base64.b64decode(encoded[0], validate=True) == base64.b64decode(encoded[1], validate=True)
    with pytest.raises(Malformed):
        parse_note(TEXT + b"\n" + spelt)


def test_unknown_lines_are_ignored_whatever_they_hold() -> None:
    grease = "\u2014 grease.invalid AAAAAAAA\n".encode()
    note, signers = verify_note(TEXT + b"\n" + grease + LINE + STRANGERS_LINE + grease, [VKEY])
    assert len(note.signatures) == 4 and signers == (VKEY,)
    with pytest.raises(UnknownKey):
        verify_note(TEXT + b"\n" + grease + STRANGERS_LINE, [VKEY])
    with pytest.raises(UnknownKey):
        verify_note(SIGNED, [])


def test_a_known_key_with_a_false_line_refuses_the_whole_note() -> None:
    stranger = Vkey("example.org/stranger", ED25519, STRANGER.public)
    assert verify_note(SIGNED + STRANGERS_LINE, [stranger, VKEY])[1] == (VKEY, stranger)
    other = sign_note(b"other\n", "example.org/stranger", STRANGER).removeprefix(b"other\n\n")
    with pytest.raises(BadSignature):
        verify_note(SIGNED + other, [VKEY, stranger])


def test_a_repeated_line_must_verify_too() -> None:
    false = sign_note(b"other\n", NAME, KEY).removeprefix(b"other\n\n")
    assert verify_note(SIGNED + LINE, [VKEY])[1] == (VKEY,)
    for lines in (LINE + false, false + LINE):
        with pytest.raises(BadSignature):
            verify_note(TEXT + b"\n" + lines, [VKEY])


def test_a_signature_of_another_length_by_a_known_key_is_false() -> None:
    for signature in (b"\0", KEY.sign(TEXT) + b"\0", bytes(8) + KEY.sign(TEXT)):
        data = format_note(Note(TEXT, (NoteSignature(NAME, VKEY.keyid, signature),)))
        with pytest.raises(BadSignature):
            verify_note(data, [VKEY])


def test_a_cosignature_by_the_same_key_is_not_the_logs_own_signature() -> None:
    cosigner = Vkey(NAME, COSIGNATURE, KEY.public)
    assert cosigner.keyid != VKEY.keyid
    signed = b"cosignature/v1\ntime 1700000000\n" + TEXT
    line = NoteSignature(NAME, cosigner.keyid, (1700000000).to_bytes(8, "big") + KEY.sign(signed))
    data = format_note(Note(TEXT, (line,)))
    for vkeys in ([VKEY], [cosigner], [cosigner, VKEY]):
        with pytest.raises(UnknownKey):
            verify_note(data, vkeys)
    # nor does the bare signature count under the cosigner's key id
    bare = format_note(Note(TEXT, (NoteSignature(NAME, cosigner.keyid, KEY.sign(TEXT)),)))
    with pytest.raises(UnknownKey):
        verify_note(bare, [cosigner])


def test_two_keys_with_one_name_and_key_id_are_refused_for_32_bits_can_be_ground_out() -> None:
    one, two = (key_named(f"grind {n}") for n in GROUND)
    first, second = (Vkey("example.org/log", ED25519, key.public) for key in (one, two))
    assert first.keyid == second.keyid and first != second
    data = sign_note(TEXT, "example.org/log", one)
    assert verify_note(data, [first, first])[1] == (first,)
    with pytest.raises(BadSignature):
        verify_note(data, [second])
    with pytest.raises(UnknownKey):
        verify_note(data, [first, second])


def test_notes_and_their_lines_are_bounded() -> None:
    assert len(parse_note(TEXT + b"\n" + LINE * MAX_SIGNATURES).signatures) == MAX_SIGNATURES
    with pytest.raises(TooLarge):
        parse_note(TEXT + b"\n" + LINE * (MAX_SIGNATURES + 1))
    largest = b"x" * (MAX_NOTE - 2 - len(LINE)) + b"\n"
    assert parse_note(largest + b"\n" + LINE).text == largest
    with pytest.raises(TooLarge):
        parse_note(b"x" + largest + b"\n" + LINE)


def test_nothing_is_signed_that_would_not_read_back() -> None:
    for text in (b"", b"no newline", b"carriage\r\n", b"\xff\n", b"x" * MAX_NOTE + b"\n"):
        with pytest.raises(Malformed):
            sign_note(text, NAME, KEY)
    for name in ("", "two words", "plus+", "tab\t", "line\u2028", "\ud800", "nul\0"):
        with pytest.raises(Malformed):
            sign_note(TEXT, name, KEY)
    with pytest.raises(Malformed):
        format_note(Note(TEXT, ()))
    with pytest.raises(Malformed):
        format_note(Note(TEXT, (NoteSignature(NAME, b"abc", b""),)))


def test_the_key_id_binds_name_type_and_key() -> None:
    assert VKEY.keyid == sha256(NAME.encode() + b"\n\x01" + KEY.public.raw).digest()[:4]
    name, keyid, key = format_vkey(VKEY).split("+", 2)
    other = "0" if keyid[0] != "0" else "1"
    for text in (f"{name}x+{keyid}+{key}", f"{name}+{other}{keyid[1:]}+{key}", f"{name}+{keyid.upper()}+{key}"):
        with pytest.raises(Malformed):
            parse_vkey(text)


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE])
def test_a_weak_key_is_refused_in_a_vkey(kind: int) -> None:
    weak = (1).to_bytes(32, "little")
    with pytest.raises(WeakKey):
        parse_vkey(format_vkey(Vkey(NAME, kind, weak)))
    with pytest.raises(Malformed):
        parse_vkey(format_vkey(Vkey(NAME, kind, weak[:31])))


def test_a_key_of_another_type_is_kept_and_judges_nothing() -> None:
    vkey = Vkey("witness.example/later", 0x06, bytes(range(32)) * 41)
    assert parse_vkey(format_vkey(vkey)) == vkey
    line = NoteSignature(vkey.name, vkey.keyid, b"whatever")
    with pytest.raises(UnknownKey):
        verify_note(format_note(Note(TEXT, (line,))), [vkey])


@pytest.mark.parametrize("name", ["nul\0", "tab\t", "two words", "line\u2028", "wide\u3000", "escape\x1b", "\x1funit"])
def test_a_vkey_with_a_name_that_no_note_can_hold_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        parse_vkey(format_vkey(Vkey(name, ED25519, KEY.public)))


def test_vkeys_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parse_vkey("x" * (MAX_VKEY + 1))


@pytest.mark.parametrize(
    "text", ["", "+", "++", "name", "name+", "name+00000000", "name+00000000+", "name+00000000+AQ==", "+00000000+AQI="]
)
def test_parse_vkey_refuses(text: str) -> None:
    with pytest.raises(Malformed):
        parse_vkey(text)
