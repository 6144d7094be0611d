"""A log that its State closed, and the one that goes on: both are mirrored, and read as one sequence."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exchange.core.base64text import parse_base64
from exchange.core.keys import Kind
from exchange.errors import Misuse
from exchange.federation.rounds import mirror_of
from exchange.node.keyfile import create_key
from exchange.trust.participants import Closed
from tests.audited import audited, audited_from_outside
from tests.builders import participant_log
from tests.databases import give_database
from tests.faults import answering, asked_of, forked, only
from tests.records import with_record
from tests.world import World, WorldNode

LARGE = b"%PDF-1.7 " + bytes(100_000)


def close_and_go_on(node: WorldNode, *, anew: bool = False) -> str:
    """Close this State's log where it stands and begin the next, in the same database or (`anew`) in an empty one.

    Returns the origin of the closed log. The other nodes have the record; this one runs again.
    """
    world, closed = node.world, node.origin
    note = node.get("/log/checkpoint").text.split("\n")
    node.stop()
    (node.directory / "keys" / "log.key").rename(node.directory / "keys" / "log-1.key")
    (node.directory / "keys" / "log.key.pub").unlink()
    key = create_key(node.directory / "keys" / "log.key", Kind.LOG).key
    node.origin = closed.replace("/log", "/log-2")
    settings = node.directory / "node.toml"
    settings.write_text(settings.read_text().replace(f'origin = "{closed}"', f'origin = "{node.origin}"'))
    record = world.participants.records[node.code]
    ended = replace(record.logs[0], closed=Closed(int(note[1]), parse_base64(note[2])))
    record = replace(record, logs=(ended, participant_log(node.origin, key)))
    world.participants = with_record(world.participants, record)
    world.write_records(world.participants)
    if anew:
        shutil.rmtree(node.directory / "data")
        give_database(node.directory)
    node.start()
    return closed


def heads(node: WorldNode, of: str) -> list[tuple[str, int, int]]:
    return [(head["origin"], head["size"], head["admitted"]) for head in node.heads() if head["participant"] == of]


def update(node: WorldNode, series: str) -> Any:
    return node.publish(institution={"en": "As it is now"}, header={"message": "update", "series": series})


@pytest.mark.parametrize("anew", [False, True])
def test_both_logs_are_mirrored_by_those_who_knew_the_first_and_those_who_did_not(tmp_path: Path, anew: bool) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        first = xr.publish(attachments=(("map.pdf", LARGE),))
        xr.publish("ICT-03")
        xa.pull()
        old = close_and_go_on(xr, anew=anew)
        if anew:
            assert heads(xr, "XR")[0] == (old, 0, 0)
            xr.pull()
        second = update(xr, first.id)
        for _ in range(2):
            world.pull()
        assert heads(xi, "XR") == [(old, 2, 2), (xr.origin, 1, 1)]
        assert xr.heads() == xa.heads() == xi.heads()
        for node in (xr, xa, xi):
            assert node.get(f"/v1/submissions/{first.id}").json()["current"] is False
            assert node.get(f"/v1/submissions/{second.id}").json()["current"] is True
            assert [each["held"] for each in node.get(f"/v1/submissions/{first.id}").json()["documents"]] == [True] * 2
            (contact,) = node.get("/v1/contacts?participant=XR").json()["items"]
            assert contact["institution"] == {"en": "As it is now"}
            assert node.get(f"/v1/submissions/{first.id}/pack").status_code == 200
            assert node.alerts() == []
            for report in (audited(node), audited_from_outside(node)):
                assert report.holds, report.faults
        for path in ("checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2"):
            assert xi.get(f"{mirror_of(old)}/{path}").content == xa.get(f"{mirror_of(old)}/{path}").content, path
        assert xi.get("/mirror/XR/checkpoint").content == xr.get("/log/checkpoint").content, (
            "the code names the open one"
        )


def test_a_closed_log_that_is_here_whole_is_asked_for_no_more(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        old = close_and_go_on(world["XR"])
        asked_of(world, "XR")
        world["XA"].pull()
        assert f"{mirror_of(old)}/checkpoint" in asked_of(world, "XR")
        world["XA"].pull()
        assert asked_of(world, "XR") == ["/log/checkpoint"]


def test_a_closed_log_that_its_state_lost_comes_from_any_mirror(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        xr.publish()
        xa.pull()
        old = close_and_go_on(xr, anew=True)
        assert xi.pull() == {"XA": None, "XR": None}, "that the State lost it is no fault of this visit"
        assert heads(xi, "XR")[0] == (old, 1, 1)
        assert xi.get("/v1/peers").json()["items"][1]["documents_missing"] == 0


def test_what_is_wrong_with_a_mirror_says_nothing_about_the_log(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        xr.publish()
        early = xr.get("/log/checkpoint").content
        xr.publish()
        xa.pull()
        old = close_and_go_on(xr, anew=True)
        mirror = mirror_of(old)
        for fault in (
            only(mirror, answering(200, b"nonsense")),
            only(f"{mirror}/checkpoint", answering(200, early.replace(b"\n1\n", b"\n5\n"))),
            only(f"{mirror}/tile/", answering(404)),
            only(f"{mirror}/tile/", answering(200, b"another entry")),
        ):
            xa.fault = fault
            xi.pull()
            world.sleep(hours=2)
            assert xi.alerts() == []
        xa.fault = None
        xi.pull()
        assert heads(xi, "XR")[0] == (old, 2, 2)


def test_a_log_that_forked_and_was_closed_does_not_keep_back_its_successor(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa = world["XR"], world["XA"]
        xr.publish()
        xa.pull()
        with forked(xr) as twin:
            twin.speak()
            twin.publish(institution={"en": "Another history"})
            assert "two histories" in str(xa.pull()["XR"])
        close_and_go_on(xr)
        xr.publish(institution={"en": "After the fork"})
        assert xa.pull() == {"XI": None, "XR": None}
        assert heads(xa, "XR")[1] == (xr.origin, 1, 1)
        assert xa.get("/v1/peers").json()["items"][1]["failures"] == 0


def test_a_database_stays_with_its_log_until_the_record_closes_it(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        xr = world["XR"]
        xr.publish()
        xr.stop()
        settings = xr.directory / "node.toml"
        good = settings.read_text()
        settings.write_text(good.replace(f'"{xr.origin}"', '"xr.test.example/other"'))
        with pytest.raises(Misuse, match="never changes"):
            xr.start()
        settings.write_text(good)
        xr.start()
        assert xr.publish(institution={"en": "As ever"}).index == 1
