"""Recorded or witnessed, by how many, since when, and late: in every answer that shows an entry."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from exchange.core.note import parse_note
from exchange.core.pack import format_pack, parse_pack
from exchange.core.policy import parse_policy, verify_policy
from exchange.core.receipt import parse_receipt
from exchange.resources import ROOTS
from exchange.store import bulk
from exchange.trust.participants import Standing, format_participants
from exchange.trust.verdict import Verdict, check_pack
from tests.faults import down
from tests.records import in_force, with_record
from tests.world import Published, World, WorldNode, shipped_forms

EXAMPLE = ROOTS.parents[1] / "examples" / "verify_receipt.py"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA", "XI", "XB") as world:
        yield world


def ask_now(node: WorldNode) -> None:
    node.running.cosigners.ask_now()


def told(node: WorldNode, made: Published) -> tuple[str, str, str | None, bool]:
    found = node.get(f"/v1/submissions/{made.id}").json()
    [listed] = node.get("/v1/submissions?limit=1").json()["items"]
    names = ("standing", "cosignatures", "not_later_than", "late")
    assert [listed[name] for name in names] == [found[name] for name in names]
    return found["standing"], found["cosignatures"], found["not_later_than"], found["late"]


def verdict(world: World, pack: bytes) -> Verdict:
    return check_pack(parse_pack(pack), [world.participants], shipped_forms())


def pack_of(node: WorldNode, made: Published) -> bytes:
    return node.get(f"/v1/submissions/{made.id}/pack").content


def receipt_of(node: WorldNode, made: Published) -> bytes:
    return node.get(f"/v1/submissions/{made.id}/receipt").content


def test_an_entry_is_recorded_until_enough_have_cosigned_and_witnessed_from_then_on(world: World) -> None:
    node = world["XR"]
    world["XI"].fault = world["XB"].fault = down
    made = node.publish()
    assert told(node, made) == ("recorded", "cosigned by 0 of 3, 3 asked for", None, False)
    assert receipt_of(node, made) == made.receipt
    ask_now(node)
    assert told(node, made) == ("recorded", "cosigned by 1 of 3, 3 asked for", "2026-11-21T03:00:00Z", False)
    found = verdict(world, pack_of(node, made))
    assert found.holds and found.vouched and found.cosigned is not None and not found.cosigned.witnessed
    world.sleep(minutes=5)
    world["XI"].fault = world["XB"].fault = None
    ask_now(node)
    assert told(node, made) == ("witnessed", "cosigned by 3 of 3, 3 asked for", "2026-11-21T03:00:00Z", False)
    receipt = parse_receipt(receipt_of(node, made))
    assert len(parse_note(receipt.checkpoint).signatures) == 4
    found = verdict(world, pack_of(node, made))
    assert found.cosigned is not None and found.cosigned.witnessed
    assert found.checks[-3].passed is True
    assert found.checks[-3].line == "witnessed: cosigned by 3 of 3, 3 asked for; not later than 2026-11-21T03:00:00Z"
    assert found.checks[-2].line == "cosigned, the earliest first, by XA, XB, XI"
    assert found.checks[-1].line == "the pack's own policy is the one that the anchor's roster gives"


def test_a_page_costs_the_same_questions_however_many_entries_stand_on_it(world: World) -> None:
    """Neither those that a quorum has seen nor those that nobody saw are asked for one by one."""
    node = world["XR"]
    engines = (node.running.node.db._reader, node.running.node.db._writer)

    def asked(limit: int) -> int:
        counted: list[str] = []

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            counted.append(statement)

        spelt = bulk._spelt

        def spell(tx: Any, statement: str) -> str:
            counted.append(statement)
            return spelt(tx, statement)

        for engine in engines:
            event.listen(engine, "before_cursor_execute", count)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(bulk, "_spelt", spell)
                items = node.get(f"/v1/submissions?limit={limit}").json()["items"]
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", count)
        assert len(items) == limit
        return len(counted)

    for fault in (down, None):
        world["XI"].fault = fault
        for _ in range(5):
            node.publish()
            ask_now(node)
        assert asked(5) == asked(2)
        for _ in range(5):
            node.publish()
        assert asked(5) == asked(2)


def test_a_later_head_witnesses_an_entry_whose_own_head_nobody_saw(world: World) -> None:
    node = world["XR"]
    first = node.publish()
    for number in range(3):
        node.publish(scope={"en": str(number)})
    ask_now(node)
    found = node.get(f"/v1/submissions/{first.id}").json()
    assert found["standing"] == "witnessed"
    assert parse_note(parse_receipt(receipt_of(node, first)).checkpoint).text.split(b"\n")[1] == b"4"
    node.publish(scope={"en": "not cosigned yet"})
    assert node.get(f"/v1/submissions/{first.id}").json()["standing"] == "witnessed"
    again = receipt_of(node, first)
    ask_now(node)
    assert receipt_of(node, first) == again, "the first head with a quorum goes on counting"


def test_a_mirror_tells_the_same(world: World) -> None:
    node = world["XR"]
    made = node.publish()
    ask_now(node)
    world.pull()
    assert told(world["XA"], made) == told(node, made)
    assert receipt_of(world["XA"], made) == receipt_of(node, made)
    assert pack_of(world["XA"], made) == pack_of(node, made)


def test_a_claimed_time_too_far_before_the_first_cosignature_is_late_wherever_it_is_shown(world: World) -> None:
    node = world["XR"]
    week = timedelta(days=6)
    made = node.submit(node.parcel(edit=lambda one: replace(one, issued=f"{world.now - week:%Y-%m-%dT%H:%M:%SZ}")))
    world.sleep(days=3)  # nobody could be asked for so long
    ask_now(node)
    assert told(node, made) == ("witnessed", "cosigned by 3 of 3, 3 asked for", "2026-11-24T03:00:00Z", True)
    [contact] = node.get("/v1/contacts?participant=XR").json()["items"]
    assert contact["source"]["late"] is True and contact["source"]["standing"] == "witnessed"
    found = verdict(world, pack_of(node, made))
    assert found.late and any(check.line.startswith("LATE: ") for check in found.checks)
    prompt = node.publish(scope={"en": "in time"})
    ask_now(node)
    assert told(node, prompt)[3] is False


def test_rosters_that_change_have_everything_judged_anew(world: World) -> None:
    """By records alone there is one roster since ever: who leaves is no witness any more, and was none."""
    node = world["XR"]
    world["XB"].fault = down
    made = node.publish()
    ask_now(node)
    assert told(node, made)[:2] == ("recorded", "cosigned by 2 of 3, 3 asked for")
    record = world.participants.records["XB"]
    left = replace(record, status=(*record.status, Standing("left", "2026-11-21")))
    in_force(world, with_record(world.participants, left))
    assert told(node, made)[:2] == ("witnessed", "cosigned by 2 of 2, 2 asked for")
    in_force(
        world, with_record(world.participants, replace(left, status=(*left.status, Standing("active", "2026-11-22"))))
    )
    assert told(node, made)[:2] == ("recorded", "cosigned by 2 of 3, 3 asked for")
    world["XB"].fault = None


def test_the_policy_of_a_log_is_one_that_programs_of_others_read(world: World) -> None:
    node = world["XR"]
    made = node.publish()
    ask_now(node)
    for asked in (node, world["XA"]):
        answer = asked.get("/v1/participants/XR/policy")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        policy = parse_policy(answer.content)
        _, found = verify_policy(parse_receipt(receipt_of(node, made)).checkpoint, policy)
        assert len(found) == 3 and policy.is_met(one.vkey for one in found)
        assert not policy.is_met(one.vkey for one in found[:2])
    assert answer.content == world["XI"].get(f"/v1/participants/XR/policy?origin={node.origin}").content
    for path in ("ZZ/policy", f"XA/policy?origin={node.origin}"):
        assert node.get(f"/v1/participants/{path}").status_code == 404
    assert node.get("/v1/participants/XR/policy?at=yesterday").status_code == 400


def test_an_own_policy_of_a_pack_counts_for_nothing_beside_an_anchor(world: World) -> None:
    node = world["XR"]
    made = node.publish()
    ask_now(node)
    pack = parse_pack(pack_of(node, made))
    assert pack.policy is not None
    weak = b"".join(line + b"\n" for line in pack.policy.split(b"\n") if line.startswith(b"log ")) + b"quorum none\n"
    found = verdict(world, format_pack(replace(pack, policy=weak)))
    assert found.holds and "only the anchor's counts" in found.checks[-1].line
    other = world["XA"].get("/v1/participants/XA/policy").content
    for wrong in (b"quorum none\n", other, pack.policy + b"# a comment\n", pack.policy[:-1]):
        assert not verdict(world, format_pack(replace(pack, policy=wrong))).holds
    alone = check_pack(pack, [], shipped_forms())
    assert alone.holds and not alone.vouched and alone.cosigned is None
    assert alone.checks[-1].line.startswith("cosigned by 3 of the witnesses that the pack's own policy names")


def test_a_forged_cosignature_in_a_receipt_is_no(world: World) -> None:
    node = world["XR"]
    made = node.publish()
    ask_now(node)
    pack = parse_pack(pack_of(node, made))
    assert pack.receipt is not None
    at = pack.receipt.rindex(b"\n", 0, -1) - 20
    forged = pack.receipt[:at] + (b"A" if pack.receipt[at : at + 1] != b"A" else b"B") + pack.receipt[at + 1 :]
    found = verdict(world, format_pack(replace(pack, receipt=forged)))
    assert not found.holds and found.checks[-1].line.endswith("[bad-signature]")


def test_the_example_counts_witnesses_as_we_do(world: World, tmp_path: Path) -> None:
    node = world["XR"]
    world["XB"].fault = down
    made = node.publish()
    ask_now(node)
    (tmp_path / "peers.json").write_bytes(format_participants(world.participants))
    said = []
    for _ in range(2):
        (tmp_path / "pack.zip").write_bytes(pack_of(node, made))
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "pack.zip", "peers.json"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
        said += [line for line in done.stdout.split("\n") if "cosigned by" in line]
        world["XB"].fault = None
        ask_now(node)
    when = "not later than 2026-11-21T03:00:00+00:00"
    assert said == [
        f"--  recorded   cosigned by 2 of 3, 3 asked for; {when}",
        f"ok  witnessed   cosigned by 3 of 3, 3 asked for; {when}",
    ]


def test_a_head_is_stale_once_its_newest_quorum_is_older_than_a_day(world: World) -> None:
    node = world["XR"]
    node.publish()
    about = node.get("/v1/node").json()
    assert about["head"]["standing"] == "recorded" and about["head"]["stale"] is True
    assert about["witness_url"] == f"{node.url}/witness"
    ask_now(node)
    world.pull()
    for asked, path in ((node, "/v1/node"), (world["XA"], "/v1/peers")):
        found = asked.get(path).json()
        head = (
            found["head"]
            if path == "/v1/node"
            else next(one["head"] for one in found["items"] if one["participant"] == "XR")
        )
        assert head == {
            "standing": "witnessed",
            "cosignatures": "cosigned by 3 of 3, 3 asked for",
            "not_later_than": "2026-11-21T03:00:00Z",
            "newest_quorum": "2026-11-21T03:00:00Z",
            "stale": False,
        }
    world.sleep(days=1, seconds=1)
    assert node.get("/v1/node").json()["head"]["stale"] is True
    ask_now(node)
    assert node.get("/v1/node").json()["head"] == {**head, "newest_quorum": "2026-11-22T03:00:01Z"}
