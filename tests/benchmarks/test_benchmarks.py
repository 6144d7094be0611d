"""The benchmarks measure what they say: prepared peers answer like nodes, pullers hold what was published, and each bench runs.

Nothing here looks at a clock: how fast it was is printed by `make bench` and never asserted.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exchange.node.founding import read_participants
from tests import engine
from tests.audit import audit as full_audit
from tests.benchmarks import audit, growth, idle, lookup, pull, seal, search, submit, trust
from tests.benchmarks.bench import Bench, Scale, prepared
from tests.benchmarks.figure import Bound, Figure, table
from tests.benchmarks.nodes import RealNode, introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess
from tests.world import shipped_forms

TINY = Scale(
    runs=1,
    pulled=300,
    submitted=64,
    batched=512,
    batch=128,
    clients=8,
    grown=128,
    growth=(100, 300),
    searched=512,
    states=2,
    questions=4,
    peers=3,
    looked_up=64,
    connections=4,
    audited=300,
    sealed=100_000,
    raw_seconds=0.01,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the prepared entries of these tests stand."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def bench(home: Path) -> Iterator[Bench]:
    with prepared(TINY, (engine.name,), home) as bench:
        yield bench


def test_a_puller_holds_what_prepared_peers_publish_and_serves_it_as_they_did(tmp_path: Path, home: Path) -> None:
    directory = tmp_path / "XA"
    lay_out(directory, "XA", engine.name)
    with Peers({"XR": 300}, home) as peers:
        introduce(directory, [peer_record("XR", peers.url("XR"))])
        with PullerProcess(directory) as puller:
            peers.publish(XR=100)
            assert puller.round(100).documents == 100
            peers.publish(XR=300)
            assert puller.round(200).documents == 200
            with pytest.raises(RuntimeError, match="5 entries were expected, 0 came"):
                puller.round(5)
        with RealNode(directory) as node, httpx.Client() as http:
            for path in PATHS:
                compare(http, peers.url("XR") + path, node.url + path.replace("/log/", "/mirror/XR/"))
    full_audit(directory, read_participants(directory / "peers.json"), shipped_forms())


DOCUMENTS = "/v1/documents?participant=XR&origin=xr.bench.example%2Flog"
PATHS = (
    "/log/checkpoint",
    "/log/tile/entries/000",
    "/log/tile/entries/001.p/44",
    "/log/tile/entries/001.p/45",
    "/log/tile/entries/1",
    "/log/tile/0/000",
    "/log/tile/0/001.p/44",
    "/log/tile/1/000.p/1",
    "/log/tile/1/000.p/2",
    f"{DOCUMENTS}&from=0&to=300",
    f"{DOCUMENTS}&from=250&to=270",
    "/mirror/XB/checkpoint",
)


def compare(http: httpx.Client, prepared: str, real: str) -> None:
    """The same answer, and the same when asked for what is held already."""
    one, other = http.get(prepared), http.get(real)
    assert one.status_code == other.status_code, real
    if one.status_code == 200:
        assert one.content == other.content, real
        for name in ("content-type", "cache-control", "etag"):
            assert one.headers.get(name) == other.headers.get(name), (real, name)
    if etag := one.headers.get("etag"):
        again = [http.get(url, headers={"If-None-Match": etag}) for url in (prepared, real)]
        assert [answer.status_code for answer in again] == [304, 304], real


def test_a_prepared_shelf_grows_and_keeps_what_stood(home: Path) -> None:
    from tests.benchmarks.shelf import open_shelf

    before = open_shelf("XB", 256, home)
    first, note = list(before.made(0, 256)), before.checkpoint(200)
    after = open_shelf("XB", 600, home)
    assert (before.size, after.size) == (256, 768)
    assert list(after.made(0, 256)) == first
    assert after.checkpoint(200) == note
    with pytest.raises(IndexError):
        after.documents(700, 800)


@pytest.mark.parametrize("module", [pull, submit, growth, lookup, search, audit, idle, trust])
def test_every_benchmark_hands_over_its_figures(bench: Bench, module: object) -> None:
    figures: list[Figure] = list(module.run(bench))  # type: ignore[attr-defined]
    assert figures
    assert {figure.database for figure in figures} == {engine.name}
    assert all(figure.what in table(figures) for figure in figures)
    counted = [figure for figure in figures if figure.bound is not None and figure.bound.unit in (" request", " rows")]
    assert all(figure.holds == "yes" for figure in counted), table(counted)


def test_sealing_needs_no_database(bench: Bench) -> None:
    assert [figure.database for figure in seal.run(bench)] == ["", ""]


def test_a_bound_says_what_holds() -> None:
    assert [Bound(at_least=0.45).holds(value) for value in (0.44, 0.45)] == [False, True]
    assert [Bound(at_most=10, unit=" ms").holds(value) for value in (10.0, 10.1)] == [True, False]
    missed = Figure("pull", "sqlite", "1/s", None, 0.1, Bound(at_least=0.45))
    assert missed.cells() == ("pull", "sqlite", "1/s", "", "0.10", "≥ 0.45", "NO")
