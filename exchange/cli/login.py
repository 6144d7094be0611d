"""cbm login: an officer proves who they are to their own node, with their own key."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import answer, answer_json, say
from exchange.cli.session import forget_token, keep_token, open_signing_key, sign_in, token_for
from exchange.client import Client, officers
from exchange.client.officers import Session
from exchange.errors import Misuse, NotSignedIn


def login(
    key: Annotated[
        Path | None, typer.Option(help="Your private signing key; without it, say who is signed in.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End the session.")] = False,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """Open a session at your State's node by signing its challenge: for 8 hours, or 30 minutes of rest. No password is sent, nor the key."""
    with Client(node) as client:
        if end:
            if key is not None:
                raise Misuse("a session is opened with --key or ended with --end, not both")
            _end(client)
            return
        if key is None:
            session: Session = client.ask(officers.session(token_for(client.url)))
        else:
            opened = sign_in(client, open_signing_key(key))
            kept = keep_token(client.url, opened["token"])
            say(f"Signed in at {client.url} until {opened['ends']}; the session is kept in {kept}.")
            session = opened
    if json:
        answer_json({name: value for name, value in session.items() if name != "token"})
    else:
        answer(
            f"{session['participant']} {', '.join(session['roles'])}, key {session['key'][:16]}, until {session['ends']}"
        )


def _end(client: Client) -> None:
    try:
        client.ask(officers.end_session(token_for(client.url)))
        say(f"The session at {client.url} is ended.")
    except NotSignedIn:
        say(f"No session was open at {client.url}.")
    forget_token(client.url)
