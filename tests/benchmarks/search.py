"""Page one of a list with two filters over 100,000 submissions of eight States, asked of a real node over HTTP, warm.

A hundred submissions to a page, as the node gives them unless told otherwise; one connection, one question after another.
"""

import http.client
import statistics
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import orjson

from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Bound, Figure
from tests.benchmarks.idle import codes
from tests.benchmarks.nodes import RealNode, introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess

PAGE_ONE = Bound(at_most=10.0, unit=" ms")
FORMS = ("ICT-03", "ICT-01", "CT-01", "CSE-01")


def run(bench: Bench) -> Iterator[Figure]:
    states = codes(bench.scale.states)
    each = bench.scale.searched // len(states)
    for code in states:
        bench.shelf(code, each)
    for engine in bench.engines:
        with bench.place("search") as directory:
            lay_out(directory, "XA", engine)
            with Peers(dict.fromkeys(states, each), bench.home) as peers:
                peers.publish(**dict.fromkeys(states, each))
                introduce(directory, [peer_record(code, peers.url(code)) for code in states])
                with PullerProcess(directory) as puller:
                    puller.round(each * len(states))
            with RealNode(directory) as node:
                yield _asked(bench, engine, node, "page one, participant and form", _two_filters(states))


def _two_filters(states: list[str]) -> list[dict[str, str]]:
    return [{"participant": code, "form": form} for code in states for form in FORMS]


def _asked(bench: Bench, engine: str, node: RealNode, what: str, asked: list[dict[str, str]]) -> Figure:
    """The median over all questions, after each was asked once."""
    connection = http.client.HTTPConnection(urlsplit(node.url).netloc)
    paths = [f"/v1/submissions?{urlencode(question)}" for question in asked]

    def answer(path: str) -> float:
        began = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - began
        if response.status != 200 or not orjson.loads(content)["items"]:
            raise RuntimeError(f"{path} answered {response.status}: {content[:200]!r}")
        return seconds * 1e3

    def warm() -> list[float]:
        return [answer(paths[number % len(paths)]) for number in range(bench.scale.questions)]

    for path in paths:
        answer(path)
    found = bench.reference.beside(warm)
    connection.close()
    took = sorted(found.value)
    said = f"{statistics.median(took):.1f} ms, 99 of 100 within {took[len(took) * 99 // 100]:.1f} ms"
    what = f"{what}, {bench.scale.searched:,} submissions"
    return Figure(what, engine, said, found.raw, statistics.median(took), PAGE_ONE)
