"""cbm pull: visit the other nodes now."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import typer

from exchange.cli.options import Directory, Json
from exchange.cli.output import Exit, answer, answer_json, say, table
from exchange.client import Client
from exchange.config import Settings, read_settings
from exchange.errors import InUse


def pull(directory: Directory, json: Json = False) -> None:
    """Visit every other node once. A node that runs is asked to do it; otherwise it is done here."""
    settings = read_settings(directory)
    visits = _here(settings)
    if json:
        answer_json(visits)
    elif visits:
        rows = [_row(visit) for visit in visits]
        answer(table(rows, ("participant", "entries", "documents", "still owed", "result")))
    else:
        say(f"No other node is known: `cbm federation import {directory} PEERS.json` brings records in.")
    if any(visit["error"] for visit in visits):
        raise typer.Exit(Exit.UNREACHABLE)


def _here(settings: Settings) -> Sequence[Mapping[str, Any]]:
    from exchange.app import Exchange  # here, so that the other verbs start without a web server's half second

    try:
        exchange = Exchange(settings)
    except InUse:
        say("The node is running; it pulls now.")
        token = (settings.directory / "operator.token").read_text()
        with Client(f"http://{settings.listen}") as client:
            return client.pull(token)
    try:
        return [
            asdict(visit)
            for visit in exchange.rounds.run(
                progress=lambda who, held, signed: say(f"  {who}  {held:,} of {signed:,} entries")
            )
        ]
    finally:
        exchange.close()


def _row(visit: Mapping[str, Any]) -> tuple[str, ...]:
    entries, documents, missing, behind = (
        sum(pulled[name] for pulled in visit["pulled"]) for name in ("entries", "documents", "missing", "behind")
    )
    result = visit["error"] or (f"{behind} entries left for the next visit" if behind else "good")
    return visit["participant"], str(entries), str(documents), str(missing), result
