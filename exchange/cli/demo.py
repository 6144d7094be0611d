"""cbm demo: a federation on this machine, from the first signature to a proof that needs no network.

Every line printed is computed from what the nodes answered.
"""

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from exchange.cli.caught import LIAR
from exchange.cli.demonstration import Demonstration
from exchange.cli.fleet import Fleet
from exchange.cli.output import Exit, answer_json, say
from exchange.cli.returns import NOTE, invented, read_records
from exchange.cli.story import FEW, Kept, Story
from exchange.cli.voice import Voice
from exchange.errors import Misuse

OFTEN, SELDOM = 5.0, 300.0  # seconds between visits
STOP = {signal.SIGINT, signal.SIGTERM}


def demo(
    records: Annotated[
        Path | None, typer.Option(help="A file of real public facts: one node for each State in it.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the nodes running until this command is stopped.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print where the nodes are on one line, and nothing else.")
    ] = False,
    fork: Annotated[
        bool | None,
        typer.Option(
            "--fork/--no-fork", help="Whether one node shows two faces and is caught; yes, unless the nodes stay."
        ),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where to keep the nodes; a temporary folder unless given.")
    ] = None,
) -> None:
    """Run a federation of several nodes on this machine, and watch them publish, pull, verify, answer, and catch one that lies.

    With --keep the nodes are left honest, for whatever is tried on them, unless --fork is given as well.
    """
    if fork and records is not None:
        raise Misuse("a file of public facts speaks of real States: none of them is shown as lying, not even here")
    fork = records is None and not keep if fork is None else fork
    signal.signal(signal.SIGTERM, _interrupt)
    for name in [name for name in os.environ if name.startswith("CBM_")]:
        del os.environ[name]  # what is set for a node of one's own must not reach the nodes of the demonstration
    names, returns = invented() if records is None else read_records(records)
    voice = Voice(_quiet if json else say)
    with _folder(directory, keep) as folder:
        began = time.monotonic()
        # Nodes that stay visit each other by themselves. Else they are asked to, one after the other, as the story is told.
        every = OFTEN if keep and not fork and len(names) <= FEW else SELDOM
        federation = "demo.example" if records is None else "trial.example"
        fleet = Fleet(folder, federation, names, every, faulty=LIAR if fork else None)
        try:
            _begin(voice, names, fork)
            story = Story(fleet, Demonstration(folder / "founders", federation), returns, voice)
            kept = story.play(fork)
            if records is not None:
                voice.line()
                voice.line(NOTE)
            if not keep:
                fleet.stop()
                voice.line()
                voice.line("All nodes are stopped; what follows needs no network.")
            story.prove(kept)
            _end(voice, folder, directory, keep, time.monotonic() - began)
            # From here on a signal is waited for, and one that comes early is not lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
            if json:
                answer_json(_whereabouts(fleet, kept))
            if keep:
                signal.sigwait(STOP)
        finally:
            fleet.stop()
    raise typer.Exit(Exit.YES if voice.good else Exit.NO)


def _begin(voice: Voice, names: Mapping[str, str], fork: bool) -> None:
    *others, last = names.values()
    who = f"{', '.join(others)} and {last}" if len(names) <= FEW else f"{len(names)} States"
    voice.line(f"{who} exchange returns on this machine; nothing leaves it.")
    if not fork:
        voice.line(
            "Nobody lies here: the chapter in which a node shows two faces is in `cbm demo` and `cbm demo --keep --fork`."
        )
    voice.line("A line that begins with `again:` has the command that shows the same once more.")


def _end(voice: Voice, folder: Path, given: Path | None, keep: bool, seconds: float) -> None:
    """What is left, and how to see it again."""
    voice.line()
    voice.line(
        f"Done in {seconds:.0f} seconds.{'' if voice.good else ' SOMETHING DID NOT HOLD: see the lines with WRONG or NO.'}"
    )
    if keep:
        voice.line(
            "The nodes stay until you stop this command (Ctrl-C). The commands above work in another terminal until then."
        )
        return
    if given is None:
        voice.line(f"The nodes are gone, and {folder} is removed now: `cbm demo --dir DIR` keeps the files,")
    else:
        voice.line(f"The nodes are gone; the files stay in {folder}, and what reads files alone can be repeated now:")
        voice.line("`cbm verify`, `cbm audit` and `cbm federation show`.")
    voice.line("With --keep (and --fork) the nodes stay until you stop them, for the commands with --node.")


def _interrupt(*_: object) -> NoReturn:
    """SIGTERM ends the demo as Ctrl-C does: the nodes are stopped, the folder goes."""
    raise KeyboardInterrupt


def _quiet(line: str = "") -> None:
    """With --json nobody is there to read the story."""


@contextmanager
def _folder(given: Path | None, keep: bool) -> Iterator[Path]:
    """Private keys lie in it, so it is the user's alone."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(given.iterdir()):
            raise Misuse(f"{given} is not empty; the demonstration makes its nodes anew, in a folder of their own")
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="cbm-demo-") as folder:
        yield Path(folder)


def _whereabouts(fleet: Fleet, kept: Kept) -> dict[str, Any]:
    nodes = [
        {
            "participant": node.code,
            "url": node.settings.url,
            "origin": node.settings.origin,
            "log_vkey": node.log_vkey,
            "witness_vkey": node.witness_vkey,
            "witness_url": f"{node.settings.url}/witness",
            "data_dir": str(node.settings.directory),
        }
        for node in fleet.nodes
    ]
    evidence = None if kept.evidence is None else str(kept.evidence)
    return {"nodes": nodes, "trust": str(fleet.trust), "pack": str(kept.pack), "evidence": evidence}
