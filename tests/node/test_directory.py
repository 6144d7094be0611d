"""Who answers: the reachable first, nothing dropped, nothing guessed, how fresh in words."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.core.form import NOT_STATED
from exchange.node.directory import Contact, look_up
from exchange.trust.participants import Participants
from tests.world import START, World, WorldNode

ALWAYS = {"time_zone": "UTC", "weekly": [{"days": ["sat"], "from": "00:00", "to": "24:00"}]}
NEVER = {"time_zone": "UTC", "weekly": [{"days": ["mon"], "from": "08:00", "to": "09:00"}]}
PHONE = "+12025550142"


def found(node: WorldNode, at: datetime = START, **question: Any) -> list[Contact]:
    asked: dict[str, Any] = {"participant": None, "role": None, "language": None, "statuses": None, **question}
    return look_up(node.running.node, at=at, **asked)


def names(contacts: list[Contact]) -> list[str]:
    return [contact.field("institution")["en"] for contact in contacts]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """XA is the State asked about; XR states things of its own. START is a Saturday."""
    with World(tmp_path_factory.mktemp("directory"), "XA", "XR") as world:
        for name, hours, phone, languages in (
            ("closed", NEVER, PHONE, ["en"]),
            ("unknown, no phone", NOT_STATED, NOT_STATED, NOT_STATED),
            ("open, no phone", ALWAYS, NOT_STATED, ["en", "fr"]),
            ("unknown", NOT_STATED, PHONE, ["fr"]),
            ("closed, no phone", NEVER, NOT_STATED, ["ru"]),
            ("open", ALWAYS, PHONE, ["de"]),
        ):
            world["XA"].publish(institution={"en": name}, hours=hours, phone=phone, languages=languages)
        world["XR"].publish(institution={"en": "R closed"}, hours=NEVER, header={"status": "exercise"})
        world["XR"].publish(institution={"en": "R open"}, hours=ALWAYS, header={"status": "actual"})
        world.pull()
        yield world


def test_the_reachable_come_first_and_a_phone_before_none(world: World) -> None:
    order = ["open", "open, no phone", "unknown", "unknown, no phone", "closed", "closed, no phone"]
    for node in world.nodes.values():
        assert names(found(node, participant="XA")) == order


def test_the_whole_directory_has_the_reachable_first_too(world: World) -> None:
    listed = names(found(world["XA"]))
    assert set(listed[:3]) == {"open", "R open", "open, no phone"}
    assert set(listed[-3:]) == {"closed", "closed, no phone", "R closed"}


def test_only_those_known_to_be_closed_are_left_out(world: World) -> None:
    left = names(found(world["XA"], participant="XA", reachable_only=True))
    assert left == ["open", "open, no phone", "unknown", "unknown, no phone"]


def test_a_moment_decides_who_is_reachable(world: World) -> None:
    monday = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    assert names(found(world["XA"], monday, participant="XA"))[0] == "closed"


def test_languages_are_those_stated(world: World) -> None:
    assert names(found(world["XA"], language="fr")) == ["open, no phone", "unknown"]
    assert found(world["XA"], language="it") == []


def test_roles_are_those_stated(world: World) -> None:
    assert len(found(world["XA"], participant="XA", role="technical")) == 6
    assert found(world["XA"], role="policy") == []


def test_statuses_are_shown_and_can_be_asked_for(world: World) -> None:
    assert names(found(world["XA"], statuses=("exercise",))) == ["R closed"]
    assert {contact.stored.status for contact in found(world["XA"])} == {"test", "exercise", "actual"}


def test_a_contact_shows_where_it_stands(world: World) -> None:
    contact = found(world["XA"], participant="XR", statuses=("actual",))[0]
    assert (contact.name, contact.stored.origin, contact.stored.index) == ("XR", world["XR"].origin, 1)
    assert contact.field("email") == contact.field("no such field") == NOT_STATED
    assert contact.reachability.until == "2026-11-22T00:00+00:00"


def test_a_live_node_lists_no_test_contact_unless_asked(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        for status in ("actual", "test", "exercise"):
            world["XR"].publish(institution={"en": status}, header={"status": status})
        world.participants = Participants(world.participants.federation, True, world.participants.records)
        world.write_records(world.participants)
        world["XR"].running.import_records()
        assert names(found(world["XR"])) == ["actual"]
        assert names(found(world["XR"], statuses=("exercise",))) == ["exercise"]
        items = world["XR"].get("/v1/contacts?participant=XR").json()["items"]
        assert [item["status"] for item in items] == ["actual"]


FRESH = {
    "not stated": "confirmed 5 days ago; no date of next confirmation stated",
    "2027": "confirmed 5 days ago; to be confirmed again by 2027",
    "2026-11-26": "confirmed 5 days ago; to be confirmed again by 2026-11-26",
    "2026-11": "confirmed 5 days ago; to be confirmed again by 2026-11",
    "2026-11-25": "stale: to be confirmed by 2026-11-25, last confirmed 5 days ago",
    "2026-10": "stale: to be confirmed by 2026-10, last confirmed 5 days ago",
    "2025": "stale: to be confirmed by 2025, last confirmed 5 days ago",
}


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Contacts that are to be confirmed by each of the dates above."""
    with World(tmp_path_factory.mktemp("dated"), "XR") as world:
        for confirm_by in FRESH:
            world["XR"].publish(institution={"en": confirm_by}, confirm_by=confirm_by)
        yield world


def freshness(world: World, at: datetime) -> dict[str, str]:
    return {contact.field("institution")["en"]: contact.freshness for contact in found(world["XR"], at)}


def test_freshness_is_said_in_words(dated: World) -> None:
    assert freshness(dated, START + timedelta(days=5)) == FRESH


@pytest.mark.parametrize(
    ("confirm_by", "last"),
    [("2026-11-26", "2026-11-26"), ("2026-11", "2026-11-30"), ("2027", "2027-12-31")],
)
def test_a_contact_is_stale_the_day_after(dated: World, confirm_by: str, last: str) -> None:
    end = datetime.fromisoformat(f"{last}T23:59:59+00:00")
    assert not freshness(dated, end)[confirm_by].startswith("stale")
    assert freshness(dated, end + timedelta(seconds=1))[confirm_by].startswith("stale")


def test_freshness_does_not_depend_on_the_zone_of_the_question(dated: World) -> None:
    moment = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
    far = moment.astimezone(datetime.fromisoformat("2026-11-27T00:00:00+14:00").tzinfo)
    assert moment == far and moment.date() != far.date()
    assert freshness(dated, moment) == freshness(dated, far)


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (timedelta(), "confirmed today"),
        (timedelta(hours=20), "confirmed today"),
        (timedelta(hours=21), "confirmed 1 day ago"),
        (timedelta(days=2), "confirmed 2 days ago"),
        (-timedelta(minutes=5), "confirmed today"),
        (-timedelta(days=1), "confirmed in the future"),
    ],
    ids=str,
)
def test_days_are_those_of_the_calendar(dated: World, later: timedelta, words: str) -> None:
    """START is three in the morning, UTC."""
    assert freshness(dated, START + later)["2027"] == f"{words}; to be confirmed again by 2027"


def test_a_stale_contact_is_still_listed(dated: World) -> None:
    assert len(found(dated["XR"], START + timedelta(days=3650), reachable_only=True)) == len(FRESH)
