"""An erasure hides at once and everywhere, destroys after 72 hours, and leaves the fact: by attacks on each of these."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from exchange.core.dsse import parse_envelope
from exchange.core.statement import Reference, Statement, parse_statement
from exchange.errors import KeyNotAllowed, TooFewSignatures, UnknownKey, UnknownSeries
from exchange.node.erasure import Eraser
from exchange.node.founding import officer_key
from exchange.store import erasures
from exchange.store.rows import id_of
from exchange.trust.closing import closed_key
from tests import key_named
from tests.builders import signed
from tests.builders import statement as stated
from tests.databases import hand_in
from tests.erasing import (
    GONE,
    HIDDEN,
    MISSING,
    OPEN,
    documents,
    enrol,
    erase,
    erasure,
    later,
    second,
    shown,
    vouch,
    withdrawal,
)
from tests.faults import sign_into
from tests.records import in_force, with_record
from tests.world import Published, World, WorldNode

WORD = "Zzyzxburg"
LARGE = b"%PDF-1.7 " + WORD.encode() * 10_000
FILES = (("list.pdf", b"%PDF-1.4 " + WORD.encode()), ("annex.pdf", LARGE))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA") as world:
        enrol(world)
        yield world


def published(world: World) -> Published:
    one = world["XR"].publish("POC-02", attachments=FILES, institution={"en": f"Team of {WORD}"})
    vouch(world)
    for node in world.nodes.values():
        node.running.indexer.catch_up()
    return one


def doors(node: WorldNode, one: Published) -> list[int]:
    return [node.get(f"/v1/documents/{slot['commitment']}").status_code for slot in shown(node, one)["documents"]]


def seen(node: WorldNode) -> tuple[int, int, int]:
    """How many contacts, lines found by the word, and lines of the bulk stream there are."""
    node.running.indexer.catch_up()
    found = node.get(f"/v1/submissions?q={WORD}").json()["items"]
    contacts = node.get("/v1/contacts?participant=XR").json()["items"]
    return len(contacts), len(found), len(node.get("/v1/documents?participant=XR").content.splitlines())


def rows(node: WorldNode, table: str) -> int:
    with hand_in(node.directory) as db:
        number: int = db.execute(select(func.count()).select_from(text(table))).scalar_one()
        return number


def remains(node: WorldNode) -> list[str]:
    """The files of the node in which something of the document can still be read."""
    files = [path for path in (node.directory / "data").rglob("*") if path.is_file()]
    return [path.name for path in files if WORD.lower() in path.read_bytes().decode("latin-1").lower()]


def orders(node: WorldNode, order: Published) -> list[str]:
    return [one["verdict"] for one in shown(node, order)["orders"]]


def test_it_hides_at_once_everywhere_and_destroys_after_72_hours(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    for node in (xr, xa):
        assert (documents(node, one), seen(node)) == ([OPEN] * 3, (1, 1, 3))
    order = erase(xr, one)
    assert documents(xr, one) == [HIDDEN] * 3, "at its own node with the answer"
    assert documents(xa, one) == [OPEN] * 3
    vouch(world)
    for node in (xr, xa):
        assert documents(node, one) == [HIDDEN] * 3
        assert doors(node, one) == [404] * 3 and seen(node) == (0, 0, 0)
        assert shown(node, one)["body"] is None and shown(node, one)["fits"] == "not held"
        assert shown(node, one)["documents"][0]["erased"]["order"] == {"origin": xr.origin, "index": order.index}
        assert b"documents/" not in node.get(f"/v1/submissions/{one.id}/pack").content
        assert rows(node, "opening") == 3 and "annex.pdf" not in str(shown(node, one))
    later(world, hours=71)
    assert [rows(node, "opening") for node in (xr, xa)] == [3, 3]
    later(world, hours=2)
    for node in (xr, xa):
        assert documents(node, one) == [GONE] * 3 and shown(node, one)["account"] == "erased afterwards"
        assert rows(node, "opening") == rows(node, "document") == 0
        assert [path for path in (node.directory / "data" / "documents").rglob("*") if path.is_file()] == []
        assert remains(node) == []
        assert orders(node, order) == ["in force"] and shown(node, order)["orders"][0]["destroyed"]


def test_of_one_slot_it_takes_that_document_and_no_other(world: World) -> None:
    one = published(world)
    erase(world["XR"], one, "a2")
    later(world, hours=1)
    later(world, hours=73)
    for node in world.nodes.values():
        assert documents(node, one) == [OPEN, OPEN, GONE] and seen(node) == (1, 1, 2)


def test_a_withdrawal_in_time_brings_everything_back(world: World) -> None:
    xr = world["XR"]
    one = published(world)
    order = erase(xr, one)
    later(world, hours=70)
    assert seen(xr) == (0, 0, 0)
    xr.submit(withdrawal(xr, order))
    later(world, hours=1)
    for node in world.nodes.values():
        assert (documents(node, one), seen(node), orders(node, order)) == ([OPEN] * 3, (1, 1, 3), ["withdrawn"])
    later(world, hours=100)
    assert [documents(node, one) for node in world.nodes.values()] == [[OPEN] * 3] * 2


def test_a_withdrawal_too_late_brings_nothing_back_and_nobody_asks_for_it(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    order = erase(xr, one)
    vouch(world)
    later(world, hours=73)
    xr.submit(withdrawal(xr, order))
    world.wire.asked.clear()
    vouch(world)
    assert [documents(node, one) for node in (xr, xa)] == [[GONE] * 3] * 2
    assert [path for _, path in world.wire.asked if path.startswith("/v1/documents/")] == []
    assert xa.get("/v1/peers").json()["items"][0]["documents_missing"] == 0


def test_one_stolen_key_erases_nothing(world: World) -> None:
    """At the State's own door it is refused; with the node in the same hands it stands in the log, refused by everybody."""
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    alone = erasure(xr, one, signers=[xr.officer])
    with pytest.raises(TooFewSignatures):
        xr.submit(alone)
    sign_into(xr, alone.envelope)
    vouch(world)
    assert [documents(node, one) for node in (xr, xa)] == [[OPEN] * 3] * 2
    assert xa.get(f"/v1/entries/refused?origin={xr.origin}").json()["items"][0]["code"] == "too-few-signatures"
    node_key = erasure(xr, one, signers=[second(xr), second(xa)])
    with pytest.raises(UnknownKey):
        xr.submit(node_key)


def test_of_another_state_it_stands_and_has_no_effect(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    foreign = erasure(xa, one, origin=xa.origin, participant="XA")
    with pytest.raises(UnknownSeries, match="names such a submission"):
        xa.submit(foreign)
    index = sign_into(xa, foreign.envelope)
    vouch(world)
    for node in (xr, xa):
        assert documents(node, one) == [OPEN] * 3
        (line,) = node.get("/v1/submissions?participant=XA").json()["items"]
        assert (line["index"], line["message"]) == (index, "erasure")
        assert node.get(f"/v1/submissions/{line['id']}").json()["orders"][0]["verdict"] == erasures.FOREIGN


def test_replayed_to_another_submission_or_log_it_has_no_effect(world: World) -> None:
    """What it names is signed: the same bytes elsewhere, or once more, order nothing."""
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    order = erase(xr, one)
    xr.submit(withdrawal(xr, order))
    again = xr.submit(order.parcel)
    assert (again.index, again.id) == (order.index, order.id), "the same entry, and withdrawn already"
    sign_into(xr, order.parcel.envelope)
    sign_into(xa, order.parcel.envelope)
    vouch(world)
    for node in (xr, xa):
        assert documents(node, one) == [OPEN] * 3
        refused = [
            item["code"]
            for origin in (xr.origin, xa.origin)
            for item in node.get(f"/v1/entries/refused?origin={origin}").json()["items"]
        ]
        assert refused == ["duplicate-submission", "wrong-origin"]


def test_of_another_form_status_place_or_document_it_has_no_effect(world: World) -> None:
    xr = world["XR"]
    one = published(world)
    other = xr.publish("ICT-03")
    wrong = {
        erasures.OTHER_FORM: erasure(xr, one, form=_statement(other).form),
        erasures.OTHER_STATUS: erasure(xr, one, status="exercise"),
        erasures.NO_SLOT: erasure(xr, one, "a9"),
    }
    with pytest.raises(UnknownSeries):
        xr.submit(wrong[erasures.OTHER_FORM])
    for parcel in wrong.values():
        sign_into(xr, parcel.envelope)
    ahead = xr.parcel("ICT-03", name={"en": "Another"})
    sign_into(xr, erasure(xr, Published(_id(ahead.envelope), 0, b"", ahead)).envelope)
    late = xr.submit(ahead)
    vouch(world)
    for node in world.nodes.values():
        assert documents(node, one) == [OPEN] * 3 and documents(node, late) == [OPEN]
        lines = node.get("/v1/submissions?participant=XR").json()["items"]
        found = {
            shown_line["verdict"]
            for line in lines
            if line["message"] == "erasure"
            for shown_line in _orders(node, line["id"])
        }
        assert found == {*wrong, erasures.TOO_SOON}


def _orders(node: WorldNode, ident: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = node.get(f"/v1/submissions/{ident}").json()["orders"]
    return found


def _id(envelope: bytes) -> str:
    found = id_of(envelope)
    assert found is not None
    return found.hex()


def _statement(one: Published) -> Statement:
    return parse_statement(parse_envelope(one.parcel.envelope).payload)


def test_backdated_it_hides_for_as_long_as_any(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    before = f"{world.now - timedelta(days=6):%Y-%m-%dT%H:%M:%SZ}"
    order = erase(xr, one, issued=before)
    vouch(world)
    later(world, hours=71)
    assert [documents(node, one) for node in (xr, xa)] == [[HIDDEN] * 3] * 2
    xr.submit(withdrawal(xr, order))
    vouch(world)
    assert [documents(node, one) for node in (xr, xa)] == [[OPEN] * 3] * 2


def test_a_clock_set_forward_destroys_nothing_that_others_do_not_vouch_for(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    order = erase(xr, one)
    vouch(world)
    world.sleep(hours=200)  # nobody cosigned since: this node is alone with its clock
    assert [node.running.node.eraser.look() for node in (xr, xa)] == [0, 0]
    assert documents(xr, one) == [HIDDEN] * 3
    world.sleep(hours=-190)
    xr.submit(withdrawal(xr, order))
    vouch(world)
    assert [documents(node, one) for node in (xr, xa)] == [[OPEN] * 3] * 2


def test_an_order_stamped_by_a_clock_set_forward_begins_its_term_when_that_is_right(world: World) -> None:
    xr = world["XR"]
    one = published(world)
    erase(xr, one)
    world.sleep(days=900)
    xr.running.node.eraser.look()
    world.sleep(days=-900)
    vouch(world)
    later(world, hours=71)
    assert documents(xr, one) == [HIDDEN] * 3
    later(world, hours=2)
    assert documents(xr, one) == [GONE] * 3


def test_where_witnesses_are_silent_it_is_destroyed_a_week_later(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    erase(xr, one)
    xr.running.node.eraser.look()
    xa.stop()
    world.sleep(hours=72, days=6)
    assert xr.running.node.eraser.look() == 0
    world.sleep(days=2)
    assert xr.running.node.eraser.look() == 3
    xa.start()


def test_a_node_that_comes_late_never_asks_for_what_was_erased(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        enrol(world)
        world["XI"].stop()
        xr = world["XR"]
        one = xr.publish("POC-02", attachments=FILES)
        order = erase(xr, one)
        world["XI"].start()
        world.wire.asked.clear()
        world["XI"].pull()
        assert documents(world["XI"], one) == [(False, "erasure", True)] * 3, "never here, and never missed"
        assert [path for _, path in world.wire.asked if path.startswith("/v1/documents/")] == []
        assert orders(world["XI"], order) == ["in force"]


def test_a_crash_between_hiding_and_destroying_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before the commit, nor behind it, when the files are still there: the next start finishes."""
    xr = world["XR"]
    one = published(world)
    erase(xr, one)
    vouch(world)
    xr.stop()
    xr.start()
    assert documents(xr, one) == [HIDDEN] * 3
    world.sleep(hours=73)
    for node in world.nodes.values():
        node.running.cosigners.ask_now()
    monkeypatch.setattr(Eraser, "_remove", lambda self, files: (_ for _ in ()).throw(SystemExit("killed")))
    with pytest.raises(SystemExit):
        xr.running.node.eraser.look()
    monkeypatch.undo()
    left = xr.directory / "data" / "documents"
    assert [path.name for path in left.rglob("*") if path.is_file()] != [], "no row names it, and it is still there"
    xr.stop()
    xr.start()
    assert [path.name for path in left.rglob("*") if path.is_file()] == []
    assert documents(xr, one) == [GONE] * 3


def test_as_a_cover_up_it_leaves_the_fact_the_time_and_the_author(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    before = {part: xa.get(f"/v1/submissions/{one.id}/{part}").content for part in ("envelope", "receipt")}
    order = erase(xr, one)
    vouch(world)
    later(world, hours=73)
    for part, content in before.items():
        assert xa.get(f"/v1/submissions/{one.id}/{part}").content == content
    found = shown(xa, one)
    assert (found["participant"], found["form"], found["standing"]) == ("XR", "POC-02", "witnessed")
    assert found["not_later_than"] is not None
    assert xa.get(f"/v1/submissions/{order.id}/receipt").status_code == 200
    assert [slot["commitment"] for slot in found["documents"]] == [
        slot["commitment"] for slot in found["statement"]["documents"]
    ]


def test_an_erasure_under_keys_that_its_state_disputes_falls(world: World) -> None:
    """Both officers' keys were stolen: the State closes one of them from there on, and everything is shown again."""
    xr, xa = world["XR"], world["XA"]
    one = published(world)
    order = erase(xr, one)
    vouch(world)
    assert documents(xa, one) == [HIDDEN] * 3
    record = world.participants.records["XR"]
    world.participants = with_record(world.participants, closed_key(record, second(xr).public.keyid, (0, order.index)))
    in_force(world, world.participants)
    vouch(world)
    for node in (xr, xa):
        assert (documents(node, one), seen(node), orders(node, order)) == ([OPEN] * 3, (1, 1, 3), [erasures.DISPUTED])
    with pytest.raises(KeyNotAllowed):
        erase(xr, one)


def test_a_withdrawal_under_a_key_that_its_state_disputes_stops_no_erasure(world: World) -> None:
    xr = world["XR"]
    one = published(world)
    order = erase(xr, one)
    thief = xr.submit(withdrawal(xr, order, second(xr)))
    vouch(world)
    assert documents(xr, one) == [OPEN] * 3
    record = world.participants.records["XR"]
    world.participants = with_record(world.participants, closed_key(record, second(xr).public.keyid, (0, thief.index)))
    in_force(world, world.participants)
    vouch(world)
    assert [documents(node, one) for node in world.nodes.values()] == [[HIDDEN] * 3] * 2


def test_a_document_that_another_submission_states_too_is_destroyed_with_the_last_of_them(world: World) -> None:
    xr = world["XR"]
    one = published(world)
    refs = _statement(one).documents
    world.sleep(minutes=1)
    parcel = xr.parcel("POC-02", edit=lambda made: replace(made, documents=refs))
    twin = xr.submit(replace(parcel, documents=one.parcel.documents))
    erase(xr, one)
    vouch(world)
    later(world, hours=73)
    for node in world.nodes.values():
        assert (documents(node, one), documents(node, twin), doors(node, twin)) == ([GONE] * 3, [OPEN] * 3, [200] * 3)
    erase(xr, twin)
    vouch(world)
    later(world, hours=73)
    assert [rows(node, "document") for node in world.nodes.values()] == [0, 0]


def test_references_that_erase_nothing_are_refused_at_the_door(world: World) -> None:
    xr = world["XR"]
    one = published(world)
    with pytest.raises(UnknownSeries, match="rel erases"):
        erase(xr, one, references=(Reference("related", one.id, None),))
    with pytest.raises(UnknownSeries, match="names such a submission"):
        erase(xr, one, references=(Reference("erases", "0" * 64, None),))


def test_an_order_waits_for_what_it_names(world: World) -> None:
    """What it names is signed with a key that no record holds yet; the order is carried out when that comes in."""
    xr, xa = world["XR"], world["XA"]
    third = key_named("XR officer 3")
    parcel = xr.parcel("POC-02", signers=(third,))
    one = Published(_id(parcel.envelope), 0, b"", parcel)
    sign_into(xr, parcel.envelope)
    order = Published(_id(erasure(xr, one).envelope), 1, b"", erasure(xr, one))
    sign_into(xr, order.parcel.envelope)
    vouch(world)
    assert [orders(node, order) for node in (xr, xa)] == [[erasures.WAITS]] * 2
    record = world.participants.records["XR"]
    with_third = replace(record, keys=(*record.keys, officer_key(third.public)))
    world.participants = with_record(world.participants, with_third)
    in_force(world, world.participants)
    vouch(world)
    for node in (xr, xa):
        assert (orders(node, order), documents(node, one)) == (["in force"], [GONE])


def test_a_missing_document_under_an_order_is_not_missing(world: World) -> None:
    xr, xa = world["XR"], world["XA"]
    entry = signed(stated("XR", origin=xr.origin, form=_statement(published(world)).form, status="test"), xr.officer)
    index = sign_into(xr, entry)
    vouch(world)
    (line,) = [one for one in xa.get("/v1/submissions?participant=XR").json()["items"] if one["index"] == index]
    lost = Published(line["id"], index, b"", replace(xr.parcel(), envelope=entry))
    assert documents(xa, lost) == [MISSING] and shown(xa, lost)["account"] == "undelivered"
    erase(xr, lost)
    vouch(world)
    assert documents(xa, lost) == [GONE] and xa.get("/v1/peers").json()["items"][0]["documents_missing"] == 0
