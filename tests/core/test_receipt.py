import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import receipt as module
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.merkle import HASH_SIZE, MAX_PROOF, leaf_hash, prove_inclusion
from exchange.core.note import ED25519, Vkey, parse_vkey, sign_note
from exchange.core.receipt import MAX_RECEIPT, Receipt, format_receipt, parse_receipt, verify_receipt
from exchange.errors import BadProof, BadSignature, ExchangeError, Malformed, TooLarge, UnknownKey, Unverified
from tests import key_named
from tests.core import Tree, flipped

KEY = key_named("log of Ruritania")
ORIGIN = "cbm.example/ruritania"
VKEY = Vkey(ORIGIN, ED25519, KEY.public)
SIZE = 33
TREE = Tree.of(SIZE)


def signed(size: int) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, TREE.root(size)), KEY)


def receipt_for(index: int, size: int, extra: bytes | None = None) -> Receipt:
    return Receipt(index, prove_inclusion(index, size, TREE.read), signed(size), extra)


RECEIPT = receipt_for(5, 13)
DATA = format_receipt(RECEIPT)
HEAD, NOTE = DATA.split(b"\n\n", 1)


def test_the_example_in_the_module_verifies() -> None:
    documented = module.__doc__ or ""
    vkey = parse_vkey(documented.split("whose key is\n`")[1].split("`")[0])
    lines = documented.split("`:\n\n")[1].rstrip("\n")
    data = "\n".join(line.removeprefix("    ") for line in lines.split("\n")) + "\n"
    assert verify_receipt(parse_receipt(data.encode()), leaf_hash(b""), vkey).size == 1


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_the_receipt_of_every_entry_comes_back_and_verifies_for_that_entry_alone(size: int) -> None:
    checkpoint = signed(size)
    for index in range(size):
        receipt = Receipt(index, prove_inclusion(index, size, TREE.read), checkpoint)
        assert parse_receipt(format_receipt(receipt)) == receipt
        assert verify_receipt(receipt, TREE.leaves[index], VKEY) == Checkpoint(ORIGIN, size, TREE.root(size))
        with pytest.raises(BadProof):
            verify_receipt(receipt, TREE.leaves[index - 1] if size > 1 else leaf_hash(b"other"), VKEY)


def test_a_receipt_is_the_file_of_the_specification() -> None:
    lines = DATA.split(b"\n")
    assert lines[:2] == [b"c2sp.org/tlog-proof@v1", b"index 5"]
    assert lines[2 : 2 + len(RECEIPT.proof) + 1][-1] == b""
    assert DATA.endswith(b"\n\n" + RECEIPT.checkpoint)
    assert format_receipt(receipt_for(0, 1)) == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + signed(1)


def test_a_flipped_bit_anywhere_is_refused() -> None:
    for data in flipped(DATA):
        with pytest.raises(ExchangeError):
            verify_receipt(parse_receipt(data), TREE.leaves[5], VKEY)


@given(st.binary(max_size=200) | st.text("c2sp.org/tlog-proof@v1\nindex 0extra =", max_size=60).map(str.encode))
def test_any_bytes_are_a_receipt_that_comes_back_or_are_refused(data: bytes) -> None:
    for whole in (data, DATA + data, data + DATA, HEAD + data + b"\n\n" + NOTE, HEAD + b"\n" + data + b"\n\n" + NOTE):
        try:
            receipt = parse_receipt(whole)
        except Malformed:
            continue
        assert format_receipt(receipt) == whole


@given(st.binary(min_size=1, max_size=100))
def test_extra_comes_back_and_nothing_vouches_for_it(extra: bytes) -> None:
    receipt = receipt_for(5, 13, extra)
    assert parse_receipt(format_receipt(receipt)) == receipt
    verify_receipt(receipt, TREE.leaves[5], VKEY)


@pytest.mark.parametrize(
    "data",
    [
        b"", HEAD, HEAD + b"\n\n", HEAD + b"\n" + NOTE, DATA[:-1], DATA + b"\n",
        b"\n" + DATA, DATA.replace(b"\n", b"\r\n"),
        HEAD.replace(b"\n", b"\r\n") + b"\r\n\r\n" + NOTE, HEAD.replace(b"\n", b"\r\n") + b"\n\n" + NOTE,
        DATA.replace(b"@v1", b"@v2"), DATA.replace(b"c2sp", b"C2SP"), b" " + DATA, HEAD + b"\n\n\n" + NOTE,
        DATA.replace(b"index 5\n", b""), DATA.replace(b"index 5", b"index"),
        DATA.replace(b"index 5", b"Index 5"),
        DATA.replace(b"index 5\n", b"index 5\nindex 5\n"), DATA.replace(b"index 5\n", b"index 5\nextra YQ==\n"),
        DATA.replace(b"index 5\n", b"extra YQ==\nextra YQ==\nindex 5\n"),
        DATA.replace(b"index 5\n", b"extra \nindex 5\n"),
        DATA.replace(b"index 5\n", b"extra\nindex 5\n"), DATA.replace(b"index 5\n", b"extra YR==\nindex 5\n"),
        DATA.replace(b"index 5\n", b"extra YQ\nindex 5\n"), DATA.replace(b"index 5\n", b"other YQ==\nindex 5\n"),
        HEAD + b"\nYQ==\n\n" + NOTE, HEAD + b"\n" + b"A" * 42 + b"B=\n\n" + NOTE, HEAD + b"\n\n" + b"no note\n",
        HEAD + b"\n\n" + sign_note(b"no checkpoint\n", ORIGIN, KEY),
    ],
)  # fmt: skip
def test_parse_refuses(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_receipt(data)


@pytest.mark.parametrize("index", ["", "+5", " 5", "5 ", "05", "-5", "1_0", "\u0665", "\u00b2", "5.0", str(2**63)])
def test_an_index_that_is_not_plain_decimal_is_refused(index: str) -> None:
    with pytest.raises(Malformed):
        parse_receipt(DATA.replace(b"index 5", b"index " + index.encode()))


def test_receipts_and_their_paths_are_bounded() -> None:
    line = b"\n" + b"A" * 43 + b"="
    longest = parse_receipt(b"c2sp.org/tlog-proof@v1\nindex 5" + line * MAX_PROOF + b"\n\n" + NOTE)
    assert longest.proof == (bytes(HASH_SIZE),) * MAX_PROOF
    with pytest.raises(TooLarge):
        parse_receipt(b"c2sp.org/tlog-proof@v1\nindex 5" + line * (MAX_PROOF + 1) + b"\n\n" + NOTE)
    with pytest.raises(TooLarge):
        parse_receipt(DATA + bytes(MAX_RECEIPT))
    with pytest.raises(TooLarge):
        format_receipt(Receipt(5, RECEIPT.proof, RECEIPT.checkpoint, bytes(MAX_RECEIPT)))


def test_nothing_is_formatted_that_does_not_read_back() -> None:
    for receipt in (
        Receipt(-1, RECEIPT.proof, RECEIPT.checkpoint),
        Receipt(2**63, RECEIPT.proof, RECEIPT.checkpoint),
        Receipt(5, (bytes(HASH_SIZE),) * (MAX_PROOF + 1), RECEIPT.checkpoint),
        Receipt(5, (b"short",), RECEIPT.checkpoint),
        Receipt(5, RECEIPT.proof, b"no note"),
        Receipt(5, RECEIPT.proof, RECEIPT.checkpoint, b""),
    ):
        with pytest.raises(Malformed):
            format_receipt(receipt)


def test_a_receipt_does_not_vouch_for_itself() -> None:
    forger = key_named("forger")
    own = sign_note(signed(13).split(b"\n\n")[0] + b"\n", ORIGIN, forger)
    with pytest.raises(UnknownKey):
        verify_receipt(Receipt(5, RECEIPT.proof, own), TREE.leaves[5], VKEY)
    with pytest.raises(BadSignature):
        verify_receipt(Receipt(5, RECEIPT.proof, signed(13).replace(b"\n13\n", b"\n14\n")), TREE.leaves[5], VKEY)


def test_a_receipt_with_another_index_size_or_path_is_refused() -> None:
    for receipt in (
        Receipt(4, RECEIPT.proof, RECEIPT.checkpoint),
        Receipt(13, RECEIPT.proof, RECEIPT.checkpoint),
        Receipt(5, RECEIPT.proof[:-1], RECEIPT.checkpoint),
        Receipt(5, (*RECEIPT.proof, bytes(HASH_SIZE)), RECEIPT.checkpoint),
        Receipt(5, RECEIPT.proof, signed(14)),
    ):
        with pytest.raises(Unverified):
            verify_receipt(receipt, TREE.leaves[5], VKEY)
