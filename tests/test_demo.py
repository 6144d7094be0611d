"""cbm demo: what it tells is true, what it starts it ends, and 34 States agree on real public facts."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.cli.demonstration import demonstration_root
from exchange.cli.twofaced import FEDERATION as DEMO
from exchange.cli.twofaced import SWITCH, TwoFaced, make_face, show
from exchange.client import Client
from exchange.client.answers import HeadStanding
from exchange.config import Settings, read_settings
from exchange.core.base64text import format_base64
from exchange.core.evidence import FINDING, KIND, parse_evidence, verify_evidence
from exchange.core.note import parse_vkey
from exchange.core.pack import Pack
from exchange.core.vocabulary import is_participant_code
from exchange.errors import Misuse, Unreachable
from exchange.node.founding import read_participants
from exchange.resources import EXAMPLES, ROOTS
from exchange.trust.choice import pin
from exchange.trust.contents import read_root
from tests.databases import hand_in
from tests.processes import ROOT, SECONDS, cbm, environment, fresh, full_audit
from tests.world import World

pytestmark = pytest.mark.sqlite  # a demonstration needs no server

RECORDS = ROOT / ".." / "shared" / "real" / "public-record.json"
STATES = ROOT / ".." / "shared" / "reference" / "osce_states.json"
MANY_SECONDS = 300.0  # for a whole demonstration, where others work on the same machine


def query(directory: Path, text: str) -> list[tuple[Any, ...]]:
    with hand_in(directory) as db:
        return [tuple(row) for row in db.exec_driver_sql(text)]


def test_the_demo_ends_with_yes_and_its_lines_are_true(tmp_path: Path) -> None:
    done = fresh("demo", "--dir", "nodes", cwd=tmp_path, seconds=MANY_SECONDS)
    assert (done.code, done.out) == (0, ""), done
    told = done.err
    nodes = {code: tmp_path / "nodes" / code for code in ("XR", "XA", "XI")}
    for directory in nodes.values():
        full_audit(directory)

    own = {
        code: query(
            directory,
            'SELECT "index", hex(s.id) FROM submission s JOIN log l ON l.id = s.log_id WHERE l.own ORDER BY "index"',
        )
        for code, directory in nodes.items()
    }
    recorded = re.findall(r"=> recorded at index (\d+) of (\w\w)\.demo\.example/log; .* id ([0-9a-f]{16})\.\.\.", told)
    published = len(recorded)
    assert f"{published} returns are published" in told and published == 4
    assert {(code.upper(), int(index), ident) for index, code, ident in recorded} < {
        (code, index, ident.lower()[:16]) for code, entries in own.items() for index, ident in entries
    }
    assert {code: len(entries) for code, entries in own.items()} == {"XR": 3, "XA": 3, "XI": 1}, "with what was told"

    root = (ROOTS / "demo.example.json").read_bytes()
    assert "2 of 3 founders have signed who takes part: 3 States" in told and sha256(root).hexdigest() in told
    assert "3 of 3 nodes know the new officer: XR, XA, XI" in told
    for directory in nodes.values():
        assert (directory / "root.json").read_bytes() == root
        assert query(directory, "SELECT count(*) FROM trust_file WHERE role = 'XA'")[0][0] == 2
        [alert] = query(directory, "SELECT kind, participant FROM alert")
        assert alert == (KIND, "XI"), "one convicted, of one thing"

    [(held, missing)] = re.findall(r"Everybody pulled everybody: (\d+) entries .* (\d+) documents are missing", told)
    assert (int(held), int(missing)) == (2 * published, 0)
    assert (
        f"The registries of all 3 nodes are equal: 3 logs, {published} entries, {published} admitted, 0 refused, 0 waiting."
        in told
    )

    contact = orjson.loads((EXAMPLES / "returns" / "POC-02.json").read_bytes())
    assert f"    phone       {contact['phone']}" in told and "status exercise: this is not an actual contact" in told
    assert "a document altered after it was signed: refused [wrong-commitment]" in told
    assert "a return of Ruritania offered to the node of Arcadia: refused [wrong-origin]" in told
    assert not re.search("TAKEN|NOT equal|NO  |WRONG", told)
    assert f"  ok  envelope and statement are well formed; id {own['XR'][0][1].lower()}" in told
    log = read_participants(tmp_path / "nodes" / "peers.json").records["XR"].current_log
    assert f"under a checkpoint signed by key {log.vkey.keyid.hex()}" in told
    assert "  verified: Ruritania published this, and its log holds it at index 0" in told
    assert "Without an anchor the same pack is: consistent, but signed by keys nobody here has vouched for." in told
    assert running(nodes.values()) == []
    the_commands_show_it_again(tmp_path, told)


def the_commands_show_it_again(folder: Path, told: str) -> None:
    """Those that need no node, word for word; and they say what the demo said."""
    commands = [command.split() for command in re.findall(r"^  again: cbm (.*)$", told, re.M)]
    alone = [
        command for command in commands if command[0] in ("verify", "audit") or command[:2] == ["federation", "show"]
    ]
    said = {Path(command[-1 if command[0] == "federation" else 1]).name: cbm(*command, cwd=folder) for command in alone}
    assert set(said) == {"founding", "peers.json", "evidence.zip", "fork.json", "XR"}
    for done in said.values():
        assert done.code == 0, done
        lines = [f"  {line}" for line in done.out.splitlines()]
        assert set(lines) <= set(told.splitlines()) or done in (said["founding"], said["peers.json"], said["XR"]), done
    assert "ok  witnessed: cosigned by 2 of 2, 2 asked for; not later than 20" in said["evidence.zip"].out
    assert re.search("cosigned, the earliest first, by (XA, XI|XI, XA)\n", said["evidence.zip"].out)
    assert "convicts: whoever holds the key of xi.demo.example/log signed two histories" in said["fork.json"].out
    assert said["XR"].out.splitlines()[-1].startswith("holds: everything, ")
    evidence = parse_evidence((folder / "nodes" / "fork.json").read_bytes())
    one, other = verify_evidence(evidence)
    assert (one.size, other.size) == (2, 2), "one size, two roots"
    shown = re.findall(r"(\w+) is shown a log of size 2, root (\S{12})\.\.\., telephone (\S+)\.$", told, re.M)
    assert {root for _, root, _ in shown} == {format_base64(head.root)[:12] for head in (one, other)}
    assert [who for who, _, _ in shown] == ["Ruritania", "Arcadia"] and len({phone for _, _, phone in shown}) == 2
    assert told.count("refused (403)") == 2, "neither audience cosigns its face"


@pytest.mark.parametrize(("federation", "founders"), [("demo.example", 3), ("trial.example", 5)])
def test_the_roots_of_demonstrations_are_those_in_keys(federation: str, founders: int) -> None:
    shipped = (ROOTS / f"{federation}.json").read_bytes()
    assert demonstration_root(founders).raw == shipped
    says = read_root(pin(shipped).root)
    assert (len(says.root.keys), says.root.threshold) == (founders, founders // 2 + 1)
    assert sha256(shipped).hexdigest() in (ROOTS / "README.md").read_text()


def test_a_demo_that_cannot_be_says_why(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    done = cbm("demo", "--dir", "full", cwd=tmp_path)
    assert (done.code, done.out) == (2, "") and "full is not empty" in done.err
    record: dict[str, Any] = {"instrument": {"kind": "strategy", "name": {"en": "x"}, "adopted": 1, "expires": None}}
    record["national_csirt"] = {"name": "x", "website": "https://x.example"}
    cases: list[Any] = [
        [],
        [{}],
        [record],
        [{**record, "participant": code} for code in ("XR", "Arcadia")],
        {"XR": record},
    ]
    for records in cases:
        (tmp_path / "records.json").write_bytes(orjson.dumps({"records": records}))
        done = cbm("demo", "--records", "records.json", cwd=tmp_path)
        assert (done.code, done.out) == (1, "") and "is not a file of public facts" in done.err, done


def running(directories: Any) -> list[Path]:
    """Those whose node still holds its lock: the kernel lets go of it when the process is gone, however it went."""
    held = []
    for directory in directories:
        with open(directory / "lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                held.append(directory)
    return held


@contextmanager
def kept(
    folder: Path, *more: object, seconds: float = MANY_SECONDS
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A `cbm demo --keep --json` that has said where its nodes are. Its temporary files go to `folder`."""
    command = [sys.executable, "-m", "exchange", "demo", "--keep", "--json", *map(str, more)]
    settings = environment(folder, TMPDIR=str(folder), CBM_PARTICIPANT="ZZ")  # of a node of one's own
    process = subprocess.Popen(command, cwd=folder, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        line, deadline = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            assert process.poll() is None and time.monotonic() < deadline, line
            line += process.stdout.read() or b""
            time.sleep(0.02)
        yield process, orjson.loads(line)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def stop(process: subprocess.Popen[bytes], where: dict[str, Any], folder: Path) -> None:
    """SIGTERM ends the demo in order: yes, silence, no process, no folder."""
    assert len(running(data_dirs(where))) == len(where["nodes"])
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert list(folder.glob("cbm-demo-*")) == []
    for node in where["nodes"]:
        with Client(node["url"]) as client:
            try:
                raise AssertionError(f"{node['participant']} still answers: {client.node()}")
            except Unreachable:
                pass


def data_dirs(where: dict[str, Any]) -> list[Path]:
    return [Path(node["data_dir"]) for node in where["nodes"]]


def until_witnessed(client: Client) -> HeadStanding:
    """Nobody tells the nodes to cosign: their commits do."""
    deadline = time.monotonic() + SECONDS
    while (head := client.node()["head"])["standing"] != "witnessed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return head


WHERE = {"participant", "url", "origin", "log_vkey", "witness_vkey", "witness_url", "data_dir"}


def test_a_kept_demo_says_where_its_nodes_are_and_stops_in_order(tmp_path: Path) -> None:
    with kept(tmp_path) as (process, where):
        assert set(where) == {"nodes", "trust", "pack", "evidence"}
        assert Path(where["pack"]).is_file() and where["evidence"] is None, "a federation to try things on has no liar"
        assert [set(node) for node in where["nodes"]] == [WHERE] * 3
        records = read_participants(Path(where["trust"])).records
        heads = []
        for node in where["nodes"]:
            with Client(node["url"]) as client:
                about = client.node()
                heads.append(client.heads())
                assert list(client.alerts()) == []
            assert {
                name: about[name] for name in ("participant", "origin", "log_vkey", "witness_vkey", "witness_url")
            }.items() <= node.items()
            assert records[node["participant"]].node_url == node["url"]
        assert heads[0] == heads[1] == heads[2]
        for node in where["nodes"]:
            with Client(node["url"]) as client:
                assert until_witnessed(client)["cosignatures"] == "cosigned by 2 of 2, 2 asked for"
        stop(process, where, tmp_path)


@pytest.mark.long
def test_a_kept_demo_with_a_fork_shows_two_faces_and_everything_else_goes_on(tmp_path: Path) -> None:
    with kept(tmp_path, "--fork") as (process, where):
        clients = {node["participant"]: Client(node["url"]) for node in where["nodes"]}
        phones = {code: clients[code].contacts("XI")["items"][0]["phone"] for code in ("XR", "XA")}
        assert len(set(phones.values())) == 2, "two audiences, two truths"
        roots = {clients[code].checkpoint(parse_vkey(where["nodes"][2]["log_vkey"])).root for code in ("XR", "XA")}
        assert len(roots) == 2
        evidence = parse_evidence(Path(where["evidence"]).read_bytes())
        assert {head.root for head in verify_evidence(evidence)} == roots and evidence.cosigner_vkey is None
        assert evidence.log_vkey == where["nodes"][2]["log_vkey"]
        for code, client in clients.items():
            [alert] = client.alerts()
            assert (alert["kind"], alert["participant"]) == (KIND, "XI")
            told = {one["participant"] for one in alert["found_by"]}
            found = {item["participant"] for item in client.submissions(form=FINDING)}
            assert told == found >= {"XA"}, (code, told)
        for client in clients.values():
            client.close()
        for code, directory in zip(clients, data_dirs(where), strict=True):
            done = cbm("audit", directory, "--trust", where["trust"], cwd=tmp_path)
            assert done.code == 0 and "holds: everything" in done.out, (code, done)
        stop(process, where, tmp_path)


def test_no_real_state_is_shown_as_lying(tmp_path: Path) -> None:
    (tmp_path / "records.json").write_text("{}")
    done = cbm("demo", "--records", "records.json", "--fork", cwd=tmp_path)
    assert (done.code, done.out) == (2, "") and "none of them is shown as lying" in done.err


def test_the_fault_switch_is_out_of_reach_of_every_other_node(tmp_path: Path) -> None:
    """1. Only the demonstration imports it. 2. It works in no other federation. 3. Its file means nothing to a node."""
    users = {path.name for path in (ROOT / "exchange").rglob("*.py") if "twofaced" in path.read_text()}
    assert users == {"caught.py", "fleet.py"}  # 1
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        node.publish()
        settings = read_settings(node.directory)
        with pytest.raises(Misuse, match="nowhere else"):  # 2
            make_face(settings, [node.publish().parcel.envelope], [])
        with pytest.raises(Misuse, match="nowhere else"):
            TwoFaced(node.running.app, settings)
        show_anyhow(settings, node.publish().parcel)  # 3
        before = node.get("/log/checkpoint").content
        assert (node.directory / SWITCH).is_file() and before.splitlines()[1] == b"3"
        assert world["XA"].pull() == {"XR": None} and world["XA"].alerts() == []


def show_anyhow(settings: Settings, parcel: Pack) -> None:
    face = make_face(settings.model_copy(update={"federation": DEMO}), [parcel.envelope], parcel.documents)
    show(settings, face)


def test_the_nodes_of_a_demo_that_is_killed_end_by_themselves(tmp_path: Path) -> None:
    with kept(tmp_path) as (process, where):
        directories = data_dirs(where)
        process.kill()
        process.wait()
        deadline = time.monotonic() + SECONDS
        while running(directories) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running(directories) == []


def test_every_participating_state_and_partner_has_its_name() -> None:
    names = orjson.loads((EXAMPLES / "states.json").read_bytes())
    assert len(names) == 57 + 11 and all(is_participant_code(code) for code in names)
    if not STATES.is_file():
        print(f"the reference is not here: {STATES}")
        return
    listed = orjson.loads(STATES.read_bytes())
    assert names == {
        each["alpha2"]: each["name"] for group in ("participating_states", "partners") for each in listed[group]
    }


@pytest.mark.long
def test_34_states_agree_on_real_public_facts(tmp_path: Path) -> None:
    if not RECORDS.is_file():
        print(f"real public facts not here: {RECORDS}")
        return
    with kept(tmp_path, "--records", RECORDS.resolve(), seconds=2 * MANY_SECONDS) as (process, where):
        assert len(where["nodes"]) == len(orjson.loads(RECORDS.read_bytes())["records"]) == 34
        expected = None
        for node in where["nodes"]:
            with Client(node["url"]) as client:
                heads = client.heads()
                (finland,) = client.contacts("FI", role="technical")["items"]
            expected = expected or heads
            assert heads == expected, node["participant"]
            assert finland["name"] == "Finland" and finland["status"] == "test"
            assert finland["institution"] == {"en": "National Cyber Security Centre Finland (Traficom)"}
        assert expected is not None and len(expected) == 34
        assert {(head["size"], head["admitted"], head["refused"], head["waiting"]) for head in expected} == {
            (2, 2, 0, 0)
        }
        with Client(where["nodes"][0]["url"]) as client:
            found = list(client.submissions())
        assert len(found) == 68 and {item["status"] for item in found} == {"test"}
        stop(process, where, tmp_path)
