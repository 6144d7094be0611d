"""cbm node: a node is made once, runs once, says where it answers, and ends when it is told to."""

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from exchange.client import Client
from exchange.config import read_settings
from exchange.node.founding import read_participants
from tests.cli.desk import Desk
from tests.databases import name_database
from tests.processes import Command, NodeProcess, free_port, full_audit, wait_for_answer


def init(desk: Desk, port: int, *more: object) -> None:
    desk.yes("node", "init", "XR", "--participant", "XR", "--url", f"http://127.0.0.1:{port}", *more)


def test_init_says_what_to_do_next_and_the_words_lead_to_a_running_node(desk: Desk) -> None:
    port = free_port()
    made = desk.yes("node", "init", "XR", "--participant", "XR", "--url", f"http://127.0.0.1:{port}")
    assert made.out == "XR\n"
    for word in ("back them up", "cbm key new officer.key", "cbm key enrol XR officer.key.pub", "cbm node run XR"):
        assert word in made.err
    name_database(desk.folder / "XR")
    with NodeProcess(desk.folder / "XR") as node:
        with Client(node.url) as client:
            about = client.node()
        assert (about["participant"], about["origin"]) == ("XR", f"127.0.0.1:{port}/log")
        assert node.command.out == f"http://127.0.0.1:{port}\n"
        assert "No officer may sign yet" in node.command.err and "cbm new POC-02" in node.command.err


def test_init_never_goes_over_a_node_that_is_there(desk: Desk) -> None:
    init(desk, free_port())
    before = {path: path.read_bytes() for path in (desk.folder / "XR").rglob("*") if path.is_file()}
    again = desk.cbm("node", "init", "XR", "--participant", "XR", "--url", "http://127.0.0.1:8751")
    assert again.code == 2 and "holds a node already" in again.err
    assert {path: path.read_bytes() for path in (desk.folder / "XR").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--participant", "xr", "--participant: expected a code like XR"),
        ("--url", "cbm.example", "--url: expected an address like https://cbm.example"),
        ("--url", "http://127.0.0.1:high", "--url: "),
        ("--federation", "Two Words", "--federation: expected a lower-case name"),
        ("--origin", "Ruritania's Log", "--origin: "),
        ("--listen", "everywhere", "--listen: expected HOST:PORT"),
        ("--officer", "nobody.key.pub", "cannot read nobody.key.pub"),
    ],
)
def test_init_names_the_option_at_fault_and_makes_nothing(desk: Desk, option: str, value: str, said: str) -> None:
    given = {"--participant": "XR", "--url": "http://127.0.0.1:8750", option: value}
    done = desk.cbm("node", "init", "XR", *(word for pair in given.items() for word in pair))
    assert done.code == 2 and said in done.err, done
    assert "Value error" not in done.err
    assert not (desk.folder / "XR").exists()


def test_init_does_what_is_typed_or_nothing(desk: Desk) -> None:
    done = desk.cbm("node", "init", "XR", "--participant", "XR", "--url", "http://127.0.0.1:8750", CBM_PARTICIPANT="XA")
    assert done.code == 2 and "CBM_PARTICIPANT" in done.err and not (desk.folder / "XR").exists()


def test_an_officers_private_key_is_refused_where_its_public_half_is_wanted(desk: Desk) -> None:
    private = desk.key("o1")
    done = desk.cbm("node", "init", "XR", "--participant", "XR", "--url", "http://127.0.0.1:8750", "--officer", private)
    assert done.code == 2 and f"the public half is {private}.pub" in done.err
    assert not (desk.folder / "XR").exists()


def test_the_keys_are_the_operators_alone_and_are_never_printed(desk: Desk) -> None:
    directory = desk.state("XR")
    seeds = [re.findall(r'"seed": ?"([^"]+)"', path.read_text()) for path in (directory / "keys").glob("*.key")]
    secrets = [seed for found in seeds for seed in found]
    assert len(secrets) == 5
    assert {path.stat().st_mode & 0o777 for path in (directory / "keys").glob("*.key")} == {0o600}
    with NodeProcess(directory) as node:
        secrets.append((directory / "operator.token").read_text())
        assert (directory / "operator.token").stat().st_mode & 0o777 == 0o600
        said = [node.command.out, node.command.err]
        said += [desk.yes("federation", "show", directory / "peers.json").out, (directory / "node.toml").read_text()]
        with Client(node.url) as client:
            said += [str(client.node()), str(client.participants())]
    said.append(node.command.err)
    assert not [secret for secret in secrets for text in said if secret in text]


def test_a_second_run_refuses_and_names_the_first(desk: Desk) -> None:
    with NodeProcess(desk.state("XR")) as node:
        second = desk.cbm("node", "run", "XR")
        assert (second.code, second.out) == (3, "")
        assert f"another process (pid {node.command.pid}) runs the node in XR" in second.err
        assert "two nodes on one log would fork it" in second.err
        with Client(node.url) as client:
            assert client.node()["participant"] == "XR"


def test_a_killed_node_leaves_no_lock_behind(desk: Desk) -> None:
    directory = desk.state("XR")
    node = Command("node", "run", directory, cwd=desk.folder)
    wait_for_answer(directory, node)
    node.send(signal.SIGKILL)
    assert node.join() == -signal.SIGKILL
    with NodeProcess(directory):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_is_told_to_stop_closes_its_log_and_ends_with_yes(desk: Desk, number: signal.Signals) -> None:
    directory = desk.state("XR")
    node = Command("node", "run", directory, cwd=desk.folder)
    wait_for_answer(directory, node)
    node.send(number)
    done = node.wait()
    assert done.code == 0 and "Traceback" not in done.err and "Aborted" not in done.err
    full_audit(directory)


@pytest.mark.sqlite
def test_a_node_that_ended_in_order_leaves_its_database_in_one_file(desk: Desk) -> None:
    """SQLite removes the write-ahead log when the last connection is closed in order."""
    directory = desk.state("XR")
    with NodeProcess(directory):
        assert (directory / "data" / "cbm.sqlite-wal").exists()
    assert [path.name for path in (directory / "data").glob("*.sqlite-*")] == []


def test_a_port_that_is_taken_is_said_before_anything_is_promised(desk: Desk) -> None:
    directory = desk.state("XR")
    settings = read_settings(directory)
    with socket.create_server((settings.host, settings.port)):
        done = desk.cbm("node", "run", "XR")
    assert (done.code, done.out) == (2, "") and f"cannot listen on {settings.listen}" in done.err
    assert "CBM_LISTEN" in done.err


def test_the_environment_wins_over_the_settings_file(desk: Desk) -> None:
    directory = desk.state("XR")
    port = free_port()
    node = Command("node", "run", directory, cwd=desk.folder, env={**os.environ, "CBM_LISTEN": f"127.0.0.1:{port}"})
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    text = (directory / "node.toml").read_text()
    (elsewhere / "node.toml").write_text(re.sub(r'^listen = ".*"$', f'listen = "127.0.0.1:{port}"', text, flags=re.M))
    with Client(wait_for_answer(elsewhere, node)) as client:
        assert client.node()["participant"] == "XR"
    node.send(signal.SIGTERM)
    assert node.join() == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda directory: (directory / "node.toml").write_text("listen = "), "is not TOML"),
        (lambda directory: (directory / "node.toml").unlink(), "cbm node init"),
        (lambda directory: (directory / "peers.json").unlink(), "cannot read"),
        (lambda directory: (directory / "peers.json").write_text("{}"), "expected"),
        (lambda directory: (directory / "keys" / "log.key").chmod(0o644), "chmod 600"),
        (lambda directory: (directory / "keys" / "log.key").unlink(), "cannot open the key file"),
    ],
    ids=["settings", "no settings", "no records", "bad records", "exposed key", "no key"],
)
def test_a_node_that_cannot_run_says_why_and_what_to_do(desk: Desk, spoil: object, said: str) -> None:
    directory = desk.state("XR")
    assert callable(spoil)
    spoil(directory)
    done = desk.cbm("node", "run", "XR")
    assert done.code in (1, 2) and done.out == "" and said in done.err, done


def test_a_node_with_another_log_key_than_its_record_does_not_run(desk: Desk, tmp_path: Path) -> None:
    directory = desk.state("XR")
    other = desk.state("XA")
    (other / "keys" / "log.key").rename(directory / "keys" / "log.key")
    done = desk.cbm("node", "run", "XR")
    assert done.code == 2 and "names the log key" in done.err
    assert read_participants(directory / "peers.json").records["XR"].current_log.closed is None
