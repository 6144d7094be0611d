"""The local record: every act of an officer is a line, only auditors and operators see it, and a hand in it shows."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from exchange.node.backup import back_up
from exchange.store.acts import MAX_ACTS, acts, keep_acts, record_act
from exchange.store.snapshot import snapshot
from exchange.trust.acts import Act, What, faults, holds
from exchange.trust.roles import Officer
from tests import engine
from tests.databases import hand_in, no_longer_final
from tests.officers import bearer, code_of, enrolled, signed_in
from tests.world import START, World, WorldNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WorldNode]:
    with World(tmp_path, "XR") as world:
        yield world["XR"]


def lines(node: WorldNode) -> list[Act]:
    with node.running.node.db.read() as tx:
        return acts(tx)


def write(node: WorldNode, number: int) -> None:
    who = Officer("ab" * 32, frozenset({"reader"}))
    with node.running.node.db.write() as tx:
        for _ in range(number):
            record_act(tx, node.world.now, who, What.DOCUMENT_READ, "cd" * 32)


def test_signing_in_and_out_and_reading_the_record_are_lines_of_it(node: WorldNode) -> None:
    [auditor] = enrolled(node, "auditor")
    token = signed_in(node, auditor)
    answer = node.get("/v1/acts", headers=bearer(token)).json()
    assert [(item["seq"], item["key"], item["roles"], item["what"]) for item in answer["items"]] == [
        (1, auditor.public.keyid, ["auditor"], "session opened"),
        (2, auditor.public.keyid, ["auditor"], "local record read"),
    ]
    assert answer["head"] == {"seq": 2, "sha256": answer["items"][1]["sha256"]}
    assert answer["items"][0]["at"] == START.isoformat(timespec="seconds")
    assert faults(lines(node)) == []


def test_only_auditors_and_operators_see_it(node: WorldNode) -> None:
    assert code_of(node.get("/v1/acts")) == (401, "not-signed-in")
    roles = ("editor", "releaser", "reader", "contact holder", "auditor", "operator")
    seen = {}
    for role, key in zip(roles, enrolled(node, *roles), strict=True):
        seen[role] = node.get("/v1/acts", headers=bearer(signed_in(node, key))).status_code
    assert seen == {**dict.fromkeys(roles, 403), "auditor": 200, "operator": 200}
    token = (node.directory / "operator.token").read_text()
    assert node.get("/v1/acts", headers=bearer(token)).status_code == 200
    assert lines(node)[-1].key == "operator token"


def test_it_is_read_page_by_page(node: WorldNode) -> None:
    [auditor] = enrolled(node, "auditor")
    write(node, 120)
    with node.client() as client:
        from exchange.client import officers

        found = list(client.each(officers.acts(signed_in(node, auditor))))
    assert [line["seq"] for line in found] == list(range(1, 124))


def test_the_engine_refuses_to_change_or_delete_a_line(node: WorldNode) -> None:
    write(node, 3)
    with hand_in(node.directory) as db:
        for statement in (
            "UPDATE act SET what = 'draft read' WHERE seq = 2",
            "UPDATE act SET subject = '' WHERE seq = 2",
            "DELETE FROM act WHERE seq = 2",
            "DELETE FROM act",
        ):
            with pytest.raises(DatabaseError):
                db.exec_driver_sql(statement)
    assert faults(lines(node)) == [] and len(lines(node)) == 3


def test_a_hand_that_goes_past_the_engine_shows(node: WorldNode) -> None:
    write(node, 5)
    before = lines(node)
    with hand_in(node.directory) as db:
        no_longer_final(db)
        db.exec_driver_sql("DELETE FROM act WHERE seq = 2")
    assert faults(lines(node)) == ["line 2 is missing"]
    with hand_in(node.directory) as db:
        no_longer_final(db)
        db.exec_driver_sql("DELETE FROM act WHERE seq = 5")
    assert not holds(lines(node), before[4].sha256) and holds(lines(node), before[3].sha256)


def test_lines_are_let_go_when_their_time_is_over_and_the_rest_stays_whole(node: WorldNode) -> None:
    write(node, 3)
    noted = lines(node)[-1].sha256
    node.world.sleep(days=400)
    write(node, 2)
    node.pull()
    assert len(lines(node)) == 5, "nothing is old enough"
    node.world.sleep(days=331)
    node.pull()
    left = lines(node)
    assert [(act.seq, act.what, act.key[:4]) for act in left] == [
        (4, "document read", "abab"),
        (5, "document read", "abab"),
        (6, "retention", "node"),
    ]
    assert faults(left) == [] and holds(left, noted)
    node.pull()
    assert lines(node) == left
    node.world.sleep(days=5 * 365)
    node.pull()
    assert [act.what for act in lines(node)] == ["retention"] and faults(lines(node)) == []


def test_it_does_not_grow_beyond_a_number(node: WorldNode) -> None:
    write(node, 25)
    with node.running.node.db.write() as tx:
        assert keep_acts(tx, START, 730, most=30) == 0
        assert keep_acts(tx, START + timedelta(days=1), 730, most=20) == 7
        assert keep_acts(tx, START + timedelta(days=1), 730, most=20) == 0
    left = lines(node)
    assert len(left) == 19 and faults(left) == []
    assert MAX_ACTS == 1_000_000


def test_a_backup_keeps_the_record_and_nobody_signed_in(node: WorldNode, tmp_path: Path) -> None:
    token = signed_in(node, node.officer)
    target = tmp_path / "backup"
    back_up(node.running.settings, target, with_keys=False, now=START)
    assert node.get("/v1/session", headers=bearer(token)).status_code == 200
    if engine.name == "sqlite":
        with snapshot(f"sqlite:///{target / 'database' / 'cbm.sqlite'}") as tx:
            assert len(acts(tx)) == 1
            assert tx.exec_driver_sql("SELECT count(*) FROM officer_session").scalar_one() == 0
        key = node.officer.public.keyid.encode()
        assert (target / "database" / "cbm.sqlite").read_bytes().count(key) == 1, "in the record alone"
    else:
        names = {path.name for path in (target / "database").iterdir()}
        assert "act.copy" in names and "officer_session.copy" not in names
