"""Sealing 25 MB for 57 recipients, and opening it, beside bare AES-256-GCM over as many bytes.

Bare is what nobody can do without: the same cipher, the same pieces. The rest is 58 key wraps (ML-KEM-768 and X25519), padding,
and the opener's HMAC over each document. Memory is the most that Python held at a time in a run of its own, under tracemalloc.
"""

import statistics
import time
import tracemalloc
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

from exchange.core.document import Committer
from exchange.core.letter import Contents, Enclosed, format_letter, pieces_of, read_contents
from exchange.core.sealed import PIECE, ContentKey, address, read_preface, seal
from exchange.core.sealing import SealingPrivate
from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Figure
from tests.benchmarks.idle import codes

SIZE = 25_000_000  # bytes of the letter's one document
RUNS = 3
BLOCK = bytes(range(256)) * (PIECE // 256)
KEY = ContentKey(sha256(b"content key").digest())


class _Sealing:
    """One sender, its readers, and a letter that is the same each time."""

    def __init__(self, states: tuple[str, ...], size: int) -> None:
        self.size, self.states = size, states
        self.private = {code: SealingPrivate.from_seed(sha256(code.encode()).digest()) for code in ("XR", *states)}
        public = [(code, self.private[code].public) for code in states]
        self.header, self.keys = address(
            "bench.example", "xr.bench.example/log", KEY, ("XR", self.private["XR"].public), public
        )
        self.contents = Contents(b"{}", (Enclosed("a1", "map.pdf", bytes(32), size),))

    def stream(self) -> Iterator[bytes]:
        blocks = (BLOCK[: min(PIECE, self.size - at)] for at in range(0, self.size, PIECE))
        size, plaintext = format_letter(self.contents, blocks)
        return seal(self.header, KEY, self.keys, size, plaintext)

    def open(self, blob: bytes) -> None:
        file, aside = BytesIO(blob), BytesIO()
        preface = read_preface(file.read)
        private = self.private[self.states[-1]]
        preface.decrypt(preface.unwrap(self.states[-1], {private.public.keyid: private}), file.read, aside.write)
        aside.seek(0)
        contents, _ = read_contents(aside.read)
        committer = Committer(bytes(32))
        for piece in pieces_of(aside.read, contents.documents[0].size):
            committer.update(piece)


def run(bench: Bench) -> Iterator[Figure]:
    states = tuple(code for code in codes(bench.scale.peers + 1) if code != "XR")[: bench.scale.peers]
    sealing = _Sealing(states, bench.scale.sealed)
    runs = [_once(sealing) for _ in range(max(RUNS, bench.scale.runs))]
    tracemalloc.start()
    size = sum(map(len, sealing.stream()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    bare, sealed, opened = (statistics.median(each[place] for each in runs) for place in range(3))
    what = f"{sealing.size / 1e6:.0f} MB for {len(states)}"
    beside = f"bare AES-256-GCM: {bare * 1e3:,.1f} ms; {size:,} bytes"
    memory = f"{sealed * 1e3:,.1f} ms, {peak / 1e6:.1f} MB of memory"
    yield Figure(f"sealed: {what}", "", memory, None, sealed / bare, beside=beside)
    yield Figure(f"opened: {what}", "", f"{opened * 1e3:,.1f} ms", None, opened / bare, beside="the ratio: to bare")


def _once(sealing: _Sealing) -> tuple[float, float, float]:
    """Bare, sealed, opened, in seconds."""
    began = time.perf_counter()
    encryptor = Cipher(AES256(KEY.raw), GCM(bytes(12))).encryptor()
    for at in range(0, sealing.size, PIECE):
        encryptor.update(BLOCK[: min(PIECE, sealing.size - at)])
    encryptor.finalize()
    bare = time.perf_counter() - began
    began = time.perf_counter()
    for _ in sealing.stream():
        pass
    sealed = time.perf_counter() - began
    blob = b"".join(sealing.stream())
    began = time.perf_counter()
    sealing.open(blob)
    return bare, sealed, time.perf_counter() - began
