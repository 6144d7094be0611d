"""Signed envelopes: DSSE 1.0.2 (secure-systems-lab/dsse protocol.md, envelope.md), in one canonical form.

Guarantee: bytes that `parse_envelope` accepts are the only bytes for that payload and those signatures, so the envelope
itself can be the leaf of a log. Plain DSSE could not: white space, key order, base64 alphabet and unknown fields are
free there. Profile: fixed keys in fixed order, no white space, standard base64; `keyid` is the hex SHA-256 of the
public key; 1 to 8 signatures, ordered by keyid, each by another key. Every one must verify: a false signature beside a
good one refuses the whole.

    {"payload":"aGVsbG8gd29ybGQ=","payloadType":"application/vnd.cbm.submission.v1+json",
     "signatures":[{"keyid":"<64 hex digits>","sig":"<base64>"}]}      (on one line, without blanks)

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.jsonfields import check_keys, is_digest, read_text
from exchange.core.jsontext import canonical_json, parse_canonical
from exchange.core.keys import PrivateKey, PublicKey
from exchange.errors import Malformed, UnknownKey

PAYLOAD_TYPE = "application/vnd.cbm.submission.v1+json"
MAX_ENVELOPE = 65_535
"""Bytes; what a tlog-tiles entry can hold."""
MAX_SIGNATURES = 8

_ENVELOPE_KEYS = ("payload", "payloadType", "signatures")
_SIGNATURE_KEYS = ("keyid", "sig")
_signed_once = re.compile(
    rb'\{"payload":"([A-Za-z0-9+/]+={0,2})","payloadType":"%b",'
    rb'"signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([A-Za-z0-9+/]+={0,2})"\}\]\}'
    % re.escape(PAYLOAD_TYPE.encode())
).fullmatch


@dataclass(frozen=True, slots=True)
class Signature:
    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and who says that they signed it. Nothing is verified yet: see `verify_envelope`."""

    payload: bytes
    signatures: tuple[Signature, ...]
    payload_type: str = PAYLOAD_TYPE

    def __post_init__(self) -> None:
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise Malformed(
                f"1 to {MAX_SIGNATURES} signatures were expected, {len(self.signatures)} came", pointer="/signatures"
            )
        for one, next_one in pairwise(self.signatures):
            if one.keyid == next_one.keyid:  # two signatures of one key would pass for four eyes
                raise Malformed(f"each key signs once, {one.keyid} came twice", pointer="/signatures")
            if one.keyid > next_one.keyid:
                raise Malformed("signatures ordered by keyid were expected, another order came", pointer="/signatures")


def pae(payload_type: str, body: bytes) -> bytes:
    """The bytes that are signed. Lengths count bytes; implementations that count characters are wrong."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(body), body)


def parse_envelope(data: bytes, payload_type: str = PAYLOAD_TYPE) -> Envelope:
    """The envelope in these bytes, of that type and no other; `format_envelope` gives the same bytes back.

    Most are signed once: such a one is told by its text, which is canonical as far as the base64 in it is.
    """
    usual = _signed_once(data) if payload_type == PAYLOAD_TYPE and len(data) <= MAX_ENVELOPE else None
    if usual is not None:
        payload, keyid, sig = usual.groups()
        return Envelope(
            _parse_bytes(payload, "/payload"),
            (Signature(keyid.decode(), _parse_bytes(sig, "/signatures/0/sig")),),
        )
    value = parse_canonical(data, limit=MAX_ENVELOPE)
    check_keys(value, _ENVELOPE_KEYS, "")
    if value["payloadType"] != payload_type:
        raise Malformed(f"the payload type {payload_type} was expected, another came", pointer="/payloadType")
    listed = value["signatures"]
    if type(listed) is not list or len(listed) > MAX_SIGNATURES:
        raise Malformed(f"a list of 1 to {MAX_SIGNATURES} signatures was expected", pointer="/signatures")
    payload = _parse_bytes(value["payload"], "/payload")
    signatures = tuple([_parse_signature(entry, number) for number, entry in enumerate(listed)])
    return Envelope(payload, signatures, payload_type)


def format_envelope(env: Envelope) -> bytes:
    """The leaf of a log. What `parse_envelope` would refuse is refused here."""
    data = canonical_json(
        {
            "payload": format_base64(env.payload),
            "payloadType": env.payload_type,
            "signatures": [{"keyid": one.keyid, "sig": format_base64(one.sig)} for one in env.signatures],
        }
    )
    parse_envelope(data, env.payload_type)
    return data


def sign_payload(payload: bytes, keys: Sequence[PrivateKey], payload_type: str = PAYLOAD_TYPE) -> Envelope:
    """An envelope signed by each of the keys, whatever their order; the same key twice is refused."""
    return Envelope(payload, _ordered([_sign(payload, key, payload_type) for key in keys]), payload_type)


def add_signature(env: Envelope, key: PrivateKey) -> Envelope:
    """The envelope with one more signature in its place; refused where this key has signed already."""
    again = _sign(env.payload, key, env.payload_type)
    return Envelope(env.payload, _ordered([*env.signatures, again]), env.payload_type)


def verify_envelope(env: Envelope, keys: Mapping[str, PublicKey]) -> None:
    """Return if every signature verifies under its key in `keys` (by keyid), else raise UnknownKey or BadSignature."""
    found = [(_find_key(one.keyid, keys), one.sig) for one in env.signatures]
    message = pae(env.payload_type, env.payload)
    for key, sig in found:
        key.verify(message, sig)


def _find_key(keyid: str, keys: Mapping[str, PublicKey]) -> PublicKey:
    key = keys.get(keyid)
    if key is None or key.keyid != keyid:  # one key listed under two keyids would count as two signers
        raise UnknownKey(f"a signature by the key {keyid}, which nobody here vouches for")
    return key


def _sign(payload: bytes, key: PrivateKey, payload_type: str) -> Signature:
    return Signature(key.public.keyid, key.sign(pae(payload_type, payload)))


def _ordered(signatures: list[Signature]) -> tuple[Signature, ...]:
    return tuple(sorted(signatures, key=lambda one: one.keyid))


def _parse_signature(entry: Any, number: int) -> Signature:
    pointer = f"/signatures/{number}"
    check_keys(entry, _SIGNATURE_KEYS, pointer)
    keyid = read_text(entry["keyid"], is_digest, pointer, "keyid", "64 lower-case hex digits")
    sig = entry["sig"]
    if not sig:
        raise Malformed("a signature was expected, nothing came", pointer=f"{pointer}/sig")
    return Signature(keyid, _parse_bytes(sig, f"{pointer}/sig"))


def _parse_bytes(text: Any, pointer: str) -> bytes:
    if type(text) is not str and type(text) is not bytes:
        raise Malformed("base64 text was expected", pointer=pointer)
    try:
        return parse_base64(text)
    except Malformed as error:
        raise Malformed(str(error), pointer=pointer) from None
