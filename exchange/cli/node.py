"""cbm node: make a node, run it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError

from exchange.cli.options import Alone, Directory
from exchange.cli.output import answer, say
from exchange.config import Settings, first_fault, read_settings
from exchange.core.keys import Kind
from exchange.errors import Misuse
from exchange.node.founding import default_origin, found, read_officer, read_participants

app = typer.Typer(no_args_is_help=True, help="Make a node, and run it.")


@app.command("init")
def init(
    directory: Directory,
    participant: Annotated[str, typer.Option(help="The code of the State or organisation, such as XR.")],
    url: Annotated[str, typer.Option(help="The address under which other nodes reach this one.")],
    name: Annotated[str, typer.Option(help="The name of the State, for people; the code unless given.")] = "",
    federation: Annotated[str, typer.Option(help="The federation that the node belongs to.")] = "trial.example",
    origin: Annotated[
        str, typer.Option(help="The name of the log, for ever; made from the address unless given.")
    ] = "",
    listen: Annotated[
        str, typer.Option(help="HOST:PORT to listen on; 127.0.0.1 and the address's port unless given.")
    ] = "",
    officer: Annotated[
        list[Path] | None, typer.Option(help="Public key (.pub) of an officer who may sign; may be given again.")
    ] = None,
) -> None:
    """Make a node in DIR: its keys, its settings, its record. Nothing is sent anywhere."""
    parts = urlsplit(url)
    try:
        settings = Settings(
            directory=directory,
            participant=participant,
            url=url,
            federation=federation,
            origin=origin or default_origin(url),
            listen=listen or f"127.0.0.1:{parts.port or 8750}",
        )
    except ValidationError as error:
        raise Misuse("--{}: {}".format(*first_fault(error))) from None
    except ValueError as error:
        raise Misuse(f"--url: {error}") from None
    if (settings.participant, settings.url) != (
        participant,
        url.rstrip("/"),
    ):  # the environment wins over what is given here
        raise Misuse("CBM_PARTICIPANT or CBM_URL in the environment names another node than the options do; unset them")
    officers = [read_officer(path) for path in officer or []]
    found(settings, name=name or participant, officers=officers, now=datetime.now(UTC))
    say(
        f"The node of {name or participant} is laid out in {directory}. Its private keys are in {settings.keys}: back them up, show them to nobody."
    )
    if not officers:
        say(
            "No officer may sign yet: make a key with `cbm key new officer.key`, then `cbm key enrol "
            + f"{directory} officer.key.pub`."
        )
    say(
        f"Run it with `cbm node run {directory}`; give {settings.peers} to the other operators (`cbm federation gather`)."
    )
    answer(str(directory))


@app.command("run")
def run(directory: Directory, alone: Alone = False) -> None:
    """Run the node in DIR until it is stopped. Prints its address once it answers."""
    from exchange.app import serve  # here, so that the other verbs start without a web server's half second

    settings = read_settings(directory)
    serve(settings, on_ready=lambda: _ready(settings, directory), alone=alone)


def _ready(settings: Settings, directory: Path) -> None:
    answer(settings.url)
    say(f"The node of {settings.participant} answers there, from {settings.listen}. Ctrl-C stops it.")
    record = read_participants(settings.peers).records.get(settings.participant)
    if record is None or not any(key.kind is Kind.SIGNING for key in record.keys):
        say(f"No officer may sign yet: `cbm key new officer.key`, then `cbm key enrol {directory} officer.key.pub`.")
    say(f"Write a return with `cbm new POC-02 --node {settings.url} -o contact.toml`; `cbm list` shows what is here.")
