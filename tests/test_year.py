"""The commands of examples/operate/YEAR.md run as they stand there, in their order, with other folders and ports.

What a person or another machine would do in between is done here: another State's node mirrors this one and takes each
new peers.json; `systemctl` runs what the unit files say; in November the disk dies.
"""

import re
from pathlib import Path

import pytest

from tests.databases import name_database
from tests.guide import OPERATE, Machine
from tests.processes import SECONDS, NodeProcess, cbm, free_port, full_audit

YEAR = (OPERATE / "YEAR.md").read_text()
PASSPHRASE = "four words of the first officer"
LIMIT = 4 * SECONDS

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


def _script(places: dict[str, object]) -> str:
    """All shell blocks, section by section, with what happens in between."""
    lines = []
    for section in re.split(r"^## ", YEAR, flags=re.MULTILINE):
        lines.append(f"echo '## {section.splitlines()[0]}'")
        if section.startswith(DISKS_DIE):
            lines.append(DISK_DIES.format(**places))
        if section.startswith("Still November"):
            lines.append(f"rm -rf {places['backups']}/xr/*")
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
            lines += [block, "" if section.startswith(DISKS_DIE) else ARCADIA.format(**places)]
    return "\n".join(lines)


@pytest.mark.long
def test_a_year_with_a_node_goes_as_it_is_written(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    xa = tmp_path / "xa"
    address = f"http://127.0.0.1:{other}"
    made = cbm("node", "init", "xa", "--participant", "XA", "--name", "Arcadia", "--url", address, cwd=tmp_path)
    assert made.code == 0, made.err
    name_database(xa)
    (tmp_path / "peers-of-arcadia.json").write_bytes((xa / "peers.json").read_bytes())
    settings = xa / "node.toml"
    settings.write_text(settings.read_text().replace("pull_every = 300.0", "pull_every = 0.5"))
    with Machine(tmp_path) as machine, NodeProcess(xa):
        script = _script({**machine.places, "xa": xa, "port": port, "other": other})
        said = machine.run(machine.put(script, {"xr": port}), LIMIT, CBM_PASSPHRASE=PASSPHRASE)
    _check_what_was_said(said)
    full_audit(tmp_path / "srv" / "xr")
    assert [path.name for path in (tmp_path / "backups" / "xr").iterdir()] == ["after-recovery"]


def _check_what_was_said(said: str) -> None:
    months = {part.split(maxsplit=1)[0].strip(":"): part for part in re.split(r"^## ", said, flags=re.MULTILINE)[1:]}
    assert "there is no backup of this node" in months["January"]
    assert "node ended with 0" in months["January"] and "node ended with 0" in months["July"]
    assert "Recorded at index 0" in months["February"] and "CERT-XR" in months["February"]
    assert "Recorded at index 1" in months["May"]
    assert "From index 2 on, this key signs nothing more" in months["September"]
    assert "Recorded at index 2" in months["September"]
    november = months["November"]
    assert "XA holds our log at size 3, this database ends at 2" in november
    assert "1 entries taken back from 1 other nodes" in november
    assert "Recorded at index 2" in november and "(it stood there before)" in november
    ends = re.findall(r"node ended with (\d)", november)
    assert ends == ["1", "0"], "wrong before the entries were taken back, well afterwards"
    assert "0 named and not here yet" in november.rpartition("taken back")[2], "documents came back with their entries"
    still = months["Still"]
    assert "The node of XR is laid out anew in" in still
    assert "3 entries taken back from 1 other nodes, with 3 documents; the log ends at 3" in still
    assert "node ended with 0" in still and "0 named and not here yet" in still
    assert "The keys are missing" in months["December"]


def test_every_command_that_the_year_names_is_one_of_ours() -> None:
    from typer.main import get_command

    from exchange.cli.program import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    for verb, inner in re.findall(r"`?cbm ([a-z]+)(?: ([a-z]+))?", YEAR):
        assert verb in verbs, verb
        if hasattr(verbs[verb], "commands"):
            assert inner in verbs[verb].commands, (verb, inner)
