"""cbm federation fetch: a stick brought up to date from any node, which is believed no further than the root on the stick leads."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from exchange.federation.founders import fingerprint
from exchange.node.stick import Stick
from tests.cli.desk import Desk
from tests.founded import WorldFounders, found_federation, hand_in
from tests.founders import strangers
from tests.processes import free_port
from tests.records import with_key
from tests.served import served
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "world", "XR", "XA", "XI") as made:
        made.now = datetime.now(UTC).replace(microsecond=0)
        yield made


def stick(desk: Desk, root: bytes) -> Stick:
    folder = desk.folder / "stick"
    folder.mkdir()
    (folder / "root.json").write_bytes(root)
    return Stick(folder)


def names(of: Stick) -> set[str]:
    return {file.name for file in of.published()}


def rotate(made: WorldFounders) -> None:
    world = made.world
    world.participants = with_key(world.participants, "XI", 3)
    hand_in(world["XI"], made.file_record("XI", made.record("XI")))
    world["XI"].pull()


def test_a_stick_with_the_root_alone_gets_the_whole_list_and_later_what_is_new(desk: Desk, world: World) -> None:
    made = found_federation(world)
    mine = stick(desk, made.roots[0].raw)
    with served(world["XI"]) as url:
        done = desk.yes("federation", "fetch", mine.folder, "--from", url)
        first = {"1.root.json", "1.targets.json", "1.XR.json", "1.XA.json", "1.XI.json"}
        assert set(done.out.split()) == names(mine) == first
        rotate(made)
        desk.yes("federation", "fetch", mine.folder, "--from", url)
        assert names(mine) == first | {"2.XI.json"} and mine.newest()["XI"].version == 2
    shown = desk.yes("federation", "show", mine.folder)
    assert "3 participants" in shown.out and fingerprint(made.roots[0].raw) in shown.err


def test_a_node_that_lags_behind_takes_nothing_back(desk: Desk, world: World) -> None:
    made = found_federation(world)
    mine = stick(desk, made.roots[0].raw)
    rotate(made)
    with served(world["XI"]) as ahead, served(world["XR"]) as behind:
        desk.yes("federation", "fetch", mine.folder, "--from", ahead)
        again = desk.yes("federation", "fetch", mine.folder, "--from", behind)
    assert "2.XI.json" in again.out.split() and mine.newest()["XI"].version == 2


def test_a_node_of_other_founders_brings_nothing(desk: Desk, world: World) -> None:
    found_federation(world)
    mine = stick(desk, strangers().raw)
    with served(world["XI"]) as url:
        done = desk.cbm("federation", "fetch", mine.folder, "--from", url)
    assert done.code == 1 and "no founders' list that the root in" in done.err and names(mine) == set()


def test_a_record_with_two_contents_is_told_and_neither_taken(desk: Desk, world: World) -> None:
    made = found_federation(world)
    mine = stick(desk, made.roots[0].raw)
    other = made.sign_record("XI", 1, made.record("XI", node_url="https://two-faces.example"))
    with served(world["XI"]) as url:
        desk.yes("federation", "fetch", mine.folder, "--from", url)
        (mine.listed / "1.XI.json").write_bytes(other.raw)
        done = desk.cbm("federation", "fetch", mine.folder, "--from", url)
    assert "XI signed two files" in done.err and "1.XI.json" not in done.out


@pytest.mark.parametrize("served_as", [b"", b"nonsense", b"cbm-trust-bundle/v1\n1.root.json 9\n{}\n"])
def test_nonsense_leaves_the_stick_as_it_was(desk: Desk, world: World, served_as: bytes) -> None:
    made = found_federation(world)
    mine = stick(desk, made.roots[0].raw)

    class Lying:
        async def __call__(self, scope: object, receive: object, send: object) -> None:
            from starlette.responses import Response

            await Response(served_as)(scope, receive, send)  # type: ignore[arg-type]

    world["XI"].running.app = Lying()  # type: ignore[assignment]
    with served(world["XI"]) as url:
        assert desk.cbm("federation", "fetch", mine.folder, "--from", url).code == 1
    assert names(mine) == set()


def test_without_a_root_or_a_node_that_answers_nothing_is_fetched(desk: Desk, world: World) -> None:
    empty = desk.folder / "empty"
    empty.mkdir()
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert desk.cbm("federation", "fetch", empty, "--from", nowhere).code == 2
    mine = stick(desk, strangers().raw)
    assert desk.cbm("federation", "fetch", mine.folder, "--from", nowhere).code == 3
    with served(world["XR"]) as url:  # it goes by its operator's list
        assert httpx.get(f"{url}/trust/bundle").status_code == 404
        assert desk.cbm("federation", "fetch", mine.folder, "--from", url).code == 1
