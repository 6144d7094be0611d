"""The command line in processes of its own: real arguments, streams and exit codes.

    done = cbm("node", "init", "XR", "--participant", "XR", "--url", url, cwd=tmp_path)
    assert done.code == 0, done

A process is forked from a server that has the program loaded, since thirty interpreters that each load it anew would cost
half a minute. `fresh()` starts one from nothing, to show that this changes nothing.
"""

import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from exchange.client import Client
from exchange.config import read_settings
from exchange.errors import Unreachable
from exchange.federation.peer import open_client
from exchange.federation.presence import readiness
from exchange.node.founding import read_participants
from tests.audit import audit
from tests.world import shipped_forms

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 60.0  # after which a process that should have ended has failed

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["exchange.cli.program", "exchange.app", "exchange.cli.fleet", "pytest"])


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer for machines: one line, nothing else."""
        assert self.out.count("\n") == 1, self
        return orjson.loads(self.out)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a command sees: no CBM_ variable of the developer, a home of its own, a terminal that is wide enough."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CBM_", "XDG_", "FORCE_COLOR"))}
    home = {"XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return {**kept, **home, "COLUMNS": "200", "NO_COLOR": "1", **more}


def cbm(*arguments: object, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
    """Run `cbm` to its end."""
    running = Command(*arguments, cwd=cwd, stdin=stdin, env=env)
    return running.wait()


def fresh(
    *arguments: object,
    cwd: Path,
    program: tuple[str, ...] = (sys.executable, "-m", "exchange"),
    seconds: float = SECONDS,
) -> Done:
    """Run `cbm` in a new interpreter."""
    command = [*program, *map(str, arguments)]
    ended = subprocess.run(command, cwd=cwd, env=environment(cwd), capture_output=True, text=True, timeout=seconds)
    return Done(ended.returncode, ended.stdout, ended.stderr)


class Forked:
    """A function in a process of its own, which does not outlive this one."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self.process: ForkServerProcess = _server.Process(target=target, args=arguments, daemon=True)
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def join(self) -> int:
        """The exit code; minus the signal where one ended it."""
        self.process.join(SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError("the process did not end")
        return self.process.exitcode


class Command(Forked):
    """A `cbm` that is running. What it says goes to files, so that it can be read while it runs."""

    _number = 0

    def __init__(
        self,
        *arguments: object,
        cwd: Path,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        before: Callable[[], object] | None = None,
    ) -> None:
        Command._number += 1
        base = cwd / ".streams"
        base.mkdir(exist_ok=True)
        self._files = [base / f"{Command._number}.{name}" for name in ("in", "out", "err")]
        self._files[0].write_bytes(stdin)
        settings = environment(cwd) if env is None else dict(env)
        super().__init__(run_cbm, list(map(str, arguments)), str(cwd), settings, list(map(str, self._files)), before)

    def wait(self) -> Done:
        return Done(self.join(), self.out, self.err)

    @property
    def out(self) -> str:
        return self._files[1].read_text() if self._files[1].exists() else ""

    @property
    def err(self) -> str:
        return self._files[2].read_text() if self._files[2].exists() else ""


def run_cbm(
    arguments: list[str], cwd: str, env: dict[str, str], streams: list[str], before: Callable[[], object] | None
) -> None:
    """The child: its own folder, environment and streams; then what the entry point does."""
    end_with_parent()
    if before is not None:
        before()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(streams):
        handle = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it is the stream of this process
    sys.argv = ["cbm", *arguments]
    from exchange.cli import main

    main()


def end_with_parent() -> None:
    """A test run that is killed leaves no nodes behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


class NodeProcess:
    """`cbm node run` over a directory: answering once entered, stopped and audited when left."""

    def __init__(
        self, directory: Path, *arguments: object, before: Callable[[], object] | None = None, audited: bool = True
    ) -> None:
        self.directory, self.audited = directory, audited
        self._arguments, self._before = arguments, before

    def __enter__(self) -> Self:
        self.command = Command(
            "node", "run", self.directory, *self._arguments, cwd=self.directory.parent, before=self._before
        )
        self.url = wait_for_answer(self.directory, self.command)
        return self

    def ready(self) -> Self:
        """It has asked the others what they know of its log, and takes submissions."""
        deadline = time.monotonic() + SECONDS
        with open_client() as client:
            while (found := readiness(client, self.url)) != (True, None):
                assert time.monotonic() < deadline, found
                time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.command.alive:
            self.command.send(signal.SIGTERM)
        code = self.command.join()
        if kind is None:
            assert code == 0, self.command.err
            if self.audited:
                full_audit(self.directory)


def full_audit(directory: Path) -> None:
    audit(directory, read_participants(directory / "peers.json"), shipped_forms())


def wait_for_answer(directory: Path, node: Forked) -> str:
    """The address of the node in `directory`, once it answers there."""
    url = f"http://{read_settings(directory).listen}"
    deadline = time.monotonic() + SECONDS
    with Client(url) as client:
        while True:
            try:
                client.node()
                return url
            except Unreachable:
                assert node.alive and time.monotonic() < deadline, f"the node in {directory} does not answer"
                time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on, outside the range that outgoing connections are given theirs from."""
    while True:
        port = random.randrange(20_000, 30_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
