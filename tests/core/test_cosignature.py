from pathlib import Path

import pytest

from exchange.core import cosignature as module
from exchange.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint, verify_checkpoint
from exchange.core.cosignature import MAX_TIME, cosign, verified_lines, verify_cosignatures, verify_line
from exchange.core.merkle import leaf_hash
from exchange.core.note import (
    COSIGNATURE,
    ED25519,
    Note,
    NoteSignature,
    Vkey,
    format_lines,
    format_note,
    parse_lines,
    parse_note,
    parse_vkey,
    verify_note,
)
from exchange.errors import BadSignature, ExchangeError, Malformed, UnknownKey, WeakKey
from tests import key_named
from tests.core import flipped

LOG = key_named("log of Ruritania")
ORIGIN = "cbm.example/ruritania"
NAME = "cbm.example/witness/XA"
KEY = key_named("witness of Arcadia")
VKEY = Vkey(NAME, COSIGNATURE, KEY.public)
CHECKPOINT = Checkpoint(ORIGIN, 5, leaf_hash(b"five entries"))
TEXT = format_checkpoint(CHECKPOINT)
NOTE = parse_note(sign_checkpoint(CHECKPOINT, LOG))
TIME = 1_790_000_000
LINE = cosign(TEXT, NAME, KEY, TIME)
OTHER = cosign(TEXT, "cbm.example/witness/XI", key_named("witness of Illyria"), TIME + 1)


def with_lines(*lines: NoteSignature) -> Note:
    return Note(NOTE.text, (*NOTE.signatures, *lines))


def test_the_example_in_the_module_verifies() -> None:
    documented = module.__doc__ or ""
    vkey = parse_vkey(documented.split("whose key is `")[1].split("`")[0])
    lines = documented.split("`:\n\n")[1].rstrip("\n")
    note = parse_note(("\n".join(line.removeprefix("    ") for line in lines.split("\n")) + "\n").encode())
    (found,) = verify_cosignatures(note, [vkey])
    assert (found.vkey.name, found.time) == (NAME, TIME)


def test_a_cosignature_signs_header_time_and_the_whole_checkpoint() -> None:
    """C2SP tlog-cosignature, put together by hand."""
    assert LINE.signature[:8] == TIME.to_bytes(8, "big") and len(LINE.signature) == 72
    KEY.public.verify(b"cosignature/v1\ntime 1790000000\n" + TEXT, LINE.signature[8:])
    assert format_lines([LINE]).decode().startswith(f"\u2014 {NAME} ") and len(LINE.keyid + LINE.signature) == 76


def test_lines_of_the_specification_are_read(vectors: Path | None) -> None:
    if vectors is None:
        return
    text = (vectors / "signed-note" / "spec-examples-unverifiable.txt").read_text()
    lines = "".join(f"{line}\n" for line in text.split("\n") if line.startswith("\u2014 ")).encode()
    assert format_lines(parse_lines(lines)) == lines


@pytest.mark.parametrize("time", [0, 1, TIME, 2**32, MAX_TIME])
def test_a_cosignature_comes_back_with_its_time(time: int) -> None:
    line = cosign(TEXT, NAME, KEY, time)
    assert parse_lines(format_lines([line])) == (line,)
    assert verify_line(TEXT, line, VKEY).time == time
    note = parse_note(format_note(with_lines(line)))
    assert [one.time for one in verify_cosignatures(note, [VKEY])] == [time]


def test_a_flipped_bit_anywhere_in_the_line_is_not_believed() -> None:
    for data in flipped(format_lines([LINE])):
        try:
            lines = parse_lines(data)
            found = verify_cosignatures(with_lines(*lines), [VKEY])
        except ExchangeError:
            continue
        assert found == ()  # it names somebody else now
        assert verified_lines(with_lines(*lines), [VKEY]) == ()


def test_a_flipped_bit_anywhere_in_the_checkpoint_is_not_believed() -> None:
    for text in flipped(TEXT):
        with pytest.raises(BadSignature):
            verify_cosignatures(Note(text, (LINE,)), [VKEY])


def test_lines_of_strangers_are_ignored_whatever_they_hold() -> None:
    broken = NoteSignature("cbm.example/witness/XI", OTHER.keyid, b"no cosignature")
    assert len(verify_cosignatures(with_lines(broken, LINE), [VKEY])) == 1
    assert verify_cosignatures(with_lines(OTHER), [VKEY]) == ()


def test_a_forged_line_of_a_known_cosigner_spoils_the_note_and_is_never_taken_up() -> None:
    """Pitfall 8: a forged line under the witness's own key, kept, would make every later request fail."""
    forged = NoteSignature(NAME, LINE.keyid, LINE.signature[:-1] + bytes((LINE.signature[-1] ^ 1,)))
    for lines in ((forged,), (LINE, forged), (forged, LINE)):
        with pytest.raises(BadSignature):
            verify_cosignatures(with_lines(*lines), [VKEY])
    assert [one.line for one in verified_lines(with_lines(forged, LINE, OTHER), [VKEY])] == [LINE]


def test_a_cosignature_is_never_the_logs_own_word() -> None:
    """Pitfall 16: the same Ed25519 key as 0x01 and as 0x04 has two ids and signs two messages."""
    as_log = Vkey(ORIGIN, ED25519, KEY.public)
    line = cosign(TEXT, ORIGIN, KEY, TIME)
    with pytest.raises(UnknownKey):
        verify_note(format_note(Note(TEXT, (line,))), [as_log])
    with pytest.raises(BadSignature):
        verify_note(format_note(Note(TEXT, (NoteSignature(ORIGIN, as_log.keyid, line.signature[8:]),))), [as_log])
    own = NoteSignature(NAME, VKEY.keyid, NOTE.signatures[0].signature)
    with pytest.raises(BadSignature):
        verify_cosignatures(with_lines(own), [VKEY])
    assert verify_cosignatures(with_lines(line), [as_log]) == ()


def test_a_weak_key_cosigns_nothing() -> None:
    """Pitfall 1: under a key of small order one signature fits every message."""
    with pytest.raises(WeakKey):
        parse_vkey(f"{NAME}+5d0a9e4b+BAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")


def test_text_with_empty_lines_is_never_cosigned() -> None:
    """Pitfall 2: the last empty line separates; what stands above it must be a checkpoint and nothing more."""
    for text in (b"", b"no checkpoint\n", TEXT + b"\n", TEXT + b"extension\n", b"\n" + TEXT, TEXT[:-1]):
        with pytest.raises(Malformed):
            cosign(text, NAME, KEY, TIME)


def test_times_out_of_range_are_refused() -> None:
    for time in (-1, MAX_TIME + 1):
        with pytest.raises(Malformed):
            cosign(TEXT, NAME, KEY, time)
    late = NoteSignature(NAME, LINE.keyid, (MAX_TIME + 1).to_bytes(8, "big") + LINE.signature[8:])
    with pytest.raises(BadSignature):
        verify_line(TEXT, late, VKEY)


def test_a_signature_field_of_another_length_is_refused() -> None:
    for signature in (LINE.signature[:-1], LINE.signature + b"\0", LINE.signature[8:]):
        with pytest.raises(BadSignature):
            verify_line(TEXT, NoteSignature(NAME, LINE.keyid, signature), VKEY)


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    twin = Vkey(NAME, COSIGNATURE, key_named("a twin").public)
    with pytest.raises(UnknownKey):
        verify_line(TEXT, LINE, twin)
    assert len(verify_cosignatures(with_lines(LINE), [VKEY, twin, VKEY])) == 1


def test_cosignatures_do_not_disturb_the_logs_own_signature() -> None:
    data = format_note(with_lines(LINE, OTHER))
    assert verify_checkpoint(data, Vkey(ORIGIN, ED25519, LOG.public)) == CHECKPOINT


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", format_lines([LINE])[:-1], format_lines([LINE]) + b"\n", b"\n" + format_lines([LINE]),
        format_lines([LINE]).replace(b"\n", b"\r\n"), format_lines([LINE]).replace(b" ", b"\t"),
        format_lines([LINE]) * 101, b"\xe2\x80\x94 " + b"x" * 70_000 + b" AAAAAAA=\n", b"\xff" + format_lines([LINE]),
    ],
)  # fmt: skip
def test_lines_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_lines(data)


def test_base64_with_trailing_bits_is_refused() -> None:
    """Pitfall 4."""
    line = format_lines([OTHER])
    assert line.endswith(b"=\n")
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = letters.index(line[-4 if line.endswith(b"==\n") else -3])
    at = len(line) - (4 if line.endswith(b"==\n") else 3)
    with pytest.raises(Malformed):
        parse_lines(line[:at] + bytes((letters[last + 1],)) + line[at + 1 :])
