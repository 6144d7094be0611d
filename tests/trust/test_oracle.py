"""Somebody else's program reads what is published: python-tuf's own client, over the paths that a node serves."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError, RepositoryError, UnsignedMetadataError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from exchange.trust.contents import published
from exchange.trust.participants import parse_record
from tests.founders import Founders, holder

pytestmark = pytest.mark.once

ADDRESS = "https://relay.example/trust/"


class Shelf(FetcherInterface):
    """The files of a list, as any node serves them."""

    def __init__(self, made: Founders, relay: str = "relay 0") -> None:
        words = [file for name, word in made.words.items() for file in word if name == relay]
        files = [*made.roots, *made.targets, *made.records.values(), *words]
        self.files = {path: content for file in files for path, content in published(file).items()}
        self.asked: list[str] = []

    def _fetch(self, url: str):  # type: ignore[no-untyped-def]
        path = url.removeprefix(ADDRESS)
        self.asked.append(path)
        if path not in self.files:
            raise DownloadHTTPError("not there", 404)
        yield self.files[path]


def made_now(*codes: str) -> Founders:
    """python-tuf reads the clock of the machine."""
    return Founders(*codes, now=datetime.now(UTC).replace(microsecond=0))


def client(made: Founders, folder: Path, relay: str = "relay 0") -> Updater:
    folder.mkdir(exist_ok=True)
    return Updater(
        str(folder), ADDRESS, str(folder), f"{ADDRESS}targets/", Shelf(made, relay), bootstrap=made.roots[0].raw
    )


def test_its_client_finds_every_record_and_the_charter(tmp_path: Path) -> None:
    made = made_now()
    theirs = client(made, tmp_path)
    for code in made.codes:
        found = theirs.get_targetinfo(f"participants/{code}.json")
        assert found is not None
        assert parse_record(found.custom["record"]) == made.record(code)
        downloaded = json.loads(Path(theirs.download_target(found)).read_bytes())
        assert downloaded == found.custom["record"]
    charter = theirs.get_targetinfo("federation.json")
    assert charter is not None and charter.custom["federation"] == "test.example"


def test_its_client_follows_a_new_root_new_founders_and_a_rotated_state(tmp_path: Path) -> None:
    made = made_now()
    client(made, tmp_path).refresh()
    old_identity, old_founders = made.identities["XR"], made.founders
    new = [holder(f"XR new identity {number}") for number in range(3)]
    made.decide(made.with_member(made.changed("XR", new, *old_identity[:2], *new[:2])))
    made.identities["XR"] = new
    made.file_record("XR", made.record("XR", node_url="https://new.example"))
    made.founders = [*old_founders[1:], holder("a new founder")]
    made.next_root(*old_founders, *made.founders)
    made.decide(made.charter)
    made.speak(made.now + timedelta(seconds=5))
    found = client(made, tmp_path).get_targetinfo("participants/XR.json")
    assert found is not None and found.custom["record"]["node_url"] == "https://new.example"
    chosen = made.cold()
    assert chosen.participants is not None and chosen.participants.records["XR"].node_url == "https://new.example"


def test_its_client_may_change_relays_as_it_likes(tmp_path: Path) -> None:
    made = made_now()
    client(made, tmp_path, "relay 0").refresh()
    made.speak(made.now + timedelta(seconds=1), "relay 1")
    client(made, tmp_path, "relay 1").refresh()
    made.speak(made.now + timedelta(seconds=2), "relay 0")
    assert client(made, tmp_path, "relay 0").get_targetinfo("participants/XA.json") is not None


def test_its_client_asks_twice_when_nothing_is_new(tmp_path: Path) -> None:
    made = made_now()
    client(made, tmp_path).refresh()
    again = client(made, tmp_path)
    again.refresh()
    fetcher = again._fetcher
    assert isinstance(fetcher, Shelf) and fetcher.asked == ["2.root.json", "timestamp.json"]


def test_where_it_refuses_so_do_we(tmp_path: Path) -> None:
    made = made_now()
    held = made.cold().held
    made.records["XR"] = made.sign_record("XR", 2, signers=made.identities["XR"][:1])
    made.speak(made.now + timedelta(seconds=1))
    with pytest.raises(UnsignedMetadataError):
        client(made, tmp_path).get_targetinfo("participants/XR.json")
    assert made.later(held).held.files["XR"].version == 1
    made.targets.append(replace(made.sign_targets(2), signatures={}))
    made.speak(made.now + timedelta(seconds=2))
    with pytest.raises(RepositoryError):
        client(made, tmp_path).refresh()
    assert made.later(held).held.targets == made.targets[0]
