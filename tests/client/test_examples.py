"""The programs in examples/ that ask a node, one of each flavour, run as a third party would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.core.catalogue import Catalogue
from exchange.core.pack import parse_pack
from exchange.resources import EXAMPLES, form_files
from exchange.trust.participants import format_participants
from exchange.trust.verdict import check_pack
from tests.builders import participants
from tests.client.conftest import Served

ROOT = Path(__file__).resolve().parents[2]
ASKING = ("watch_registry.py", "archive_documents.py")


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_registry_is_watched_under_pinned_records(there: Served, tmp_path: Path) -> None:
    anchor = tmp_path / "peers.json"
    anchor.write_bytes(format_participants(there.stock.world.participants))
    done = run("watch_registry.py", there.url, anchor)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {there.stock.ids[name] for name in ("update", "XA", "XI")} <= {line.split()[-1] for line in lines}
    assert "XR answers now: +12025550143" in lines
    assert there.stock.ids["contact"] not in done.stdout, "replaced by its update"
    only = run("watch_registry.py", there.url, anchor, "CT-01")
    assert {line.split()[1] for line in only.stdout.splitlines() if "answers" not in line} == {"CT-01"}


def test_what_nobody_pinned_vouches_for_is_left_out(there: Served, tmp_path: Path) -> None:
    anchor = tmp_path / "peers.json"
    anchor.write_bytes(format_participants(participants(there.stock.world.participants.records["XA"])))
    done = run("watch_registry.py", there.url, anchor)
    assert done.returncode == 1
    assert f"NOT VERIFIED {there.stock.ids['update']}: no record pinned here" in done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines() if "answers" not in line} == {"XA"}


def test_everything_is_archived_with_its_evidence(there: Served, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    done = run("archive_documents.py", there.url, archive)
    assert done.returncode == 0, done.stderr
    catalogue = Catalogue.from_files(form_files())
    for made in there.stock.made.values():
        folder = archive / made.id
        pack = parse_pack((folder / "evidence.zip").read_bytes())
        assert check_pack(pack, [there.stock.world.participants], catalogue).vouched
        kept = {path.read_bytes() for path in folder.iterdir() if path.name != "evidence.zip"}
        assert kept == {document.content for document in made.parcel.documents}
    assert not list(archive.glob("*.part"))
    again = run("archive_documents.py", there.url, archive)
    assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.once
@pytest.mark.parametrize("name", ASKING)
def test_an_example_is_short_and_says_how_it_is_used(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 60
    assert f"python examples/{name}" in run(name).stderr
