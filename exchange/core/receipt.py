"""Receipts: a file with which anybody can check, offline and later, that a log holds an entry.

C2SP tlog-proof. The checkpoint comes last and verbatim, with all its cosignatures.

    c2sp.org/tlog-proof@v1
    extra <base64>                     optional; nothing vouches for it
    index <decimal>
    <base64 of a hash>                 one for each step of the path, the leaf's sibling first

    <signed checkpoint>

The receipt of the only entry, of no bytes, in the log whose key is
`example.org/log+4e933303+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop`:

    c2sp.org/tlog-proof@v1
    index 0

    example.org/log
    1
    bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=

    — example.org/log TpMzA1ydqzLtOA8d5cl9eQbAJJS7TKZSUpve2iMe66QgUQRPxaNt0ehiCxceJT0VyQXnuCTEeaNvrzlM2XY6L3jpxw8=
"""

from dataclasses import dataclass
from functools import lru_cache

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import Checkpoint, parse_checkpoint, parse_decimal, verify_checkpoint
from exchange.core.merkle import HASH_SIZE, MAX_PROOF, MAX_SIZE, verify_inclusion
from exchange.core.note import MAX_NOTE, Vkey, parse_note
from exchange.errors import Malformed, TooLarge

HEADER = b"c2sp.org/tlog-proof@v1"
MAX_RECEIPT = MAX_NOTE + 64 * 1024  # bytes: the checkpoint, the path and whatever `extra` brings


@dataclass(frozen=True, slots=True)
class Receipt:
    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def parse_receipt(data: bytes) -> Receipt:
    """Well formed throughout, nothing verified; `format_receipt` gives the same bytes back."""
    if len(data) > MAX_RECEIPT:
        raise TooLarge(f"expected a receipt of at most {MAX_RECEIPT} bytes, got {len(data)}")
    head, separator, checkpoint = data.partition(b"\n\n")  # the first empty line: the checkpoint has its own
    lines = head.split(b"\n")
    if not separator or lines.pop(0) != HEADER:
        raise Malformed(f"expected {HEADER.decode()}, an index, a path, an empty line and a checkpoint")
    extra = None
    if lines and lines[0].startswith(b"extra "):
        extra = parse_base64(lines.pop(0).removeprefix(b"extra "))
        if not extra:
            raise Malformed("an extra line that says nothing is left out")
    if not lines or not lines[0].startswith(b"index "):
        raise Malformed("expected the line `index <decimal>`")
    index = parse_decimal(lines.pop(0).removeprefix(b"index "))
    if len(lines) > MAX_PROOF:
        raise TooLarge(f"expected a path of at most {MAX_PROOF} hashes, got {len(lines)}")
    proof = tuple(parse_base64(line, length=HASH_SIZE) for line in lines)
    _check_note(checkpoint)
    return Receipt(index, proof, checkpoint, extra)


def format_receipt(receipt: Receipt) -> bytes:
    """The file; what `parse_receipt` would refuse, or read as another receipt, is refused here."""
    if receipt.extra == b"" or not 0 <= receipt.index <= MAX_SIZE or len(receipt.proof) > MAX_PROOF:
        raise Malformed(
            "a receipt says nothing in an empty extra, and has an index and a path of the largest tree at most"
        )
    if any(len(value) != HASH_SIZE for value in receipt.proof):
        raise Malformed(f"expected a path of hashes of {HASH_SIZE} bytes")
    _check_note(receipt.checkpoint)
    extra = "" if receipt.extra is None else f"extra {format_base64(receipt.extra)}\n"
    path = "".join([f"{format_base64(value)}\n" for value in receipt.proof])
    data = HEADER + f"\n{extra}index {receipt.index}\n{path}\n".encode() + receipt.checkpoint
    if len(data) > MAX_RECEIPT:
        raise TooLarge(f"expected a receipt of at most {MAX_RECEIPT} bytes, this one takes {len(data)}")
    return data


@lru_cache(maxsize=64)
def _check_note(checkpoint: bytes) -> None:
    """Well formed, whoever signed it. Kept, for a commit of many gives each a receipt under the same checkpoint."""
    parse_checkpoint(parse_note(checkpoint).text)


def verify_receipt(receipt: Receipt, leaf: bytes, vkey: Vkey) -> Checkpoint:
    """The checkpoint under which the leaf hash `leaf` (merkle.leaf_hash of the entry) stands at the receipt's index.

    `vkey` must come from elsewhere: a receipt does not say whom to believe.
    1. The log of that name signed the checkpoint.  2. The path leads from the leaf to its root.
    """
    checkpoint = verify_checkpoint(receipt.checkpoint, vkey)  # 1
    verify_inclusion(receipt.index, checkpoint.size, leaf, receipt.proof, checkpoint.root)  # 2
    return checkpoint
