"""Private keys as files: mode 0600 or refused, an officer's sealed under a passphrase, the node's own not.

The node's own keys (log, witness, transport, node submission, sealing) must survive an unattended reboot and carry no
passphrase; whoever can read them can speak for the node, not for the State's officers. A sealed key is AES-256-GCM under
scrypt(passphrase), with kind and public key as associated data, so a file cannot be passed off as another kind.

    {"kind": "signing", "algorithm": "Ed25519", "public_key": B64, "seed": B64}
    {"kind": "signing", "algorithm": "Ed25519", "public_key": B64, "scrypt": {"n": 131072, "r": 8, "p": 1, "salt": B64}, "nonce": B64, "sealed": B64}
"""

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.jsontext import parse_json
from exchange.core.keys import ALGORITHM, Kind, PrivateKey, PublicKey, parse_public_key
from exchange.core.sealing import SEALING_ALGORITHM, SealingKey, SealingPrivate
from exchange.errors import ExchangeError, KeyFileExposed, Malformed, Misuse, WrongPassphrase
from exchange.files import fsync

MAX_KEY_FILE = 4096  # bytes
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
MAX_SCRYPT_N = 2**20  # 1 GiB of memory: a file from elsewhere must not exhaust the machine
MIN_PASSPHRASE = 12  # characters


@dataclass(frozen=True)
class KeyFile:
    """A private key and what it is for. Its repr names the key, never the secret."""

    kind: Kind
    key: PrivateKey


def new_key(kind: Kind) -> KeyFile:
    return KeyFile(kind, PrivateKey.from_seed(secrets.token_bytes(32)))


def create_key(path: Path, kind: Kind, passphrase: str | None = None) -> KeyFile:
    """Make a new key at `path` (never over an existing file) and its public half at `path`.pub. Raises Misuse."""
    return keep_key(path, new_key(kind), passphrase)


def keep_key(path: Path, made: KeyFile, passphrase: str | None = None) -> KeyFile:
    """Write a key that was just made, under the same rules."""
    keep_secret(path, Secret(made.kind, ALGORITHM, made.key.public.raw, made.key.seed), passphrase)
    return made


def create_sealing(path: Path) -> SealingPrivate:
    """A new key to which letters to this State are sealed, without a passphrase: the node opens them. Raises Misuse."""
    return keep_sealing(path, secrets.token_bytes(32))


def keep_sealing(path: Path, seed: bytes) -> SealingPrivate:
    made = SealingPrivate.from_seed(seed)
    keep_secret(path, Secret(Kind.SEALING, SEALING_ALGORITHM, made.public.raw, seed))
    return made


def open_sealing(path: Path) -> SealingPrivate:
    """The private sealing key at `path`. Raises KeyFileExposed, Malformed, and Misuse for a key of another kind."""
    found = open_secret(path, kinds=(Kind.SEALING,))
    if found.algorithm != SEALING_ALGORITHM:
        raise Malformed(f"{path} holds a sealing key of another algorithm than {SEALING_ALGORITHM}")
    key = SealingPrivate.from_seed(found.seed)
    if key.public.raw != found.public:
        raise Malformed(f"{path} is damaged: its private and public halves do not belong together")
    return key


def open_sealings(folder: Path) -> dict[str, SealingPrivate]:
    """All sealing keys that this node ever had, by keyid: what was sealed to an old one is opened with it."""
    found = [open_sealing(path) for path in sorted(folder.glob("sealing*.key"))]
    return {key.public.keyid: key for key in found}


def read_sealing_public(path: Path) -> SealingKey:
    """The public half, as `create_sealing` wrote it. Raises Misuse, Malformed."""
    fields = _public_fields(path)
    try:
        if (fields["kind"], fields["algorithm"]) != (Kind.SEALING, SEALING_ALGORITHM):
            raise Misuse(f"{path} is no sealing key of {SEALING_ALGORITHM}")
        return SealingKey(parse_base64(fields["public_key"]))
    except (KeyError, TypeError, Malformed):
        raise Malformed(f"{path} is not a public key file") from None


def kind_of(path: Path) -> Kind:
    """What the key in this public half is for. Raises Misuse, Malformed."""
    try:
        return Kind(_public_fields(path)["kind"])
    except (KeyError, ValueError):
        raise Malformed(f"{path} is not a public key file") from None


@dataclass(frozen=True)
class Secret:
    """What a key file holds, of whatever algorithm: a private key is 32 bytes in each."""

    kind: Kind
    algorithm: str
    public: bytes
    seed: bytes = field(repr=False)


def keep_secret(path: Path, made: Secret, passphrase: str | None = None) -> None:
    """Write a private key to `path` (never over an existing file) and its public half to `path`.pub. Raises Misuse."""
    if passphrase is not None and len(passphrase) < MIN_PASSPHRASE:
        raise Misuse(f"a passphrase has at least {MIN_PASSPHRASE} characters; four random words do well")
    public_half = Path(f"{path}.pub")
    if os.path.lexists(public_half):
        raise Misuse(f"{public_half} exists already; a key is never written over another file")
    public = {"kind": made.kind.value, "algorithm": made.algorithm, "public_key": format_base64(made.public)}
    fields: dict[str, Any] = dict(public)
    if passphrase is None:
        fields["seed"] = format_base64(made.seed)
    else:
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = AESGCM(_derive(passphrase, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)).encrypt(
            nonce, made.seed, _bound(made.kind, made.public)
        )
        fields["scrypt"] = {"n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P, "salt": format_base64(salt)}
        fields |= {"nonce": format_base64(nonce), "sealed": format_base64(sealed)}
    _write_new(path, orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), 0o600)
    _write_new(public_half, orjson.dumps(public) + b"\n", 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """With its mode from the first byte: a private key made readable and narrowed later was readable."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Misuse(f"{path} exists already; a key is never written over another file") from None
    except OSError as error:
        raise Misuse(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fsync(path.parent)


def _derive(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())


def _bound(kind: Kind, public: bytes) -> bytes:
    return b"cbm-key/v1\0" + kind.value.encode() + b"\0" + public


def is_sealed(path: Path) -> bool:
    """Does opening this key take a passphrase?"""
    return "sealed" in _fields(path)


def open_key(path: Path, passphrase: str | None = None, *, kind: Kind | None = None) -> KeyFile:
    """The private key at `path`. Raises KeyFileExposed, WrongPassphrase, Malformed, and Misuse for a key of another kind."""
    found = open_secret(path, passphrase, kinds=tuple(Kind) if kind is None else (kind,))
    try:
        if found.algorithm != ALGORITHM:
            raise ValueError("a key of an algorithm that nodes and officers do not use")
        key = PrivateKey.from_seed(found.seed)
    except (ValueError, Malformed) as error:
        raise Malformed(f"{path} is not a key file: {type(error).__name__} in its fields") from None
    if key.public.raw != found.public:
        raise Malformed(f"{path} is damaged: its private and public halves do not belong together")
    return KeyFile(found.kind, key)


def open_secret(path: Path, passphrase: str | None = None, *, kinds: tuple[Kind, ...]) -> Secret:
    """What stands in the file, opened. Raises KeyFileExposed, WrongPassphrase, Malformed, and Misuse for a key of another kind."""
    fields = _fields(path)
    try:
        kind, algorithm = Kind(fields["kind"]), fields["algorithm"]
        if kind not in kinds:
            wanted = " or ".join(each.value for each in kinds)
            raise Misuse(f"{path} holds a {kind.value} key; a {wanted} key is wanted, and kinds are never mixed")
        public = parse_base64(fields["public_key"])
        if algorithm == ALGORITHM:
            parse_public_key(public)
        return Secret(kind, algorithm, public, _seed(path, fields, kind, public, passphrase))
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{path} is not a key file: {type(error).__name__} in its fields") from None


def _public_half(fields: dict[str, Any]) -> tuple[Kind, PublicKey]:
    if fields["algorithm"] != ALGORITHM:
        raise ValueError("a key of an algorithm that this version does not know")
    return Kind(fields["kind"]), parse_public_key(parse_base64(fields["public_key"], length=32))


def _seed(path: Path, fields: dict[str, Any], kind: Kind, public: bytes, passphrase: str | None) -> bytes:
    if "sealed" not in fields:
        return parse_base64(fields["seed"], length=32)
    if passphrase is None:
        raise WrongPassphrase(f"{path} is sealed under a passphrase, and none was given")
    cost = fields["scrypt"]
    if not 2**10 <= cost["n"] <= MAX_SCRYPT_N or cost["r"] != SCRYPT_R or cost["p"] != SCRYPT_P:
        raise Malformed(f"{path} asks for an unreasonable scrypt cost")
    secret = _derive(passphrase, parse_base64(cost["salt"]), cost["n"], cost["r"], cost["p"])
    try:
        return AESGCM(secret).decrypt(
            parse_base64(fields["nonce"]), parse_base64(fields["sealed"]), _bound(kind, public)
        )
    except InvalidTag:
        raise WrongPassphrase(f"{path} does not open with this passphrase") from None


def _fields(path: Path) -> dict[str, Any]:
    """Read the file, and only if nobody else can. The check is on the open file: a name can be swapped in between."""
    try:
        # Without O_NONBLOCK a pipe would hold the program up until somebody writes to it.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Misuse(f"cannot open the key file {path}: {error.strerror}") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise Misuse(f"{path} is not a regular file")
    with os.fdopen(handle, "rb") as file:
        if status.st_mode & 0o077:
            raise KeyFileExposed(f"others on this machine may read {path} (mode {stat.S_IMODE(status.st_mode):04o})")
        data = file.read(MAX_KEY_FILE + 1)
    try:
        fields = parse_json(data, limit=MAX_KEY_FILE)
    except ExchangeError:
        raise Malformed(f"{path} is not a key file") from None
    if not isinstance(fields, dict):
        raise Malformed(f"{path} is not a key file")
    return fields


def read_public(path: Path) -> tuple[Kind, PublicKey]:
    """The public half, as `create_key` wrote it beside the private one."""
    try:
        return _public_half(_public_fields(path))
    except (KeyError, TypeError, ValueError, Malformed):
        raise Malformed(f"{path} is not a public key file") from None


def _public_fields(path: Path) -> dict[str, Any]:
    try:
        fields = parse_json(path.read_bytes()[: MAX_KEY_FILE + 1], limit=MAX_KEY_FILE)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except Malformed:
        raise Malformed(f"{path} is not a public key file") from None
    if not isinstance(fields, dict):
        raise Malformed(f"{path} is not a public key file")
    if "seed" in fields or "sealed" in fields:  # private keys must not get into the habit of travelling
        raise Misuse(f"{path} is a private key, which stays with its holder; the public half is {path}.pub")
    return fields
