import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.addcheckpoint import (
    MAX_REQUEST,
    AddCheckpoint,
    format_request,
    parse_request,
    parse_size_answer,
)
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.merkle import HASH_SIZE
from exchange.core.note import format_lines, parse_note
from exchange.errors import Malformed
from tests import key_named
from tests.core import Tree

KEY = key_named("log of Ruritania")
ORIGIN = "cbm.example/ruritania"
TREE = Tree.of(9)
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 9, TREE.root(9)), KEY)
PROOF = TREE.proof(3, 9)
DATA = format_request(3, PROOF, NOTE)
HEAD = DATA.split(b"\n\n")[0]


def test_a_request_is_that_of_the_specification() -> None:
    lines = DATA.split(b"\n")
    assert lines[0] == b"old 3" and lines[1 + len(PROOF)] == b"" and DATA.endswith(b"\n\n" + NOTE)
    assert parse_request(DATA) == AddCheckpoint(3, PROOF, NOTE, parse_note(NOTE))
    assert parse_request(DATA).origin == ORIGIN
    assert format_request(0, (), NOTE) == b"old 0\n\n" + NOTE


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"old 3", b"old 3\n\n", HEAD, HEAD + b"\n" + NOTE, DATA[:-1], DATA + b"\n", b"\n" + DATA,
        DATA.replace(b"old 3", b"old"), DATA.replace(b"old 3", b"Old 3"), DATA.replace(b"old 3", b"old  3"),
        DATA.replace(b"old 3\n", b""), DATA.replace(b"old 3", b"old 3 "), DATA.replace(b"\n", b"\r\n"),
        b"old 0\r\n\r\n" + NOTE, b"old 0\n \n" + NOTE,
        HEAD + b"\n" + b"A" * 42 + b"B=\n\n" + NOTE, HEAD + b"\nYQ==\n\n" + NOTE, HEAD + b"\nx\n\n" + NOTE,
        b"old 0\n\nno note\n",
    ],
)  # fmt: skip
def test_parse_refuses(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_request(data)


@pytest.mark.parametrize("size", ["", "+5", " 5", "05", "-5", "1_0", "\u0665", "\u00b2", "5.0", str(2**63), "five"])
def test_an_old_size_that_is_not_plain_decimal_is_refused(size: str) -> None:
    """Pitfall 3."""
    with pytest.raises(Malformed):
        parse_request(b"old " + size.encode() + b"\n\n" + NOTE)
    with pytest.raises(Malformed):
        parse_size_answer(size.encode() + b"\n")


def test_63_lines_of_proof_are_read_and_64_are_not() -> None:
    """Pitfall 8; the answer is 400, as for everything that is malformed."""
    line = b"A" * 43 + b"=\n"
    assert parse_request(b"old 1\n" + line * 63 + b"\n" + NOTE).proof == (bytes(HASH_SIZE),) * 63
    with pytest.raises(Malformed) as caught:
        parse_request(b"old 1\n" + line * 64 + b"\n" + NOTE)
    assert type(caught.value) is Malformed


def test_what_is_too_large_is_malformed() -> None:
    line = format_lines([parse_note(NOTE).signatures[0]])
    for data in (b"old 0\n\n" + NOTE + line * 100, b"old 0\n\n" + NOTE + b" " * MAX_REQUEST):
        with pytest.raises(Malformed) as caught:
            parse_request(data)
        assert type(caught.value) is Malformed


@given(st.binary(max_size=200) | st.text("old 0123456789A=\n", max_size=60).map(str.encode))
def test_any_bytes_are_a_request_that_comes_back_or_are_refused(data: bytes) -> None:
    for whole in (data, data + b"\n\n" + NOTE, HEAD + b"\n" + data + b"\n\n" + NOTE, b"old 0\n\n" + data):
        try:
            request = parse_request(whole)
        except Malformed:
            continue
        assert format_request(request.old, request.proof, request.checkpoint) == whole


def test_the_size_in_an_answer() -> None:
    assert [parse_size_answer(b"%d\n" % size) for size in (0, 3, 2**63 - 1)] == [0, 3, 2**63 - 1]
    for data in (b"", b"3", b"3\n\n", b"3\r\n", b"3\n4\n", b"0" * 65 + b"\n"):
        with pytest.raises(Malformed):
            parse_size_answer(data)
