"""The two-faced ciphertext (Dodis, Grubbs, Ristenpart, Woodage, "Fast message franking", CRYPTO 2018): one that opens under two keys.

AES-GCM is a one-time pad with a polynomial as its tag. Under two keys, one block that says nothing to either reader is chosen so
that both tags are one number: a linear equation in GF(2^128).
"""

from io import BytesIO

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from exchange.core.padding import padded
from exchange.core.sealed import ContentKey, address, read_preface, seal
from exchange.core.sealing import WRAP_SIZE
from tests.core.letters import FEDERATION, ORIGIN, content_key, sealing_named

BLOCK = 16
Element = int


def two_faced(first: str, says: bytes, second: str, says_too: bytes) -> tuple[bytes, dict[str, ContentKey]]:
    """A letter to both whose ciphertext begins, under the key of each, with what it is to read; the header commits to the first key."""
    one, two = content_key("one"), content_key("two")
    to = [(code, sealing_named(code).public) for code in (first, second)]
    header, keys = address(FEDERATION, ORIGIN, one, ("XR", sealing_named("XR").public), to)
    raw = next(seal(header, one, keys, 0, []))
    preface = read_preface(BytesIO(raw).read)
    recipient = preface.header.recipients[1]
    raw = raw[:-WRAP_SIZE] + keys[recipient.keyid].wrap(two.raw, preface.info(recipient))
    length = padded(len(raw) + len(says) + len(says_too) + 4 * BLOCK) - len(raw) - BLOCK
    pads = [_pad(key.raw, length) for key in (one, two)]
    body, half = bytearray(length), -(-len(says) // BLOCK) * BLOCK
    body[: len(says)] = _xor(says, pads[0])
    body[half : half + len(says_too)] = _xor(says_too, pads[1][half:])
    free = (length // BLOCK - 1) * BLOCK  # a whole block near the end, which says nothing to anybody
    return raw + _balanced(bytes(body), free, raw, one.raw, two.raw), {first: one, second: two}


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


def _block(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(AES256(key), ECB()).encryptor()  # noqa: S305 - the block cipher by itself
    return encryptor.update(block)


def _pad(key: bytes, length: int) -> bytes:
    counters = b"".join(bytes(12) + (2 + n).to_bytes(4, "big") for n in range(-(-length // BLOCK)))
    return _block(key, counters)[:length]


def _number(block: bytes) -> Element:
    """Bit 0 is the first of the first byte (SP 800-38D section 6.3)."""
    return int(f"{int.from_bytes(block + bytes(BLOCK - len(block)), 'big'):0128b}"[::-1], 2)


def _bytes(element: Element) -> bytes:
    return int(f"{element:0128b}"[::-1], 2).to_bytes(BLOCK, "big")


def _times(a: Element, b: Element) -> Element:
    product = 0
    while b:
        if b & 1:
            product ^= a
        b >>= 1
        a <<= 1
        if a >> 128:
            a ^= (1 << 128) | 0x87
    return product


def _power(a: Element, exponent: int) -> Element:
    result = 1
    while exponent:
        if exponent & 1:
            result = _times(result, a)
        a = _times(a, a)
        exponent >>= 1
    return result


def _inverse(a: Element) -> Element:
    return _power(a, 2**128 - 2)


def _tag(key: bytes, aad: bytes, body: bytes) -> Element:
    h = _number(_block(key, bytes(BLOCK)))
    total = 0
    for data in (aad, body):
        for at in range(0, len(data), BLOCK):
            total = _times(total ^ _number(data[at : at + BLOCK]), h)
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(body)).to_bytes(8, "big")
    total = _times(total ^ _number(lengths), h)
    return total ^ _number(_block(key, bytes(12) + b"\0\0\0\1"))


def _balanced(body: bytes, free: int, aad: bytes, one: bytes, two: bytes) -> bytes:
    """The body with the free block so chosen that both tags agree, and the tag."""
    blocks = -(-len(body) // BLOCK)
    power = blocks - free // BLOCK + 1  # of h, by which that block counts in the tag
    difference = _tag(one, aad, body) ^ _tag(two, aad, body)
    weight = _power(_number(_block(one, bytes(BLOCK))), power) ^ _power(_number(_block(two, bytes(BLOCK))), power)
    block = _bytes(_times(difference, _inverse(weight)))
    body = body[:free] + block + body[free + BLOCK :]
    tag = _tag(one, aad, body)
    assert tag == _tag(two, aad, body)
    return body + _bytes(tag)
