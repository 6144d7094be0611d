"""The commands of examples/operate/YEAR.md run as they stand there, in their order, with other folders and ports.

What a person or another machine would do in between is done here: another State's node mirrors this one and takes each
new peers.json; `systemctl` runs what the unit files say; in November the disk dies.
"""

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

from tests.databases import name_database
from tests.processes import ROOT, SECONDS, NodeProcess, cbm, environment, free_port, full_audit
from tests.shell import ready_cbm, with_databases

OPERATE = ROOT / "examples" / "operate"
YEAR = (OPERATE / "YEAR.md").read_text()
PASSPHRASE = "four words of the first officer"
LIMIT = 4 * SECONDS

# Says yes where a person would, and lets `node check` speak without ending the year; its verdicts are kept.
CBM = """#!/bin/sh
[ "$1" = sign ] && set -- "$@" --yes
if [ "$1 $2" = "node check" ]; then
  {program} "$@"; echo "check ended with $?"; exit 0
fi
exec {program} "$@"
"""

SUDO = """#!/bin/sh
[ "$1" = -u ] && shift 2
exec "$@"
"""

# systemd, as far as the year needs it: what ExecStart= of the unit says, as an instance of it.
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
elif kind:
    sys.exit(subprocess.call(command))
else:
    said = open("{tmp}/" + unit + ".said", "ab")
    node = subprocess.Popen(["setsid", "--fork", "sh", "-c", 'echo $$ > "$0"; exec "$@"', str(pid), *command], stdout=said, stderr=said)
    node.wait()
    for _ in range(600):
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open("http://127.0.0.1:{port}/v1/node")
            break
        except OSError:
            time.sleep(0.1)
    else:
        sys.exit("the node does not answer")
"""

# After each block: Arcadia's operator takes the newest peers.json; her node imports it, and visits twice a second.
ARCADIA = """
cp {srv}/xr/peers.json {xa}/peers.json && cp {xa}/peers.json records-kept-by-arcadia.json
"""

DISKS_DIE = ("November", "Still November")

# Not before Arcadia's mirror has everything, as it would after five minutes.
DISK_DIES = """
for i in $(seq 200); do
  [ "$(curl -s http://127.0.0.1:{port}/log/checkpoint)" = "$(curl -s http://127.0.0.1:{other}/mirror/XR/checkpoint)" ] && break
  sleep 0.1
done
systemctl kill cbm-node@xr
rm -rf {srv}/xr
mkdir {srv}/xr
"""


def _script(places: dict[str, str]) -> str:
    """All shell blocks, section by section, with what happens in between."""
    lines = ["set -euo pipefail"]
    for section in re.split(r"^## ", YEAR, flags=re.MULTILINE):
        lines.append(f"echo '## {section.splitlines()[0]}'")
        if section.startswith(DISKS_DIE):
            lines.append(DISK_DIES.format(**places))
        if section.startswith("Still November"):
            lines.append("rm -rf " + places["backups"] + "/xr/*")
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
            lines += [block, "" if section.startswith(DISKS_DIE) else ARCADIA.format(**places)]
    text = "\n".join(lines)
    for old, new in (
        ("https://cbm.xr.example", f"http://127.0.0.1:{places['port']}"),
        ("127.0.0.1:8750", f"127.0.0.1:{places['port']}"),
        ("/srv/cbm", places["srv"]),
        ("/var/backups/cbm", places["backups"]),
        ("/media/safe", places["safe"]),
    ):
        text = text.replace(old, new)
    return text


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_year_with_a_node_goes_as_it_is_written(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    places = {name: str(tmp_path / name) for name in ("srv", "backups", "safe", "xa", "bin")}
    places |= {"port": str(port), "other": str(other)}
    for name in ("srv", "backups", "safe", "bin"):
        Path(places[name]).mkdir()
    address = f"http://127.0.0.1:{other}"
    made = cbm("node", "init", "xa", "--participant", "XA", "--name", "Arcadia", "--url", address, cwd=tmp_path)
    assert made.code == 0, made.err
    name_database(tmp_path / "xa")
    (tmp_path / "peers-of-arcadia.json").write_bytes((tmp_path / "xa" / "peers.json").read_bytes())
    settings = tmp_path / "xa" / "node.toml"
    settings.write_text(settings.read_text().replace("pull_every = 300.0", "pull_every = 0.5"))
    with ready_cbm() as program, NodeProcess(tmp_path / "xa"):
        said = _live(tmp_path, places, program)
    _check_what_was_said(said)
    full_audit(tmp_path / "srv" / "xr")
    assert [path.name for path in (tmp_path / "backups" / "xr").iterdir()] == ["after-recovery"]


def _live(folder: Path, places: dict[str, str], program: Path) -> str:
    """All that was said in this year."""
    _executable(folder / "bin" / "cbm", CBM.format(program=program))
    _executable(folder / "bin" / "sudo", SUDO)
    _executable(
        folder / "bin" / "systemctl", SYSTEMCTL.format(**places, python=sys.executable, operate=OPERATE, tmp=folder)
    )
    year = subprocess.Popen(
        ["/bin/bash", "-c", with_databases(_script(places), folder)],
        cwd=folder,
        env=environment(folder, PATH=f"{places['bin']}:{os.environ['PATH']}", CBM_PASSPHRASE=PASSPHRASE),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = year.communicate(timeout=LIMIT)
    finally:
        if year.poll() is None:
            os.killpg(year.pid, signal.SIGKILL)
        node = folder / "cbm-node@xr.pid"
        if node.exists():
            os.kill(int(node.read_text()), signal.SIGTERM)
    assert year.returncode == 0, said
    return said


def _check_what_was_said(said: str) -> None:
    months = {part.split(maxsplit=1)[0].strip(":"): part for part in re.split(r"^## ", said, flags=re.MULTILINE)[1:]}
    assert "there is no backup of this node" in months["January"]
    assert "check ended with 0" in months["January"] and "check ended with 0" in months["July"]
    assert "Recorded at index 0" in months["February"] and "CERT-XR" in months["February"]
    assert "Recorded at index 1" in months["May"]
    assert "From index 2 on, this key signs nothing more" in months["September"]
    assert "Recorded at index 2" in months["September"]
    november = months["November"]
    assert "XA holds our log at size 3, this database ends at 2" in november
    assert "1 entries taken back from 1 other nodes" in november
    assert "Recorded at index 2" in november and "(it stood there before)" in november
    ends = re.findall(r"check ended with (\d)", november)
    assert ends == ["1", "0"], "wrong before the entries were taken back, well afterwards"
    assert "0 named and not here yet" in november.rpartition("taken back")[2], "documents came back with their entries"
    still = months["Still"]
    assert "The node of XR is laid out anew in" in still
    assert "3 entries taken back from 1 other nodes, with 3 documents; the log ends at 3" in still
    assert "check ended with 0" in still and "0 named and not here yet" in still
    assert "The keys are missing" in months["December"]


def test_every_command_that_the_year_names_is_one_of_ours() -> None:
    from typer.main import get_command

    from exchange.cli.program import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    for verb, inner in re.findall(r"`?cbm ([a-z]+)(?: ([a-z]+))?", YEAR):
        assert verb in verbs, verb
        if hasattr(verbs[verb], "commands"):
            assert inner in verbs[verb].commands, (verb, inner)
