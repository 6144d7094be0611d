"""Open a sealed letter with nothing of this project: the standard library, and of `cryptography` ML-KEM, X25519 and AES-GCM.

    python open_sealed.py LETTER CODE SEED-IN-HEX

prints the inner envelope and, for each document, its slot, name and SHA-256. HPKE (RFC 9180, base mode; KEM 0x647a, KDF 1,
AEAD 2) is written out here, so that it can be read beside schemas/README.md and written again in another language. It checks the
seal; that the letter is what its outer submission speaks for, and who signed it, is for `cbm open`.
"""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITE_ID = b"HPKE" + bytes.fromhex("647a 0001 0002")
WRAP, ENCAPSULATED, LATTICE = 1168, 1120, 1088


def decapsulate(seed: bytes, encapsulated: bytes) -> bytes:
    """X-Wing: both secrets, what X25519 sent, its public key, and a label."""
    stretched = hashlib.shake_256(seed).digest(96)
    curve = X25519PrivateKey.from_private_bytes(stretched[64:])
    sent = encapsulated[LATTICE:]
    secrets = MLKEM768PrivateKey.from_seed_bytes(stretched[:64]).decapsulate(encapsulated[:LATTICE])
    secrets += curve.exchange(X25519PublicKey.from_public_bytes(sent))
    return hashlib.sha3_256(secrets + sent + curve.public_key().public_bytes_raw() + b"\\.//^\\").digest()


def extract(salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + SUITE_ID + label + material, "sha256")


def expand(secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    info = size.to_bytes(2, "big") + b"HPKE-v1" + SUITE_ID + label + context
    return hmac.digest(secret, info + b"\1", "sha256")[:size]  # one block of HKDF is enough for 32 bytes


def unwrap(seed: bytes, wrap: bytes, info: bytes) -> bytes:
    shared = decapsulate(seed, wrap[:ENCAPSULATED])
    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    key, nonce = expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, wrap[ENCAPSULATED:], b"")


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


def open_letter(letter: bytes, code: str, seed: bytes) -> tuple[bytes, list[tuple[dict[str, Any], bytes]]]:
    magic, rest = letter[:13], letter[13:]
    expect(magic == b"cbm-sealed/1\n", "not a sealed letter")
    length = int.from_bytes(rest[:4], "big")
    head = rest[4 : 4 + length]
    header = json.loads(head)
    addressees = [header["sender"], *header["recipients"]]
    at = [one["participant"] for one in addressees].index(code)
    start = 13 + 4 + length
    wrap = letter[start + WRAP * at : start + WRAP * (at + 1)]
    info = b"cbm-seal/1\0" + hashlib.sha256(head).digest() + f"{code}\0{addressees[at]['keyid']}".encode()
    key = unwrap(seed, wrap, info)
    # Before anything is decrypted: under another key the same bytes could say something else to somebody else.
    expect(hashlib.sha256(b"cbm-commit/1\0" + key).hexdigest() == header["commit"], "not the key committed to")
    start += WRAP * len(addressees)
    plaintext = AESGCM(key).decrypt(bytes(12), letter[start:], letter[:start])
    end = 4 + int.from_bytes(plaintext[:4], "big")
    index, documents = json.loads(plaintext[4:end]), []
    for one in index["documents"]:
        documents.append((one, plaintext[end : end + one["size"]]))
        end += one["size"]
    expect(not any(plaintext[end:]), "something is hidden behind the letter")
    return base64.b64decode(index["envelope"]), documents


def main(path: str, code: str, seed: str) -> None:
    envelope, documents = open_letter(Path(path).read_bytes(), code, bytes.fromhex(seed))
    print(envelope.decode())
    for one, content in documents:
        print(one["slot"], one["name"], hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
