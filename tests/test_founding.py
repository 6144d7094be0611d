"""The commands of examples/founding.md run as they stand there: each block by those who are named above it, each in a folder of their own.

What others do in between is done here: States submit returns, a disk dies, and somebody who has Illyria's log key shows a second history.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.guide import Machine
from tests.processes import ROOT, SECONDS, cbm, free_port

pytestmark = [pytest.mark.sqlite, pytest.mark.long]  # the year (test_year.py) goes on both

GUIDE = (ROOT / "examples" / "founding.md").read_text()
FEBRUARY = (
    (ROOT / "examples" / "operate" / "YEAR.md").read_text().split("## February")[1].split("```sh\n")[1].split("```")[0]
)
LIMIT = 15 * SECONDS
FOUNDERS = ["north", "south", "east"]
STATES = {"xr": ("XR", "Ruritania"), "xa": ("XA", "Arcadia"), "xi": ("XI", "Illyria")}
WHO = {
    "Each founder": FOUNDERS,
    "Each State": ["xr", "xa"],
    "The founder who keeps the stick": ["north"],
    "Two founders": ["north", "east"],
    "Ruritania": ["xr"],
    "Arcadia": ["xa"],
}


def blocks(section: str) -> list[tuple[str, str]]:
    """Each block with the last of the people named before it."""
    found, who = [], ""
    for bold, block in re.findall(r"\*\*([^*]+)\*\*|```sh\n(.*?)```", section, re.DOTALL):
        who = bold if bold in WHO else who
        if block:
            found.append((who, block))
    return found


def by(place: str, block: str) -> str:
    """A block in the folder of a founder or a State, with their name and code in it."""
    if place in STATES:
        code, name = STATES[place]
        block = re.sub(r"(?<=[-/.@ ])xr\b", place, block).replace("XR", code).replace("Ruritania", name)
    return f"mkdir -p {place} && cd {place}\n{block.replace('FOUNDER', place)}\ncd ..\n"


SECTIONS = {text.splitlines()[0]: blocks(text) for text in re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]}


SAID = {
    "The founders begin": ["everything is signed", "cbm.example .*, 2 participants"],
    "The nodes start": ["node ended with"],
    "Change of officer": [
        "NEW signing key .*, signs every form.*, from entry 1 of its log on",
        "COUNTS NO LONGER from entry 1 of its log on",
    ],
    "A key is lost or stolen": [
        "Recorded at index 1",
        "is closed at size 1",
        "3.targets.json: who takes part, version 3",
    ],
    "A disk is lost": [
        "1 entries taken back from 2 other nodes, with 1 documents; the log ends at 2",
        "trust +root 2, list 3",
        "node ended with 0",
    ],
    "A fork is caught": [
        "a second history: .409",
        "inconsistent-checkpoints/v1  XI",
        "told by XR",
        "convicts: whoever",
        "PLT-03",
    ],
    "Founders change, and renew": ["3 participants, nothing at fault"],
}


def done_by(place: str, title: str, who: str = "Each State") -> str:
    return "".join(by(place, block) for found, block in SECTIONS[title] if found == who)


def submit(place: str) -> str:
    """Not before the node takes any."""
    return SUBMIT.format(place) + by(place, FEBRUARY)


def told(title: str) -> str:
    return "".join(by(place, block) for who, block in SECTIONS[title] for place in WHO[who])


# Between the blocks of a section, by its title: what stands before it, and what stands in place of a sentence in it.
SUBMIT = """
for i in $(seq 300); do curl -sf https://cbm.{0}.example/readyz > /dev/null && break; sleep 0.1; done
"""
DISK_DIES = """
cbm pull srv/xa && cbm pull srv/xi
systemctl kill cbm-node@xr
rm -rf srv/xr && mkdir srv/xr
"""
FORGED = """
cbm pull srv/xr
{python} - srv/xi {xr} <<'PROGRAM'
import sys, time
from pathlib import Path
from exchange.config import read_settings
from exchange.core.addcheckpoint import format_request
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.keys import Kind
from exchange.federation.peer import PeerLog, open_client
from exchange.node.keyfile import open_key
settings = read_settings(Path(sys.argv[1]))
note = sign_checkpoint(Checkpoint(settings.origin, 1, bytes(32)), open_key(settings.keys / "log.key", kind=Kind.LOG).key)
with open_client() as client:
    witness = PeerLog(client, sys.argv[2], time.monotonic() + 60, "/witness")
    print("a second history:", witness.add_checkpoint(format_request(0, (), note)))
PROGRAM
cbm pull srv/xr
"""


def script(xr: str) -> str:
    before = {
        "The first return": submit("xr") + submit("xa"),
        "A State joins later": done_by("xi", "Keys") + done_by("xi", "A State asks to take part"),
        "The new node starts": done_by("xi", "The nodes start"),
        "Change of officer": submit("xi"),
        "A key is lost or stolen": by(
            "xr", FEBRUARY.replace("officer.key", "successor.key").replace("contact.", "second.")
        ),
        "A disk is lost": DISK_DIES,
        "A fork is caught": FORGED.format(xr=xr, python=sys.executable),
        "Founders change, and renew": done_by("west", "Keys", "Each founder"),
    }
    return "\n".join(f"echo '## {title}'\n{before.get(title, '')}\n{told(title)}" for title in SECTIONS)


def test_a_federation_is_founded_and_lives_as_it_is_written(tmp_path: Path) -> None:
    ports = {code: free_port() for code in STATES}
    with Machine(tmp_path) as machine:
        said = machine.run(
            machine.put(script("https://cbm.xr.example"), ports), LIMIT, CBM_PASSPHRASE="four words of a founder"
        )
    parts = {part.splitlines()[0]: part for part in re.split(r"^## ", said, flags=re.MULTILINE)[1:]}
    assert list(parts) == list(SECTIONS)
    for title, words in SAID.items():
        for word in words:
            assert re.search(word, parts[title]), (word, parts[title])
    for code in STATES:
        done = cbm("audit", tmp_path / "srv" / code, cwd=tmp_path)
        assert done.code == 0 and "holds: everything" in done.out, done
