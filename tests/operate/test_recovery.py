"""A restored node cannot fork: it asks the others before it appends, and remembers what they were seen to hold."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from exchange.api.metrics import families
from exchange.config import read_settings
from exchange.errors import LogStopped
from exchange.node.recovery import ALERT
from exchange.store.database import Database
from exchange.store.restored import ahead, restored, settle_restored
from tests.operate import brought_back, rebuilt, saved, started
from tests.witness import ask, head_of
from tests.world import World, WorldNode


def reason(node: WorldNode) -> str:
    """Why the node takes nothing, as /readyz says; empty where it does."""
    answer = node.get("/readyz")
    assert (answer.status_code == 200) == (answer.json()["reason"] is None)
    return str(answer.json()["reason"] or "")


def mark(node: WorldNode) -> str | None:
    with node.running.node.db.read() as tx:
        return restored(tx)


def taken_back(node: WorldNode) -> int:
    """What `cbm node recover` does; the entries that came."""
    return rebuilt(node).entries


def test_the_newest_backup_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "newest")
        brought_back(node, tmp_path / "newest")
        assert (reason(node), mark(node)) == ("", None)
        assert node.publish().index == 1
        world.pull()
        assert node.alerts() == world["XA"].alerts() == []


def test_an_old_backup_refuses_to_append_and_says_what_to_do(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "old")
        node.publish()
        world.pull()
        brought_back(node, tmp_path / "old")
        said = reason(node)
        assert "XA holds our log at size 2, this database ends at 1" in said
        assert "restore a newer backup" in said and f"cbm node recover {node.directory}" in said
        with pytest.raises(LogStopped, match="cbm node recover"):
            node.publish()
        assert mark(node) is not None
        started_again(node)
        with pytest.raises(LogStopped):
            node.publish()


def put_back_by_hand(node: WorldNode, image: Path, *, start: bool = True) -> None:
    """A disk image carries no mark of a restore."""
    brought_back(node, image, start=False)
    with closing(Database(read_settings(node.directory).database_url)) as db, db.write() as tx:
        settle_restored(tx)
    if start:
        started(node)


def started_again(node: WorldNode, *, alone: bool = False) -> None:
    node.stop()
    started(node, alone=alone)


def test_an_old_backup_is_not_forgotten_when_whoever_knows_better_is_down(tmp_path: Path) -> None:
    """Otherwise a second start, with the peer away, would sign another entry 1."""
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "old")
        node.publish()
        world.pull()
        brought_back(node, tmp_path / "old")
        world["XA"].stop()
        started_again(node, alone=True)
        assert "another node was seen to hold our log at size 2" in reason(node)
        with pytest.raises(LogStopped):
            node.publish()
        assert node.alerts() == [], "--alone decided nothing"
        world["XA"].start()


def test_what_the_others_hold_is_taken_back(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "old")
        lost = [node.publish("ICT-03", attachments=(("a.pdf", bytes(70_000)),)), node.publish()]
        world.pull()
        heads = world["XA"].heads()
        brought_back(node, tmp_path / "old")
        assert taken_back(node) == 2
        started_again(node)
        assert (reason(node), mark(node)) == ("", None)
        assert node.heads() == heads
        assert node.submit(lost[1].parcel).index == 2, "an officer who sends it again learns that it stands"
        assert node.publish().index == 3
        world.pull()
        assert node.heads() == world["XA"].heads()
        assert node.alerts() == world["XA"].alerts() == []


def test_without_anybody_to_ask_it_waits_until_it_is_told_to_go_on_alone(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        node.publish()
        saved(node, tmp_path / "backup")
        brought_back(node, tmp_path / "backup")
        said = reason(node)
        assert "could not ask" in said and f"cbm node run {node.directory} --alone" in said
        with pytest.raises(LogStopped, match="--alone"):
            node.publish()
        started_again(node)
        assert reason(node) == said, "an ordinary restart changes nothing"
        started_again(node, alone=True)
        assert (reason(node), mark(node)) == ("", None)
        assert node.publish().index == 1
        (alert,) = node.alerts()
        assert (alert["kind"], alert["participant"], alert["evidence"]["at"]) == (ALERT, "XR", world.now.isoformat())
        started_again(node)
        assert node.publish().index == 2, "once is enough"


def test_a_node_whose_peers_are_down_goes_on_by_itself_once_they_answer(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "backup")
        world["XA"].stop()
        world["XI"].stop()
        brought_back(node, tmp_path / "backup")
        assert "0 of 2 witnesses answered, 2 are needed" in reason(node)
        world["XA"].start()
        node.pull()
        assert "1 of 2 witnesses answered, 2 are needed" in reason(node)
        with pytest.raises(LogStopped):
            node.publish()
        world["XI"].start()
        node.pull()
        assert (reason(node), mark(node)) == ("", None)
        assert node.publish().index == 1


def test_alone_is_recorded_with_how_many_could_be_asked(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "backup")
        world["XI"].stop()
        brought_back(node, tmp_path / "backup", alone=True)
        (alert,) = node.alerts()
        assert (alert["evidence"]["answered"], alert["evidence"]["others"]) == (1, 2)
        assert node.publish().index == 1
        world["XI"].start()


def test_a_node_that_starts_anew_appends_nothing_before_a_witness_answered(tmp_path: Path) -> None:
    """Nothing in an old copy says that it is one. Reading goes on; `--alone` is on record only where it decided something."""
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        world["XA"].stop()
        started_again(node)
        assert "0 of 1 witnesses answered, 1 are needed" in reason(node) and "--alone" in reason(node)
        with pytest.raises(LogStopped, match="--alone"):
            node.publish()
        assert node.heads()[1]["size"] == 1, "it is read as ever"
        world["XA"].start()
        node.pull()
        assert reason(node) == ""
        assert node.publish().index == 1
        started_again(node, alone=True)
        assert node.alerts() == []
        world["XA"].stop()
        started_again(node, alone=True)
        assert node.publish().index == 2
        (alert,) = node.alerts()
        assert alert["kind"] == ALERT and alert["evidence"]["restored"] is None
        world["XA"].start()


def test_a_first_node_has_nobody_to_ask(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        started_again(world["XR"])
        assert world["XR"].publish().index == 0


def test_nodes_of_the_same_operator_are_no_witnesses_and_are_believed_all_the_same(tmp_path: Path) -> None:
    """Nobody counts on them; but what they hold under our own key is our own word."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        records = {code: replace(record, operator="one") for code, record in world.participants.records.items()}
        records["XI"] = world.participants.records["XI"]
        world.write_records(replace(world.participants, records=records))
        world.pull()
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "image")
        node.publish()
        world["XA"].pull()  # nobody else knows of it
        put_back_by_hand(node, tmp_path / "image", start=False)
        world["XA"].stop()
        world["XI"].stop()
        started(node)
        assert "0 of 1 witnesses answered, 1 are needed" in reason(node)
        world["XA"].start()
        node.pull()
        assert "XA holds our log at size 2" in reason(node)
        world["XI"].start()


def test_a_witness_that_keeps_no_mirror_is_asked_for_what_it_signed(tmp_path: Path) -> None:
    """A witness of another make serves nothing but its own C2SP paths."""
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "image")
        node.publish()
        asked = ask(world["XA"], 0, [], head_of(node)[1])
        assert asked.status_code == 200

        def no_mirror(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
            return httpx.Response(404, request=request) if "/mirror/" in request.url.path else real()

        world["XA"].fault = no_mirror
        put_back_by_hand(node, tmp_path / "image")
        assert "XA holds our log at size 2" in reason(node)
        world["XA"].fault = None
        assert taken_back(node) == 1


def test_how_many_answered_stands_in_the_figures(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        assert figures(world["XR"]) == {"cbm_witnesses_answered": 2, "cbm_witnesses_needed": 1}
        world["XA"].stop()
        world["XI"].stop()
        started_again(world["XR"])
        assert figures(world["XR"]) == {"cbm_witnesses_answered": 0, "cbm_witnesses_needed": 1}
        world["XA"].start()
        world["XI"].start()


def figures(node: WorldNode) -> dict[str, float]:
    found = families(node.running.node, node.world.now)
    return {family.name: family.samples[0][1] for family in found if family.name.startswith("cbm_witnesses_")}


def test_a_restored_witness_signs_nothing_before_it_asked_how_far_it_had_gone(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        world["XA"].publish()
        world.pull()
        saved(world["XR"], tmp_path / "backup")
        world["XA"].stop()
        world["XI"].stop()
        brought_back(world["XR"], tmp_path / "backup")
        world["XA"].open()  # up, and busy with itself
        note = head_of(world["XA"])[1]
        assert ask(world["XR"], 0, [], note).status_code == 503
        world["XI"].start()
        world["XR"].pull()
        assert ask(world["XR"], 0, [], note).status_code == 200
        world["XA"].running.recovery.ask()


def test_a_disk_image_put_back_by_hand_is_found_out_and_remembers_it(tmp_path: Path) -> None:
    """It carries no mark of a restore: what the others hold stops it, now and when they are away."""
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "image")
        node.publish()
        world.pull()
        put_back_by_hand(node, tmp_path / "image")
        assert "XA holds our log at size 2" in reason(node)
        world["XA"].stop()
        started_again(node)
        with pytest.raises(LogStopped, match="was seen to hold our log at size 2"):
            node.publish()
        world["XA"].start()
        assert taken_back(node) == 1
        started_again(node)
        with node.running.node.db.read() as tx:
            assert ahead(tx) == 2, "made good by the entries, not taken back"
        assert node.publish().index == 2


def test_a_mirror_that_lies_about_our_log_brings_nothing_in(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        saved(node, tmp_path / "old")
        node.publish()
        world.pull()

        def flipped(request: httpx.Request, real: object) -> httpx.Response:
            answer: httpx.Response = real()  # type: ignore[operator]
            if "/tile/entries/" not in request.url.path:
                return answer
            content = bytearray(answer.read())
            content[-10] ^= 1
            return httpx.Response(answer.status_code, stream=httpx.ByteStream(bytes(content)), request=request)

        world["XA"].fault = flipped
        brought_back(node, tmp_path / "old")
        assert taken_back(node) == 0
        started_again(node)
        with pytest.raises(LogStopped):
            node.publish()
