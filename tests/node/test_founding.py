"""A node is laid out once, whole, and never over another."""

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchange.config import Settings, read_settings
from exchange.core.keys import Kind, PublicKey
from exchange.errors import Malformed, Misuse
from exchange.node.founding import (
    NODE_KEYS,
    SEALING_KEY,
    default_origin,
    found,
    officer_key,
    read_officer,
    read_participants,
    write_participants,
)
from exchange.node.keyfile import create_key, open_key, open_sealing, open_sealings
from exchange.trust.participants import Participants, parse_participants
from tests import key_named

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
OFFICER = key_named("XR officer 1").public


def settings(directory: Path, **changes: Any) -> Settings:
    fields: dict[str, Any] = {
        "participant": "XR",
        "url": "https://cbm.xr.example",
        "origin": "cbm.xr.example/log",
        "federation": "test.example",
        **changes,
    }
    return Settings(directory=directory, **fields)


def lay_out(directory: Path, *officers: PublicKey, name: str = "Ruritania", **changes: Any) -> Participants:
    return found(settings(directory, **changes), name=name, officers=officers, now=NOW)


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    participants = lay_out(tmp_path / "XR", OFFICER)
    assert read_participants(tmp_path / "XR" / "peers.json") == participants
    assert parse_participants((tmp_path / "XR" / "peers.json").read_bytes()) == participants
    assert read_settings(tmp_path / "XR") == settings(tmp_path / "XR")
    record = participants.records["XR"]
    assert (record.name(), record.kind, record.status[0].since) == ("Ruritania", "participating State", "2026-11-21")


def test_an_organisation_is_not_a_state(tmp_path: Path) -> None:
    record = lay_out(tmp_path / "N", participant="ORG-SECRETARIAT").records["ORG-SECRETARIAT"]
    assert record.kind == "organisation"


def test_every_key_is_its_own_and_of_its_kind(tmp_path: Path) -> None:
    record = lay_out(tmp_path / "XR", OFFICER).records["XR"]
    opened = {kind: open_key(tmp_path / "XR" / "keys" / file, kind=kind).key for kind, file in NODE_KEYS.items()}
    assert len({key.seed for key in opened.values()}) == len(NODE_KEYS) == 4
    assert record.current_log.vkey.raw == opened[Kind.LOG].public.raw
    listed = {key.kind: key for key in record.keys}
    assert set(listed) == {Kind.SIGNING, Kind.WITNESS, Kind.TRANSPORT, Kind.NODE_SUBMISSION, Kind.SEALING}
    sealing = open_sealing(tmp_path / "XR" / "keys" / SEALING_KEY)
    assert listed[Kind.SEALING].public_key == sealing.public == record.sealing_key
    assert list(open_sealings(tmp_path / "XR" / "keys")) == [sealing.public.keyid]
    for kind in (Kind.WITNESS, Kind.TRANSPORT, Kind.NODE_SUBMISSION):
        assert listed[kind].public_key == opened[kind].public
    assert listed[Kind.SIGNING].public_key == OFFICER


def test_the_nodes_own_key_signs_no_return_of_its_state(tmp_path: Path) -> None:
    record = lay_out(tmp_path / "XR", OFFICER).records["XR"]
    assert list(record.keys_for("POC-02", (0, 0))) == [OFFICER.keyid]
    assert OFFICER.keyid in record.keys_for("PLT-01", (0, 0))
    assert len(record.keys_for("PLT-01", (0, 0))) == 2


def test_private_files_are_private(tmp_path: Path) -> None:
    lay_out(tmp_path / "XR", OFFICER)
    keys = tmp_path / "XR" / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE((keys / name).stat().st_mode) for name in (*NODE_KEYS.values(), SEALING_KEY)} == {0o600}
    seeds = [open_key(keys / name).key.seed for name in NODE_KEYS.values()]
    for name, content in files(tmp_path / "XR").items():
        if not name.endswith(".key"):
            assert not any(seed in content or seed.hex().encode() in content for seed in seeds), name


def test_a_node_is_never_laid_out_twice(tmp_path: Path) -> None:
    lay_out(tmp_path / "XR", OFFICER)
    before = files(tmp_path / "XR")
    with pytest.raises(Misuse, match="holds a node already"):
        lay_out(tmp_path / "XR", OFFICER)
    assert files(tmp_path / "XR") == before


@pytest.mark.parametrize("left", ["node.toml", "peers.json", "data/cbm.sqlite", "keys/log.key", "keys/witness.key"])
def test_whatever_is_left_of_a_node_stops_a_new_one(tmp_path: Path, left: str) -> None:
    """A log goes with its key: beside a database without its key, or the other way round, nothing is made anew."""
    path = tmp_path / "XR" / left
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises(Misuse, match="holds a node already"):
        lay_out(tmp_path / "XR", OFFICER)
    assert files(tmp_path / "XR") == {left: b"precious"}


REFUSED: dict[str, Any] = {
    "one officer twice": {"officers": (OFFICER, OFFICER)},
    "a name of nothing": {"name": ""},
    "a name with a line break": {"name": "Ruri\ntania"},
    "a name that turns the writing": {"name": "Ruri\u202etania"},
    "a name that is too long": {"name": "R" * 10_000},
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_record_leaves_nothing_behind(tmp_path: Path, wrong: dict[str, Any]) -> None:
    officers = wrong.get("officers", (OFFICER,))
    with pytest.raises((Misuse, Malformed)):
        lay_out(tmp_path / "XR", *officers, name=wrong.get("name", "Ruritania"))
    assert files(tmp_path) == {}
    lay_out(tmp_path / "XR", OFFICER)


def test_the_origin_comes_from_the_address_once() -> None:
    assert default_origin("https://CBM.xr.example/") == "cbm.xr.example/log"
    assert default_origin("http://127.0.0.1:8750") == "127.0.0.1:8750/log"
    assert default_origin("https://cbm.example/xr") == "cbm.example/xr/log"


def test_an_officer_brings_a_signing_key(tmp_path: Path) -> None:
    create_key(tmp_path / "log.key", Kind.LOG)
    with pytest.raises(Misuse, match="log key; officers sign with signing keys"):
        read_officer(tmp_path / "log.key.pub")
    with pytest.raises(Misuse, match="cannot read"):
        read_officer(tmp_path / "absent.pub")
    made = create_key(tmp_path / "officer.key", Kind.SIGNING, "four random words do well").key.public
    assert read_officer(tmp_path / "officer.key.pub") == made


def test_an_officers_key_begins_where_it_is_told() -> None:
    key = officer_key(OFFICER, ("POC-02",), log=0, index=7)
    assert (key.start, key.before, key.may_sign) == ((0, 7), None, ("POC-02",))
    assert key.why_not("POC-02", (0, 6)) and not key.why_not("POC-02", (0, 7))


def test_records_are_replaced_as_a_whole(tmp_path: Path) -> None:
    participants = lay_out(tmp_path / "XR", OFFICER)
    path = tmp_path / "XR" / "peers.json"
    other = replace(participants, live=True)
    write_participants(path, other)
    assert read_participants(path) == other
    assert sorted(found.name for found in path.parent.iterdir()) == ["keys", "node.toml", "peers.json"]
    with pytest.raises(Misuse, match="cannot read"):
        read_participants(tmp_path / "absent.json")
