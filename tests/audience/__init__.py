"""A federation with readers of every kind, and a State that publishes for each audience; what is planted in each document is looked for."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from exchange.core.document import SMALL_DOCUMENT, Document
from exchange.core.dsse import parse_envelope
from exchange.core.httpsig import NODE, OFFICER, Request, sign_request
from exchange.core.keys import Kind, PrivateKey
from exchange.core.statement import Reference, Statement, parse_statement
from exchange.node.keyfile import open_key
from exchange.trust.participants import ParticipantRecord, Standing
from tests import key_named
from tests.builders import participant_key
from tests.world import Published, World, WorldNode

STATES, PARTNERS, EVERYBODY = "participating States", "States and Partners", "public"
KINDS = {"XP": "Partner", "ORG-SEC": "Secretariat"}
ROLES = ("reader", "editor", "auditor", "contact holder", "operator")
CODES = ("XR", "XA", "XP", "XS", "ORG-SEC")


def record_of(made: ParticipantRecord) -> ParticipantRecord:
    """XP is a Partner, ORG-SEC the Secretariat, XS is suspended, and Ruritania has an officer for each role."""
    code = made.participant
    changed = replace(made, kind=KINDS.get(code, made.kind))
    if code == "XS":
        changed = replace(changed, status=(*made.status, Standing("suspended", "2026-11-21")))
    if code == "XR":
        more = tuple(participant_key(key_named(f"XR {role}"), may_sign=("ICT-03",), roles=(role,)) for role in ROLES)
        changed = replace(changed, keys=(*changed.keys, *more))
    return changed


def federation(folder: Path) -> World:
    return World(folder, *CODES, edit=record_of)


@dataclass(frozen=True)
class Who:
    """An asker: how it proves itself. Nobody in particular has no key."""

    name: str
    key: PrivateKey | None = None
    tag: str = NODE

    def ask(self, node: WorldNode, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        with httpx.Client(transport=node.world.wire) as client:
            headers = {**self.proof(node, path, method), **options.pop("headers", {})}
            return client.request(method, node.url + path, headers=headers, **options)

    def proof(
        self, node: WorldNode, path: str, method: str = "GET", body: bytes = b"", **changes: Any
    ) -> dict[str, str]:
        if self.key is None:
            return {}
        named = {"tag": self.tag, "created": int(node.world.now.timestamp()), "nonce": secrets.token_urlsafe(24)}
        return sign_request(Request(method, node.url + path, body), self.key, **{**named, **changes})


NOBODY = Who("nobody")
_number = count()


def node_of(node: WorldNode) -> Who:
    return Who(node.code, open_key(node.directory / "keys" / "transport.key", kind=Kind.TRANSPORT).key)


def officer(role: str) -> Who:
    return Who(f"XR {role}", key_named(f"XR {role}"), OFFICER)


def for_(audience: str, **changes: Any) -> Callable[[Statement], Statement]:
    """A statement, and all its documents, for that audience."""

    def edit(made: Statement) -> Statement:
        documents = tuple(replace(one, audience=audience) for one in made.documents)
        return replace(made, audience=audience, documents=documents, **changes)

    return edit


@dataclass(frozen=True)
class Planted:
    """A submission whose documents nobody else has anything of."""

    name: str
    publisher: str
    audience: str
    published: Published
    word: str

    @property
    def documents(self) -> tuple[Document, ...]:
        return self.published.parcel.documents

    def traces(self) -> list[bytes]:
        """What only somebody who has a document can know: its words, name, bytes, opening, and length."""
        found = [self.word.encode()]
        for one in self.documents:
            name = [] if one.name in ("ICT-03.json", "POC-02.json") else [one.name.encode()]
            content = base64.b64encode(one.content)[:400]
            found += [*name, content, base64.b64encode(one.opening), one.opening.hex().encode(), one.opening]
            found += [one.content[:200]]
            if one.slot != "body":  # of which two may have one length
                found += [b'"size":%d,' % len(one.content), b'"size":%d}' % len(one.content)]
        return found

    def is_in(self, answer: httpx.Response) -> bool:
        head = b"\n".join(b"%s: %s" % pair for pair in answer.headers.raw)
        return any(trace in answer.content or trace in head for trace in self.traces())


def plant(node: WorldNode, name: str, audience: str, *, form: str = "ICT-03", **changes: Any) -> Planted:
    """A body with a word that stands nowhere else, a small and a large attachment with names of their own."""
    number = next(_number)
    word = f"planted{name.replace(' ', '')}word"
    small, large = f"small-{word}.pdf", f"large-{word}.pdf"
    answers = {"name": {"en": f"A strategy called {word}"}} if form == "ICT-03" else {"institution": {"en": word}}
    attachments = (
        (small, (b"small " + word.encode()).ljust(1000 + number, b".")),
        (large, (b"large " + word.encode()).ljust(SMALL_DOCUMENT + 1000 + number, b".")),
    )
    made = node.publish(
        form, attachments=attachments if form == "ICT-03" else (), edit=for_(audience, **changes), **answers
    )
    return Planted(name, node.code, audience, made, word)


def release(
    node: WorldNode, target: Planted | Published, audience: str, slot: str | None = None, **changes: Any
) -> Published:
    ident = target.published.id if isinstance(target, Planted) else target.id

    def edit(made: Statement) -> Statement:
        references = (Reference("releases", ident, slot),)
        return replace(
            made, message="release", references=references, audience=audience, documents=(), period=None, **changes
        )

    parcel = node.parcel("ICT-03", edit=edit)
    return node.submit(replace(parcel, documents=()))


def settle(world: World) -> None:
    """Everybody visits everybody until every document is where it may be."""
    for _ in range(2):
        world.pull()
    for node in world.nodes.values():
        node.running.indexer.catch_up()


def commitments(one: Planted) -> list[str]:
    """Of its documents, as everybody reads them in the log."""
    statement = parse_statement(parse_envelope(one.published.parcel.envelope).payload)
    return [each.commitment for each in statement.documents]
