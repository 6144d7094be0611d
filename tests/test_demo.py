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
from exchange.client import Client
from exchange.client.answers import HeadStanding
from exchange.core.vocabulary import is_participant_code
from exchange.errors import Unreachable
from exchange.node.founding import read_participants
from exchange.resources import EXAMPLES, ROOTS
from exchange.trust.choice import pin
from exchange.trust.contents import read_root
from tests.databases import hand_in
from tests.processes import ROOT, SECONDS, cbm, environment, fresh, full_audit

pytestmark = pytest.mark.sqlite  # a demonstration needs no server

RECORDS = ROOT / ".." / "shared" / "real" / "public-record.json"
STATES = ROOT / ".." / "shared" / "reference" / "osce_states.json"
MANY_SECONDS = 300.0  # for 34 nodes, where others work on the same machine


def query(directory: Path, text: str) -> list[tuple[Any, ...]]:
    with hand_in(directory) as db:
        return [tuple(row) for row in db.exec_driver_sql(text)]


def test_the_demo_ends_with_yes_and_its_lines_are_true(tmp_path: Path) -> None:
    done = fresh("demo", "--dir", "nodes", cwd=tmp_path)
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
    published = sum(map(len, own.values()))
    assert f"{published} returns are published" in told
    recorded = re.findall(r"=> recorded at index (\d+) of (\w\w)\.demo\.example/log; .* id ([0-9a-f]{16})\.\.\.", told)
    assert [(code.upper(), int(index), ident) for index, code, ident in recorded] == [
        (code, index, ident.lower()[:16]) for code, entries in own.items() for index, ident in entries
    ]

    root = (ROOTS / "demo.example.json").read_bytes()
    assert "2 of 3 founders have signed who takes part: 3 States" in told and sha256(root).hexdigest() in told
    assert "3 of 3 nodes know the new officer: XR, XA, XI" in told
    for directory in nodes.values():
        assert (directory / "root.json").read_bytes() == root
        assert query(directory, "SELECT count(*) FROM trust_file WHERE role = 'XA'")[0][0] == 2
        assert query(directory, "SELECT count(*) FROM alert")[0][0] == 0

    entries = sum(
        query(each, "SELECT count(*) FROM entry JOIN log l ON l.id = log_id WHERE NOT l.own")[0][0]
        for each in nodes.values()
    )
    slots = sum(
        query(each, "SELECT count(*) FROM slot JOIN log l ON l.id = log_id WHERE NOT l.own AND document IS NULL")[0][0]
        for each in nodes.values()
    )
    assert (
        f"Everybody pulled everybody: {entries} entries of others are held" in told and f"{slots} documents are" in told
    )
    assert (
        f"The registries of all 3 nodes are equal: 3 logs, {published} entries, {published} admitted, 0 refused, 0 waiting."
        in told
    )

    contact = orjson.loads((EXAMPLES / "returns" / "POC-02.json").read_bytes())
    assert f"    phone       {contact['phone']}" in told and "status exercise: this is not an actual contact" in told
    assert "a document altered after it was signed: refused [wrong-commitment]" in told
    assert "a return of Ruritania offered to the node of Arcadia: refused [wrong-origin]" in told
    assert "TAKEN" not in told and "NOT equal" not in told and "NO  " not in told
    assert f"  ok  envelope and statement are well formed; id {own['XR'][0][1].lower()}" in told
    log = read_participants(tmp_path / "nodes" / "peers.json").records["XR"].current_log
    assert f"under a checkpoint signed by key {log.vkey.keyid.hex()}" in told
    assert "  verified: Ruritania published this, and its log holds it at index 0" in told
    assert "Without an anchor the same pack is: consistent, but signed by keys nobody here has vouched for." in told
    assert running(nodes.values()) == []


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
    folder: Path, *more: object, seconds: float = SECONDS
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
        assert set(where) == {"nodes", "trust"}
        assert [set(node) for node in where["nodes"]] == [WHERE] * 3
        records = read_participants(Path(where["trust"])).records
        heads = []
        for node in where["nodes"]:
            with Client(node["url"]) as client:
                about = client.node()
                heads.append(client.heads())
            assert {
                name: about[name] for name in ("participant", "origin", "log_vkey", "witness_vkey", "witness_url")
            }.items() <= node.items()
            assert records[node["participant"]].node_url == node["url"]
        assert heads[0] == heads[1] == heads[2]
        for node in where["nodes"]:
            with Client(node["url"]) as client:
                assert until_witnessed(client)["cosignatures"] == "cosigned by 2 of 2, 2 asked for"
        stop(process, where, tmp_path)


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


def test_34_states_agree_on_real_public_facts(tmp_path: Path) -> None:
    if not RECORDS.is_file():
        print(f"real public facts not here: {RECORDS}")
        return
    with kept(tmp_path, "--records", RECORDS.resolve(), seconds=MANY_SECONDS) as (process, where):
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
