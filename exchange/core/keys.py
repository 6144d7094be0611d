"""Ed25519 keys (RFC 8032), under one verdict that every honest node reaches.

A `PublicKey` is never one of the encodings under which a signature can be forged for any message, and no signature with
such an R verifies: with both rules OpenSSL and libsodium agree on every published case (schemas/README.md). libsodium
checks, in half the time; OpenSSL makes keys and signs. RFC 8032 section 5.1.3 refuses y >= p as well; OpenSSL does not, so
it is done here. A key that is no point of the curve at all is not searched for: nothing ever verifies under it.

A seed is 32 bytes, a public key 32, a signature 64. The key id is the lower-case hex SHA-256 of the public key:

    >>> PrivateKey.from_seed(bytes(32)).public.raw.hex()
    '3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29'
    >>> PrivateKey.from_seed(bytes(32)).public.keyid
    '139e3940e64b5491722088d9a0d741628fc826e09475d341a780acde3c4b8070'
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NoReturn, SupportsIndex

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from exchange.errors import BadSignature, Malformed, WeakKey

ALGORITHM = "Ed25519"
KEY_SIZE = 32  # bytes, seed and public key alike
SIGNATURE_SIZE = 64  # bytes


class Kind(StrEnum):
    """What a key is for. Kinds are never mixed: one key under two of them is refused with the record that says so."""

    IDENTITY = "identity"
    SIGNING = "signing"
    NODE_SUBMISSION = "node submission"
    LOG = "log"
    WITNESS = "witness"
    TRANSPORT = "transport"
    SEALING = "sealing"
    FOUNDER = "founder"
    RELAY = "relay"


RECORD_KINDS = tuple(kind for kind in Kind if kind not in (Kind.FOUNDER, Kind.RELAY))
"""What stands in participants' records; founders and relays are named by the root of the trust list."""


def _refused_encodings() -> frozenset[bytes]:
    """The 48 encodings of no honest point: 10 of small order with y < p (if x = 0 the sign is free), 38 with y >= p."""
    p = 2**255 - 19
    order_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826  # of two points; of two others p - y
    y_values = [0, 1, p - 1, order_8, p - order_8, *range(p, 2**255)]
    return frozenset((y | sign << 255).to_bytes(KEY_SIZE, "little") for y in y_values for sign in (0, 1))


_REFUSED = _refused_encodings()


# By the key of the seed 00..00, over no message: the R of a good signature plus a point of order 8.
_COFACTORED = bytes.fromhex(
    "d5c03599824425dc86e765d6f20fb54c1f70de0f9590aa5a1a3ee6b3716f4ac5"
    "5dddfc31c1b334e740ad39005f2ca96c08688fd2e2b5d1fe7c7de774b3d63205"
)


def _check_library() -> None:
    """A library may multiply by the cofactor first (RFC 8032 leaves it open), and take what other nodes refuse: with such a one nothing starts."""
    key = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
    try:
        crypto_sign_open(_COFACTORED, key)
    except BadSignatureError:
        return
    raise RuntimeError("libsodium here takes signatures that other nodes refuse: install what requirements.lock says")


_check_library()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that may be believed; `parse_public_key` makes it, and it cannot be made of a weak one."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise Malformed(f"expected a public key of {KEY_SIZE} bytes, got {len(self.raw)}")
        # Under a key of small order one signature fits any message.
        if self.raw in _REFUSED:
            raise WeakKey(f"public key {self.raw.hex()} is of small order or not canonical: anybody could sign for it")

    @property
    def keyid(self) -> str:
        return sha256(self.raw).hexdigest()

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if `signature` is this key's over `message`; else BadSignature."""
        # libsodium refuses an R of small order and OpenSSL does not: whatever checks, the answer is ours.
        if len(signature) != SIGNATURE_SIZE or signature[:KEY_SIZE] in _REFUSED:
            raise BadSignature(f"key {self.keyid}: expected {SIGNATURE_SIZE} bytes with an R of full order")
        try:
            crypto_sign_open(signature + message, self.raw)
        except BadSignatureError:
            raise BadSignature(f"key {self.keyid} did not sign these bytes") from None


def parse_public_key(raw: bytes) -> PublicKey:
    """The key in these 32 bytes; WeakKey if it is of small order or has y >= p, Malformed if the length is wrong."""
    return PublicKey(bytes(raw))


class PrivateKey:
    """A key that signs. It never shows its seed in a log line, a traceback or a pickle."""

    __slots__ = ("_key", "public")

    public: PublicKey

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = parse_public_key(key.public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> "PrivateKey":
        if len(seed) != KEY_SIZE:
            raise Malformed(f"expected a seed of {KEY_SIZE} bytes, got {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.public.keyid}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # A pickle travels into caches and worker queues; a private key must not.
        raise TypeError("a private key is not pickled or copied: read it from its file where it is needed")
