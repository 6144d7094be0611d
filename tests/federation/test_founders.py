"""Nodes that go by the founders' trust list: how it spreads, what is kept and served, what happens when nobody vouches for it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from exchange.config import read_settings
from exchange.errors import ExchangeError, Misuse
from exchange.federation.founders import TrustList
from exchange.node.backup import back_up
from exchange.node.gather import trust_facts
from exchange.node.restore import restore
from exchange.trust.bundle import parse_bundle
from tests import builders, engine
from tests.founded import ROOT, WorldFounders, found_federation, hand_in, join
from tests.founders import DAY, WEEK, sign
from tests.postgres import fresh_database
from tests.records import with_key
from tests.world import World, WorldNode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA", "XI") as made:
        yield made


def trust(node: WorldNode) -> TrustList:
    assert node.running.trust is not None
    return node.running.trust


def bundles_asked(world: World) -> int:
    return sum(path == "/trust/bundle" for _, path in world.wire.asked)


def rotate(made: WorldFounders, code: str, number: int = 3) -> None:
    """The State lets another officer sign, alone: its node is given the record that its identity keys signed."""
    grown = with_key(made.world.participants, code, number)
    made.world.participants = grown
    hand_in(made.world[code], made.file_record(code, made.record(code)))


def test_nodes_on_the_list_exchange_as_before(world: World) -> None:
    found_federation(world)
    world["XR"].publish()
    world.pull()
    assert len({str(node.heads()) for node in world.nodes.values()}) == 1
    for node in world.nodes.values():
        assert node.running.node.participants.records.keys() == world.nodes.keys()
        assert trust(node).now_standing.held.stale_since is None, "the relays spoke for themselves"


def test_a_state_rotates_alone_and_the_others_learn_it_with_their_next_visit(world: World) -> None:
    made = found_federation(world)
    world.pull()
    rotate(made, "XI")
    assert world["XI"].pull() == {"XA": None, "XR": None}
    world.pull()
    for node in world.nodes.values():
        assert len(node.running.node.participants.records["XI"].keys) == len(made.record("XI").keys)
        assert trust(node).now_standing.held.files["XI"].version == 2
    submission = world["XI"].parcel(signers=(made.known("XI officer 3"),))
    world["XI"].submit(submission)
    world.pull()


def test_where_nothing_is_new_no_visit_asks_for_the_list(world: World) -> None:
    found_federation(world)
    for _ in range(3):
        world.pull()
    world.wire.asked.clear()
    world.pull()
    assert bundles_asked(world) == 0


def test_a_node_begins_with_a_root_and_one_request(world: World) -> None:
    made = found_federation(world, "XR", "XA")
    newcomer = world["XI"]
    newcomer.stop()
    fresh = WorldFounders(world)
    charter = replace(fresh.charter, rosters=made.charter.rosters, relays=made.charter.relays)
    fresh.targets = [fresh.sign_targets(2, charter)]
    hand_in(world["XR"], fresh.targets[0], fresh.records["XI"])
    world["XR"].pull()
    world.wire.asked.clear()
    join(made, newcomer, None, world["XR"].url)
    assert bundles_asked(world) == 1
    assert sorted(newcomer.running.node.participants.records) == ["XA", "XI", "XR"]
    newcomer.publish()
    world.pull()
    world.wire.asked.clear()
    newcomer.running.import_records()
    assert bundles_asked(world) == 1, "and a warm look is one conditional request"


def test_every_version_stays_and_is_served(world: World) -> None:
    made = found_federation(world)
    first = made.records["XI"]
    rotate(made, "XI")
    world["XI"].pull()
    world.pull()
    for node in world.nodes.values():
        assert node.get("/trust/1.XI.json").content == first.raw
        assert node.get("/trust/2.XI.json").content == made.records["XI"].raw
        assert node.get("/trust/1.root.json").content == made.roots[0].raw
        assert node.get("/trust/1.targets.json").headers["cache-control"].endswith("immutable")
    with world["XR"].running.node.db.read() as tx, pytest.raises(DBAPIError):
        tx.execute(text("DELETE FROM trust_file"))
    settings = read_settings(world["XR"].directory)
    engine = create_engine(settings.database_url.replace("postgresql:", "postgresql+psycopg:"))
    for act in ("DELETE FROM trust_file", "UPDATE trust_file SET role = 'XX'"):
        with engine.connect() as db, pytest.raises(DBAPIError, match="trust list"):
            db.execute(text(act))
    engine.dispose()


def test_what_is_not_there_is_not_found(world: World) -> None:
    found_federation(world)
    many = (
        "0.root.json",
        "01.root.json",
        "1.root.json/",
        "root.json",
        "1.%72oot.json",
        "targets/",
        "9" * 17 + ".root.json",
    )
    for path in ("2.root.json", "1.XX.json", "5.timestamp.json", *many):
        assert world["XR"].get(f"/trust/{path}").status_code == 404, path


def test_a_node_on_its_operators_list_serves_none(world: World) -> None:
    for path in ("bundle", "timestamp.json", "1.root.json"):
        assert world["XR"].get(f"/trust/{path}").status_code == 404


def test_what_is_held_already_is_not_sent_again(world: World) -> None:
    found_federation(world)
    for path in ("bundle", "timestamp.json"):
        first = world["XR"].get(f"/trust/{path}")
        again = world["XR"].get(f"/trust/{path}", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


class _Wire(FetcherInterface):
    def __init__(self, node: WorldNode) -> None:
        self.node = node

    def _fetch(self, url: str) -> Iterator[bytes]:
        answer = self.node.get(httpx.URL(url).raw_path.decode())
        if answer.status_code != 200:
            raise DownloadHTTPError("not there", answer.status_code)
        yield answer.content


def test_python_tufs_own_client_reads_any_node(tmp_path: Path) -> None:
    """It goes by the machine's clock, so this world does too."""
    with World(tmp_path / "world", "XR", "XA", "XI") as world:
        world.now = datetime.now(UTC).replace(microsecond=0)
        made = found_federation(world)
        world.pull()
        for node in world.nodes.values():
            folder = tmp_path / node.code
            folder.mkdir()
            theirs = Updater(
                str(folder),
                f"{node.url}/trust/",
                str(folder),
                f"{node.url}/trust/targets/",
                _Wire(node),
                bootstrap=made.roots[0].raw,
            )
            found = theirs.get_targetinfo("participants/XI.json")
            assert found is not None
            record = json.loads(Path(theirs.download_target(found)).read_bytes())
            assert record == found.custom["record"] and record["participant"] == "XI"


def test_a_restart_changes_nothing(world: World) -> None:
    made = found_federation(world)
    rotate(made, "XI")
    world["XI"].pull()
    world.pull()
    before = {code: trust(node).now_standing for code, node in world.nodes.items()}
    for node in world.nodes.values():
        node.stop()
        for path in (node.directory / "trust").iterdir():
            path.unlink()
        node.start()
        after = trust(node).now_standing
        assert after.held == before[node.code].held and after.tag == before[node.code].tag


def test_peers_json_says_nothing_where_a_root_is_pinned(world: World) -> None:
    found_federation(world, "XR", "XA")
    assert "XI" not in world["XR"].running.node.participants.records
    before = world["XR"].running.node.participants.records["XA"]
    world.write_records(with_key(world.participants, "XA", 3), "XR")
    world["XR"].running.import_records()
    assert world["XR"].running.node.participants.records["XA"] == before


def test_with_every_relay_dead_work_goes_on_and_changes_wait(world: World) -> None:
    made = found_federation(world)
    world.pull()
    world["XR"].stop()
    world["XA"].stop()
    world.sleep(days=8)
    world["XI"].pull()
    assert trust(world["XI"]).now_standing.held.stale_since is not None
    world["XI"].publish()
    rotate(made, "XI")
    world["XI"].pull()
    assert trust(world["XI"]).now_standing.held.files["XI"].version == 1
    world["XR"].start()
    world["XA"].start()
    world.pull()
    world.pull()
    assert trust(world["XI"]).now_standing.held.stale_since is None
    assert trust(world["XI"]).now_standing.held.files["XI"].version == 2


def test_relays_speak_once_a_day_and_when_something_is_new(world: World) -> None:
    made = found_federation(world, relays=1)

    def said() -> int:
        world["XR"].running.import_records()
        return max(word.timestamp.version for word in trust(world["XR"]).now_standing.held.words.values())

    first = said()
    world.sleep(hours=23)
    assert said() == first
    world.sleep(hours=2)
    second = said()
    assert second == int(world.now.timestamp())
    world.sleep(minutes=1)
    hand_in(world["XR"], made.file_record("XI"))
    assert said() == int(world.now.timestamp())


def test_a_finding_becomes_an_alert_with_the_signed_files(world: World) -> None:
    made = found_federation(world)
    world.pull()
    rotate(made, "XI")
    other = made.sign_record("XI", 2, made.record("XI", node_url="https://two-faces.example"))
    world["XI"].pull()
    world["XR"].pull()
    hand_in(world["XR"], other)
    world["XR"].pull()
    found = [alert for alert in world["XR"].alerts() if alert["kind"] == "trust-list-two-faces"]
    assert len(found) == 1 and found[0]["participant"] == "XI"
    assert len(found[0]["evidence"]["files"]) == 2
    world["XR"].pull()
    assert [alert for alert in world["XR"].alerts() if alert["kind"] == "trust-list-two-faces"] == found


@pytest.mark.parametrize("content", [b"", b"nonsense", b"cbm-trust-bundle/v1\n1.root.json 9\n{}\n", b"\xff" * 1000])
def test_a_peer_that_serves_nonsense_stops_no_visit(world: World, content: bytes) -> None:
    made = found_federation(world)
    rotate(made, "XI")
    world["XI"].running.import_records()

    def fault(request: httpx.Request, real: object) -> httpx.Response:
        assert callable(real)
        if request.url.path == "/trust/bundle":
            return httpx.Response(200, content=content, request=request)
        answer = real()
        assert isinstance(answer, httpx.Response)
        return answer

    world["XI"].fault = fault
    assert world["XR"].pull() == {"XA": None, "XI": None}
    world["XI"].fault = None
    world["XR"].pull()
    assert trust(world["XR"]).now_standing.held.files["XI"].version == 2


def test_what_lies_in_the_inbox_and_is_no_file_of_the_list_is_left(world: World) -> None:
    found_federation(world)
    inbox = world["XR"].directory / "trust"
    (inbox / "README").write_text("a stick from the ministry")
    (inbox / "2.root.json").write_text("{")
    (inbox / "x.bundle").write_bytes(b"no")
    (inbox / "folder").mkdir()
    world["XR"].running.import_records()
    assert trust(world["XR"]).now_standing.held.root.version == 1


def test_a_root_that_was_never_signed_starts_no_node(world: World) -> None:
    made = found_federation(world)
    world["XR"].stop()
    (world["XR"].directory / ROOT).write_bytes(sign(made.draft_root(1), made.founders[0]).raw)
    with pytest.raises(ExchangeError, match="signed by 1 of the 2"):
        world["XR"].start()
    (world["XR"].directory / ROOT).write_bytes(made.roots[0].raw)
    world["XR"].start()


def test_a_list_of_another_federation_starts_no_node(world: World) -> None:
    world["XR"].stop()
    made = WorldFounders(world)
    made.targets = [made.sign_targets(1, replace(made.charter, federation="other.example"))]
    with pytest.raises(Misuse, match=r"other\.example"):
        join(made, world["XR"], made.bundle())
    (world["XR"].directory / "trust" / "founding.bundle").unlink()
    text_before = (world["XR"].directory / "node.toml").read_text()
    (world["XR"].directory / "node.toml").write_text(text_before.split("\ntrust_root")[0])
    world["XR"].start()


def test_a_node_without_the_list_says_where_it_belongs(world: World) -> None:
    made = WorldFounders(world)
    world["XR"].stop()
    with pytest.raises(Misuse, match="trust_from"):
        join(made, world["XR"], None)
    join_again = world["XR"].directory / "trust"
    join_again.mkdir()
    (join_again / "founding.bundle").write_bytes(made.bundle())
    world["XR"].start()


def test_a_hostile_relay_that_drops_a_state_is_an_alert_and_the_state_stays(world: World) -> None:
    made = found_federation(world, relays=2)
    world.pull()
    world.sleep(hours=1)
    made.speak(world.now, "relay 1", versions={"targets": 1, "XR": 1, "XA": 1})
    hand_in(world["XI"], *made.words["relay 1"])
    world["XI"].pull()
    assert "XI" in world["XI"].running.node.participants.records
    assert "trust-list-rolled-back" in {alert["kind"] for alert in world["XI"].alerts()}


def test_a_week_of_rounds_keeps_the_list_fresh(world: World) -> None:
    found_federation(world)
    for _ in range(10):
        world.sleep(days=1)
        world.pull()
    for node in world.nodes.values():
        assert trust(node).now_standing.held.stale_since is None
    assert timedelta(days=10) > WEEK > DAY
    assert parse_bundle(world["XR"].get("/trust/bundle").content)
    assert builders.FEDERATION == "test.example"


def test_a_backup_brings_a_node_back_with_its_founders(world: World, tmp_path: Path) -> None:
    found_federation(world)
    world["XI"].publish()
    world.pull()
    settings = read_settings(world["XI"].directory)
    back_up(settings, tmp_path / "backup", with_keys=True, now=world.now)
    url = fresh_database() if engine.name == "postgresql" else None
    restored = tmp_path / "restored"
    restore(tmp_path / "backup", restored, database=url, keys=None, now=world.now)
    before = trust(world["XI"]).now_standing
    world["XI"].stop()
    world["XI"].directory = restored
    world["XI"].start()
    assert trust(world["XI"]).now_standing.held == before.held


def test_the_check_of_a_node_says_how_its_list_stands(world: World) -> None:
    found_federation(world)
    world.pull()
    settings = read_settings(world["XI"].directory)
    facts, records = trust_facts(settings, world.now)
    assert facts is not None and (facts.root, facts.targets, facts.participants) == (1, 1, 3)
    assert facts.stale_since is None and sorted(records) == ["XA", "XI", "XR"]
    facts, _ = trust_facts(settings, world.now + WEEK + DAY)
    assert facts is not None and facts.stale_since is not None
