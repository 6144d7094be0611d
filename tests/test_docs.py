"""The README's commands run as they stand there, in their order."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from typer.main import get_command

from exchange.cli.program import app
from tests.shell import ready_cbm, with_databases

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PASSPHRASE = "four words of the readme"
SECONDS = 300  # after which something hangs, also on a busy machine


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _script(port: int, other: int) -> str:
    """All shell blocks of the README and then its program, on other ports, waiting where a person would read first."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    blocks = blocks.replace("8750", str(port)).replace("8751", str(other))
    blocks = blocks.replace("cbm node run XA &", f"cbm node run XA &\nOTHER=$!\n{_wait(other)}")
    blocks = blocks.replace("cbm node run XR &", f"cbm node run XR &\nNODE=$!\n{_wait(port)}")
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    blocks += f"\n{sys.executable} - <<'PROGRAM'\n{program.replace('8750', str(port))}PROGRAM"
    return f"set -euo pipefail\n{blocks}\nkill $NODE $OTHER\nwait $NODE $OTHER || true\n"


def _wait(port: int) -> str:
    """A person reads a line before going on; a script asks until the node answers."""
    return f"for i in $(seq 200); do cbm list --node http://127.0.0.1:{port} >/dev/null 2>&1 && break; sleep 0.1; done"


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    with ready_cbm() as program:
        said = _run(tmp_path, program)
    assert "verified: Ruritania published this" in said
    assert "+12025550142 reachability not stated\nXR 20" in said, "the program"
    assert "No alerts" in said


def _run(tmp_path: Path, program: Path) -> str:
    port = _free_port()
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    # The person at the keyboard says yes when asked whether to sign; this stands for that.
    wrapper = f'#!/bin/sh\n[ "$1" = sign ] && set -- "$@" --yes\nexec {program} "$@"\n'
    (bin_dir / "cbm").write_text(wrapper)
    (bin_dir / "cbm").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{bin_dir}:{os.environ['PATH']}",
        "CBM_PASSPHRASE": PASSPHRASE,
        "CBM_NODE": f"http://127.0.0.1:{port}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.Popen(
        ["/bin/bash", "-c", with_databases(_script(port, _free_port()), tmp_path)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):  # nodes that a failed script left behind
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 0, said
    return said


def test_the_readme_names_every_verb_and_no_other() -> None:
    verbs = set(get_command(app).commands)  # type: ignore[attr-defined]
    table = README.split("## Words on the command line")[1].split("## For programs")[0]
    assert set(re.findall(r"`cbm ([a-z]+)`", table)) == verbs


def test_the_readme_names_only_files_that_are_there() -> None:
    for name in re.findall(r"`((?:exchange|schemas|examples|keys|trust|node|federation)/[\w./]+)`", README):
        assert (ROOT / name).exists() or (ROOT / "exchange" / name).exists(), name
