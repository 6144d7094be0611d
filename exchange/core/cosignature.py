"""Cosignatures: what another State says of a checkpoint, with the time at which it says it.

C2SP tlog-cosignature, Ed25519 (type 04). The line of a cosigner stands under the checkpoint beside the log's own; its signature
field is `uint64 time || Ed25519 signature`, and signed are not the note's text alone but

    cosignature/v1
    time 1790000000
    <the checkpoint's three lines>

A repeated line of a known cosigner must verify like the first, as in note.py. The message does not name the cosigner, so one
key under two names would be two witnesses: the audit of records refuses it (trust/participants.py). The checkpoint of checkpoint.py
with a cosigner whose key is `cbm.example/witness/XA+4a256f94+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c`:

    example.org/log
    0
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

    — example.org/log TpMzA6Z7ZOSHsImqvddnnopsbJgrm/tBXzlyTjshiksUowj0ahDyq91rgFAiTW6hYL/Bqa2HCtiAzvZ97M8s1voLZwg=
    — cbm.example/witness/XA SiVvlAAAAABqsTuAr8Xfr+6WGyEwFAUtFHQFpiAIpQyEyahnK1yEaKSEYpsHzMoW9XwmzHBx6xfrJH2ECeKsA8VUxcfLqmS+DvZXDw==
"""

from collections.abc import Iterable
from dataclasses import dataclass

from exchange.core.checkpoint import parse_checkpoint
from exchange.core.keys import SIGNATURE_SIZE, PrivateKey, PublicKey
from exchange.core.note import COSIGNATURE, Note, NoteSignature, Vkey
from exchange.errors import BadSignature, Malformed, UnknownKey

TIME_SIZE = 8  # bytes
MAX_TIME = 2**63 - 1  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A line that verified: who, and when in seconds since 1970."""

    vkey: Vkey
    time: int
    line: NoteSignature


def _message(text: bytes, time: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % time + text


def cosign(text: bytes, name: str, key: PrivateKey, time: int) -> NoteSignature:
    """The line of this cosigner under a checkpoint's text. It is binding from the moment it leaves the process."""
    parse_checkpoint(text)  # what is no checkpoint is never signed, whoever asks
    if not 0 <= time <= MAX_TIME:
        raise Malformed(f"expected a time from 0 to {MAX_TIME}, got {time}")
    signature = time.to_bytes(TIME_SIZE, "big") + key.sign(_message(text, time))
    return NoteSignature(name, Vkey(name, COSIGNATURE, key.public).keyid, signature)


def verify_line(text: bytes, line: NoteSignature, vkey: Vkey) -> Cosignature:
    """The cosignature in a line of `vkey` under `text`; BadSignature if it is none."""
    if (
        vkey.type != COSIGNATURE
        or not isinstance(vkey.key, PublicKey)
        or (line.name, line.keyid) != (vkey.name, vkey.keyid)
    ):
        raise UnknownKey(f"this is no line of the cosigner {vkey.name}")
    if len(line.signature) != TIME_SIZE + SIGNATURE_SIZE:
        raise BadSignature(
            f"the cosignature of {vkey.name} is {len(line.signature)} bytes long, not {TIME_SIZE + SIGNATURE_SIZE}"
        )
    time = int.from_bytes(line.signature[:TIME_SIZE], "big")
    if time > MAX_TIME:
        raise BadSignature(f"the cosignature of {vkey.name} bears a time beyond {MAX_TIME}")
    vkey.key.verify(_message(text, time), line.signature[TIME_SIZE:])
    return Cosignature(vkey, time, line)


def cosigners(vkeys: Iterable[Vkey]) -> dict[tuple[str, bytes], Vkey]:
    """Those among the keys that may cosign, as lines name them. Raises UnknownKey where two answer to one name and id."""
    known: dict[tuple[str, bytes], Vkey] = {}
    for vkey in vkeys:
        if vkey.type != COSIGNATURE or not isinstance(vkey.key, PublicKey):
            continue
        # A key id has 32 bits only: a second key with the same name and id can be ground out.
        if known.setdefault((vkey.name, vkey.keyid), vkey) != vkey:
            raise UnknownKey(f"two keys answer to {vkey.name} and {vkey.keyid.hex()}")
    return known


def verify_cosignatures(note: Note, vkeys: Iterable[Vkey]) -> tuple[Cosignature, ...]:
    """The cosignatures of `vkeys` under a note, in its order. A line of none of them is ignored, whatever it holds;
    every line of one of them must verify: else BadSignature. None at all is no error."""
    known = cosigners(vkeys)
    mine = [(line, known[line.name, line.keyid]) for line in note.signatures if (line.name, line.keyid) in known]
    return tuple(verify_line(note.text, line, vkey) for line, vkey in mine)


def verified_lines(note: Note, vkeys: Iterable[Vkey]) -> tuple[Cosignature, ...]:
    """As `verify_cosignatures`, from a source that nobody vouches for: a line that does not verify is left out, and taken up by nobody."""
    known = cosigners(vkeys)
    found = []
    for line in note.signatures:
        vkey = known.get((line.name, line.keyid))
        if vkey is None:
            continue
        try:
            found.append(verify_line(note.text, line, vkey))
        except BadSignature:
            continue
    return tuple(found)
