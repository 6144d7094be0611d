"""A log that contradicts what it signed: the evidence is kept, the log cosigned no more, and everything else goes on."""

from pathlib import Path

import pytest

from exchange.core.evidence import KIND
from exchange.core.merkle import leaf_hash
from exchange.errors import Forked, RolledBack, Unreachable
from exchange.store import log as logs
from tests import key_named
from tests.faults import (
    after,
    answering,
    asked_of,
    convicted,
    down,
    edited,
    forked,
    many,
    note_of,
    only,
    peer_log,
    puller_of,
    serving,
    sign_into,
)
from tests.witness import ask, head_of
from tests.world import World, WorldNode


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_rolled_back_checkpoint_is_an_alert_with_both_notes_and_the_mirror_stays(tmp_path: Path, size: int) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa = world["XR"], world["XA"]
        notes = [xr.get("/log/checkpoint").content]
        for _ in range(3):
            xr.publish()
            notes.append(xr.get("/log/checkpoint").content)
        world.pull()
        xr.fault = serving(notes[size])
        world["XI"].publish()
        errors = xa.pull()
        assert "size 3 before" in str(errors["XR"]) and errors["XI"] is None
        (alert,) = xa.alerts()
        assert (alert["kind"], alert["participant"]) == ("rollback/v1", "XR")
        assert alert["evidence"]["larger"].encode() == notes[3]
        assert alert["evidence"]["served"].encode() == notes[size]
        assert xa.get("/mirror/XR/checkpoint").content == notes[3]
        xr.fault = None
        xr.publish()
        world.pull()
        assert xa.heads() == xr.heads()
        assert len(xa.alerts()) == 1


def test_a_rollback_is_one_alert_however_it_is_dressed(tmp_path: Path) -> None:
    """Lines by unknown keys may be added to a note by anybody; they must not fill the table of alerts."""
    with World(tmp_path, "XR", "XA") as world:
        early = world["XR"].get("/log/checkpoint").content
        world["XR"].publish()
        world.pull()
        for number in range(3):
            grease = f"— grease.example {'AAAA' * (10 + number)}\n".encode()
            world["XR"].fault = serving(early + grease)
            world["XA"].pull()
        assert [alert["kind"] for alert in world["XA"].alerts()] == ["rollback/v1"]


def publish(node: WorldNode, number: int) -> None:
    for count in range(number):
        node.publish(institution={"en": f"Team {count} of {node.directory.name}"})


@pytest.mark.parametrize(("shared", "first", "second"), [(0, 1, 1), (0, 1, 4), (2, 1, 2), (2, 3, 1)])
def test_a_fork_convicts_the_log_at_any_two_sizes(tmp_path: Path, shared: int, first: int, second: int) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        publish(xr, shared)
        with forked(xr, shared=True) as twin:
            publish(xr, first)
            world.pull()
            before = xa.get("/mirror/XR/checkpoint").content
            twin.speak()
            publish(twin, second)
            xi.publish()
            errors = xa.pull()
            assert "signed two histories" in str(errors["XR"]) and errors["XI"] is None
            assert convicted(xa, xr) == tuple(sorted((shared + first, shared + second)))
            assert xa.get("/mirror/XR/checkpoint").content == before, "what was mirrored is served on"
            assert len(xa.get("/v1/contacts?participant=XI").json()["items"]) == 1

            assert "signed two histories" in str(xa.pull()["XR"]) and len(xa.alerts()) == 1
            twin.be_silent()
            publish(xr, 5)
            assert xa.pull()["XR"] is None, "what continues the history that is held is still mirrored"
            assert xa.get("/mirror/XR/checkpoint").content == xr.get("/log/checkpoint").content
            assert ask(xa, 0, [], head_of(xr)[1]).status_code == 403, "and cosigned no more"
            assert len(xa.alerts()) == 1


def test_a_fork_of_more_than_one_transaction_convicts_too(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        sign_into(xr, *many(xr, 10))
        xa.pull()
        with forked(xr) as twin:
            twin.speak()
            sign_into(twin, *many(twin, 300, first=5_000))
            with pytest.raises(Forked, match="two histories"):
                puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        assert convicted(xa, xr) == (10, 300)
        assert xa.heads()[1]["size"] == 10


def test_a_head_that_no_longer_stands_in_the_next_one_convicts_before_its_entries_were_here(tmp_path: Path) -> None:
    """The first visit broke off behind 256 entries that both histories share; only the signed head tells them apart."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        shared = many(xr, 256)
        sign_into(xr, *shared, *many(xr, 4, first=256))
        xr.fault = only("/log/tile/entries/", after(1, down))
        with pytest.raises(Unreachable):
            puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        with forked(xr) as twin:
            twin.speak()
            sign_into(twin, *shared, *many(twin, 8, first=5_000))
            with pytest.raises(Forked, match="two histories"):
                puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        assert convicted(xa, xr) == (260, 264)
        assert xa.get("/mirror/XR/checkpoint").status_code == 404


@pytest.mark.parametrize("size", [262, 258])
def test_a_head_smaller_than_one_that_was_only_signed_is_noticed(tmp_path: Path, size: int) -> None:
    """Nothing of the 262 beyond the first 256 was ever served; that they were signed is enough."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        sign_into(xr, *many(xr, 262))
        larger = xr.get("/log/checkpoint").content
        xr.fault = only("/log/tile/entries/", after(1, down))
        with pytest.raises(Unreachable):
            puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        with forked(xr) as twin:
            twin.speak()
            sign_into(twin, *many(twin, size, first=5_000))
            with pytest.raises(Forked if size == 262 else RolledBack):
                puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        (alert,) = xa.alerts()
        if size == 262:
            assert convicted(xa, xr) == (262, 262)
        else:
            assert (alert["kind"], alert["evidence"]["larger"].encode()) == ("rollback/v1", larger)


def test_the_head_held_before_is_a_rollback_once_a_larger_one_was_signed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        xa.pull()
        held = xr.get("/log/checkpoint").content
        sign_into(xr, *many(xr, 258))
        xr.fault = only("/log/tile/entries/", after(1, down))
        with pytest.raises(Unreachable):
            puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        xr.fault = serving(held)
        with pytest.raises(RolledBack):
            puller_of(xa).pull(peer_log(world, "XR"), xr.origin)
        assert [alert["kind"] for alert in xa.alerts()] == ["rollback/v1"]


def test_a_fork_whose_tiles_are_withheld_is_an_unproven_head(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        publish(xr, 2)
        world.pull()
        held = xr.get("/log/checkpoint").content
        with forked(xr) as twin:
            twin.speak()
            publish(twin, 3)
            twin.fault = only("/log/tile/0/", answering(404))
            for _ in range(3):
                assert "do not lead to" in str(xa.pull()["XR"])
            served = twin.get("/log/checkpoint").content
            (alert,) = xa.alerts()
            assert (alert["kind"], alert["participant"]) == ("unproven-head/v1", "XR")
            assert (alert["evidence"]["held"].encode(), alert["evidence"]["served"].encode()) == (held, served)
            assert xa.get("/mirror/XR/checkpoint").content == held
            twin.fault = None
            assert "signed two histories" in str(xa.pull()["XR"]), "once the tiles are there, so is the proof"
            assert [alert["kind"] for alert in xa.alerts()] == ["unproven-head/v1", KIND]


def test_entries_that_do_not_lead_to_the_signed_head_are_an_alert_and_are_not_stored(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        publish(xr, 2)
        world.pull()
        xr.fault = serving(note_of(xr, 4, leaf_hash(b"nothing that was ever logged")))
        publish(xr, 2)
        assert "do not lead to" in str(xa.pull()["XR"])
        assert [alert["kind"] for alert in xa.alerts()] == ["unproven-head/v1"]
        assert xa.heads()[1]["size"] == 2


@pytest.mark.parametrize(("size", "kind"), [(3, "rollback/v1"), (4, KIND), (5, KIND)])
def test_a_head_that_was_signed_and_never_delivered_binds_all_the_same(tmp_path: Path, size: int, kind: str) -> None:
    """Shown once and withdrawn: the honest history afterwards is the second one."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        publish(xr, 2)
        world.pull()
        xr.fault = only("/log/tile/", answering(404))
        early = serving(note_of(xr, 4, leaf_hash(b"nothing that was ever logged")))
        xr.fault = lambda request, real: (
            answering(404)(request, real) if "/tile/" in request.url.path else early(request, real)
        )
        assert "does not deliver" in str(xa.pull()["XR"])
        assert xa.alerts() == []
        xr.fault = None
        publish(xr, size - 2)
        assert xa.pull()["XR"] is not None
        assert [alert["kind"] for alert in xa.alerts()] == [kind]
        if kind == KIND:
            assert convicted(xa, xr) == (4, size)


def test_heads_that_are_signed_and_never_delivered_fill_no_table(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        for size in range(1, 40):
            xr.fault = serving(note_of(xr, size, leaf_hash(b"%d" % size)))
            assert xa.pull()["XR"] is not None
        with xa.running.node.db.read() as tx:
            assert len(logs.promised(tx, logs.log_of(tx, xr.origin))) == logs.MAX_PROMISED
        assert len(xa.alerts()) <= 1


def test_a_flipped_bit_in_an_entry_is_never_stored(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        publish(world["XR"], 1)
        flip = edited(lambda body: body[:40] + bytes((body[40] ^ 1,)) + body[41:])
        world["XR"].fault = only("/log/tile/entries/", flip)
        assert "do not lead to" in str(world["XA"].pull()["XR"])
        assert world["XA"].heads()[1]["size"] == 0
        assert world["XA"].get("/v1/submissions?participant=XR").json()["items"] == []


@pytest.mark.parametrize("missing", ["/log/tile/entries/", "/log/tile/"])
def test_a_head_without_its_entries_becomes_an_alert_only_when_it_lasts(tmp_path: Path, missing: str) -> None:
    """A node that starts anew behind its proxy misses a tile for a minute; that is no accusation to keep for ever."""
    with World(tmp_path, "XR", "XA") as world:
        publish(world["XR"], 1)
        world["XR"].fault = only(missing, answering(404))
        assert "does not deliver" in str(world["XA"].pull()["XR"])
        world.sleep(minutes=59)
        world["XR"].fault = None
        world.pull()
        publish(world["XR"], 1)
        world["XR"].fault = only(missing, answering(404))
        for minutes in (0, 30, 29):
            world.sleep(minutes=minutes)
            assert "does not deliver" in str(world["XA"].pull()["XR"])
            assert world["XA"].alerts() == []
        publish(world["XR"], 1)
        world.sleep(minutes=1)
        world["XA"].pull()
        world["XA"].pull()
        assert [alert["kind"] for alert in world["XA"].alerts()] == ["unproven-head/v1"]


@pytest.mark.parametrize("size", [2**60, 2**63 - 1, 5_000])
def test_a_head_of_any_claimed_size_costs_a_few_requests(tmp_path: Path, size: int) -> None:
    with World(tmp_path, "XR", "XA") as world:
        publish(world["XR"], 1)
        world["XR"].fault = serving(note_of(world["XR"], size, key_named("a root").seed))
        asked_of(world, "XR")
        assert world["XA"].pull()["XR"]
        assert len(asked_of(world, "XR")) < 20
        assert world["XA"].heads()[1]["size"] == 0


def test_all_who_saw_one_of_the_heads_of_a_fork_agree_on_everything_else(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        publish(xr, 2)
        xa.pull()
        with forked(xr) as twin:
            twin.speak()
            publish(twin, 2)
            assert xi.pull()["XR"] is None, "whoever sees one history only cannot know"
            assert xa.pull()["XR"] is not None
            twin.be_silent()
            assert xi.pull()["XR"] is not None
            publish(xa, 1)
            publish(xi, 1)
            xa.pull()
            xi.pull()
        assert convicted(xa, xr) == convicted(xi, xr)
        others = [[head for head in node.heads() if head["participant"] != "XR"] for node in (xa, xi)]
        assert others[0] == others[1]
