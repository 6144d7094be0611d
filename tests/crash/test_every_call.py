"""Each storage call of a submit, a batch, a pull, a start, an end and an index fails, half fails, is said to have failed, or is the last one.

`make crash` walks all of them; otherwise a few of each act are taken. A run that meets no fault counts for nothing.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.crash.acts import Act, Stage, batch, end_well, folding, index, mirroring, pull, staged, start, submit
from tests.crash.conftest import Count
from tests.crash.tracer import How
from tests.crash.walk import Point, Strike, hows, points

pytestmark = pytest.mark.sqlite

EVERY = "CBM_CRASH_ROUNDS" in os.environ
SLICES = 4 if EVERY else 1  # of the calls of one act, so that all cores find work
CROSSING = (
    255 if EVERY else 3
)  # entries at first: with the next one the first tile is full, with the one after it another begins

Few = tuple[tuple[str, int, tuple[How, ...]], ...]
FEW: Few = (
    ("fdatasync the WAL", -1, (How.KILL, How.LOST, How.KEPT)),
    ("pwrite64 the WAL", -1, (How.KILL, How.HALF)),
    ("rename an arriving document", -1, (How.KEPT,)),
    ("fsync a folder of documents", -1, (How.LOST,)),
)
FEW_OF_A_BATCH: Few = FEW[:2]
FEW_THAT_FOLD: Few = (("pwrite64 the database", -1, (How.KILL,)), ("fdatasync the database", -1, (How.LOST,)))
FEW_OF_A_START: Few = (("fsync the WAL", -1, (How.KEPT,)),)
FEW_OF_AN_INDEX: Few = (
    ("pwrite64 the WAL", -1, (How.KILL, How.HALF, How.FULL)),
    ("fdatasync the WAL", -1, (How.LOST,)),
)
FEW_OF_AN_END: Few = (("fdatasync the database", -1, (How.LOST,)),)


def chosen(met: Counter[str], part: int, few: Few) -> list[tuple[Point, How]]:
    if EVERY:
        return [(point, how) for point in points(met) for how in hows(point.kind)][part::SLICES]
    at = {kind: [point for point in points(met) if point.kind == kind] for kind, _, _ in few}
    return [(at[kind][number], how) for kind, number, faults in few for how in faults]


def walk(act: Act, stage: Stage, part: int, few: Few, count: Count) -> None:
    """One run to count the calls, then one for each call of this part and each of its faults."""
    first = Strike()
    act(stage, first)
    title = f"{act.__name__.replace('_', ' ')}, {stage.name}"
    if part == 0:
        count(f"{title}: calls", Counter({"in all": first.met.total(), **first.met}))
    faults, ends, struck = Counter[str](), Counter[str](), Counter[str]()
    for point, how in chosen(first.met, part, few):
        strike = Strike(point, how)
        ended = act(stage, strike)
        if (
            not strike.struck
        ):  # what comes over a socket comes in pieces of any size, so that now and then there is one less
            assert strike.met[point.kind] < point.number, f"{point} was made and met no {how}"
            faults["not made in its run"] += 1
            continue
        struck[point.kind] += 1
        faults[how.value] += 1
        ends.update(ended)
    assert struck, "not one fault was met"
    count(f"{title}: faults", faults)
    count(f"{title}: so", ends)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return staged(tmp_path_factory.mktemp("plain"), CROSSING, 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return staged(tmp_path_factory.mktemp("small"), CROSSING, 12, large=False)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return folding(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = mirroring(tmp_path_factory.mktemp("mirror"), CROSSING, 2)
    yield stage
    stage.source.process.kill()
    stage.source.join()


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_a_submit(plain: Stage, part: int, count: Count) -> None:
    walk(submit, plain, part, FEW, count)


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_a_submit_that_folds_the_wal_into_the_database(long: Stage, part: int, count: Count) -> None:
    walk(submit, long, part, FEW_THAT_FOLD, count)


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_a_batch(small: Stage, part: int, count: Count) -> None:
    walk(batch, small, part, FEW_OF_A_BATCH, count)


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_a_pull(mirror: Stage, part: int, count: Count) -> None:
    walk(pull, mirror, part, FEW, count)


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_a_start(long: Stage, part: int, count: Count) -> None:
    walk(start, long, part, FEW_OF_A_START, count)


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_an_end(plain: Stage, part: int, count: Count) -> None:
    walk(end_well, plain, part, FEW_OF_AN_END, count)


@pytest.mark.crash
@pytest.mark.parametrize("part", range(SLICES))
def test_an_index(plain: Stage, part: int, count: Count) -> None:
    walk(index, plain, part, FEW_OF_AN_INDEX, count)
