"""`cbm audit` as people and machines meet it: lines, report, exit codes, Ctrl-C."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from exchange.audit import report as report_module
from exchange.audit.report import CLASSES
from exchange.cli import main
from exchange.cli.output import Exit
from exchange.trust.participants import format_participants
from tests.audit_command.hands import AT
from tests.audit_command.stage import XA, XR, Stage, Writer, build

TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}


def exactly(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def either(*kinds: str) -> dict[str, Any]:
    return {"type": list(kinds)}


REPORT = exactly(
    kind={"const": "cbm-audit/v1"},
    of=TEXT,
    seen={"enum": ["database", "outside"]},
    participant=TEXT,
    federation=TEXT,
    program=TEXT,
    began={"type": "string", "format": "date-time"},
    seconds={"type": "number"},
    anchor={"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^[0-9a-f]{64}$"}]},
    holds={"type": "boolean"},
    entries=COUNT,
    submissions=COUNT,
    contacts=COUNT,
    logs={
        "type": "array",
        "items": exactly(
            origin=TEXT,
            participant=TEXT,
            own={"type": "boolean"},
            size=COUNT,
            stored=COUNT,
            checkpoints=COUNT,
            cosignatures=COUNT,
            witnessed=COUNT,
            documents=COUNT,
            faults=COUNT,
            counts=exactly(**dict.fromkeys(CLASSES, COUNT)),
        ),
    },
    faults={
        "type": "array",
        "items": exactly(
            participant=TEXT, log=either("string", "null"), index=either("integer", "null"), what=TEXT, detail=TEXT
        ),
    },
    more_faults=COUNT,
    undelivered={"type": "array", "items": exactly(log=TEXT, index=COUNT, slot=TEXT, commitment=TEXT)},
    notes={"type": "array", "items": TEXT},
    unseen={"type": "array", "items": TEXT},
)


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Result:
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    try:
        sys.argv = ["cbm", "audit", *arguments]
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main()
    finally:
        sys.argv = before
    return Result(int(left.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def trust(stage: Stage, tmp_path: Path) -> str:
    path = tmp_path / "peers.json"
    path.write_bytes(format_participants(stage.participants))
    return str(path)


def test_a_clean_node_one_line_a_log_then_the_verdict(stage: Stage, trust: str) -> None:
    result = run(str(stage.directory), "--trust", trust)
    assert result.exit_code == Exit.YES
    lines = result.stdout.splitlines()
    assert [line[:8] for line in lines[:2]] == ["ok  XA  ", "ok  XR  "]
    assert lines[-1] == "holds: everything, 312 entries of 2 logs, under the records given"
    assert "7 opened, 1 undelivered, 3 refused, 1 waiting" in lines[0]


def test_without_an_anchor_nobody_has_vouched_for_the_records(stage: Stage) -> None:
    result = run(str(stage.directory))
    assert result.exit_code == Exit.YES and "nobody here has vouched for" in result.stdout.splitlines()[-1]


def test_every_fault_is_named_with_log_and_index(stage: Stage) -> None:
    stage.tamper(f"UPDATE entry SET code = 'error' WHERE {AT}", origin=XA, index=2)  # noqa: S608 - our own words
    result = run(str(stage.directory))
    assert result.exit_code == Exit.NO
    assert f"    {XA} 2: verdict: recorded as refused (error), it is refused (malformed)" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "does not hold: 1 faults in 312 entries"


@pytest.mark.parametrize("tampered", [False, True])
def test_the_report_is_what_its_module_says(stage: Stage, tmp_path: Path, trust: str, tampered: bool) -> None:
    if tampered:
        stage.tamper("UPDATE submission SET form = 'ICT-99'")
    path = tmp_path / "report.json"
    result = run(str(stage.directory), "--json", "--trust", trust, "--report", str(path))
    (line,) = result.stdout.splitlines()
    value = orjson.loads(line)
    assert orjson.loads(path.read_bytes()) == value
    jsonschema_rs.Draft202012Validator(REPORT, validate_formats=True).validate(value)
    assert value["holds"] is not tampered and result.exit_code == (Exit.NO if tampered else Exit.YES)
    for log in value["logs"]:
        assert sum(log["counts"].values()) == log["stored"] >= log["size"]
    assert sum(log["stored"] for log in value["logs"]) == value["entries"]
    named = {fault["log"] for fault in value["faults"]}
    assert named == {log["origin"] for log in value["logs"] if log["faults"]}
    documented = set(re.findall(r'"([a-z ]+)":', report_module.__doc__ or "", re.MULTILINE))
    assert documented >= {*value, *value["logs"][0], *CLASSES, *(value["faults"] or [{}])[0]} - {"more_faults"}


def test_what_is_undelivered_is_named(stage: Stage) -> None:
    value = orjson.loads(run(str(stage.directory), "--json").stdout)
    (missing,) = value["undelivered"]
    assert (missing["log"], missing["index"], missing["slot"]) == (XA, 5, "body")


def test_misuse(stage: Stage, tmp_path: Path) -> None:
    nothing, text = tmp_path / "nothing", tmp_path / "text"
    nothing.mkdir()
    text.write_text("no records")
    for arguments in (
        [str(nothing)],
        [str(tmp_path / "not there")],
        [str(stage.directory), "--trust", str(text)],
        [str(stage.directory), "--trust", str(tmp_path / "not there")],
        [str(stage.directory), "--report", str(nothing / "no" / "report.json")],
        [str(stage.directory), "--workers", "0"],
        ["http://user@example/"],
    ):
        assert run(*arguments).exit_code == Exit.MISUSE, arguments


def test_a_directory_without_its_database_is_misuse(stage: Stage) -> None:
    toml = stage.directory / "node.toml"
    kept = [line for line in toml.read_text().splitlines() if not line.startswith("database")]
    toml.write_text("\n".join([*kept, 'database = "sqlite:////nowhere/at/all.sqlite"']))
    assert run(str(stage.directory)).exit_code == Exit.MISUSE


def test_another_database_is_misuse(stage: Stage) -> None:
    stage.tamper("ALTER TABLE entry RENAME COLUMN verdict TO word")
    assert run(str(stage.directory)).exit_code == Exit.MISUSE


def test_what_cannot_be_reached(stage: Stage) -> None:
    assert run("http://127.0.0.1:9").exit_code == Exit.UNREACHABLE
    toml = stage.directory / "node.toml"
    kept = [line for line in toml.read_text().splitlines() if not line.startswith("database")]
    toml.write_text("\n".join([*kept, 'database = "postgresql://nobody:secret@127.0.0.1:9/x"']))
    result = run(str(stage.directory))
    assert result.exit_code == Exit.UNREACHABLE
    assert "secret" not in result.stdout + result.stderr


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_misuse(stage: Stage) -> None:
    stage.settings.database_file.write_bytes(b"no database" * 1000)
    assert run(str(stage.directory)).exit_code == Exit.MISUSE


def children(process: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def long_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """So many entries that processes are started for them."""
    xr = Writer("XR")
    pieces = [xr.entry(return_="nothing to declare", documents=()) for _ in range(4_200)]
    yield build(tmp_path_factory.mktemp("long") / "XR", pieces=pieces, heads=(1, 4_200))


def test_ctrl_c_ends_it_quietly_and_leaves_nothing_running(long_one: Stage) -> None:
    command = [sys.executable, "-m", "exchange", "audit", str(long_one.directory), "--workers", "2"]
    root = str(Path(__file__).resolve().parents[2])
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    deadline = time.monotonic() + 30
    while len(workers := children(started.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    stdout, stderr = started.communicate(timeout=30)
    assert (started.returncode, stdout) == (130, ""), stderr
    assert "Traceback" not in stderr and "stopped before the end" in stderr
    assert len(workers) == 2
    while any(Path(f"/proc/{worker}").exists() for worker in workers):  # they end with their pipe, if not before
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_find_what_one_finds(long_one: Stage, tmp_path: Path) -> None:
    stage = long_one.copy(tmp_path / "copy")
    assert stage.audit(workers=2).holds
    stage.tamper(
        f"UPDATE entry SET code = 'error' WHERE {AT}",  # noqa: S608 - our own words
        "UPDATE submission SET form = 'ICT-99' WHERE \"index\" IN (5, 3000)",
        'DELETE FROM tile WHERE level = 0 AND "index" = 9',
        origin=XR,
        index=4_100,
    )
    alone, together = stage.audit(workers=1), stage.audit(workers=2)
    assert together.faults == alone.faults and len(alone.faults) == 5
    assert together.logs == alone.logs and together.contacts == alone.contacts
