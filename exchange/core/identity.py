"""Keys of founders and of States, kept offline: Ed25519, or ECDSA on P-256, which most hardware can hold.

Guarantee: one key has one value here and one text, so that keys are told apart by their bytes and never by a name that
somebody gave them. What is no point of the curve, weak (keys.py) or written in another way is refused.

Ed25519 as in keys.py: 32 bytes. P-256 (FIPS 186-5, SEC 1): the uncompressed point, 65 bytes, SHA-256, signatures in DER.
As text, a key is its algorithm, a colon and base64 of its bytes; its fingerprint is the lower-case hex SHA-256 of them.

    >>> IdentityKey("Ed25519", bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")).text
    'Ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik='
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.keys import ALGORITHM, PublicKey
from exchange.errors import BadSignature, Malformed

P256 = "ECDSA-P256"
ALGORITHMS = (ALGORITHM, P256)
POINT_SIZE = 65  # bytes: 04, x, y
MAX_SIGNATURE = 72  # bytes of DER around two numbers of 32 bytes
MAX_TEXT = 120  # characters


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """A public key that may be believed: making one of a weak key, or of no point of the curve, fails."""

    algorithm: str
    raw: bytes

    def __post_init__(self) -> None:
        if self.algorithm == ALGORITHM:
            PublicKey(self.raw)
        elif self.algorithm != P256:
            raise Malformed(f"expected a key of {' or '.join(ALGORITHMS)}, got {self.algorithm[:40]!r}")
        elif len(self.raw) != POINT_SIZE or self.raw[0] != 4:  # a compressed point would be a second name of one key
            raise Malformed(f"expected an uncompressed point of {POINT_SIZE} bytes")
        else:
            _point(self.raw)

    @property
    def fingerprint(self) -> str:
        return sha256(self.raw).hexdigest()

    @property
    def text(self) -> str:
        return f"{self.algorithm}:{format_base64(self.raw)}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if `signature` is this key's over `message`; else BadSignature."""
        if self.algorithm == ALGORITHM:
            PublicKey(self.raw).verify(message, signature)
            return
        try:
            _point(self.raw).verify(signature[: MAX_SIGNATURE + 1], message, ECDSA(SHA256()))
        except InvalidSignature:
            raise BadSignature(f"key {self.fingerprint} did not sign these bytes") from None


@lru_cache(maxsize=4_096)
def _point(raw: bytes) -> EllipticCurvePublicKey:
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
    except ValueError:
        raise Malformed("expected a point of the curve P-256") from None


def parse_identity(text: str) -> IdentityKey:
    """The key in `algorithm:base64`; Malformed or WeakKey."""
    if len(text) > MAX_TEXT:
        raise Malformed(f"expected a key of at most {MAX_TEXT} characters, got {len(text)}")
    algorithm, colon, encoded = text.partition(":")
    if not colon:
        raise Malformed(f"expected a key such as {ALGORITHM}:BASE64, got {text[:40]!r}")
    return IdentityKey(algorithm, parse_base64(encoded))
