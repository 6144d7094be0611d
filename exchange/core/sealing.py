"""Keys to which letters are sealed: ML-KEM-768 with X25519, as HPKE knows the pair (X-Wing, KEM 0x647a).

Guarantee: a `SealingKey` is never one whose shared secret anybody could tell: both halves are checked when it is made (FIPS 203
section 7.2, RFC 7748 section 6.1), and each has one spelling. A private key never shows itself in a log line, a traceback
or a pickle.

A seed is 32 bytes; SHAKE256 makes of it the 64 of ML-KEM and the 32 of X25519 (draft-connolly-cfrg-xwing-kem section
5.2). A public key is 1,184 bytes of ML-KEM-768, then 32 of X25519. The key id is the lower-case hex SHA-256 of the public key:

    >>> SealingPrivate.from_seed(bytes(32)).public.keyid
    '3bb0b003f553f49f38bab31546b7f4fdd323c74cbf4aaf97d9703ede4e83eff7'
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256, shake_256
from typing import NoReturn, SupportsIndex

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from exchange.errors import BadSeal, Malformed, WeakKey

SEALING_ALGORITHM = "ML-KEM-768+X25519"
SUITE = "MLKEM768-X25519/HKDF-SHA256/AES-256-GCM"
"""The HPKE suite of RFC 9180 by its numbers: KEM 0x647a, KDF 0x0001, AEAD 0x0002."""
SEED_SIZE = 32  # bytes
MLKEM_SIZE, X25519_SIZE = 1_184, 32  # bytes of the halves of a public key
SEALING_KEY_SIZE = MLKEM_SIZE + X25519_SIZE
WRAP_SIZE = 1_088 + 32 + 32 + 16
"""Bytes of a wrapped content key: what ML-KEM and X25519 encapsulate, the 32 bytes of the key, the tag."""
LOADED_KEYS = 1_024

_P25519 = 2**255 - 19
_ANY = X25519PrivateKey.from_private_bytes(sha256(b"any scalar finds a point of small order").digest())


def _suite() -> Suite:
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@lru_cache(maxsize=LOADED_KEYS)
def _loaded(raw: bytes) -> MLKEM768X25519PublicKey:
    """Raises ValueError for what is no key, or one of which anybody knows the secret."""
    curve = X25519PublicKey.from_public_bytes(raw[MLKEM_SIZE:])
    if int.from_bytes(raw[MLKEM_SIZE:], "little") >= _P25519:
        raise ValueError("not canonical: a second spelling would let one key pass as two")
    _ANY.exchange(curve)
    return MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_SIZE]), curve)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A public key that letters may be sealed to."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != SEALING_KEY_SIZE:
            raise Malformed(f"expected a sealing key of {SEALING_KEY_SIZE} bytes, got {len(self.raw)}")
        try:
            _loaded(self.raw)
        except ValueError:
            raise WeakKey(f"sealing key {self.keyid} is of small order, or not canonical: anybody could open") from None

    @property
    def keyid(self) -> str:
        return sha256(self.raw).hexdigest()

    def wrap(self, secret: bytes, info: bytes) -> bytes:
        """The content key, for the holder of this key alone, and only beside the same `info`."""
        return _suite().encrypt(secret, _loaded(self.raw), info=info)


class SealingPrivate:
    """The key that opens."""

    __slots__ = ("_key", "public")

    public: SealingKey

    def __init__(self, key: MLKEM768X25519PrivateKey, public: SealingKey) -> None:
        self._key, self.public = key, public

    @classmethod
    def from_seed(cls, seed: bytes) -> "SealingPrivate":
        if len(seed) != SEED_SIZE:
            raise Malformed(f"expected a seed of {SEED_SIZE} bytes, got {len(seed)}")
        stretched = shake_256(seed).digest(96)
        lattice = MLKEM768PrivateKey.from_seed_bytes(stretched[:64])
        curve = X25519PrivateKey.from_private_bytes(stretched[64:])
        raw = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return cls(MLKEM768X25519PrivateKey(lattice, curve), SealingKey(raw))

    def unwrap(self, wrap: bytes, info: bytes) -> bytes:
        """Raises BadSeal unless it was wrapped for this key, beside this `info`."""
        try:
            return _suite().decrypt(wrap, self._key, info=info)
        except InvalidTag:
            raise BadSeal(
                f"what is wrapped for the key {self.public.keyid} was made for another key, or for another letter"
            ) from None

    def __repr__(self) -> str:
        return f"<SealingPrivate of {self.public.keyid}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # A pickle travels into caches and worker queues; a private key must not.
        raise TypeError("a private key is not pickled or copied: read it from its file where it is needed")
