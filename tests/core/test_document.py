import doctest
import hashlib
import hmac
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import document as module
from exchange.core.document import (
    MAX_DOCUMENT,
    MAX_NAME,
    OPENING_SIZE,
    SMALL_DOCUMENT,
    Committer,
    Document,
    check_document,
    commit,
    parse_name,
)
from exchange.core.statement import DocumentRef
from exchange.errors import Malformed, TooLarge, WrongCommitment
from tests.core import flipped

OPENING = hashlib.sha256(b"an opening").digest()
CONTENT = b'{"title":"not stated"}'
DOCUMENT = Document("body", "return.json", OPENING, CONTENT)
REF = DocumentRef("body", "application/json", "en", "public", commit(OPENING, CONTENT))


def test_the_commitment_is_what_openssl_prints() -> None:
    """$ printf 'nothing to declare' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f"""
    opening = bytes(range(OPENING_SIZE))
    printed = "4d41c06446f87e72b2c7fba00fc5a2dd465431428407d264a6560fcb3fedac6d"
    assert commit(opening, b"nothing to declare") == printed


def test_the_limits_are_those_of_the_design() -> None:
    assert (SMALL_DOCUMENT, MAX_DOCUMENT, OPENING_SIZE, MAX_NAME) == (65_536, 26_214_400, 32, 255)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(1, 50))
def test_a_commitment_does_not_depend_on_how_the_content_arrives(opening: bytes, content: bytes, step: int) -> None:
    committer = Committer(opening)
    for start in range(0, len(content), step):
        committer.update(content[start : start + step])
    assert committer.commitment() == commit(opening, content)
    assert commit(opening, content) == hmac.new(opening, content, hashlib.sha256).hexdigest()


def test_the_right_document_passes_and_stays_as_it_is() -> None:
    before = replace(DOCUMENT)
    check_document(DOCUMENT, REF)
    assert before == DOCUMENT
    empty = replace(DOCUMENT, content=b"")
    check_document(empty, replace(REF, commitment=commit(OPENING, b"")))


def test_one_flipped_bit_in_content_opening_or_commitment_is_another_document() -> None:
    for content in flipped(CONTENT):
        with pytest.raises(WrongCommitment):
            check_document(replace(DOCUMENT, content=content), REF)
    for opening in flipped(OPENING):
        with pytest.raises(WrongCommitment):
            check_document(replace(DOCUMENT, opening=opening), REF)
    for digest in flipped(bytes.fromhex(REF.commitment)):
        with pytest.raises(WrongCommitment):
            check_document(DOCUMENT, replace(REF, commitment=digest.hex()))


def test_a_document_of_another_slot_is_another_document() -> None:
    with pytest.raises(WrongCommitment, match="slot"):
        check_document(replace(DOCUMENT, slot="a1"), REF)


@pytest.mark.parametrize("opening", [b"", OPENING[:-1], OPENING + b"\x00", OPENING * 2])
def test_an_opening_has_32_bytes_since_hmac_would_fill_it_up(opening: bytes) -> None:
    with pytest.raises(Malformed):
        commit(opening, CONTENT)
    with pytest.raises(Malformed):
        Committer(opening)
    with pytest.raises(Malformed):
        check_document(replace(DOCUMENT, opening=opening), REF)


def test_a_document_is_bounded_at_the_byte_whole_or_in_pieces() -> None:
    largest = bytes(MAX_DOCUMENT)
    committer = Committer(OPENING)
    committer.update(largest)
    assert committer.commitment() == commit(OPENING, largest)
    with pytest.raises(TooLarge):
        committer.update(b"x")
    with pytest.raises(TooLarge):
        commit(OPENING, largest + b"x")


@pytest.mark.parametrize(
    "name",
    [
        "return.json",
        "a",
        "Österreich – Strategie (2026).pdf",
        "Национальная стратегия.docx",
        "国家戦略：二〇二六年？.pdf",
        "استراتيجية.pdf",
        "v1.2_final, signed & sealed; 100%.txt",
        "README",
        "report..2.pdf",
        "console.txt",
        "com10.txt",
        "null",
        "nul-report.txt",
        "x" * 251 + ".txt",
        "é" * 127,
        "😀.png",
    ],
)
def test_names_that_people_use_are_kept(name: str) -> None:
    assert parse_name(name) == name


HOSTILE = {
    "nothing": "",
    "too long": "x" * 256,
    "too long in UTF-8": "é" * 128,
    "this folder": ".",
    "parent folder": "..",
    "hidden": ".ssh",
    "hidden twice": "..return.json",
    "dot at the end": "return.",
    "space at the end": "return.json ",
    "space in front": " return.json",
    "only a space": " ",
    "no-break space at the end": "return.exe\u00a0",
    "ideographic space in front": "\u3000return.json",
    "an option": "-rf",
    "a folder": "a/b",
    "parent's folder": "../../etc/passwd",
    "root": "/etc/passwd",
    "a Windows folder": "a\\b",
    "a Windows parent": "..\\..\\x",
    "a network share": "\\\\host\\share",
    "a drive": "C:return.json",
    "a Windows stream": "return.json:evil.exe",
    "a wildcard": "*.json",
    "another wildcard": "return?.json",
    "a redirection": "a>b",
    "another redirection": "a<b",
    "a pipe": "a|b",
    "a quote": 'a"b',
    "a full-width slash": "a\uff0fb",
    "a full-width backslash": "a\uff3cb",
    "a character that holds a slash": "\u2100.txt",
    "NUL": "return.json\x00.exe",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "escape sequence": "\x1b[2Jreturn.json",
    "delete": "a\x7fb",
    "C1 control": "a\x9bb",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "right-to-left override": "return\u202egpj.exe",
    "right-to-left isolate": "return\u2067gpj.exe",
    "right-to-left mark": "return\u200f.json",
    "zero width space": "re\u200bturn.json",
    "zero width joiner": "re\u200dturn.json",
    "byte order mark": "\ufeffreturn.json",
    "soft hyphen": "re\u00adturn.json",
    "tag character": "return\U000e0041.json",
    "private use": "return\ue000.json",
    "half a surrogate pair": "return\ud800.json",
    "decomposed": "O\u0308sterreich.json",
    "a compatibility twin of Kelvin": "\u212a.txt",
    "a device": "NUL",
    "a device in lower case": "con",
    "a device with an extension": "AUX.json",
    "a device with two extensions": "prn.tar.gz",
    "a device with a space": "CON .txt",
    "a numbered device": "com1.json",
    "another numbered device": "LPT9",
    "a device with a superscript": "COM\u00b9.txt",
    "the console's input": "CONIN$",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_refused(name: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_name(name)
    assert caught.value.pointer == "/name"
    assert not name.strip(" .-") or name not in str(caught.value), "a hostile name is not passed on by the refusal"


@given(st.text(max_size=300))
def test_any_text_is_a_name_as_it_is_or_malformed(name: str) -> None:
    try:
        assert parse_name(name) == name
    except Malformed:
        return
    assert not set(name) & set("/\\:\x00") and name not in {"", ".", ".."} and name.strip(" .") == name
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def test_the_example_of_the_module_holds() -> None:
    assert doctest.testmod(module).failed == 0
