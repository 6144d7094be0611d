"""Page one over 100,000 submissions of eight States, with two filters and with words, asked of a real node over HTTP, warm.

A hundred submissions to a page, as the node gives them unless told otherwise; one connection, one question after another. All
texts were indexed behind the pull, by the node itself and with nothing else to do: how fast stands beside the raw rate.
"""

import http.client
import statistics
import time
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlencode, urlsplit

import orjson

from exchange.client import Client
from tests.benchmarks.bench import Bench
from tests.benchmarks.entries import COMMON, RARE
from tests.benchmarks.figure import Bound, Figure, share
from tests.benchmarks.idle import codes
from tests.benchmarks.nodes import RealNode, introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess

PAGE_ONE = Bound(at_most=10.0, unit=" ms")
FORMS = ("ICT-03", "ICT-01", "CT-01", "CSE-01")
WITH_COMMON = ("ICT-01", "CSE-01")  # the forms of every second body


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
                indexed = bench.reference.beside(partial(_index_rate, node, each * len(states)))
                yield share("texts indexed behind a pull", engine, [indexed], None)
                for what, asked in _questions(states).items():
                    yield _asked(bench, engine, node, f"page one, {what}", asked)


def _index_rate(node: RealNode, submissions: int) -> float:
    """Of the node that has just started, until every text can be found."""
    began = time.perf_counter()
    with Client(node.url) as client:
        while client.search(RARE, limit=1)["unsearched"]:
            time.sleep(0.1)
    return submissions / (time.perf_counter() - began)


def _questions(states: list[str]) -> dict[str, list[dict[str, str]]]:
    two_filters = [{"participant": code, "form": form} for code in states for form in FORMS]
    return {
        "participant and form": two_filters,
        "a rare word": [{"q": RARE}],
        "a common word": [{"q": COMMON}],
        "a common word, participant and form": [
            {"q": COMMON, **filters} for filters in two_filters if filters["form"] in WITH_COMMON
        ],
    }


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
