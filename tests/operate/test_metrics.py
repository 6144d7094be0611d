"""/metrics: true figures, for this machine alone, and alert rules that rest on them."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from exchange.api.metrics import Family, format_families
from exchange.node.founding import officer_key
from exchange.store import log as logs
from exchange.store.alerts import raise_alert
from exchange.trust.participants import Participants
from tests import key_named
from tests.operate import brought_back, saved
from tests.operate.prometheus import Scrape, fires, metrics_in, rules, scrape
from tests.world import World, WorldNode

LOCAL = {"Host": "127.0.0.1:8750"}  # the wire delivers from 127.0.0.1


def scraped(node: WorldNode) -> Scrape:
    answer = node.get("/metrics", headers=LOCAL)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    return scrape(answer.text)


def one(samples: Scrape, name: str, *labels: str) -> float:
    """The only sample of that metric that carries these labels."""
    (value,) = (value for found, value in samples[name].items() if set(labels) <= found)
    return value


def firing(node: WorldNode, before: Scrape | None = None) -> set[str]:
    """Every alert of the rules that fires on the node as it is, but for Prometheus's own `up`."""
    now = scraped(node)
    return {
        alert
        for alert, expression in rules().items()
        if "up" not in metrics_in(expression) and fires(expression, now, before or now)
    }


def witnessed(world: World) -> None:
    """Every head has its quorum, everywhere."""
    for node in world.nodes.values():
        node.running.cosigners.ask_now()
    world.pull()


def test_the_figures_are_those_of_the_node(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        for _ in range(3):
            node.publish()
        world["XA"].publish()
        world.pull()
        saved(node, tmp_path / "backup")
        world.sleep(hours=2)
        node.running.node.space.free = lambda _: 323_456_789
        samples = scraped(node)
        mine, theirs = 'participant="XR"', 'participant="XA"'
        assert one(samples, "cbm_log_size", mine) == 3
        assert one(samples, "cbm_log_size", theirs) == 1
        assert one(samples, "cbm_entries", theirs, 'verdict="admitted"') == 1
        assert one(samples, "cbm_entries", theirs, 'verdict="refused"') == 0
        assert one(samples, "cbm_peer_contact_age_seconds", theirs) == 7200
        assert one(samples, "cbm_backup_age_seconds") == 7200
        assert one(samples, "cbm_commits_total") == 3
        assert one(samples, "cbm_queue_length") == 0
        assert one(samples, "cbm_disk_free_bytes") == 323_456_789
        assert one(samples, "cbm_disk_min_free_bytes") == 200 * 1024 * 1024
        assert one(samples, "cbm_database_bytes") > 10_000
        assert one(samples, "cbm_heads_waiting") == 2
        assert one(samples, "cbm_quorum_age_seconds", mine) == float("inf")
        assert one(samples, "cbm_cosignatures_signed_total") == 0
        assert one(samples, "cbm_log_stopped") == one(samples, "cbm_log_refusing") == 0


def test_labels_are_the_codes_and_origins_of_the_records_and_words_of_ours(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XA"].publish()
        world.pull()
        known = {
            'participant="XR"',
            'participant="XA"',
            f'origin="{world["XR"].origin}"',
            f'origin="{world["XA"].origin}"',
        }
        known |= {f'verdict="{verdict}"' for verdict in ("admitted", "disputed", "refused", "waiting")}
        samples = scraped(world["XR"])
        labels = {
            label for name, values in samples.items() if name != "cbm_build_info" for found in values for label in found
        }
        assert labels == known


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "cbm.xr.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:8750"},
        {"Host": "[::ffff:8.8.8.8]:8750"},
        {"Host": ""},
        LOCAL | {"X-Forwarded-For": "127.0.0.1"},
        LOCAL | {"Forwarded": "for=127.0.0.1"},
        LOCAL | {"Via": "1.1 proxy"},
        LOCAL | {"X-Real-IP": "192.0.2.1"},
    ],
)
def test_nobody_else_finds_it(world_of_one: World, headers: dict[str, str]) -> None:
    answer = world_of_one["XR"].get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53:1", "localhost:8750", "[::1]:8750", "[::1]"])
def test_this_machine_finds_it_by_any_of_its_loopback_names(world_of_one: World, host: str) -> None:
    assert world_of_one["XR"].get("/metrics", headers={"Host": host}).status_code == 200


def test_a_setting_opens_it(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        with open(world["XR"].directory / "node.toml", "a") as file:
            file.write("metrics_public = true\n")
        world["XR"].stop()
        world["XR"].start()
        assert world["XR"].get("/metrics").status_code == 200


def test_no_secret_and_no_path_is_in_it(world_of_one: World) -> None:
    node = world_of_one["XR"]
    text = node.get("/metrics", headers=LOCAL).text
    assert str(node.directory) not in text and node.running.token not in text and "postgresql" not in text


def test_every_rule_rests_on_metrics_that_exist(world_of_one: World) -> None:
    samples = scraped(world_of_one["XR"])
    assert len(rules()) >= 12
    for alert, expression in rules().items():
        assert metrics_in(expression) <= samples.keys() | {"up"}, alert
        assert metrics_in(expression), alert


def test_no_alert_fires_on_a_node_that_is_well(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        world.pull()
        witnessed(world)
        saved(world["XR"], tmp_path / "backup")
        world.sleep(hours=20)
        assert firing(world["XR"]) == set()


def test_each_alert_fires_on_what_it_is_for(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node, inner = world["XR"], world["XR"].running.node
        world["XA"].publish("ICT-03", attachments=(("a.pdf", bytes(70_000)),))
        world.pull()
        witnessed(world)
        saved(node, tmp_path / "backup")
        before = scraped(node)
        assert firing(node, before) == set()

        inner.space.min_free = inner.space.left() // 2
        assert firing(node, before) == {"CbmDiskLow"}
        inner.space.min_free = inner.space.left() * 2
        assert firing(node, before) == {"CbmDiskLow", "CbmLogRefusing"}
        inner.space.min_free = 0

        with inner.db.write() as tx:
            raise_alert(
                tx, kind="test/v1", participant="XA", origin="", raised=world.now, summary="a test", evidence={"a": 1}
            )
        assert firing(node, before) == {"CbmNewAlert"}
        assert firing(node) == set(), "an hour later it is no news"

        world.sleep(days=3)
        assert firing(node) == {"CbmBackupOld", "CbmPeerStale"}
        saved(node, tmp_path / "another")
        world["XA"].stop()
        for _ in range(6):
            node.pull()
        assert firing(node) == {"CbmPeerStale", "CbmPeerFailing"}
        world["XA"].start()
        world.pull()
        assert firing(node) == set()

        inner.appender.stop("a test")
        assert firing(node) == {"CbmLogStopped", "CbmLogRefusing"}


def test_documents_that_are_owed_for_a_day_are_an_alert(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        world["XA"].fault = lambda request, real: (
            httpx.Response(503, request=request) if "/v1/documents" in request.url.path else real()
        )
        world["XA"].publish()
        node.pull()
        saved(node, tmp_path / "backup")
        assert one(scraped(node), "cbm_documents_owed", 'participant="XA"') == 1
        assert "CbmDocumentsOverdue" not in firing(node)
        world.sleep(hours=25)
        assert {"CbmDocumentsOverdue", "CbmHeadsWaiting"} <= firing(node)
        world["XA"].fault = None
        world.pull()
        witnessed(world)
        assert firing(node) == set()


def test_an_entry_that_waits_for_a_key_is_an_alert(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node, officer = world["XR"], key_named("XA officer 2")
        record = world.participants.records["XA"]
        grown = replace(record, keys=(*record.keys, officer_key(officer.public)))
        newer = Participants("test.example", False, {**world.participants.records, "XA": grown})
        world.write_records(newer, "XA")
        world["XA"].pull()
        world["XA"].publish(signers=(officer,))
        node.pull()
        assert "CbmEntriesWaiting" in firing(node)
        world.participants = newer
        world.write_records(newer, "XR")
        node.pull()
        assert "CbmEntriesWaiting" not in firing(node)


def test_a_log_that_is_followed_no_further_is_an_alert(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"].running.node
        with node.db.write() as tx:
            logs.halt(tx, logs.log_of(tx, world["XA"].origin), "it signed two histories")
        assert "CbmLogHalted" in firing(world["XR"])


def test_a_long_queue_is_an_alert() -> None:
    for length, alarmed in ((1000, False), (1001, True)):
        queue = Family("cbm_queue_length", "gauge", "A test.", [({}, length)])
        assert bool(fires(rules()["CbmQueueLong"], scrape(format_families([queue])))) is alarmed


def test_a_restored_node_that_could_not_ask_is_an_alert(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        saved(world["XR"], tmp_path / "backup")
        brought_back(world["XR"], tmp_path / "backup")
        assert {"CbmRestoredNotConfirmed", "CbmLogRefusing"} <= firing(world["XR"])


def test_a_number_or_label_that_is_odd_is_written_as_prometheus_reads_it() -> None:
    family = Family("cbm_x", "gauge", "A test.", [({"a": 'say "no"\\\n'}, 1.5), ({"a": "b"}, float("inf"))])
    text = format_families([family])
    assert text.splitlines()[2:] == ['cbm_x{a="say \\"no\\"\\\\\\n"} 1.5', 'cbm_x{a="b"} +Inf']
    assert scrape(text)["cbm_x"].keys() == {frozenset({'a="say \\"no\\"\\\\\\n"'}), frozenset({'a="b"'})}


def test_witnesses_in_figures(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node, other = world["XR"], world["XA"]
        node.publish()
        node.running.cosigners.ask_now()
        world.sleep(minutes=10)
        samples, mine = scraped(node), 'participant="XR"'
        assert one(samples, "cbm_heads_waiting") == 0  # of XA's log nothing is known here yet
        assert one(samples, "cbm_quorum_age_seconds", mine) == 600
        assert one(scraped(other), "cbm_cosignatures_signed_total") == 1
