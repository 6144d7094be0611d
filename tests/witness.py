"""A client of witnesses written by hand from C2SP tlog-witness, as a stranger's log would speak: bytes out, bytes in."""

import hashlib
from base64 import b64decode, b64encode

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.core.merkle import prove_consistency
from exchange.core.note import format_vkey
from exchange.store import log as logs
from tests.world import WorldNode

ADD = "/witness/add-checkpoint"


def request_bytes(old: int, proof: list[bytes], checkpoint: bytes) -> bytes:
    lines = [f"old {old}", *(b64encode(one).decode() for one in proof), ""]
    return "".join(f"{line}\n" for line in lines).encode() + checkpoint


def ask(witness: WorldNode, old: int, proof: list[bytes], checkpoint: bytes) -> httpx.Response:
    return witness.post(ADD, content=request_bytes(old, proof, checkpoint))


def proof_of(node: WorldNode, old: int, new: int) -> list[bytes]:
    db = node.running.node.db
    with db.read() as tx:
        log = logs.log_of(tx, node.origin)
        return list(prove_consistency(old, new, logs.reader(tx, log, new)))


def head_of(node: WorldNode) -> tuple[int, bytes]:
    """The size and the note of its log as it stands, signed by the log alone."""
    with node.running.node.db.read() as tx:
        log = logs.log_of(tx, node.origin)
    return log.size, log.note or b""


def path_of(origin: str) -> str:
    return f"/witness/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"


def vkey_of(witness: WorldNode) -> str:
    return format_vkey(witness.running.node.witness.vkey)


def time_of(vkey: str, checkpoint: bytes, lines: bytes) -> int:
    """The time in the one line of that cosigner over a checkpoint's text, verified by hand."""
    name, keyid, encoded = vkey.split("+", 2)
    key = b64decode(encoded)
    assert key[0] == 4 and hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == keyid
    [line] = [line for line in lines.decode().split("\n") if line.startswith(f"\u2014 {name} ")]
    data = b64decode(line.split(" ")[2])
    assert data[:4].hex() == keyid and len(data) == 76
    time = int.from_bytes(data[4:12], "big")
    text = checkpoint.rpartition(b"\n\n")[0] + b"\n"
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[12:], f"cosignature/v1\ntime {time}\n".encode() + text)
    return time


def sign(origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> bytes:
    """A checkpoint that says whatever it is told, signed as C2SP signed-note says."""
    text = f"{origin}\n{size}\n{b64encode(root).decode()}\n".encode()
    public = key.public_key().public_bytes_raw()
    keyid = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    line = f"\u2014 {origin} {b64encode(keyid + key.sign(text)).decode()}\n"
    return text + b"\n" + line.encode()
