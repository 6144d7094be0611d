"""Daily quotas of logs from the founders' list: a log that grows faster is paused until the next day, is shown as paused, and stops no other."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.federation.quota import limit_of
from exchange.store import log as logs
from exchange.store.quotas import OVER_QUOTA
from exchange.trust.roster import Quota
from tests.founded import WorldFounders, found_federation, hand_in
from tests.operate.prometheus import fires, rules, scrape
from tests.witness import ask, head_of
from tests.world import World, WorldNode

LOCAL = {"Host": "127.0.0.1:8750"}


def give_quota(made: WorldFounders, code: str, quota: Quota) -> None:
    member = replace(made.charter.members[code], quota=quota)
    hand_in(made.world["XA"], made.decide(made.with_member(member)))
    made.world.pull()
    made.world.pull()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """XR may enter three things a day, and entered one yesterday."""
    with World(tmp_path, "XR", "XA", "XI") as made:
        give_quota(found_federation(made), "XR", Quota(3, 1_000_000))
        made["XR"].publish()
        made["XR"].running.cosigners.ask_now()
        made.pull()
        made.sleep(days=1)
        made.pull()
        yield made


def held(node: WorldNode, of: WorldNode) -> int:
    with node.running.node.db.read() as tx:
        return logs.log_of(tx, of.origin).stored


def paused(node: WorldNode) -> dict[str, str | None]:
    return {item["participant"]: item["paused_until"] for item in node.get("/v1/peers").json()["items"]}


def fired(node: WorldNode) -> list[frozenset[str]]:
    return fires(rules()["CbmLogPaused"], scrape(node.get("/metrics", headers=LOCAL).text))


def publish(node: WorldNode, number: int) -> None:
    for at in range(number):
        node.publish(institution={"en": f"Number {at}"})


def test_a_log_beyond_its_quota_is_paused_told_and_shown_and_goes_on_by_itself_the_next_day(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    publish(xr, 5)
    for _ in range(3):
        assert set(xa.pull().values()) == {None}, "a pause is no failure"
        assert held(xa, xr) == 4
    (alert,) = [one for one in xa.alerts() if one["kind"] == OVER_QUOTA]
    assert (alert["participant"], alert["evidence"]["stored"], alert["evidence"]["signed"]) == ("XR", 4, 6)
    assert paused(xa) == {"XR": "2026-11-23T00:00:00Z", "XI": None}
    assert len(fired(xa)) == 1
    world.sleep(days=1)
    assert set(xa.pull().values()) == {None}
    assert held(xa, xr) == 6 and paused(xa) == {"XR": None, "XI": None} and fired(xa) == []
    world.pull()
    assert xa.heads() == xr.heads() == world["XI"].heads()


def test_a_pause_stops_no_other_log(world: World) -> None:
    xr, xa, xi = world["XR"], world["XA"], world["XI"]
    publish(xr, 5)
    publish(xi, 5)
    xa.pull()
    assert (held(xa, xr), held(xa, xi)) == (4, 5)
    assert xa.publish().index == 0
    world.sleep(days=1)
    world.pull()


def test_a_log_behind_its_quota_is_cosigned_up_to_what_is_stored(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    _, note = head_of(xr)
    publish(xr, 5)
    xa.pull()
    size, beyond = head_of(xr)
    assert size == 6 and ask(xa, 1, [], beyond).status_code in (422, 503), "its entries are not all here"
    assert ask(xa, 1, [], note).status_code == 200, "the head that is stored is"
    assert xa.get("/mirror/XR/checkpoint").content.startswith(note[:40]), "and served"
    world.sleep(days=1)
    world.pull()


def test_days_on_which_nothing_came_are_not_lost_to_who_was_away_and_are_bounded(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    world.sleep(days=2)
    publish(xr, 8)
    xa.pull()
    assert held(xa, xr) == 9, "three days may bring nine"
    inner = xa.running.node
    with inner.db.read() as tx:
        log, known = logs.log_of(tx, xr.origin), inner.participants
        world.sleep(days=365)
        assert limit_of(tx, log, known, world.now) == 9 + 31 * 3
    world.now = world.now.replace(year=world.now.year - 1)
    world.pull()


def test_bytes_count_as_well(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        give_quota(found_federation(world), "XR", Quota(1_000, 30_000))
        xr, xa = world["XR"], world["XA"]
        xr.publish()
        world.pull()
        world.sleep(days=1)
        xr.publish(attachments=(("a.pdf", bytes(40_000)),))
        xa.pull()
        assert held(xa, xr) == 2, "what one visit brings is looked at afterwards"
        xr.publish()
        xa.pull()
        assert held(xa, xr) == 2 and paused(xa)["XR"] == "2026-11-23T00:00:00Z"
        world.sleep(days=1)
        world.pull()
        assert held(xa, xr) == 3


def test_a_mirror_that_begins_takes_the_whole_history_and_an_operators_list_has_no_quotas(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        publish(world["XR"], 8)
        world["XA"].pull()
        assert held(world["XA"], world["XR"]) == 8 and world["XA"].running.node.participants.quotas == {}
        give_quota(found_federation(world), "XR", Quota(1, 1_000_000))
        assert held(world["XI"], world["XR"]) == 8, "it takes part for three weeks: that many days may have brought it"
        assert paused(world["XI"])["XR"] is None
