"""Pull: everything verified (signature, position, tree, commitment, form) and durable, documents in bulk.

The peer is a process that answers from prepared files (peers.py), so that the puller has its core for itself; once more
with a real node as the peer, which shares the machine's two cores with the puller, and on PostgreSQL with the server.
"""

from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Bound, Figure, share
from tests.benchmarks.load import Clients
from tests.benchmarks.nodes import Cores, RealNode, introduce, lay_out, own_record, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess
from tests.benchmarks.raw import Beside

WORKERS = {0: Bound(at_least=0.45), 2: Bound(at_least=0.75)}
_SAID = {0: "one process", 2: "two workers"}


def run(bench: Bench) -> Iterator[Figure]:
    bench.shelf("XR", bench.scale.runs * bench.scale.pulled)
    for engine in bench.engines:
        for workers in WORKERS:
            yield _from_files(bench, engine, workers)
        yield _from_a_node(bench, engine)


def _from_files(bench: Bench, engine: str, workers: int) -> Figure:
    window, sizes = bench.scale.pulled, {"XR": bench.scale.runs * bench.scale.pulled}
    runs: list[Beside[float]] = []
    with bench.place("pull") as directory, Peers(sizes, bench.home) as peers:
        lay_out(directory, "XA", engine, workers=workers)
        introduce(directory, [peer_record("XR", peers.url("XR"))])
        with PullerProcess(directory) as puller:
            cores = Cores(engine, puller=puller.pid, peer=peers.pid)
            for number in range(1, bench.scale.runs + 1):
                peers.publish(XR=number * window)
                runs.append(bench.reference.beside(lambda: _timed(puller, window, cores)))
    what = f"pull, {_SAID[workers]}"
    return share(what, engine, runs, WORKERS[workers], beside=f"cores busy: {cores}; the peer answers from files")


def _from_a_node(bench: Bench, engine: str) -> Figure:
    """What serves here keeps its data in SQLite, whatever the puller does; the puller has workers as a node has unless told otherwise."""
    window = bench.scale.submitted
    runs: list[Beside[float]] = []
    with bench.place("served") as served, bench.place("pull") as directory:
        lay_out(served, "XR", "sqlite")
        lay_out(directory, "XA", engine)
        introduce(directory, [own_record(served)])
        with RealNode(served) as node, Clients(bench.home) as clients, PullerProcess(directory) as puller:
            cores = Cores(engine, puller=puller.pid, peer=node.pid)
            for first in range(0, bench.scale.runs * window, window):
                clients.submit(node.url, "XR", first, first + window, clients=bench.scale.clients)
                runs.append(bench.reference.beside(lambda: _timed(puller, window, cores)))
    return share("pull from a real node", engine, runs, None, beside=f"cores busy: {cores}; the peer is on SQLite")


def _timed(puller: PullerProcess, entries: int, cores: Cores) -> float:
    with cores:
        return puller.round(entries).rate
