"""What an officer asks of their own node: the sign-in, and the local record. Sent by either shell with `ask` and `each`.

    message = node.ask(officers.challenge(key.public.keyid))
    session = node.ask(officers.open_session(message, key.sign(message)))
    node.ask(officers.session(session["token"]))

Sign no challenge that names another node than the one you meant to ask: `own_challenge` refuses it, since whoever passes on the challenge
of another node would be signed in there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypedDict, TypeVar

import orjson

from exchange.client.asks import listed
from exchange.client.wire import Ask, Beginning, Intake, Page, json_of
from exchange.core.base64text import format_base64
from exchange.errors import NotSignedIn
from exchange.trust.challenge import parse_challenge

T = TypeVar("T")

SESSION = "/v1/session"


class Challenge(TypedDict):
    """What is to be signed, and for how many seconds it is good."""

    message: str
    seconds: int


class Session(TypedDict):
    """Whose session it is; without the token, which only `Opened` has."""

    key: str
    participant: str | None
    roles: list[str]
    ends: str
    idle_seconds: int


class Opened(Session):
    token: str


class Ended(TypedDict):
    ended: bool


class Act(TypedDict):
    """A line of the local record (trust/acts.py)."""

    seq: int
    at: str
    key: str
    roles: list[str]
    what: str
    subject: str
    sha256: str


def challenge(keyid: str) -> Ask[Challenge]:
    return sent("POST", f"{SESSION}/challenge", {"key": keyid}, json_of(Challenge))


def own_challenge(url: str, keyid: str, given: Challenge) -> bytes:
    """The bytes to sign, if they open a session with that key at that address and nowhere else. Raises NotSignedIn, Malformed."""
    message = given["message"].encode()
    said = parse_challenge(message)
    if said.node != url.rstrip("/"):
        raise NotSignedIn(f"this challenge is one of {said.node}, not of {url}: ask that node by its own address")
    if said.keyid != keyid:
        raise NotSignedIn(f"this challenge is for the key {said.keyid[:16]}, not for yours")
    return message


def open_session(message: bytes, signature: bytes) -> Ask[Opened]:
    said = {"message": message.decode(), "signature": format_base64(signature)}
    return sent("POST", SESSION, said, json_of(Opened))


def session(token: str) -> Ask[Session]:
    return by(token, Ask(SESSION, json_of(Session)))


def end_session(token: str) -> Ask[Ended]:
    return by(token, Ask(SESSION, json_of(Ended), "DELETE"))


def acts(token: str, after: int = 0) -> Ask[Page[Act]]:
    return by_each(token, listed("/v1/acts", Act, {"after": after}))


def sent(method: str, path: str, said: Mapping[str, Any], intake: Any) -> Ask[Any]:
    """A question with an object in JSON."""
    body = orjson.dumps(said)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}

    def content() -> Iterator[bytes]:
        return iter((body,))

    return Ask(path, intake, method, headers, content)


def by(token: str, ask: Ask[T]) -> Ask[T]:
    """The question, asked by whoever holds that session."""
    return replace(ask, headers={**ask.headers, "Authorization": f"Bearer {token}"})


def by_each(token: str, ask: Ask[Page[T]]) -> Ask[Page[T]]:
    """The same for a list, whose every page is asked for by that session."""
    return by(token, replace(ask, intake=lambda beginning: _Pages(token, ask, beginning)))


class _Pages(Intake[Page[T]]):
    """A page, whose rest is asked for by the same session."""

    def __init__(self, token: str, ask: Ask[Page[T]], beginning: Beginning) -> None:
        self._token, self._inner = token, ask.intake(beginning)

    def take(self, piece: bytes) -> None:
        self._inner.take(piece)

    def finish(self) -> Page[T]:
        page = self._inner.finish()
        return page if page.rest is None else Page(page.items, by_each(self._token, page.rest))
