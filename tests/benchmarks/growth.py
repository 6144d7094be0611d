"""What one more entry costs where there are many: pull and submit at 10,000, 100,000 and (`make bench-long`) 1,000,000 entries.

A cost is counted in raw checks, which takes the pace of the machine out of it. The puller's memory is weighed on the way,
and at each size the rows are counted that a checkpoint, an inclusion proof and a consistency proof read.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from exchange.config import Settings
from exchange.core.merkle import prove_consistency, prove_inclusion
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.log import StoredLog
from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Bound, Figure
from tests.benchmarks.load import Clients
from tests.benchmarks.nodes import RealNode, introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess
from tests.benchmarks.raw import Raw, median
from tests.benchmarks.reads import Reads

NO_MORE_THAN = Bound(at_most=1.25)
AT_ONCE = 10_000  # submissions that the clients hold in memory


@dataclass(frozen=True)
class Cost:
    """Of one entry, at a size: in raw checks, and in microseconds here and now."""

    size: int
    checks: float
    microseconds: float
    raw: Raw


def run(bench: Bench) -> Iterator[Figure]:
    bench.shelf("XR", bench.scale.growth[-1] + bench.scale.runs * max(bench.scale.grown, bench.scale.submitted))
    for engine in bench.engines:
        yield from _pull(bench, engine)
    for engine in bench.engines:
        yield from _submit(bench, engine)


def _cost(bench: Bench, size: int, window: int, rate_from: Callable[[int], float]) -> Cost:
    """The median of some runs, each of `window` entries more."""
    firsts = [size + number * window for number in range(bench.scale.runs)]
    runs = [bench.reference.beside(partial(rate_from, first)) for first in firsts]
    return Cost(
        size,
        statistics.median(run.raw.one / run.value for run in runs),
        statistics.median(1e6 / run.value for run in runs),
        median([run.raw for run in runs]),
    )


def _pull(bench: Bench, engine: str) -> Iterator[Figure]:
    window, sizes = bench.scale.grown, bench.scale.growth
    costs: list[Cost] = []
    weights: list[float] = []
    with (
        bench.place("growth") as directory,
        Peers({"XR": sizes[-1] + bench.scale.runs * window}, bench.home) as peers,
    ):
        lay_out(directory, "XA", engine)
        introduce(directory, [peer_record("XR", peers.url("XR"))])
        with PullerProcess(directory) as puller:

            def rate_from(first: int) -> float:
                peers.publish(XR=first + window)
                found = puller.round(window)
                weights.append(found.memory)
                return found.rate

            for size in sizes:
                peers.publish(XR=size)
                puller.round()
                costs.append(_cost(bench, size, window, rate_from))
                yield _grown("pull", engine, costs)
                yield _weight(engine, size, weights[bench.scale.runs - 1], weights[-1])


def _grown(what: str, engine: str, costs: list[Cost]) -> Figure:
    first, last = costs[0], costs[-1]
    figure = f"{last.checks:.2f} checks, {last.microseconds:,.0f} us each"
    if first is last:
        return Figure(f"{what} at {last.size:,} entries", engine, figure, last.raw, None)
    ratio = last.checks / first.checks
    return Figure(f"{what} at {last.size:,} against {first.size:,}", engine, figure, last.raw, ratio, NO_MORE_THAN)


def _weight(engine: str, size: int, first: float, now: float) -> Figure:
    what = f"memory of a puller at {size:,}"
    if now == first:
        return Figure(what, engine, f"{now:,.0f} MiB", None, None)
    return Figure(what, engine, f"{now:,.0f} MiB", None, now / first, NO_MORE_THAN)


def _submit(bench: Bench, engine: str) -> Iterator[Figure]:
    window, many = bench.scale.submitted, bench.scale.clients
    costs: list[Cost] = []
    with bench.place("growth") as directory:
        settings = lay_out(directory, "XR", engine)
        with RealNode(directory) as node, Clients(bench.home) as clients:

            def rate_from(first: int) -> float:
                return clients.submit(node.url, "XR", first, first + window, clients=many).rate

            for size in bench.scale.growth:
                fill(node, clients, "XR", size, many)
                costs.append(_cost(bench, size, window, rate_from))
                yield _grown("submit", engine, costs)
                yield from _proofs(engine, settings)


def fill(node: RealNode, clients: Clients, code: str, size: int, many: int) -> None:
    """Bring the node's own log to that size, through its door."""
    for first in range(node.size, size, AT_ONCE):
        clients.submit(node.url, code, first, min(first + AT_ONCE, size), clients=many)


def _proofs(engine: str, settings: Settings) -> Iterator[Figure]:
    """Rows read, at the worst of some places in the log."""
    with Reads() as reads:
        db = Database(settings.database_url)
        try:
            with db.read() as tx:
                size = logs.log_of(tx, settings.origin).size
            places = [0, 1, size // 3, size // 2, size - 2, size - 1]

            def inclusion(index: int) -> object:
                with db.read() as tx:
                    return prove_inclusion(index, size, logs.reader(tx, logs.log_of(tx, settings.origin), size))

            def consistency(index: int) -> object:
                with db.read() as tx:
                    return prove_consistency(index + 1, size, logs.reader(tx, logs.log_of(tx, settings.origin), size))

            def checkpoint(_index: int) -> object:
                return StoredLog(db, settings.origin).checkpoint()

            bound = Bound(at_most=math.ceil(math.log2(size)), unit=" rows")
            for name, act in (
                ("checkpoint", checkpoint),
                ("inclusion proof", inclusion),
                ("consistency proof", consistency),
            ):
                rows, statements, tiles = max(reads.of(act, place) for place in places)
                said = f"{rows} rows in {statements} statements, {tiles} of them tiles"
                yield Figure(f"{name} at {size:,}", engine, said, None, rows, bound)
        finally:
            db.close()
