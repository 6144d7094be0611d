"""The soak can fail: a node that keeps something of each request is found, and an honest one beside it is not accused.

Latencies are not looked at here: a test machine is busy with other things. That their trend is seen is shown with made-up ones.
"""

from itertools import islice
from pathlib import Path

import pytest

from tests.benchmarks import entries
from tests.soak.clients import FIRST, numbers
from tests.soak.load import LOOK_UPS, PAGES, SUBMISSIONS, TIMES, VISITS, pace
from tests.soak.run import Soak, soak
from tests.soak.verdict import MEDIAN, MEMORY, Allowed, Trend, per_entry, quantiles, trend

SECONDS = 20.0


@pytest.mark.sqlite
def test_a_node_that_leaks_is_found_within_seconds_and_its_neighbour_is_not_accused(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = soak(tmp_path, SECONDS, codes=("XR", "XA"), faults={"XA": ("memory", "files")}, say=said.append)
    assert outcome.wrong == []
    found = {(each.of, each.what): each.holds for each in outcome.trends() if each is not None}
    assert not found["XA", "memory"] and not found["XA", "files"], said
    assert found["XR", "memory"] and found["XR", "files"] and found["XR", "write-ahead log"], said
    assert not outcome.holds
    assert "GROWS  XA: memory" in "\n".join(outcome.verdict())
    assert len(said) > 1 and "entries" in said[-1]


def level(value: float, *, per_second: float = 0.0, noise: float = 0.0) -> list[tuple[float, float]]:
    return [(float(at), value + per_second * at + noise * (at * 7919 % 11 - 5) / 5) for at in range(0, 1_800, 10)]


def known(found: Trend | None) -> Trend:
    assert found is not None
    return found


@pytest.mark.once
def test_noise_and_a_warm_up_are_no_growth() -> None:
    series = level(150.0, noise=20.0)
    series[: len(series) // 5] = [(at, 20.0) for at, _ in series[: len(series) // 5]]
    assert known(trend("XR", "memory", series, MEMORY)).holds


@pytest.mark.once
def test_a_burst_is_no_growth_and_a_steady_leak_is() -> None:
    series = level(150.0)
    series[100:110] = [(at, 900.0) for at, _ in series[100:110]]
    assert known(trend("XR", "memory", series, MEMORY)).holds
    leak = known(trend("XR", "memory", level(150.0, per_second=0.05, noise=20.0), MEMORY))
    assert not leak.holds
    assert leak.per_hour == pytest.approx(180, rel=0.1)


@pytest.mark.once
def test_latencies_that_grow_are_found() -> None:
    steady = [(at / 10, 0.010 + at * 37 % 10 / 1_000) for at in range(10_000)]
    slower = [(at, seconds + at * 2e-5) for at, seconds in steady]
    for answers, holds in ((steady, True), (slower, False)):
        medians, slow = quantiles(answers, 30)
        assert len(medians) == len(slow) == 30
        assert known(trend("XR", "page", medians, MEDIAN)).holds is holds


@pytest.mark.once
def test_disk_is_counted_an_entry() -> None:
    counts, allowed = [(at, at * 3) for at, _ in level(0)], Allowed(0.25, 0.0, "bytes an entry")
    assert known(per_entry("XR", "disk", [(at, 5_000 * n) for at, n in counts], counts, allowed)).holds
    swelling = [(at, 5_000 * n + n * n) for at, n in counts]
    assert not known(per_entry("XR", "disk", swelling, counts, allowed)).holds


@pytest.mark.once
def test_where_nothing_was_seen_nothing_holds() -> None:
    assert trend("XR", "memory", [(0.0, 1.0), (10.0, 1.0)], MEMORY) is None
    assert not Soak(20.0).holds


@pytest.mark.once
def test_every_number_comes_once_and_an_update_after_its_original() -> None:
    some = list(islice(numbers(), 20_000))
    assert some[0] == FIRST and len(set(some)) == len(some)
    place = {number: at for at, number in enumerate(some)}
    updates = [number for number in some if entries.is_update(number)]
    assert len(updates) > 2_000
    assert all(place[number - entries.BACK] < place[number] for number in updates)


@pytest.mark.once
def test_the_load_is_ten_times_that_of_all_57_however_few_nodes_carry_it() -> None:
    for nodes in (2, 4, 8):
        paced = pace(nodes)
        assert paced.submissions * nodes == pytest.approx(SUBMISSIONS * TIMES)
        assert paced.look_ups * nodes == pytest.approx(LOOK_UPS * TIMES)
        assert paced.pages * nodes == pytest.approx(PAGES * TIMES)
    assert (8 - 1) / pace(8).pull_every == pytest.approx(VISITS * TIMES)
