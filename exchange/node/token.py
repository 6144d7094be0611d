"""Keys in hardware, through PKCS#11: a token signs, and its key never leaves it. Needs the extra `hardware` (python-pkcs11).

Specification: RFC 7512 URIs, of which these parts are read, each percent-decoded; the PIN comes from CBM_PIN or a question, never
from the URI, which ends up in histories and logs:

    pkcs11:token=ministry;object=identity-1?module-path=/usr/lib/softhsm/libsofthsm2.so

P-256 keys sign with CKM_ECDSA over SHA-256, Ed25519 keys with CKM_EDDSA.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from exchange.core.identity import P256, IdentityKey
from exchange.core.keys import ALGORITHM
from exchange.errors import Malformed, Misuse

SCHEME = "pkcs11:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is: in which library's token, under which label."""

    module: str
    token: str
    label: str


def parse_place(uri: str) -> Place:
    """The place that a URI names. Raises Misuse."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    pairs = [part.partition("=") for part in (*path.split(";"), *query.split("&")) if part]
    named = {name: unquote(value) for name, _, value in pairs}
    if "pin-value" in named:
        raise Misuse("a PIN has no place in an address: set CBM_PIN, or type it when asked")
    wanted = ("module-path", "token", "object")
    if not uri.startswith(SCHEME) or any(not named.get(name) for name in wanted):
        raise Misuse("a key in hardware is named like pkcs11:token=NAME;object=LABEL?module-path=/usr/lib/....so")
    return Place(named["module-path"], named["token"], named["object"])


@dataclass(frozen=True)
class TokenSigner:
    """A key in a token. A session is opened for each act and closed after it."""

    place: Place
    public: IdentityKey
    _pin: Callable[[], str]

    def sign(self, message: bytes) -> bytes:
        import pkcs11

        with _session(self.place, self._pin) as session:
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self.place.label)
            if self.public.algorithm == ALGORITHM:
                return bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
            both = bytes(key.sign(hashlib.sha256(message).digest(), mechanism=pkcs11.Mechanism.ECDSA))
            half = len(both) // 2
            return encode_dss_signature(int.from_bytes(both[:half], "big"), int.from_bytes(both[half:], "big"))


def open_token(uri: str, pin: Callable[[], str]) -> TokenSigner:
    """The key that the URI names. Raises Misuse where library, token or key are not there, or the PIN is wrong."""
    place = parse_place(uri)
    try:
        import pkcs11
    except ImportError:
        raise Misuse("keys in hardware need python-pkcs11: pip install 'cbm-exchange[hardware]'") from None
    with _session(place, pin) as session:
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=place.label)
        point = bytes(public[pkcs11.Attribute.EC_POINT])
    return TokenSigner(place, _public(point), pin)


def _public(point: bytes) -> IdentityKey:
    """A point as tokens give it: in a DER octet string, or bare."""
    for algorithm, size in ((P256, 65), (ALGORITHM, 32)):
        if point == b"\x04" + bytes((size,)) + point[2:] and len(point) == size + 2:
            return IdentityKey(algorithm, point[2:])
        if len(point) == size:
            return IdentityKey(algorithm, point)
    raise Malformed(f"the token holds neither a P-256 nor an Ed25519 key, but a point of {len(point)} bytes")


@contextmanager
def _session(place: Place, pin: Callable[[], str]) -> Iterator[Any]:
    import pkcs11

    try:
        library = pkcs11.lib(place.module)
        token = library.get_token(token_label=place.token)
        with token.open(user_pin=pin()) as session:
            yield session
    except (pkcs11.exceptions.PKCS11Error, RuntimeError) as error:
        what = str(error) or type(error).__name__
        raise Misuse(f"the token {place.token!r} does not give the key {place.label!r}: {what}") from None
