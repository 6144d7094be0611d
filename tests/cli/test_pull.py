"""cbm pull and cbm alerts: visits by hand, whether the node runs or not, and what is found wrong on the way."""

import pytest

from exchange.core.evidence import evidence_id
from tests.cli.desk import Desk
from tests.databases import bring_back, copy_node, give_database
from tests.processes import NodeProcess, full_audit


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Ruritania, which knows Arcadia; Arcadia knows nobody."""
    desk.state("XR", "Ruritania")
    desk.state("XA", "Arcadia", ("o2",))
    desk.yes("federation", "import", "XR", "XA/peers.json")
    return desk


def publish(desk: Desk, url: str, number: int) -> str:
    desk.node = url
    parcel = desk.parcel({"phone": f'"+1202555{number:04}"'}, name=f"return {number}", key="o2")
    ident: str = desk.submit(parcel)["id"]
    return ident


def test_a_node_that_is_down_pulls_by_itself_and_shows_how_far_it_is(two: Desk) -> None:
    with NodeProcess(two.folder / "XA") as arcadia:
        publish(two, arcadia.url, 1)
        done = two.yes("pull", "XR")
        assert [line.split() for line in done.out.splitlines()] == [
            ["participant", "entries", "documents", "still", "owed", "result"],
            ["XA", "1", "1", "0", "good"],
        ]
        assert done.err == "  XA  1 of 1 entries\n"
        again = two.yes("pull", "XR", "--json")
        assert [pulled["entries"] for visit in again.json for pulled in visit["pulled"]] == [0]
    full_audit(two.folder / "XR")


def test_a_node_that_runs_is_asked_to_pull(two: Desk) -> None:
    with NodeProcess(two.folder / "XR") as ruritania, NodeProcess(two.folder / "XA") as arcadia:
        ident = publish(two, arcadia.url, 1)
        done = two.yes("pull", "XR")
        assert done.err == "The node is running; it pulls now.\n" and "XA" in done.out
        assert [item["id"] for item in two.yes("list", "--node", ruritania.url, "--json").json] == [ident]
        assert two.yes("alerts", "--node", ruritania.url).err == "No alerts: nothing was found wrong.\n"


def test_a_peer_that_is_down_is_3_and_named(two: Desk) -> None:
    done = two.cbm("pull", "XR")
    assert done.code == 3 and "XA" in done.out and "does not answer" in done.out
    visits = two.cbm("pull", "XR", "--json").json
    assert [visit["participant"] for visit in visits] == ["XA"] and visits[0]["error"]


def test_a_node_that_knows_nobody_has_nobody_to_visit(desk: Desk) -> None:
    desk.state("XR")
    done = desk.yes("pull", "XR")
    assert (
        done.out == ""
        and done.err == "No other node is known: `cbm federation import XR PEERS.json` brings records in.\n"
    )
    assert desk.yes("pull", "XR", "--json").json == []


def forked(two: Desk) -> NodeProcess:
    """Arcadia signs two entries, is seen, forgets its database, and signs three others under the same key."""
    with NodeProcess(two.folder / "XA") as arcadia:
        for number in (1, 2):
            publish(two, arcadia.url, number)
        two.yes("pull", "XR")
    give_database(two.folder / "XA")
    return NodeProcess(two.folder / "XA")


def test_a_forked_log_becomes_an_alert_whose_evidence_convicts_by_itself(two: Desk) -> None:
    with NodeProcess(two.folder / "XR") as ruritania, forked(two) as arcadia:
        for number in (3, 4, 5):
            publish(two, arcadia.url, number)
        pulled = two.cbm("pull", "XR")
        assert pulled.code == 3 and "XA" in pulled.out
        two.node = ruritania.url
        done = two.cbm("alerts", "--evidence", "evidence")
        assert done.code == 1 and "inconsistent-checkpoints/v1  XA" in done.out
        assert "signed two histories" in done.out and "  told by XR in " in done.out
        (path,) = (two.folder / "evidence").glob("*.json")
        assert f"check it with `cbm verify {path.relative_to(two.folder)}`" in done.err
        told = two.cbm("alerts", "--json")
        (alert,) = told.json
        assert told.code == 1 and alert["kind"] == "inconsistent-checkpoints/v1" and alert["local"] is None
        assert f"  evidence {evidence_id(path.read_bytes())}\n" in done.out
    verified = two.yes("verify", path)
    assert verified.out.splitlines()[-1].startswith("convicts: whoever holds the key of")


def test_evidence_of_a_rollback_is_kept_and_convicts_nobody_by_itself(two: Desk) -> None:
    """Arcadia goes back to yesterday's copy of its database: wrong, and yet no second history."""
    directory = two.folder / "XA"
    with NodeProcess(directory) as arcadia:
        publish(two, arcadia.url, 1)
    yesterday = copy_node(directory, two.folder / "yesterday")
    with NodeProcess(directory) as arcadia:
        publish(two, arcadia.url, 2)
        two.yes("pull", "XR")
    bring_back(yesterday, directory)
    with NodeProcess(two.folder / "XA"), NodeProcess(two.folder / "XR") as ruritania:
        two.cbm("pull", "XR")
        two.node = ruritania.url
        done = two.cbm("alerts", "--evidence", "evidence")
    assert done.code == 1 and "rollback/v1  XA" in done.out and "at size 1, after it signed size 2" in done.out
    (path,) = (two.folder / "evidence").glob("*.json")
    assert "cbm verify" not in done.err
    assert two.cbm("verify", path).out.splitlines()[-1] == "convicts nobody"
