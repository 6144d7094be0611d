"""Pulling: a full verified mirror of every other node's log and documents, and only what is new each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from exchange.core.tiles import format_tile_path, tiles_of
from exchange.errors import Unreachable
from tests.faults import Real, after, answering, asked_of, down, many, only, peer_log, puller_of, sign_into
from tests.world import Fault, World, WorldNode


def test_three_nodes_end_with_equal_heads(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        for node in world.nodes.values():
            node.publish("POC-02")
            node.publish("ICT-03", attachments=(("strategy.pdf", b"%PDF-1.4 " + bytes(100_000)),))
        world.pull()
        assert world["XR"].heads() == world["XA"].heads() == world["XI"].heads()
        assert [head["admitted"] for head in world["XI"].heads()] == [2, 2, 2]


def test_the_first_contact_with_an_empty_log_mirrors_its_checkpoint(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        assert world["XA"].get("/mirror/XR/checkpoint").status_code == 404
        world["XA"].pull()
        note = world["XA"].get("/mirror/XR/checkpoint").content
        assert note == world["XR"].get("/log/checkpoint").content
        assert note.splitlines()[1] == b"0"
        world["XR"].publish()
        world.pull()
        assert world["XA"].heads() == world["XR"].heads()


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is said to any database meanwhile."""
    said: list[str] = []

    def listen(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    yield said
    event.remove(Engine, "before_cursor_execute", listen)


def test_an_unchanged_log_costs_one_request_and_no_write(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        world.pull()
        world["XA"].pull()
        asked_of(world, "XR")
        with statements() as said:
            found = puller_of(world["XA"]).pull(peer_log(world, "XR"), world["XR"].origin)
        assert (found.entries, found.documents, found.missing, found.behind) == (0, 0, 0, 0)
        assert asked_of(world, "XR") == ["/log/checkpoint"]
        assert {each for each in said if not each.startswith("SELECT")} <= {"BEGIN"}, (
            "a snapshot, and nothing IMMEDIATE"
        )


def test_the_checkpoint_is_asked_for_under_a_condition(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        world.pull()
        statuses = []

        def listen(request: httpx.Request, real: Real) -> httpx.Response:
            answer = real()
            statuses.append((request.url.path, answer.status_code))
            return answer

        world["XR"].fault = listen
        world["XA"].pull()
        assert statuses == [("/log/checkpoint", 304)]
        world["XR"].publish()
        world["XA"].pull()
        assert ("/log/checkpoint", 200) in statuses


def test_only_new_bundles_are_fetched(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 300))
        world["XA"].pull()
        sign_into(world["XR"], *many(world["XR"], 10, first=300))
        asked_of(world, "XR")
        world["XA"].pull()
        paths = [path for path in asked_of(world, "XR") if not path.startswith("/mirror/")]
        assert paths == ["/log/checkpoint", "/log/tile/entries/001.p/54", "/v1/heads"]  # which changed
        assert world["XA"].heads() == world["XR"].heads()


@pytest.mark.parametrize("steps", [(254, 255, 256, 257), (255, 513)])
def test_a_log_is_followed_across_the_border_of_a_bundle(tmp_path: Path, steps: tuple[int, ...]) -> None:
    with World(tmp_path, "XR", "XA") as world:
        done = 0
        for size in steps:
            sign_into(world["XR"], *many(world["XR"], size - done, first=done))
            done = size
            assert world["XA"].pull() == {"XR": None}
            assert_mirrored(world["XR"], world["XA"])


def assert_mirrored(source: WorldNode, mirror: WorldNode) -> None:
    """Checkpoint and every tile, byte for byte."""
    note = source.get("/log/checkpoint").content
    assert mirror.get(f"/mirror/{source.code}/checkpoint").content == note
    size = int(note.splitlines()[1])
    paths = [format_tile_path(path) for path in tiles_of(size)]
    paths += [path.replace("0/", "entries/", 1) for path in paths if path.startswith("0/")]
    for path in paths:
        answer = mirror.get(f"/mirror/{source.code}/tile/{path}")
        assert answer.status_code == 200
        assert answer.content == source.get(f"/log/tile/{path}").content


def test_a_partial_tile_that_is_gone_is_cut_out_of_the_full_one(tmp_path: Path) -> None:
    """C2SP tlog-tiles lets a log drop partial tiles: the visit began with a head of 300 entries, and 512 are there now."""
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 300))
        early = world["XR"].get("/log/checkpoint").content
        sign_into(world["XR"], *many(world["XR"], 212, first=300))
        gone = only(".p/44", answering(404))
        world["XR"].fault = lambda request, real: (
            answering(200, early)(request, real) if request.url.path == "/log/checkpoint" else gone(request, real)
        )
        for run in (256, 4096):
            puller_of(world["XA"], run).pull(peer_log(world, "XR"), world["XR"].origin)
        assert world["XA"].get("/mirror/XR/checkpoint").content == early
        world["XR"].fault = None
        world["XA"].pull()
        assert_mirrored(world["XR"], world["XA"])


@pytest.mark.parametrize("held", [1, 250])
def test_a_log_that_grows_across_the_border_of_a_transaction_is_no_contradiction(tmp_path: Path, held: int) -> None:
    """What is missing fits one transaction by its number, and still ends beyond the border of one."""
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], held))
        puller = puller_of(world["XA"], run=256)
        puller.pull(peer_log(world, "XR"), world["XR"].origin)
        sign_into(world["XR"], *many(world["XR"], 256, first=held))
        assert puller.pull(peer_log(world, "XR"), world["XR"].origin).entries == 256
        assert world["XA"].alerts() == []
        assert_mirrored(world["XR"], world["XA"])


def test_a_log_of_more_than_one_transaction_is_proven_and_stored_run_by_run(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 4_100))
        heard: list[tuple[str, int, int]] = []
        world["XA"].running.rounds.run(progress=lambda *progress: heard.append(progress))
        assert heard == [("XR", 4_096, 4_100), ("XR", 4_100, 4_100)]
        assert world["XA"].heads() == world["XR"].heads()
        assert world["XA"].heads()[1]["waiting"] == 4_100
        assert_mirrored(world["XR"], world["XA"])


@pytest.mark.parametrize("kind", [down, answering(500), answering(404), answering(200, b"nonsense")])
def test_what_was_stored_before_a_visit_broke_off_is_never_fetched_again(tmp_path: Path, kind: Fault) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 300))
        bundle = "/log/tile/entries/"
        world["XR"].fault = only(bundle, after(1, kind))
        puller = puller_of(world["XA"])
        with pytest.raises(Unreachable, match=r"xr\.test\.example"):
            puller.pull(peer_log(world, "XR"), world["XR"].origin)
        world["XR"].fault = None
        assert world["XA"].heads()[1]["size"] == 0, "nothing is served that is not whole"
        assert world["XA"].get("/mirror/XR/checkpoint").status_code == 404
        world["XA"].stop()
        world["XA"].start()
        asked_of(world, "XR")
        puller_of(world["XA"]).pull(peer_log(world, "XR"), world["XR"].origin)
        bundles = [path.removeprefix(bundle) for path in asked_of(world, "XR") if path.startswith(bundle)]
        assert bundles == ["001.p/44"]
        assert world["XA"].alerts() == []
        assert_mirrored(world["XR"], world["XA"])


def test_a_log_may_grow_between_two_visits_of_which_the_first_broke_off(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 300))
        world["XR"].fault = only("/log/tile/entries/", after(1, down))
        with pytest.raises(Unreachable):
            puller_of(world["XA"]).pull(peer_log(world, "XR"), world["XR"].origin)
        world["XR"].fault = None
        sign_into(world["XR"], *many(world["XR"], 20, first=300))
        found = puller_of(world["XA"]).pull(peer_log(world, "XR"), world["XR"].origin)
        assert (found.entries, found.behind) == (320 - 256, 0)
        assert world["XA"].alerts() == []
        assert_mirrored(world["XR"], world["XA"])


def test_a_visit_that_runs_out_of_time_keeps_what_it_brought_and_goes_on_next_time(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 300))
        time = [0.0]

        def costly(request: httpx.Request, real: Real) -> httpx.Response:
            time[0] += 20.0 if "/entries/" in request.url.path else 0.0
            return real()

        world["XR"].fault = costly
        puller = puller_of(world["XA"])
        behind = []
        for _ in range(2):
            peer = peer_log(world, "XR", seconds=time[0] + 25.0, now=lambda: time[0])
            behind.append(puller.pull(peer, world["XR"].origin).behind)
        assert behind == [300 - 256, 0]
        assert world["XA"].alerts() == []
        assert_mirrored(world["XR"], world["XA"])


def test_a_visit_that_brought_nothing_in_its_time_says_so(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        ticks = iter(range(100))
        peer = peer_log(world, "XR", seconds=2.0, now=lambda: float(next(ticks)))
        with pytest.raises(Unreachable, match="took too long"):
            puller_of(world["XA"]).pull(peer, world["XR"].origin)
