"""cbm federation: records are gathered, imported, shown and pinned, and no step lets one State's keys be replaced by another's."""

import hashlib
import json
from pathlib import Path
from typing import Any

from exchange.node.founding import read_participants
from tests.cli.desk import Desk
from tests.processes import NodeProcess


def edit(path: Path, change: Any, target: Path | None = None) -> Path:
    """Change a file of records as an operator with an editor would."""
    peers = json.loads(path.read_text())
    change(peers)
    (target or path).write_text(json.dumps(peers))
    return target or path


def test_records_are_gathered_and_imported_by_everybody(desk: Desk) -> None:
    folders = [desk.state(code, name) for code, name in (("XR", "Ruritania"), ("XA", "Arcadia"), ("XI", "Illyria"))]
    files = [folder / "peers.json" for folder in folders]
    gathered = desk.yes("federation", "gather", "all.json", *files)
    assert gathered.out == "all.json\n" and "holds 3 records of trial.example" in gathered.err
    assert sorted(read_participants(desk.folder / "all.json").records) == ["XA", "XI", "XR"]
    for folder in folders:
        done = desk.yes("federation", "import", folder, "all.json")
        assert done.out == f"3 records in {folder / 'peers.json'}\n" and f"cbm pull {folder}" in done.err
    contents = [read_participants(path).records for path in files]
    assert contents[0] == contents[1] == contents[2]
    with NodeProcess(folders[0]):
        pass  # it starts under them


def test_two_records_of_one_state_are_not_gathered(desk: Desk) -> None:
    desk.state("XR")
    other = Desk(desk.folder / "elsewhere")
    other.folder.mkdir()
    other.state("XR")
    done = desk.cbm("federation", "gather", "all.json", "XR/peers.json", "elsewhere/XR/peers.json")
    assert (done.code, done.out) == (2, "") and "ask XR which is newer" in done.err
    assert not (desk.folder / "all.json").exists()


def test_records_of_different_federations_are_not_mixed(desk: Desk) -> None:
    desk.state("XR")
    for name, change in (("federation", "other.example"), ("live", True)):
        edit(desk.state(f"X{name[0].upper()}") / "peers.json", lambda peers: peers.update({name: change}))  # noqa: B023
        gathered = desk.cbm("federation", "gather", "all.json", "XR/peers.json", f"X{name[0].upper()}/peers.json")
        assert gathered.code == 2 and "the files before it for the trial federation 'trial.example'" in gathered.err
    imported = desk.cbm("federation", "import", "XR", "XF/peers.json")
    assert imported.code == 2 and "this node belongs to 'trial.example'" in imported.err


def test_one_key_under_two_states_is_not_gathered(desk: Desk) -> None:
    for code in ("XR", "XA"):
        desk.state(code, officers=("the same",))
    done = desk.cbm("federation", "gather", "all.json", "XR/peers.json", "XA/peers.json")
    assert done.code == 2 and "stands twice" in done.err


def test_an_import_keeps_ones_own_record_and_refuses_what_does_not_follow(desk: Desk) -> None:
    desk.state("XR")
    desk.state("XA")
    desk.yes("federation", "import", "XR", "XA/peers.json")
    before = (desk.folder / "XR" / "peers.json").read_bytes()

    def dropped(peers: Any) -> None:
        peers["participants"][0]["keys"] = peers["participants"][0]["keys"][1:]

    done = desk.cbm(
        "federation", "import", "XR", edit(desk.folder / "XA" / "peers.json", dropped, desk.folder / "x.json")
    )
    assert done.code == 2 and "was dropped" in done.err
    own = edit(desk.folder / "XR" / "peers.json", lambda peers: peers["participants"].pop(), desk.folder / "own.json")
    stolen = edit(own, lambda peers: peers["participants"][0].update(node_url="https://elsewhere.example"))
    kept = desk.yes("federation", "import", "XR", stolen)
    assert "differs from this node's own, which stays" in kept.err
    assert read_participants(desk.folder / "XR" / "peers.json").records["XR"].node_url.startswith("http://127.0.0.1")
    assert json.loads(before) == json.loads((desk.folder / "XR" / "peers.json").read_bytes())


def test_records_that_make_a_federation_live_say_so(desk: Desk) -> None:
    desk.state("XR")
    live = edit(desk.state("XA") / "peers.json", lambda peers: peers.update(live=True))
    assert "belongs to a live federation" in desk.yes("federation", "import", "XR", live).err


def test_show_names_who_may_sign(desk: Desk) -> None:
    folder = desk.state("XR", "Ruritania", ("o1",))
    shown = desk.yes("federation", "show", folder / "peers.json").out.splitlines()
    record = read_participants(folder / "peers.json").records["XR"]
    assert shown[0] == "trial.example (trial), 1 participant"
    assert shown[1].startswith("XR  Ruritania, participating State, active since ")
    assert shown[2] == f"      log              {record.logs[0].origin}, key {record.logs[0].vkey.keyid.hex()}"
    assert (
        shown[3]
        == f"      signing          {record.keys[0].public_key.keyid}, signs every form from index 0 on, releaser"
    )


def test_a_pin_is_shown_by_its_fingerprint_and_only_followed_by_what_follows(desk: Desk) -> None:
    path = desk.state("XR") / "peers.json"
    pinned = desk.yes("federation", "pin", path)
    assert pinned.out.strip() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "by another channel" in pinned.err
    anchor = desk.folder / "config" / "cbm" / "anchors" / "trial.example.json"
    assert anchor.read_bytes() == path.read_bytes()

    desk.yes("key", "enrol", "XR", f"{desk.key('o2')}.pub")
    desk.yes("federation", "pin", path)
    assert anchor.read_bytes() == path.read_bytes()

    other = Desk(desk.folder / "mallory")
    other.folder.mkdir()
    forged = other.state("XR") / "peers.json"
    done = desk.cbm("federation", "pin", forged)
    assert (done.code, done.out) == (2, "") and f"remove {anchor} first" in done.err
    without = desk.cbm("federation", "pin", edit(desk.state("XA") / "peers.json", lambda peers: None))
    assert without.code == 2 and "holds no record of XR" in without.err
    assert anchor.read_bytes() == path.read_bytes()
