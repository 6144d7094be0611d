"""`verified`: what a node says counts only where it leads to records that the caller pinned, in both flavours."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.client import Client, pinned_records
from exchange.core.catalogue import Catalogue
from exchange.core.dsse import Envelope, format_envelope, parse_envelope
from exchange.core.pack import Pack, format_pack, parse_pack
from exchange.errors import (
    BadProof,
    BadSignature,
    ExchangeError,
    Malformed,
    RecordRefused,
    UnknownKey,
    Unreachable,
    Unverified,
    WrongCommitment,
)
from exchange.trust.participants import format_participants
from tests.builders import participants, record
from tests.client import Host, opened
from tests.client.conftest import Served


def test_a_submission_is_proven_under_a_pinned_record(there: Served, client: Client) -> None:
    for name in ("ICT-03", "files", "update", "withdrawal", "XA", "XI"):
        made = there.stock.made[name]
        code = name if name in ("XA", "XI") else "XR"
        alone = participants(there.stock.world.participants.records[code])
        verified = client.verified(made.id, [alone])
        assert verified.id == made.id
        assert (verified.statement.participant, verified.index) == (code, made.index)
        assert verified.documents == made.parcel.documents and verified.missing == ()
        assert verified.document("a1") == next((one.content for one in verified.documents if one.slot == "a1"), None)
        assert any("signed by 1 key" in line for line in verified.checks)
        assert parse_pack(verified.pack).envelope == made.parcel.envelope


def test_an_anchor_is_a_file_of_records(there: Served, client: Client, tmp_path: Path) -> None:
    anchor = pinned_records((there.node.directory / "peers.json").read_bytes())
    assert client.verified(there.stock.ids["contact"], [anchor]).document() is not None
    with pytest.raises(Malformed):
        pinned_records(b"{}")


def test_without_an_anchor_nothing_is_verified(there: Served, client: Client) -> None:
    ident = there.stock.ids["contact"]
    others = participants(there.stock.world.participants.records["XA"])
    elsewhere = replace(there.stock.world.participants, federation="elsewhere.example")
    for anchors in ([], [others], [elsewhere]):
        with pytest.raises(UnknownKey, match="no record pinned here") as refusal:
            client.verified(ident, anchors)
        assert refusal.value.next_step


def test_a_record_of_other_keys_verifies_nothing(there: Served, client: Client) -> None:
    with pytest.raises((RecordRefused, UnknownKey)):
        client.verified(there.stock.ids["contact"], [participants(record("XR"))])


def test_what_is_missing_is_named(there: Served, flavour: str) -> None:
    made = there.stock.made["files"]
    pack = parse_pack(there.node.get(f"/v1/submissions/{made.id}/pack").content)
    less = replace(pack, documents=pack.documents[:2])
    with opened(flavour, "http://other.example", Host(200, format_pack(less))) as client:
        verified = client.verified(made.id, [there.stock.world.participants])
    assert verified.missing == ("a2",) and verified.document("a2") is None


def test_a_form_that_the_caller_knows_is_judged(there: Served, client: Client) -> None:
    made, anchors = there.stock.made["ICT-03"], [there.stock.world.participants]
    assert any("fits the form ICT-03" in line for line in client.verified(made.id, anchors).checks)
    unknown = client.verified(made.id, anchors, Catalogue.from_files([]))
    assert any("form not known here" in line for line in unknown.checks)


Lie = Callable[[Pack, Pack], Pack]


def _flipped(content: bytes, at: int = -1) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


def _signed_by(other: bytes, envelope: bytes) -> Envelope:
    """With the signature over another statement, by the same key."""
    return replace(parse_envelope(envelope), signatures=parse_envelope(other).signatures)


LIES: dict[str, tuple[Lie, type[ExchangeError]]] = {
    "another submission": (lambda pack, other: other, BadProof),
    "another receipt": (lambda pack, other: replace(pack, receipt=other.receipt), BadProof),
    "no receipt": (lambda pack, other: replace(pack, receipt=None), Malformed),
    "another signature": (
        lambda pack, other: replace(pack, envelope=format_envelope(_signed_by(other.envelope, pack.envelope))),
        BadSignature,
    ),
    "another document": (
        lambda pack, other: replace(
            pack, documents=(replace(pack.documents[0], content=_flipped(pack.documents[0].content)),)
        ),
        WrongCommitment,
    ),
    "records of other keys": (
        lambda pack, other: replace(pack, trust=format_participants(participants(record("XR")))),
        RecordRefused,
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_node_that_lies_is_believed_nothing(there: Served, flavour: str, lie: str) -> None:
    change, kind = LIES[lie]
    ident, other = there.stock.ids["contact"], there.stock.ids["update"]
    true, second = (parse_pack(there.node.get(f"/v1/submissions/{each}/pack").content) for each in (ident, other))
    content = format_pack(change(true, second))
    with opened(flavour, "http://liar.example", Host(200, content)) as client, pytest.raises(kind):
        client.verified(ident, [there.stock.world.participants])


def test_one_changed_byte_anywhere_verifies_nothing(there: Served, flavour: str) -> None:
    """The file name alone is nobody's word, and says so."""
    ident = there.stock.ids["contact"]
    content = there.node.get(f"/v1/submissions/{ident}/pack").content
    for at in range(0, len(content), 97):
        with (
            opened(flavour, "http://liar.example", Host(200, _flipped(content, at))) as client,
            pytest.raises((Unverified, Malformed, Unreachable, RecordRefused)),
        ):
            client.verified(ident, [there.stock.world.participants])
