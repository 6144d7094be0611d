"""Keys, openings and plaintext appear in no log, traceback or error: secrets are planted, everything runs at debug level, and all is read."""

import base64
import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.core.document import Document
from exchange.core.keys import Kind, PrivateKey
from exchange.errors import ExchangeError
from exchange.node.keyfile import open_secret
from tests.audience import EVERYBODY, NOBODY, STATES, federation, node_of, officer, plant, release, settle
from tests.audience.test_table import ASKERS, SERVES, Stage
from tests.world import World


@contextmanager
def everything_said() -> Iterator[io.StringIO]:
    """All loggers, at their most talkative, each with the traceback that comes along."""
    said, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(exc_info)s"))
    level, names = root.level, [*logging.root.manager.loggerDict]
    before = {name: logging.getLogger(name).level for name in names}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in names:
        if not name.startswith(("hypothesis", "asyncio")):
            logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for name, was in before.items():
            logging.getLogger(name).setLevel(was)


def spellings(secret: bytes) -> list[str]:
    """As a careless line would write it."""
    text = secret.decode("ascii", "ignore")
    said = [
        secret.hex(),
        base64.b64encode(secret).decode(),
        base64.urlsafe_b64encode(secret).decode(),
        repr(secret)[2:-1],
    ]
    return [*said, text] if len(text) == len(secret) else said


def secrets_of(world: World) -> dict[str, bytes]:
    found = {}
    for code, node in world.nodes.items():
        found[f"{code}'s officer"] = node.officer.seed
        found[f"{code}'s token"] = node.running.token.encode()
        for path in sorted((node.directory / "keys").glob("*.key")):
            found[f"{code}'s {path.name}"] = open_secret(path, kinds=tuple(Kind)).seed
    return found


def of_document(one: Document) -> dict[str, bytes]:
    return {
        f"opening of {one.name}": one.opening,
        f"content of {one.name}": one.content[:60],
        f"name {one.name}": one.name.encode(),
    }


def check(said: str, secrets: dict[str, bytes]) -> None:
    for what, secret in secrets.items():
        for spelling in spellings(secret):
            assert spelling not in said, (
                f"{what} is in what was said: ...{said[max(0, said.index(spelling) - 200) :][:400]}..."
            )


def test_nothing_secret_is_said(tmp_path: Path) -> None:
    """Publishing, refusing, pulling, asking with and without proof, releasing, breaking off: what is public is said, nothing else."""
    with everything_said() as said, federation(tmp_path) as world:
        xr = world["XR"]
        one = plant(xr, "for States", STATES)
        planted = {one.name: one, "for everybody": plant(xr, "for everybody", EVERYBODY)}
        errors = list(refusals(world))
        settle(world)
        stage = Stage(world, planted)
        for asker in ASKERS:
            for paths in SERVES.values():
                for path in paths(one):
                    stage.who(asker).ask(xr, path)
        headers = node_of(world["XA"]).proof(xr, "/v1/node")
        NOBODY.ask(xr, "/v1/submissions", headers=headers)
        officer("operator").ask(xr, "/local/pull", "POST")
        break_down(world, said)
        release(xr, one, EVERYBODY)
        settle(world)
        secrets = secrets_of(world)
        for each in one.documents:
            secrets |= {} if each.name == "ICT-03.json" else of_document(each)
        secrets["the word"] = one.word.encode()
        text = said.getvalue()
        assert "exchange." in text, "or nobody listened"
        lines = [line for line in text.splitlines() if "/v1/submissions?" not in line]  # who asks for a word says it
        check("\n".join(lines), secrets)
        check("\n".join(errors), secrets)


def refusals(world: World) -> Iterator[str]:
    """What the door says to those who send something wrong, as text and with its traceback."""
    xr = world["XR"]
    good = xr.parcel("ICT-03", name={"en": "plantedforStatesword"})
    body = good.documents[0]
    wrong = (
        replace(good, documents=(replace(body, content=body.content + b" "),)),
        replace(good, documents=(replace(body, opening=bytes(32)),)),
        replace(good, documents=()),
        xr.parcel("ICT-03", signers=(PrivateKey.from_seed(bytes(range(32))),)),
        xr.parcel("ICT-03", instrument_kind="no such kind"),
    )
    for parcel in wrong:
        try:
            xr.submit(parcel)
        except ExchangeError as error:
            yield str(error) + "".join(traceback.format_exception(error))
        else:
            pytest.fail("it was taken")


def break_down(world: World, said: io.StringIO) -> None:
    """The database goes away in the middle of an answer: what nobody foresaw is logged with its traceback."""
    xr = world["XR"]
    db, read = xr.running.node.db, xr.running.node.db.read
    db.read = None  # type: ignore[assignment, method-assign]
    try:
        answer = NOBODY.ask(xr, "/v1/submissions")
        assert answer.status_code == 500 and "Traceback" not in answer.text
    finally:
        db.read = read  # type: ignore[method-assign]
    assert "unforeseen" in said.getvalue()


def test_a_planted_secret_would_be_found() -> None:
    with everything_said() as said:
        logging.getLogger("exchange.api").debug("a careless line: %r", bytes(range(32)))
        logging.getLogger("some.library").error("and %s", base64.b64encode(b"plantedword").decode())
    with pytest.raises(AssertionError):
        check(said.getvalue(), {"a seed": bytes(range(32))})
    with pytest.raises(AssertionError):
        check(said.getvalue(), {"a word": b"plantedword"})


def test_values_that_hold_secrets_do_not_print_them() -> None:
    from exchange.client import HeldDocument, Proven
    from exchange.core.httpsig import Request
    from exchange.core.pack import Pack
    from exchange.store.documents import HeldDocument as Leaving
    from exchange.store.documents import Kept
    from exchange.store.folder import Arrival

    opening, content = bytes(range(32)), b"the plaintext of a restricted document"
    values = (
        Document("body", "a.json", opening, content),
        Pack(b"{}", (Document("body", "a.json", opening, content),), None, None),
        Arrival.small("body", "a.json", opening, content),
        Leaving(0, "body", "text/plain", "0" * 64, "a.json", opening, 1, content),
        Kept(1, content),
        Request("POST", "https://cbm.xr.example/", content),
        PrivateKey.from_seed(opening),
    )
    for value in (*values, HeldDocument(Proven("0" * 64, "a.json", opening, 1), content)):
        check(repr(value) + str(value), {"opening": opening, "content": content})
