"""Keys that sign the trust list, kept away from any network: founders' and States' identity keys, in files or in hardware.

Guarantees: a signer gives its public half and signatures over bytes, and nothing else; what it signs was shown before (cli/ceremony.py).
A file is as keyfile.py writes it, Ed25519 or ECDSA on P-256; hardware is named by a `pkcs11:` URI (token.py), and its
key never leaves it.

The public half travels as FILE.pub. It may carry a proof that its holder agreed to stand in one State's record:

    {"kind": "identity", "algorithm": "ECDSA-P256", "public_key": B64,
     "proof": {"federation": "cbm.example", "participant": "XR", "signature": B64}}
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.identity import P256, IdentityKey
from exchange.core.jsontext import parse_json
from exchange.core.keys import ALGORITHM, Kind, PrivateKey
from exchange.errors import ExchangeError, Malformed, Misuse
from exchange.files import write_whole
from exchange.node.keyfile import MAX_KEY_FILE, Secret, keep_secret, open_secret
from exchange.trust.possession import statement_of_possession

OFFLINE = (Kind.IDENTITY, Kind.FOUNDER)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SEC 2)


class Signer(Protocol):
    """A private key, wherever it is."""

    @property
    def public(self) -> IdentityKey: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True)
class FileSigner:
    """A key out of a file. Its repr names the key, never the secret."""

    kind: Kind
    public: IdentityKey
    _key: PrivateKey | EllipticCurvePrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        if isinstance(self._key, PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ECDSA(SHA256()))


def create_offline(path: Path, kind: Kind, algorithm: str, passphrase: str | None) -> IdentityKey:
    """A new founder's or identity key in a file, sealed under the passphrase. Raises Misuse."""
    if algorithm == ALGORITHM:
        seed = secrets.token_bytes(32)
    else:
        seed = (secrets.randbelow(_ORDER - 1) + 1).to_bytes(32, "big")
    signer = _signer(kind, algorithm, seed)
    keep_secret(path, Secret(kind, algorithm, signer.public.raw, seed), passphrase)
    return signer.public


def _signer(kind: Kind, algorithm: str, seed: bytes) -> FileSigner:
    if algorithm == ALGORITHM:
        key = PrivateKey.from_seed(seed)
        return FileSigner(kind, IdentityKey(ALGORITHM, key.public.raw), key)
    if algorithm != P256:
        raise Malformed(f"expected a key of {ALGORITHM} or {P256}, got {algorithm[:40]!r}")
    try:
        curve = derive_private_key(int.from_bytes(seed, "big"), SECP256R1())
    except ValueError:
        raise Malformed("expected a private key of P-256") from None
    point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return FileSigner(kind, IdentityKey(P256, point), curve)


def open_offline(path: Path, passphrase: str | None, *, kinds: tuple[Kind, ...] = tuple(Kind)) -> FileSigner:
    """The key at `path`, of either algorithm. Raises as `open_key`."""
    found = open_secret(path, passphrase, kinds=kinds)
    signer = _signer(found.kind, found.algorithm, found.seed)
    if signer.public.raw != found.public:
        raise Malformed(f"{path} is damaged: its private and public halves do not belong together")
    return signer


@dataclass(frozen=True, slots=True)
class Proven:
    """A public half, and the proof for one participant's record if it carries one."""

    kind: Kind
    key: IdentityKey
    federation: str | None = None
    participant: str | None = None
    signature: bytes | None = None

    def proof_for(self, federation: str, participant: str) -> bytes:
        """The signature, checked. Raises Misuse where there is none for this participant and federation."""
        if self.signature is None or (self.federation, self.participant) != (federation, participant):
            raise Misuse(
                f"the {self.kind.value} key {self.key.fingerprint[:16]} carries no proof for {participant} in {federation}: "
                f"its holder makes one with `cbm key prove FILE --participant {participant} --federation {federation}`"
            )
        self.key.verify(statement_of_possession(federation, participant, self.kind, self.key), self.signature)
        return self.signature


def read_proven(path: Path) -> Proven:
    """The public half in FILE.pub. Raises Misuse, Malformed."""
    try:
        fields = parse_json(path.read_bytes()[: MAX_KEY_FILE + 1], limit=MAX_KEY_FILE)
        if "seed" in fields or "sealed" in fields:
            raise Misuse(f"{path} is a private key, which stays with its holder; the public half is {path}.pub")
        kind, key = Kind(fields["kind"]), IdentityKey(fields["algorithm"], parse_base64(fields["public_key"]))
        proof = fields.get("proof")
        if proof is None:
            return Proven(kind, key)
        return Proven(kind, key, proof["federation"], proof["participant"], parse_base64(proof["signature"]))
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except Misuse:
        raise
    except (KeyError, TypeError, ValueError, ExchangeError):
        raise Malformed(f"{path} is not a public key file") from None


def prove(signer: Signer, kind: Kind, federation: str, participant: str) -> bytes:
    """The holder agrees to stand in that participant's record, for that kind of work."""
    return signer.sign(statement_of_possession(federation, participant, kind, signer.public))


def write_proven(path: Path, kind: Kind, key: IdentityKey, federation: str, participant: str, proof: bytes) -> None:
    """The public half with its proof, in the place of the one without."""
    fields: dict[str, Any] = {
        "kind": kind.value,
        "algorithm": key.algorithm,
        "public_key": format_base64(key.raw),
        "proof": {"federation": federation, "participant": participant, "signature": format_base64(proof)},
    }
    write_whole(path, orjson.dumps(fields) + b"\n", 0o644)
