"""With every relay dead nothing stops but changes of participants and keys, shown as stale since when, wherever the list is told of."""

from pathlib import Path

from exchange.federation.founders import fingerprint
from tests.founded import found_federation
from tests.founders import WEEK
from tests.operate.prometheus import fires, rules, scrape
from tests.world import World, WorldNode

LOCAL = {"Host": "127.0.0.1:8750"}


def told(node: WorldNode) -> tuple[str | None, str | None]:
    """As the node says it of itself, and beside the participants."""
    with node.client() as client:
        trust = client.node()["trust"]
        assert trust is not None
        return trust["stale_since"], client.participants()["stale_since"]


def fired(node: WorldNode) -> bool:
    return bool(fires(rules()["CbmTrustListStale"], scrape(node.get("/metrics", headers=LOCAL).text)))


def test_a_stale_list_is_shown_since_when_in_the_api_and_as_an_alarm(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        found_federation(world)
        world.pull()
        spoken, node = world.now, world["XI"]
        assert told(node) == (None, None) and not fired(node)
        for relay in ("XR", "XA"):
            world[relay].stop()
        world.sleep(days=9)
        node.pull()
        since = f"{spoken + WEEK:%Y-%m-%dT%H:%M:%SZ}"
        assert told(node) == (since, since) and fired(node)
        figures = scrape(node.get("/metrics", headers=LOCAL).text)
        assert figures["cbm_trust_stale_seconds"] == {frozenset(): 2 * 86_400}
        assert node.publish().index == 0, "and work goes on"
        world.sleep(days=1)
        node.stop()
        node.start()
        assert told(node) == (since, since), "a restart does not make it younger"
        for relay in ("XR", "XA"):
            world[relay].start()
        world.pull()
        world.pull()
        assert told(node) == (None, None) and not fired(node)


def test_a_node_on_its_operators_list_has_none_that_could_be_stale(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world, world["XR"].client() as client:
        assert client.node()["trust"] is None and client.participants()["stale_since"] is None
        assert client.participants()["identity_replacements"] == [] and not fired(world["XR"])


def test_the_list_is_told_with_the_root_that_people_compare(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        made = found_federation(world)
        with world["XI"].client() as client:
            trust = client.node()["trust"]
        assert trust is not None and trust["root_sha256"] == fingerprint(made.roots[0].raw)
        assert (trust["root"], trust["targets"], trust["participants"]) == (1, 1, 3)
