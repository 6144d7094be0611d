"""What a log asks of a witness: sign this checkpoint, which continues the one you signed last.

C2SP tlog-witness, the body of `POST .../add-checkpoint`:

    old 20852014
    <base64 of a hash>                 RFC 6962 consistency proof from the old size, at most 63 lines

    <signed checkpoint>                with whatever signatures it has
"""

from dataclasses import dataclass

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import parse_decimal
from exchange.core.merkle import HASH_SIZE
from exchange.core.note import MAX_NOTE, Note, parse_note
from exchange.errors import Malformed, TooLarge

MAX_PROOF_LINES = 63
MAX_REQUEST = MAX_NOTE + 4 * 1024  # bytes: the checkpoint, and 63 lines of 45
SIZE_TYPE = "text/x.tlog.size"
"""The media type of the answer to a wrong old size: the right one, in decimal, on a line."""
MAX_SIZE_ANSWER = 64  # bytes


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """Well formed and nothing more; `note` is `checkpoint` taken apart."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    note: Note

    @property
    def origin(self) -> str:
        """What the checkpoint says of itself; looked up before anything is verified."""
        return self.note.text.partition(b"\n")[0].decode()


def parse_request(data: bytes) -> AddCheckpoint:
    """Raises Malformed, for a request that is too large as well: the specification knows no other answer."""
    if len(data) > MAX_REQUEST:
        raise Malformed(f"expected a request of at most {MAX_REQUEST} bytes, got {len(data)}")
    head, separator, checkpoint = data.partition(b"\n\n")  # the first empty line: the checkpoint has its own
    first, *lines = head.split(b"\n")
    if not separator or not first.startswith(b"old "):
        raise Malformed("expected `old <size>`, a consistency proof, an empty line and a signed checkpoint")
    old = parse_decimal(first.removeprefix(b"old "))
    if len(lines) > MAX_PROOF_LINES:
        raise Malformed(f"expected a proof of at most {MAX_PROOF_LINES} hashes, got {len(lines)}")
    proof = tuple(parse_base64(line, length=HASH_SIZE) for line in lines)
    try:
        note = parse_note(checkpoint)
    except TooLarge as error:
        raise Malformed(str(error)) from None
    return AddCheckpoint(old, proof, checkpoint, note)


def format_request(old: int, proof: tuple[bytes, ...], checkpoint: bytes) -> bytes:
    lines = "".join(f"{format_base64(value)}\n" for value in proof)
    data = f"old {old}\n{lines}\n".encode() + checkpoint
    parsed = parse_request(data)
    if (parsed.old, parsed.proof) != (old, proof):
        raise Malformed("this request does not read back the same")
    return data


def parse_size_answer(data: bytes) -> int:
    """The size in the answer to a wrong old size."""
    if len(data) > MAX_SIZE_ANSWER or not data.endswith(b"\n"):
        raise Malformed("expected a size on a line of its own")
    return parse_decimal(data[:-1])
