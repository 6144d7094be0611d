"""The entry points, and what every verb has: help, an exit code, an answer on stdout and the talk on stderr."""

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from exchange import __version__
from exchange.cli.program import app
from tests.cli.desk import Desk
from tests.processes import cbm, fresh

GROUPS = {"node", "key", "federation"}


def verbs(command: Any = None, *before: str) -> list[tuple[str, ...]]:
    """Every verb with its groups, as it is typed."""
    command = command or get_command(app)
    found: list[tuple[str, ...]] = []
    for name, inner in command.commands.items():
        found.append((*before, name))
        if name in GROUPS:
            found += verbs(inner, *before, name)
    return found


def test_the_module_and_the_installed_program_are_the_same(tmp_path: Path) -> None:
    installed = str(Path(sys.executable).with_name("cbm"))
    for done in (fresh("--version", cwd=tmp_path), fresh("--version", cwd=tmp_path, program=(installed,))):
        assert (done.code, done.out, done.err) == (0, f"{__version__}\n", "")


def test_a_new_interpreter_ends_as_a_forked_one_does(tmp_path: Path) -> None:
    for arguments in (["list", "--node", "http://127.0.0.1:1"], ["verify"]):
        assert fresh(*arguments, cwd=tmp_path) == cbm(*arguments, cwd=tmp_path), arguments


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_has_help_that_says_what_it_does(desk: Desk, verb: tuple[str, ...]) -> None:
    done = desk.cbm(*verb, "--help")
    assert done.code == 0 and done.err == ""
    assert f"cbm {' '.join(verb)}" in done.out
    said = [line.strip() for line in done.out.splitlines() if line.strip() and "Usage" not in line]
    assert len(said[0]) > 20, done.out


def test_every_parameter_has_help() -> None:
    def parameters(command: Any) -> list[str]:
        if hasattr(command, "commands"):
            return [name for inner in command.commands.values() for name in parameters(inner)]
        return [f"{command.name} {each.name}" for each in command.params if not getattr(each, "help", None)]

    # What an argument named in the usage line by its kind of file needs no second saying.
    assert [name for name in parameters(get_command(app)) if not name.endswith((" file", " output", " help"))] == []


def test_no_arguments_and_unknown_ones_are_misuse(desk: Desk) -> None:
    assert desk.cbm().code == 2
    for arguments in (["fly"], ["list", "--fly"], ["node"], ["node", "run"], ["show"], ["contacts"]):
        done = desk.cbm(*arguments)
        assert done.code == 2, arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--node", "nonsense"],
        ["list", "--period", "last year"],
        ["list", "--limit", "0"],
        ["contacts", "XR", "--at", "3 o'clock"],
        ["contacts", "XR", "--at", "2026-11-21T03:00:00"],
        ["show", "1234"],
        ["pack", "../etc/passwd", "-o", "x.zip"],
        ["new", "POC-02", "--update", "1234"],
        ["key", "new", "x.key", "--kind", "master"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_right_is_misuse_before_anybody_is_asked(desk: Desk, arguments: list[str]) -> None:
    done = desk.cbm(*arguments, CBM_PASSPHRASE="long enough for a key")
    assert (done.code, done.out) == (2, ""), done
    assert list(desk.folder.glob("x.*")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["alerts"],
        ["contacts", "XR"],
        ["show", "0" * 64],
        ["pack", "0" * 64, "-o", "x.zip"],
        ["new", "POC-02", "--update", "0" * 64],
    ],
    ids=" ".join,
)
def test_a_node_that_does_not_answer_is_3(desk: Desk, arguments: list[str]) -> None:
    done = desk.cbm(*arguments, CBM_NODE="http://127.0.0.1:1")
    assert (done.code, done.out) == (3, ""), done
    assert "http://127.0.0.1:1 does not answer" in done.err and "whether the node is running" in done.err


def test_a_file_that_cannot_be_read_or_written_is_misuse(desk: Desk) -> None:
    for arguments in (
        ["verify", "nothing.zip"],
        ["submit", "nothing.cbm"],
        ["sign", "nothing.toml", "--key", "nothing.key"],
        ["new", "POC-02", "-o", "no/such/folder/x.toml"],
        ["federation", "show", "nothing.json"],
        ["federation", "pin", "nothing.json"],
        ["verify", "."],
        ["key", "show", "nothing.key"],
    ):
        done = desk.cbm(*arguments)
        assert (done.code, done.out) == (2, ""), (arguments, done)
