"""Guides for operators, run as they stand there: what stands for `sudo`, systemd and the person at the keyboard.

    with Machine(tmp_path) as machine:
        said = machine.run(script)

Folders of the guide (`/srv/cbm` and others) become folders of the test; `systemctl` runs what the unit files say.
"""

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.processes import ROOT, environment
from tests.shell import ready_cbm, with_databases

OPERATE = ROOT / "examples" / "operate"
FOLDERS = {"/srv/cbm": "srv", "/var/backups/cbm": "backups", "/media/safe": "safe", "/media/stick": "stick"}

# Says yes where a person would, and lets what only reports speak without ending the guide; its verdicts are kept.
CBM = """#!/bin/sh
case "$1 $2" in sign*|"federation sign") set -- "$@" --yes;; esac
case "$1 $2" in "node check"|alerts*) {program} "$@"; echo "$1 ended with $?"; exit 0;; esac
exec {program} "$@"
"""

SUDO = """#!/bin/sh
[ "$1" = -u ] && shift 2
exec "$@"
"""

# systemd, as far as a guide needs it: what ExecStart= of the unit says, as an instance of it.
SYSTEMCTL = r"""#!{python}
import os, pathlib, re, shlex, signal, subprocess, sys, time, urllib.request
verb, unit = [word for word in sys.argv[1:] if not word.startswith("--")][:2]
name, instance, kind = re.fullmatch(r"(cbm-\w+)@(\w+)(\.timer)?", unit).groups()
text = (pathlib.Path("{operate}") / (name + "@.service")).read_text()
command = re.search(r"^ExecStart=(.*)$", text, re.M).group(1)
for old, new in (("%i", instance), ("/opt/cbm/bin/cbm", "{python} -m exchange"), ("/srv/cbm", "{srv}"), ("/var/backups/cbm", "{backups}")):
    command = command.replace(old, new)
command = shlex.split(command.replace("%%", "%").replace("$$", "$"))
pid = pathlib.Path("{tmp}") / (unit + ".pid")
if verb in ("stop", "kill"):
    os.kill(int(pid.read_text()), signal.SIGTERM if verb == "stop" else signal.SIGKILL)
    while pathlib.Path("/proc/" + pid.read_text().strip()).exists():
        time.sleep(0.05)
    pid.unlink()
elif kind:
    sys.exit(subprocess.call(command))
else:
    said = open("{tmp}/" + unit + ".said", "ab")
    node = subprocess.Popen(["setsid", "--fork", "sh", "-c", 'echo $$ > "$0"; exec "$@"', str(pid), *command], stdout=said, stderr=said)
    node.wait()
    listen = re.search(r'^listen = "(.*)"$', (pathlib.Path("{srv}") / instance / "node.toml").read_text(), re.M).group(1)
    for _ in range(600):
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open("http://" + listen + "/v1/node")
            break
        except OSError:
            time.sleep(0.1)
    else:
        sys.exit("the node does not answer")
"""


class Machine:
    """A folder that stands for all machines of a guide. Every node that a script started is stopped at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = {name: folder / name for name in (*FOLDERS.values(), "bin")}

    def __enter__(self) -> Self:
        for place in self.places.values():
            place.mkdir()
        self._ready = ready_cbm()
        texts = {"cbm": CBM.format(program=self._ready.__enter__()), "sudo": SUDO}
        texts["systemctl"] = SYSTEMCTL.format(**self.places, python=sys.executable, operate=OPERATE, tmp=self.folder)
        for name, text in texts.items():
            program = self.places["bin"] / name
            program.write_text(text)
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.folder.glob("cbm-node@*.pid"):
            with contextlib.suppress(ProcessLookupError):  # it could not start
                os.kill(int(node.read_text()), signal.SIGTERM)
        self._ready.__exit__(kind, error, trace)

    def put(self, text: str, ports: Mapping[str, int]) -> str:
        """The commands with this machine's folders, and for each State's address (by its code) that port of it."""
        for code, port in ports.items():
            host = f"cbm.{code}.example"
            text = re.sub(rf"(--url https://{host} --listen 127\.0\.0\.1:)8750", rf"\g<1>{port}", text)
            text = text.replace(f"https://{host}", f"http://127.0.0.1:{port}")
        for old, name in FOLDERS.items():
            text = text.replace(old, str(self.places[name]))
        return text

    def run(self, script: str, seconds: float, **variables: str) -> str:
        """All that was said."""
        path = f"{self.places['bin']}:{os.environ['PATH']}"
        running = subprocess.Popen(
            ["/bin/bash", "-c", with_databases(f"set -euo pipefail\n{script}", self.folder)],
            cwd=self.folder,
            env=environment(self.folder, PATH=path, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = running.communicate(timeout=seconds)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
        assert running.returncode == 0, said
        return said
