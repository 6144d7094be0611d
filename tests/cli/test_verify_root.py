"""cbm verify with nothing but a founders' root: the list that came along counts as far as it is signed above it, and never by itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from exchange.core.catalogue import Catalogue
from exchange.core.evidence import build_evidence, format_evidence
from exchange.core.pack import Pack, format_pack, parse_pack
from exchange.federation.founders import fingerprint
from exchange.resources import form_files
from exchange.trust.anchor import FoundersRoot
from exchange.trust.bundle import format_bundle
from exchange.trust.drafts import draft_root
from exchange.trust.verdict import Verdict, check_pack
from tests.cli.desk import Desk
from tests.faults import note_of
from tests.founded import WorldFounders, found_federation
from tests.founders import YEAR, holder, sign, strangers
from tests.node.test_findings import log_vkey
from tests.processes import Done
from tests.trust.packs import NOBODY
from tests.world import World

LINE = "comes from the founders' list number 1, as of "


@dataclass(frozen=True)
class Archive:
    """What a verifier has: a pack, the root that was handed over, and what liars could put in their places."""

    folder: Path
    pack: Pack
    made: WorldFounders
    evidence: bytes

    @property
    def root(self) -> bytes:
        return self.made.roots[0].raw

    def judge(self, pack: Pack, root: bytes | None = None, now: datetime | None = None) -> Verdict:
        anchor = FoundersRoot(self.root if root is None else root, (), now or datetime.now(UTC))
        return check_pack(pack, [anchor], Catalogue.from_files(form_files()))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    with World(folder / "world", "XR", "XA", "XI") as world:
        world.now = datetime.now(UTC).replace(microsecond=0)
        made = found_federation(world)
        published = world["XR"].publish()
        world["XR"].running.cosigners.ask_now()
        world.pull()
        content = world["XA"].get(f"/v1/submissions/{published.id}/pack").content
        one, other = (note_of(world["XR"], 3, bytes([which]) * 32) for which in (1, 2))
        evidence = format_evidence(build_evidence(log_vkey(world["XR"]), one, other, None))
    (folder / "good.zip").write_bytes(content)
    (folder / "root.json").write_bytes(made.roots[0].raw)
    (folder / "evidence.json").write_bytes(evidence)
    yield Archive(folder, parse_pack(content), made, evidence)


def verify(desk: Desk, archive: Archive, pack: Pack | None = None, *more: object) -> Done:
    path = desk.folder / "given.zip"
    path.write_bytes(format_pack(pack or archive.pack))
    return desk.cbm("verify", path, *(more or ("--root", archive.folder / "root.json")))


def test_a_root_and_a_pack_are_all_it_takes_and_the_quorum_is_judged_too(desk: Desk, archive: Archive) -> None:
    done = verify(desk, archive)
    assert done.code == 0, done
    assert LINE in done.out and fingerprint(archive.root) in done.out
    assert "ok  witnessed: cosigned by 2 of 2, 2 asked for" in done.out
    machine = desk.cbm("verify", desk.folder / "given.zip", "--root", archive.folder / "root.json", "--json").json
    assert (machine["verified"], machine["standing"], machine["identity_replaced"]) == (True, "witnessed", None)


def test_the_list_in_a_pack_never_vouches_for_itself(desk: Desk, archive: Archive) -> None:
    assert archive.pack.bundle is not None
    alone = verify(desk, archive, None, "--json")
    assert (alone.code, alone.json["vouched"], alone.json["summary"]) == (1, False, NOBODY)
    stranger = archive.judge(archive.pack, strangers().raw)
    assert stranger.holds and not stranger.vouched, "another root than the one that signed it"


def usurped(archive: Archive) -> bytes:
    """Every file of the list made anew by other founders, for the same names."""
    false = WorldFounders(archive.made.world)
    false.founders = [holder(f"usurper {number}") for number in range(3)]
    false.roots = [sign(false.draft_root(1), *false.founders)]
    false.targets = [false.sign_targets(1)]
    return format_bundle(false.all_files())


def test_a_list_of_usurpers_in_a_pack_vouches_for_nothing_under_the_true_root(archive: Archive) -> None:
    found = archive.judge(replace(archive.pack, bundle=usurped(archive)))
    assert not found.vouched


def test_a_next_root_that_the_founders_did_not_sign_leads_nowhere(archive: Archive) -> None:
    usurpers = [holder(f"usurper {number}") for number in range(3)]
    publics = tuple(each.public for each in usurpers)
    next_root = sign(draft_root(2, datetime.now(UTC) + YEAR, publics, 2, (holder("a relay").public,)), *usurpers)
    grown = format_bundle([*archive.made.all_files(), next_root])
    found = archive.judge(replace(archive.pack, bundle=grown))
    assert found.holds and found.vouched, "the true list counts as it did"


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
def test_a_bundle_with_one_byte_changed_is_no_yes_for_what_it_changed(archive: Archive, share: float) -> None:
    bundle = archive.pack.bundle or b""
    at = int(len(bundle) * share)
    changed = bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :]
    found = archive.judge(replace(archive.pack, bundle=changed))
    good = archive.judge(archive.pack)
    assert (
        not (found.holds and found.vouched)
        or found.cosigned is None
        or good.cosigned is None
        or (len(found.cosigned.by) <= len(good.cosigned.by))
    )


def test_what_is_no_bundle_in_a_pack_is_refused_even_without_a_root(desk: Desk, archive: Archive) -> None:
    done = verify(desk, archive, replace(archive.pack, bundle=b"no bundle"), "--json")
    assert done.code == 1 and done.json["summary"] == "does not verify"


def test_an_old_pack_verifies_when_every_timestamp_root_and_list_has_expired(archive: Archive) -> None:
    found = archive.judge(archive.pack, now=datetime.now(UTC) + timedelta(days=3_000))
    assert found.holds and found.vouched, found.checks
    lines = [check.line for check in found.checks]
    assert any(LINE in line for line in lines)
    assert any("nobody here vouches that this is the newest list since" in line for line in lines)


def test_a_list_from_elsewhere_counts_for_a_pack_that_brings_none(desk: Desk, archive: Archive) -> None:
    bare = replace(archive.pack, bundle=None)
    assert verify(desk, archive, bare).code == 1, "the root alone names no State"
    bundle = desk.folder / "trust.bundle"
    bundle.write_bytes(archive.pack.bundle or b"")
    root = ("--root", archive.folder / "root.json")
    assert verify(desk, archive, bare, "--trust", bundle, *root).code == 0
    lost = verify(desk, archive, bare, "--trust", bundle)
    assert lost.code == 2 and "--root" in lost.err


def test_a_pinned_root_counts_until_another_anchor_is_given(desk: Desk, archive: Archive) -> None:
    pinned = desk.yes("federation", "pin", archive.folder / "root.json")
    assert pinned.out.strip() == fingerprint(archive.root)
    path = archive.folder / "good.zip"
    assert desk.cbm("verify", path).code == 0
    other = desk.folder / "other.json"
    other.write_bytes(strangers().raw)
    assert desk.cbm("verify", path, "--root", other).code == 1


def test_a_root_that_its_own_founders_did_not_sign_is_not_pinned_and_no_anchor(desk: Desk, archive: Archive) -> None:
    bad = desk.folder / "bad.json"
    bad.write_bytes(sign(archive.made.draft_root(1), archive.made.founders[0]).raw)
    assert desk.cbm("federation", "pin", bad).code == 1
    assert desk.cbm("verify", archive.folder / "good.zip", "--root", bad).code == 1


def test_a_root_that_came_with_the_program_is_named_by_its_federation_and_never_counts_unasked(
    desk: Desk, archive: Archive
) -> None:
    assert desk.cbm("verify", archive.folder / "good.zip", "--root", "demo.example").code == 1
    assert desk.cbm("verify", archive.folder / "good.zip", "--root", "nobody.example").code == 2


def test_a_receipt_verifies_with_its_envelope_under_a_root_and_a_list(desk: Desk, archive: Archive) -> None:
    parts = {"receipt.tlog-proof": archive.pack.receipt, "envelope.json": archive.pack.envelope}
    for name, content in {**parts, "trust.bundle": archive.pack.bundle}.items():
        (desk.folder / name).write_bytes(content or b"")
    anchors = ("--root", archive.folder / "root.json", "--trust", desk.folder / "trust.bundle")
    done = desk.cbm("verify", "receipt.tlog-proof", "--envelope", "envelope.json", *anchors)
    assert done.code == 0 and "ok  witnessed" in done.out
    assert desk.cbm("verify", "receipt.tlog-proof", *anchors).code == 2
    (desk.folder / "envelope.json").write_bytes(archive.pack.envelope.replace(b"A", b"B", 1))
    assert desk.cbm("verify", "receipt.tlog-proof", "--envelope", "envelope.json", *anchors).code == 1


def test_evidence_is_told_with_whose_key_it_is_under_a_root(desk: Desk, archive: Archive) -> None:
    bundle = desk.folder / "trust.bundle"
    bundle.write_bytes(archive.pack.bundle or b"")
    anchors = ("--root", archive.folder / "root.json", "--trust", bundle)
    done = desk.cbm("verify", archive.folder / "evidence.json", *anchors)
    assert done.code == 0 and "that key is a log key of XR (XR)" in done.out
    assert desk.cbm("verify", archive.folder / "evidence.json").code == 0, "it convicts without any anchor"
    fields = orjson.loads(archive.evidence)
    assert fields["log_vkey"].startswith("xr.test.example/log+")
