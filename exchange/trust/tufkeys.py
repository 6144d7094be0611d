"""Keys as TUF writes them: Ed25519 in hex, P-256 in PEM, each under the one keyid that follows from it.

Guarantee: `from_tuf` takes a key only in the one spelling that `to_tuf` writes, so that no key has two names.

Specification: TUF 1.0.31 section 4.2 (`ed25519`, `ecdsa` with `ecdsa-sha2-nistp256`); keyid = hex SHA-256 of the canonical
JSON of keytype, scheme and keyval, as python-tuf and tuf-js compute it.
"""

import base64
import textwrap
from functools import lru_cache
from hashlib import sha256
from typing import Any

from securesystemslib.formats import encode_canonical

from exchange.core.identity import P256, IdentityKey
from exchange.core.keys import ALGORITHM
from exchange.errors import Malformed

# SubjectPublicKeyInfo of a point on P-256 up to the point itself (RFC 5480).
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----\n"


@lru_cache(maxsize=4_096)
def _pem(raw: bytes) -> str:
    return _BEGIN + "\n".join(textwrap.wrap(base64.b64encode(_SPKI + raw).decode(), 64)) + _END


def to_tuf(key: IdentityKey) -> dict[str, Any]:
    """The key as it stands in a root or a delegation."""
    if key.algorithm == ALGORITHM:
        return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": key.raw.hex()}}
    return {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": _pem(key.raw)}}


@lru_cache(maxsize=4_096)
def tuf_keyid(key: IdentityKey) -> str:
    return sha256(str(encode_canonical(to_tuf(key))).encode()).hexdigest()


def from_tuf(keyid: str, key: Any) -> IdentityKey:
    """The key in python-tuf's object; Malformed for another type or spelling, or a keyid that is not its own."""
    value = key.to_dict()
    try:
        public = value["keyval"]["public"]
        if value["keytype"] == "ed25519":
            found = IdentityKey(ALGORITHM, bytes.fromhex(public))
        else:
            body = public.removeprefix(_BEGIN).removesuffix(_END).replace("\n", "")
            found = IdentityKey(P256, base64.b64decode(body, validate=True)[len(_SPKI) :])
    except (AttributeError, KeyError, TypeError, ValueError, Malformed):
        raise Malformed(f"the key {keyid[:16]} is neither Ed25519 nor ECDSA P-256 as TUF writes them") from None
    if value != to_tuf(found):
        raise Malformed(f"the key {keyid[:16]} is not written as TUF writes it, or is of an unknown type or scheme")
    if keyid != tuf_keyid(found):
        raise Malformed(f"the key {tuf_keyid(found)[:16]} stands under the keyid {keyid[:16]}")
    return found
