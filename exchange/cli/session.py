"""Where the command line keeps an officer's session: one file a node, readable by its user alone, worth nothing after 8 hours."""

import hashlib
import os
from pathlib import Path

from exchange.cli.key import passphrase_for
from exchange.client import Client, officers
from exchange.client.officers import Opened
from exchange.core.keys import Kind, PrivateKey
from exchange.errors import NotSignedIn
from exchange.files import make_folder, write_whole
from exchange.node.keyfile import open_key

SESSION = "CBM_SESSION"
"""A token for scripts, which keep it where they keep their secrets."""


def sign_in(client: Client, key: PrivateKey) -> Opened:
    """Prove to the node that this key asks. Raises NotSignedIn."""
    given = client.ask(officers.challenge(key.public.keyid))
    message = officers.own_challenge(client.url, key.public.keyid, given)
    return client.ask(officers.open_session(message, key.sign(message)))


def open_signing_key(path: Path) -> PrivateKey:
    """Raises Misuse, WrongPassphrase, KeyFileExposed."""
    return open_key(path, passphrase_for(path), kind=Kind.SIGNING).key


def keep_token(url: str, token: str) -> Path:
    path = _file(url)
    make_folder(path.parent)
    write_whole(path, token.encode() + b"\n")
    return path


def forget_token(url: str) -> None:
    _file(url).unlink(missing_ok=True)


def token_for(url: str) -> str:
    """Of the session that is open at that node. Raises NotSignedIn."""
    given = os.environ.get(SESSION)
    if given is not None:
        return given.strip()
    try:
        return _file(url).read_text().strip()
    except OSError:
        raise NotSignedIn(f"nobody is signed in at {url} on this machine") from None


def _file(url: str) -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "cbm" / "sessions" / hashlib.sha256(url.encode()).hexdigest()[:32]
