"""Tests mirror exchange/. Their keys are real and come from names, so that a failure reads the same everywhere."""

from hashlib import sha256

from exchange.core.keys import PrivateKey


def key_named(name: str) -> PrivateKey:
    """The private key whose seed is SHA-256 of this name."""
    return PrivateKey.from_seed(sha256(name.encode()).digest())
