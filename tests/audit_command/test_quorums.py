"""A node audited from its address: what it says of cosignatures is counted again out of what it serves, and every lie is named."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.audit.laws import Subject
from exchange.audit.outside import NodePlace
from exchange.audit.report import Report
from exchange.audit.run import audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.audit.visit import audit_node
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import signed_alone
from exchange.core.note import Note, NoteSignature, format_note, parse_note, parse_vkey
from exchange.core.receipt import format_receipt, parse_receipt
from exchange.errors import UnknownKey
from exchange.resources import form_files
from tests.audit_command.hands import Fault
from tests.audit_command.lies import Lie, at, by, change_items, edit, of, tell, value_of
from tests.audited import audited_from_outside
from tests.founded import WorldFounders, found_federation
from tests.founders import strangers
from tests.node.test_findings import log_vkey
from tests.world import START, World, WorldNode

XR, XI = "xr.test.example/log", "xi.test.example/log"
WITNESSED = {"standing": "witnessed", "cosignatures": "cosigned by 2 of 2, 2 asked for"}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """XR with two heads that both others cosigned, hours apart, and XI with one that nobody did."""
    with World(tmp_path_factory.mktemp("quorums"), "XR", "XA", "XI", audited=False) as world:
        for number in range(2):
            world["XR"].publish(scope={"en": str(number)})
            assert set(world["XR"].running.cosigners.ask_now().values()) == {None}
            world.sleep(hours=2)
        world["XI"].publish()
        world.pull()
        yield world


@pytest.fixture
def node(played: World) -> Iterator[WorldNode]:
    played["XR"].fault = None
    yield played["XR"]
    played["XR"].fault = None


def faults(report: Report) -> set[Fault]:
    return {(fault.what, fault.log, fault.index) for fault in report.faults}


def test_lines_and_quorums_are_counted_from_outside(node: WorldNode) -> None:
    report = audited_from_outside(node)
    assert report.holds, report.faults
    found = {log.origin: (log.cosignatures, log.witnessed) for log in report.logs}
    assert found == {XR: (2, 2), "xa.test.example/log": (0, 0), XI: (0, 0)}


def without_lines(note: bytes) -> bytes:
    return format_note(Note(parse_note(note).text, parse_note(note).signatures[:1]))


def spoilt(note: bytes) -> bytes:
    """One bit of a witness's signature."""
    parsed = parse_note(note)
    *others, last = parsed.signatures
    signature = last.signature[:-1] + bytes([last.signature[-1] ^ 1])
    return format_note(Note(parsed.text, (*others, NoteSignature(last.name, last.keyid, signature))))


def bare_receipts(content: bytes) -> bytes:
    if not content.startswith(b"c2sp.org"):
        return content
    receipt = parse_receipt(content)
    return format_receipt(type(receipt)(receipt.index, receipt.proof, without_lines(receipt.checkpoint)))


EARLIER = f"{START - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
LIES: dict[str, tuple[Lie, set[Fault]]] = {
    "more cosigned than did": (edit(1, cosignatures="cosigned by 3 of 2, 2 asked for"), {("cosignature", XR, 1)}),
    "fewer are asked for": (edit(1, cosignatures="cosigned by 2 of 2, 1 asked for"), {("cosignature", XR, 1)}),
    "of other witnesses": (edit(1, cosignatures="cosigned by 2 of 9, 2 asked for"), {("cosignature", XR, 1)}),
    "in no such words": (edit(1, cosignatures="cosigned by everybody"), {("cosignature", XR, 1)}),
    "vouched for since earlier": (edit(1, not_later_than=EARLIER), {("cosignature", XR, 1)}),
    "witnessed, and nobody did": (
        change_items("/v1/submissions", at(0, XI), **WITNESSED, not_later_than=EARLIER),
        {("cosignature", XI, 0)},
    ),
    "late, and it is not": (edit(0, late=True), {("cosignature", XR, 0)}),
    "another standing": (edit(0, standing="proven"), {("cosignature", XR, 0)}),
    "a head that nobody cosigned": (of("/log/checkpoint", without_lines), {("cosignature", XR, 2)}),
    "a spoilt line under the head": (of("/log/checkpoint", spoilt), {("cosignature", XR, 2)}),
    "receipts without lines": (of("/v1/submissions/", bare_receipts), {("cosignature", XR, 0), ("cosignature", XR, 1)}),
    "another's head is witnessed": (
        change_items("/v1/peers", by("XI"), head__standing="witnessed"),
        {("cosignature", XI, 1)},
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_witnesses_is_found_and_named(node: WorldNode, lie: str) -> None:
    change, expected = LIES[lie]
    tell(node, change)
    report = audited_from_outside(node)
    assert faults(report) == expected, report.faults


def test_a_line_of_nobody_is_left_aside_and_what_is_understated_is_no_lie(node: WorldNode) -> None:
    def more(note: bytes) -> bytes:
        parsed = parse_note(note)
        stranger = NoteSignature("test.example/witness/XR", b"abcd", bytes(72))
        return format_note(Note(parsed.text, (*parsed.signatures, stranger)))

    tell(node, of("/log/checkpoint", more))
    assert audited_from_outside(node).holds
    tell(node, value_of("/v1/node", lambda value: value["head"].update(standing="recorded")))
    assert audited_from_outside(node).holds
    note = node.get("/log/checkpoint").content
    assert signed_alone(note, parse_vkey(log_vkey(node))) == without_lines(note)


def from_outside(node: WorldNode, root: bytes | None) -> Report:
    place = NodePlace(node.url, node.world.wire)
    return audit_node(place, form_files(), anchor=None, root=root, workers=1, now=node.world.now)


def from_directory(node: WorldNode, root: bytes | None) -> Report:
    settings = read_settings(node.directory)
    return audit_directory(
        DirectoryPlace(node.directory, settings.database_url, settings.documents),
        Subject(settings.participant, settings.federation, settings.origin),
        Catalogue.from_files(form_files()),
        anchor=None,
        root=root,
        workers=1,
        now=node.world.now,
    )


def founded(world: World) -> WorldFounders:
    made = found_federation(world)
    world["XR"].publish()
    world["XR"].running.cosigners.ask_now()
    world.pull()
    return made


def test_a_root_of_founders_is_an_anchor_for_an_audit_and_its_rosters_count(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        made = founded(world)
        for audit in (from_outside, from_directory):
            for root in (made.roots[0].raw, None):
                report = audit(world["XA"], root)
                assert report.holds, report.faults
                assert (report.anchor is None) is (root is None)
                assert {log.origin: log.witnessed for log in report.logs}[XR] == 1
            with pytest.raises(UnknownKey, match="no founders' list that the root given"):
                audit(world["XA"], strangers().raw)
