"""Contact look-ups over 16 connections, as a ratio with a bare Starlette endpoint that answers JSON of the same size.

The node has pulled the logs of 57 States: some contact points of each among thirty thousand other submissions. It is asked for
the contacts of one State, of each by turns, and of all. It and the bare endpoint run on the same server with the same settings,
in processes of their own; a third one asks them by turns, and the ratio is the median over the runs.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.benchmarks.bare import BYTES, JSON, Bare
from tests.benchmarks.bench import Bench
from tests.benchmarks.entries import DESKS
from tests.benchmarks.figure import Bound, Figure
from tests.benchmarks.idle import codes
from tests.benchmarks.load import Clients, Load
from tests.benchmarks.nodes import RealNode, introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess

EACH = 512  # entries of each State's log
HALF = Bound(at_least=0.5)
WARM = 4  # questions on each connection before the first that counts
WHOLE = 20  # times as long as the answer about one State, and more, is the one about all
PATH = "/v1/contacts"


def run(bench: Bench) -> Iterator[Figure]:
    states = codes(bench.scale.peers)
    for code in states:
        bench.shelf(code, EACH)
    for engine in bench.engines:
        with bench.place("lookup") as directory:
            _fill(bench, directory, engine, states)
            with RealNode(directory) as node, Clients(bench.home) as clients:
                for what, paths, times in _questions(states, bench.scale.looked_up):
                    yield _compared(bench, engine, node, clients, what, paths, times)


def _questions(states: list[str], times: int) -> Iterator[tuple[str, list[str], int]]:
    of_each = [f"{PATH}?participant={code}" for code in states]
    yield "one State", of_each[:1], times
    yield f"{len(states)} States by turns", of_each, times
    yield "all at once", [PATH], times // WHOLE


def _fill(bench: Bench, directory: Path, engine: str, states: list[str]) -> None:
    lay_out(directory, "XA", engine)
    with Peers(dict.fromkeys(states, EACH), bench.home) as peers:
        peers.publish(**dict.fromkeys(states, EACH))
        introduce(directory, [peer_record(code, peers.url(code)) for code in states])
        with PullerProcess(directory) as puller:
            puller.round(EACH * len(states))


def _compared(
    bench: Bench, engine: str, node: RealNode, clients: Clients, what: str, paths: list[str], times: int
) -> Figure:
    sample = bench.folder / "answer.json"
    first = httpx.get(node.url + paths[0])
    if len(first.json()["items"]) < len(DESKS):
        raise RuntimeError(f"{paths[0]} answered {first.status_code}: {first.text[:200]}")
    sample.write_bytes(first.content)
    many = bench.scale.connections
    with Bare(sample) as bare:
        targets = ((bare.url, [JSON]), (node.url, paths), (bare.url, [BYTES]))
        for url, asked in targets:
            clients.look_up(url, asked, WARM * max(many, len(asked)), clients=many)
        runs = [
            [clients.look_up(url, asked, times, clients=many) for url, asked in targets]
            for _ in range(2 * bench.scale.runs + 1)
        ]
    return _figure(f"look-up, {what}, {many} connections", engine, len(first.content), runs)


def _figure(what: str, engine: str, size: int, runs: list[list[Load]]) -> Figure:
    json, rate, ready = (statistics.median(run[place].rate for run in runs) for place in range(3))
    ratio = statistics.median(node.rate / bare.rate for bare, node, _ in runs)
    to_bytes = statistics.median(node.rate / bare.rate for _, node, bare in runs)
    last = runs[-1][1]
    beside = (
        f"the ratio: to bare JSON of {size:,} bytes; to bare bytes, {ready:,.0f}/s, it is {to_bytes:.2f};"
        f" answered after {last.median * 1e3:.1f} ms, 99 of 100 within {last.slowest_of_100 * 1e3:.1f} ms"
    )
    return Figure(what, engine, f"{rate:,.0f}/s, bare JSON {json:,.0f}/s", None, ratio, HALF, beside=beside)
