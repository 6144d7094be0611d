"""Submit over HTTP to a real node, each by itself and in batches: acknowledged after the durable commit, documents inline,
parcels signed beforehand.
"""

from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Bound, Figure, share
from tests.benchmarks.load import Clients, Load
from tests.benchmarks.nodes import Cores, RealNode, lay_out
from tests.benchmarks.raw import Beside

SINGLE = {"sqlite": Bound(at_least=0.15), "postgresql": Bound(at_least=0.10)}
BATCH = {"sqlite": Bound(at_least=0.40), "postgresql": Bound(at_least=0.30)}
SENDERS = 4  # of batches
WARM = 4  # submissions of each client before the first that counts


def run(bench: Bench) -> Iterator[Figure]:
    scale = bench.scale
    single = WARM * scale.clients + scale.runs * scale.submitted
    end = single + SENDERS * scale.batch + scale.runs * scale.batched
    bench.shelf("XR", end)
    for engine in bench.engines:
        with bench.place("submit") as directory:
            lay_out(directory, "XR", engine)
            with RealNode(directory) as node, Clients(bench.home) as clients:
                yield _single(bench, engine, node, clients)
                yield _batches(bench, engine, node, clients, single)


def _single(bench: Bench, engine: str, node: RealNode, clients: Clients) -> Figure:
    many, window = bench.scale.clients, bench.scale.submitted
    start = WARM * many
    clients.submit(node.url, "XR", 0, start, clients=many)

    def load(first: int) -> Load:
        return clients.submit(node.url, "XR", first, first + window, clients=many)

    runs, cores = _runs(bench, engine, node, clients, load, start, window)
    last = runs[-1].value
    took = f"answered after {last.median * 1e3:.1f} ms, 99 of 100 within {last.slowest_of_100 * 1e3:.1f} ms"
    return _share(f"submit, {many} clients", engine, runs, SINGLE[engine], f"cores busy: {cores}; {took}")


def _batches(bench: Bench, engine: str, node: RealNode, clients: Clients, start: int) -> Figure:
    batch, window = bench.scale.batch, bench.scale.batched
    clients.submit_batches(node.url, "XR", start, start + SENDERS * batch, clients=SENDERS, batch=batch)

    def load(first: int) -> Load:
        return clients.submit_batches(node.url, "XR", first, first + window, clients=SENDERS, batch=batch)

    runs, cores = _runs(bench, engine, node, clients, load, start + SENDERS * batch, window)
    took = f"{SENDERS} senders, a batch answered after {runs[-1].value.median * 1e3:.0f} ms"
    return _share(f"submit, batches of {batch:,}", engine, runs, BATCH[engine], f"cores busy: {cores}; {took}")


def _runs(
    bench: Bench,
    engine: str,
    node: RealNode,
    clients: Clients,
    load: Callable[[int], Load],
    start: int,
    window: int,
) -> tuple[list[Beside[Load]], Cores]:
    """`load` puts `window` submissions, from the one that it is given on, on the node; each time beside the raw rate."""
    cores = Cores(engine, node=node.pid, clients=clients.pid)

    def timed(first: int) -> Load:
        with cores:
            return load(first)

    firsts = range(start, start + bench.scale.runs * window, window)
    return [bench.reference.beside(partial(timed, first)) for first in firsts], cores


def _share(what: str, engine: str, runs: list[Beside[Load]], bound: Bound, beside: str) -> Figure:
    return share(what, engine, [Beside(each.value.rate, each.raw) for each in runs], bound, beside=beside)
