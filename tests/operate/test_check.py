"""`cbm node check` on real nodes: one line a check, and an exit code that says what kind of trouble it is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer

from exchange.cli.check import check
from exchange.config import read_settings
from exchange.node.founding import read_participants, write_participants
from exchange.trust.participants import Participants
from tests.operate.running import RunningNode, cbm, made_node
from tests.processes import Done
from tests.world import FEDERATION

CHECKS = (
    *("settings", "running", "reachable", "certificate", "clock", "disk", "backup", "keys"),
    *("database", "version", "peers", "witnesses", "documents", "forms", "records", "trust"),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningNode, RunningNode]]:
    """Two nodes that know each other, running; XR pulled XA once and has a backup."""
    folder = tmp_path_factory.mktemp("pair")
    directories = [made_node(folder / code, code) for code in ("XR", "XA")]
    records: dict[str, Any] = {}
    for directory in directories:
        records |= read_participants(directory / "peers.json").records
    for directory in directories:
        write_participants(directory / "peers.json", Participants(FEDERATION, False, records))
    with RunningNode(directories[0]) as first, RunningNode(directories[1]) as second:
        first.ready().submit()
        second.ready().submit()
        assert cbm("pull", first.directory).code == 0
        deadline = time.monotonic() + 30
        while orjson.loads(first.get("/v1/node").content)["head"]["standing"] != "witnessed":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield first, second


Check = Callable[..., Done]


@pytest.fixture
def checked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """`cbm node check` in this process: another interpreter for each would cost more than the nodes do."""

    def run(directory: Path, **environment: str) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                check(directory)
                code = 0
            except typer.Exit as leaving:
                code = leaving.exit_code
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


def lines(done: Done) -> dict[str, list[str]]:
    """The words of each line, by check: standing, name, the rest."""
    split = [line.split(maxsplit=2) for line in done.out.splitlines()]
    return {words[1]: words for words in split}


def test_a_node_that_is_well_is_told_in_one_line_a_check(
    pair: tuple[RunningNode, RunningNode], tmp_path: Path, checked: Check
) -> None:
    node = pair[0]
    assert cbm("node", "backup", node.directory, tmp_path / "backup").code == 0
    done = checked(node.directory)
    assert (done.code, done.err) == (0, ""), done
    found = lines(done)
    assert tuple(found) == CHECKS
    assert {words[0] for words in found.values()} == {"ok"}, done.out
    assert "answers as XR" in done.out and "it agrees with 1 other nodes" in done.out
    assert "all 1 were visited within a day" in done.out


def test_for_machines_it_is_one_line_of_json(pair: tuple[RunningNode, RunningNode]) -> None:
    done = cbm("node", "check", pair[0].directory, "--json")
    assert done.out.count("\n") == 1
    answer = orjson.loads(done.out)
    assert [one["check"] for one in answer["checks"]] == list(CHECKS)
    assert answer["verdict"] == max(
        (one["standing"] for one in answer["checks"]), key=["ok", "attention", "wrong"].index
    )
    assert all(set(one) == {"check", "standing", "says", "next_step", "unreachable"} for one in answer["checks"])


def test_looking_changes_nothing(pair: tuple[RunningNode, RunningNode], checked: Check) -> None:
    def state() -> dict[str, tuple[int, int]]:
        files = (path for path in pair[0].directory.rglob("*") if path.is_file() and "sqlite" not in path.name)
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before, head = state(), pair[0].get("/log/checkpoint").content
    checked(pair[0].directory)
    assert (state(), pair[0].get("/log/checkpoint").content) == (before, head)


def test_a_key_that_others_may_read_is_wrong(pair: tuple[RunningNode, RunningNode], checked: Check) -> None:
    key = pair[0].directory / "keys" / "witness.key"
    key.chmod(0o640)
    try:
        done = checked(pair[0].directory)
    finally:
        key.chmod(0o600)
    assert done.code == 1
    assert lines(done)["keys"][0] == "wrong" and "witness.key" in done.out and "chmod 600" in done.out


def test_a_key_of_another_node_or_kind_or_none_is_wrong(pair: tuple[RunningNode, RunningNode], checked: Check) -> None:
    key, other = (node.directory / "keys" / "transport.key" for node in pair)
    own = key.read_bytes()
    try:
        for content, says in (
            (other.read_bytes(), "the record of XR does not name it"),
            ((pair[0].directory / "keys" / "witness.key").read_bytes(), "kinds are never mixed"),
            (None, "--with-keys"),
        ):
            key.unlink()
            if content is not None:
                key.touch(0o600)
                key.write_bytes(content)
            done = checked(pair[0].directory)
            assert done.code == 1 and says in " ".join(lines(done)["keys"]), done.out
    finally:
        key.unlink(missing_ok=True)
        key.touch(0o600)
        key.write_bytes(own)


def test_another_node_under_our_address_is_wrong(pair: tuple[RunningNode, RunningNode], checked: Check) -> None:
    done = checked(pair[0].directory, CBM_URL=pair[1].settings.url)
    assert done.code == 1
    assert lines(done)["reachable"][0] == "wrong" and "its participant is XA" in done.out


def test_an_address_where_nobody_answers_cannot_be_reached(
    pair: tuple[RunningNode, RunningNode], checked: Check
) -> None:
    done = checked(pair[0].directory, CBM_URL="http://127.0.0.1:9")
    assert done.code == 3, done.out
    assert lines(done)["reachable"][0] == "wrong"


def test_a_node_that_does_not_run_is_looked_at_all_the_same(tmp_path: Path, checked: Check) -> None:
    directory = made_node(tmp_path / "XR", "XR")
    with RunningNode(directory) as node:
        node.submit()
    done = checked(directory)
    assert done.code == 3, done.out
    found = lines(done)
    assert [name for name, words in found.items() if words[0] == "wrong"] == ["running", "reachable"]
    assert "1 entries of our own" in done.out


def test_settings_that_cannot_be_read_are_misuse(tmp_path: Path, checked: Check) -> None:
    directory = made_node(tmp_path / "XR", "XR", peer_limit='"often"')
    done = checked(directory)
    assert done.code == 2
    assert lines(done)["settings"][0] == "wrong" and "peer_limit" in done.out
    nothing = cbm("node", "check", tmp_path / "nothing", "--json")
    assert nothing.code == 2 and orjson.loads(nothing.out)["verdict"] == "wrong"


def test_the_disk_threshold_is_told_by_the_node_and_by_the_check(tmp_path: Path, checked: Check) -> None:
    directory = made_node(tmp_path / "XR", "XR", min_free_mb=1_000_000)
    with RunningNode(directory):
        done = checked(directory)
    assert done.code == 1
    found = lines(done)
    assert found["running"][0] == found["disk"][0] == "wrong" and "min_free_mb" in found["running"][2]


def test_the_password_of_a_database_is_never_shown(tmp_path: Path, checked: Check) -> None:
    directory = made_node(tmp_path / "XR", "XR")
    stood = read_settings(directory).database
    done = checked(directory, CBM_DATABASE="postgresql://cbm:verysecret@127.0.0.1:9/cbm")
    assert lines(done)["database"][0] == "wrong" and "does not open" in done.out
    assert "verysecret" not in done.out + done.err
    assert read_settings(directory).database == stood
