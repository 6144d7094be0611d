"""Two instances on one database: the second refuses with a sentence, however the first one fares; when it is gone, the second starts."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange.config import read_settings
from exchange.errors import LogStopped
from tests.databases import hand_in
from tests.operate.running import RunningNode, cbm, made_node
from tests.processes import Done, free_port


@contextmanager
def paused(node: RunningNode) -> Iterator[None]:
    node.command.send(signal.SIGSTOP)
    try:
        yield
    finally:
        node.command.send(signal.SIGCONT)


def another_directory(directory: Path) -> Path:
    """The same node laid out once more, on another port, its data where those of the first are."""
    copy = Path(shutil.copytree(directory, directory.with_name("copy"), ignore=shutil.ignore_patterns("data", "lock")))
    settings = (copy / "node.toml").read_text().replace(str(read_settings(directory).port), str(free_port()))
    lines = [line for line in settings.splitlines() if not line.startswith("database = ")]
    (copy / "node.toml").write_text("\n".join([*lines, f'database = "{read_settings(directory).database_url}"', ""]))
    return copy


def refused(done: Done, why: str) -> None:
    """One sentence, no trace of a program's insides."""
    assert done.code == 3 and done.out == "", done
    assert why in done.err and "Traceback" not in done.err, done


def test_while_the_first_is_paused_the_second_refuses_and_the_first_goes_on(tmp_path: Path) -> None:
    with RunningNode(made_node(tmp_path / "XR", "XR")) as first:
        assert first.submit() == 0
        copy = another_directory(first.directory)
        with paused(first):
            refused(cbm("node", "run", first.directory), f"another process (pid {first.command.pid}) runs the node in")
            refused(cbm("node", "run", copy), "runs a node on th")
        assert first.submit() == 1


def test_after_a_kill_the_second_starts_at_once_wherever_it_is_laid_out(tmp_path: Path) -> None:
    directory = made_node(tmp_path / "XR", "XR")
    copy = another_directory(directory)
    first = RunningNode(directory).__enter__()
    assert first.submit() == 0
    first.command.send(signal.SIGKILL)
    assert first.command.join() == -signal.SIGKILL
    with RunningNode(copy) as second:
        assert second.submit() == 1
        refused(cbm("node", "run", directory), "runs a node on th")


@pytest.mark.postgresql
def test_a_node_that_lost_its_session_does_not_write_beside_the_one_that_has_it_now(tmp_path: Path) -> None:
    with RunningNode(made_node(tmp_path / "XR", "XR")) as first:
        assert first.submit() == 0
        copy = another_directory(first.directory)
        with paused(first):
            with hand_in(first.directory) as db:
                db.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            second = RunningNode(copy).__enter__()
        assert second.submit() == 1
        with pytest.raises(LogStopped, match="another process runs a node on this database"):
            first.submit()
        assert second.submit() == 2
        assert first.get("/v1/node").json()["size"] == 3, "it reads on"
        second.__exit__(None, None, None)
        with pytest.raises(LogStopped, match="restart the node"):
            first.submit()
