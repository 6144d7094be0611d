"""A node that begins: the trust list of 57 participants out of one bundle, beside the bare parsing and verifying of what is in it.

Bare is what nobody can do without: python-tuf reads each file and writes the bytes that were signed, and each signature that
counts is verified once, those of the files and the proofs of possession. The import does that and all the rest: it audits, chooses,
stores every file and record, and answers who takes part. A warm look is one request, answered 304, and an import that finds nothing.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from tuf.api.metadata import Metadata

from exchange.core.catalogue import Catalogue
from exchange.core.identity import parse_identity
from exchange.core.keys import Kind
from exchange.federation.founders import TrustList
from exchange.files import make_folder
from exchange.store.database import Database
from exchange.trust.bundle import parse_bundle
from exchange.trust.choice import read_named
from exchange.trust.contents import read_record, read_root, read_targets
from exchange.trust.possession import keys_of, statement_of_possession
from exchange.trust.rolefile import ROLES, Authority, RoleFile
from tests import builders
from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Bound, Figure
from tests.benchmarks.idle import codes
from tests.benchmarks.nodes import lay_out
from tests.founders import NOW, Founders

TWICE = Bound(at_most=2.0)
RUNS = 3


def run(bench: Bench) -> Iterator[Figure]:
    states = codes(bench.scale.peers)
    made = Founders(*states, founders=5, k=3, relays=5)
    bundle = made.bundle()
    signatures = _signatures(made)
    for engine in bench.engines:
        runs = []
        for _ in range(max(RUNS, bench.scale.runs)):
            with bench.place("trust") as directory:
                settings = lay_out(directory, "XA", engine)
                make_folder(settings.directory / "data")
                runs.append(_once(settings.database_url, made, bundle, signatures))
        yield from _figures(engine, len(states), len(bundle), len(signatures), runs)


def _once(url: str, made: Founders, bundle: bytes, signatures: list[Callable[[], None]]) -> tuple[float, float, float]:
    """Bare, cold, warm, in seconds."""
    began = time.perf_counter()
    for _, raw in parse_bundle(bundle):
        if not Metadata.from_bytes(raw).signed_bytes:
            raise RuntimeError("an empty file")
    for verify in signatures:
        verify()
    bare = time.perf_counter() - began
    db = Database(url)
    try:
        began = time.perf_counter()
        trust = TrustList(
            db,
            made.roots[0].raw,
            federation=builders.FEDERATION,
            catalogue=Catalogue.from_files({}),
            clock=lambda: NOW + timedelta(minutes=1),
            accept=lambda participants: None,
        )
        chosen = trust.take(parse_bundle(bundle))
        cold = time.perf_counter() - began
        if chosen.participants is None or len(chosen.participants.records) != len(made.codes):
            raise RuntimeError(f"the list was not imported: {chosen.findings}")
        began = time.perf_counter()
        trust.take()
        return bare, cold, time.perf_counter() - began
    finally:
        db.close()


def _signatures(made: Founders) -> list[Callable[[], None]]:
    """Every signature that counts in the list."""
    root = read_root(made.roots[0])
    says = read_targets(made.targets[0], root)
    found: list[Callable[[], None]] = []

    def signed(file: RoleFile, authority: Authority) -> None:
        for keyid, signature in file.signatures.items():
            found.append(partial(authority.keys[keyid].verify, file.content, signature))

    for name, raw in parse_bundle(made.bundle()):
        file = read_named(name, raw)
        signed(file, getattr(root, file.role) if file.role in ROLES else says.delegations[file.role])
        if file.role not in ROLES:
            record = read_record(file)
            kinds = {key.text: kind for kind, key in keys_of(record.record)}
            for text, proof in record.proofs.items():
                kind = kinds.get(text, Kind.IDENTITY)
                message = statement_of_possession(builders.FEDERATION, file.role, kind, parse_identity(text))
                found.append(partial(parse_identity(text).verify, message, proof))
    return found


def _figures(
    engine: str, number: int, size: int, signatures: int, runs: list[tuple[float, float, float]]
) -> Iterator[Figure]:
    bare, cold, warm = (statistics.median(each[place] for each in runs) for place in range(3))
    ratio = statistics.median(each[1] / each[0] for each in runs)
    beside = f"bare: {bare * 1e3:,.0f} ms for {size:,} bytes and {signatures:,} signatures"
    what = f"trust list of {number}, cold, 1 request"
    yield Figure(what, engine, f"{cold * 1e3:,.0f} ms", None, ratio, TWICE, beside=beside)
    said = f"{warm * 1e3:,.0f} ms; 1 request, answered 304"
    yield Figure(f"trust list of {number}, nothing new", engine, said, None, warm / bare, beside="the ratio: to bare")
