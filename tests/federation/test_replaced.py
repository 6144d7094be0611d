"""Founders replace a State's lost identity keys: that is shown for ever beside everything that rests on it, in every answer and in words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import parse_checkpoint
from exchange.core.keys import Kind
from exchange.core.note import ED25519, Vkey, parse_note
from exchange.core.pack import parse_pack
from exchange.node.keyfile import create_key
from exchange.node.successor import NEXT_LOG_KEY, succeed
from exchange.trust.closing import close_log
from exchange.trust.identities import FOUNDERS
from exchange.trust.participants import ParticipantLog
from exchange.trust.verdict import check_pack
from tests.audited import audited_from_outside
from tests.cli.desk import Desk
from tests.founded import WorldFounders, found_federation, hand_in
from tests.founders import Holder, holder
from tests.served import served
from tests.world import Published, World

NEXT = "xi.test.example/log-2"
WORDS = "the founders replaced"


class Case:
    """Illyria lost its identity keys; the founders gave it others, and a month later it goes on in a log of its own."""

    def __init__(self, world: World) -> None:
        self.world, self.made = world, found_federation(world)
        self.before: Published = world["XI"].publish()
        world.pull()
        self.published = world.now
        replace_keys(self.made)
        world.pull()

    def go_on(self) -> Published:
        world, made, node = self.world, self.made, self.world["XI"]
        for _ in range(6):
            world.sleep(days=5, hours=1)
            world.pull()
        head = parse_checkpoint(parse_note(node.get("/log/checkpoint").content).text)
        node.stop()
        key = create_key(node.directory / "keys" / NEXT_LOG_KEY, Kind.LOG).key
        made.keys[key.public.raw] = Holder(key)
        record = close_log(
            made.record("XI"), head.size, head.root, ParticipantLog(NEXT, Vkey(NEXT, ED25519, key.public))
        )
        hand_in(node, made.file_record("XI", record))
        succeed(read_settings(node.directory), NEXT, world.now)
        node.origin = NEXT
        node.start()
        after = node.publish(institution={"en": "As it is"}, header={"message": "update", "series": self.before.id})
        world.pull()
        world.pull()
        world.participants = world["XR"].running.node.participants
        return after


def replace_keys(made: WorldFounders) -> None:
    new = [holder(f"XI identity {number} of later") for number in range(3)]
    made.now = made.world.now
    change = made.changed("XI", new, *new[:2], by=FOUNDERS, log=1)
    hand_in(made.world["XR"], made.decide(made.with_member(change)))
    made.identities["XI"] = new


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with World(tmp_path, "XR", "XA", "XI") as world:
        yield Case(world)


def test_founders_replace_a_states_keys_and_everything_signed_under_them_says_so(case: Case) -> None:
    after, when = case.go_on(), f"{case.published:%Y-%m-%dT%H:%M:%SZ}"
    for node in case.world.nodes.values():
        with node.client() as client:
            shown = {one["id"]: one["identity_replaced"] for one in client.submissions()}
            assert shown == {case.before.id: None, after.id: when}
            assert client.submission(after.id)["identity_replaced"] == when
            (contact,) = client.contacts("XI")["items"]
            assert contact["source"]["identity_replaced"] == when
            listed = client.participants()["identity_replacements"]
            assert listed == [{"participant": "XI", "published": when, "origin": NEXT}]
        report = audited_from_outside(node)
        assert report.holds, report.faults
    node = case.world["XR"]
    node.stop()
    node.start()
    assert node.get(f"/v1/submissions/{after.id}").json()["identity_replaced"] == when, "for ever"


def test_before_a_replacement_counts_nothing_rests_on_it(case: Case) -> None:
    for node in case.world.nodes.values():
        with node.client() as client:
            assert client.participants()["identity_replacements"] == []
            assert client.submission(case.before.id)["identity_replaced"] is None
        assert "identity-replacement" in {alert["kind"] for alert in node.alerts()}, "and everybody is told at once"


def test_a_replacement_is_said_in_words_by_every_verb_that_shows_what_rests_on_it(case: Case, tmp_path: Path) -> None:
    after = case.go_on()
    with case.world["XR"].client() as client:
        pack = parse_pack(client.pack(after.id))
    known = case.world["XR"].running.node.participants
    verdict = check_pack(pack, [known], Catalogue.from_files({}))
    assert verdict.holds and verdict.vouched and verdict.replaced == case.published
    assert any(WORDS in check.line and check.passed is None for check in verdict.checks)
    with served(case.world["XR"]) as url:
        desk = Desk(tmp_path)
        desk.node = url
        assert WORDS in desk.yes("show", after.id).out
        assert WORDS not in desk.yes("show", case.before.id).out
        assert WORDS in desk.yes("contacts", "XI").out
        assert "keys replaced" in desk.yes("list").out
