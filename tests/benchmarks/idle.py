"""A round of visits in a federation of 57 where nothing changed: one conditional request to each peer, and what it costs.

The peers are one process (peers.py), which counts what it is asked for. The first rounds bring the logs and look once an hour at
what others hold of one's own; the rounds after them are the usual ones.
"""

import statistics
import string
from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Bound, Figure
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.nodes import introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess

SIZE = 256  # entries of each peer's log
ROUNDS = 15
ONE_EACH = Bound(at_most=1.0, unit=" request")


def codes(number: int) -> list[str]:
    """Invented States beside XA, who asks."""
    return [f"{first}{second}" for first in "XYZ" for second in string.ascii_uppercase if first + second != "XA"][
        :number
    ]


def run(bench: Bench) -> Iterator[Figure]:
    everybody = codes(bench.scale.peers)
    for code in everybody:
        bench.shelf(code, SIZE)
    for engine in bench.engines:
        with bench.place("idle") as directory, Peers(dict.fromkeys(everybody, SIZE), bench.home) as peers:
            peers.publish(**dict.fromkeys(everybody, SIZE))
            lay_out(directory, "XA", engine)
            introduce(directory, [peer_record(code, peers.url(code)) for code in everybody])
            with PullerProcess(directory) as puller:
                puller.round(SIZE * len(everybody))
                yield from _rounds(bench, engine, peers, puller)


def _rounds(bench: Bench, engine: str, peers: Peers, puller: PullerProcess) -> Iterator[Figure]:
    number = len(peers.asked())
    before = cpu_seconds(puller.pid)
    found = bench.reference.beside(lambda: [puller.round(0).seconds for _ in range(ROUNDS)])
    cpu = (cpu_seconds(puller.pid) - before) / ROUNDS
    asked = [counts for counts in peers.asked().values()]
    conditional = sum(counts.get("304 checkpoint", 0) for counts in asked) / ROUNDS / number
    most = max(sum(counts.values()) for counts in asked) / ROUNDS
    seconds = statistics.median(found.value)
    what = f"nothing changed, {number} peers"
    said = f"{conditional:.2f} answered 304, at most {most:.2f} in all"
    yield Figure(f"{what}: requests to each", engine, said, None, most, ONE_EACH)
    said = f"{seconds * 1e3:,.0f} ms a round, {cpu / number * 1e6:,.0f} us of a processor a peer"
    yield Figure(
        what, engine, said, found.raw, cpu / number * found.raw.one, beside="the ratio: raw checks that one visit costs"
    )
