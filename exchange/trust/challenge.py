"""What an officer signs to open a session at their own node.

Guarantees: a text that `parse_challenge` takes is the only one for what it says. It names the federation, the participant, the
node by its own address, the key and what it is for, so that a signature for one node is worth nothing at another. It begins like nothing else
that such a key signs: an envelope is signed as `DSSEv1 ...`, a file of the trust list begins with a brace, a request with a quotation mark,
a proof of possession with `cbm-possession/v1`; a note has its tree's size in the second line, where this has a word.

    cbm-session/v1
    federation test.example
    participant XR
    node https://cbm.xr.example
    key <keyid, 64 hex digits>
    purpose open a session of an officer at this node
    nonce <96 hex digits>
    expires 2026-11-21T03:02:00Z

Each line, the last one too, ends in LF. Specification: schemas/README.md section 22.
"""

import re
from dataclasses import dataclass

from exchange.core.jsonfields import is_digest, read_second
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.errors import Malformed

MAX_CHALLENGE = 1_024  # bytes
PURPOSE = "open a session of an officer at this node"
_FIRST = "cbm-session/v1"
_NAMES = ("federation", "participant", "node", "key", "purpose", "nonce", "expires")
_is_node = re.compile(r"https?://[!-~]{1,256}").fullmatch
_is_nonce = re.compile(r"[0-9a-f]{96}").fullmatch


@dataclass(frozen=True, slots=True)
class Challenge:
    """`expires` as the text has it; `nonce` in hex."""

    federation: str
    participant: str
    node: str
    keyid: str
    nonce: str
    expires: str


def format_challenge(said: Challenge) -> bytes:
    """The bytes to sign. What `parse_challenge` would refuse is refused here."""
    values = (said.federation, said.participant, said.node, said.keyid, PURPOSE, said.nonce, said.expires)
    lines = [f"{name} {value}\n" for name, value in zip(_NAMES, values, strict=True)]
    text = f"{_FIRST}\n{''.join(lines)}".encode()
    parse_challenge(text)
    return text


def parse_challenge(text: bytes) -> Challenge:
    """Raises Malformed for whatever is not such a text to the letter."""
    if len(text) > MAX_CHALLENGE:
        raise Malformed(f"a challenge of at most {MAX_CHALLENGE} bytes was expected")
    try:
        first, *lines, last = text.decode("ascii").split("\n")
    except ValueError:
        raise _wrong() from None
    found = [line.partition(" ") for line in lines]
    if first != _FIRST or last or tuple(name for name, _, _ in found) != _NAMES:
        raise _wrong()
    federation, participant, node, keyid, purpose, nonce, expires = (value for _, _, value in found)
    right = is_federation(federation) and is_participant_code(participant) and _is_node(node) and is_digest(keyid)
    if not right or purpose != PURPOSE or not _is_nonce(nonce):
        raise _wrong()
    return Challenge(federation, participant, node, keyid, nonce, read_second(expires, "expires"))


def _wrong() -> Malformed:
    return Malformed(f"a challenge was expected: {_FIRST} and then {', '.join(_NAMES)}, one a line")
