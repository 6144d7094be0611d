"""An officer signs in with their own key, at their own node, once a challenge; whatever else comes is nobody."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.client import officers
from exchange.core.base64text import format_base64
from exchange.core.dsse import Envelope, Signature, format_envelope
from exchange.core.note import ED25519, Vkey, verify_note
from exchange.errors import ExchangeError, NotSignedIn
from exchange.node.sessions import CHALLENGE_SECONDS, IDLE_SECONDS, MAX_SESSIONS, SESSION_SECONDS
from exchange.trust.challenge import format_challenge, parse_challenge
from tests import key_named
from tests.api import post
from tests.databases import hand_in
from tests.officers import bearer, challenge, closed, code_of, enrolled, open_session, signed_in
from tests.world import World, WorldNode

NOBODY = (401, "not-signed-in")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA") as world:
        yield world


@pytest.fixture
def node(world: World) -> WorldNode:
    return world["XR"]


def who(node: WorldNode, token: str) -> tuple[int, object]:
    answer = node.get("/v1/session", headers=bearer(token))
    return (200, answer.json()["roles"]) if answer.status_code == 200 else code_of(answer)


def test_an_officer_signs_in_and_out(node: WorldNode) -> None:
    [editor] = enrolled(node, "editor")
    token = signed_in(node, editor)
    answer = node.get("/v1/session", headers=bearer(token))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "key": editor.public.keyid,
        "participant": "XR",
        "roles": ["editor"],
        "ends": "2026-11-21T11:00:00Z",
        "idle_seconds": 1800,
    }
    with node.client() as client:
        assert client.ask(officers.end_session(token)) == {"ended": True}
    assert who(node, token) == NOBODY


def test_who_does_not_sign_in_is_nobody(node: WorldNode) -> None:
    answer = node.get("/v1/session")
    assert code_of(answer) == NOBODY and answer.headers["www-authenticate"] == "Bearer"
    for token in ("", "x", "00" * 32, "AB" * 32, "é", "ab" * 31, "ab" * 33, " " + "ab" * 32):
        assert node.get("/v1/session", headers=[(b"Authorization", f"Bearer {token}".encode())]).status_code == 401
    assert node.get("/v1/session", headers={"Authorization": f"Basic {'ab' * 32}"}).status_code == 401
    assert node.get("/v1/session", headers={"Cookie": f"session={'ab' * 32}"}).status_code == 401


def test_a_challenge_opens_one_session(node: WorldNode) -> None:
    message = challenge(node, node.officer)
    signature = node.officer.sign(message)
    first = open_session(node, message, signature)
    assert first.status_code == 201
    assert code_of(open_session(node, message, signature)) == NOBODY
    with node.client() as client:
        client.ask(officers.end_session(first.json()["token"]))
    assert code_of(open_session(node, message, signature)) == NOBODY, "also when that session has ended"


def test_of_many_at_once_with_one_challenge_one_gets_a_session(node: WorldNode) -> None:
    message = challenge(node, node.officer)
    signature = node.officer.sign(message)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: open_session(node, message, signature).status_code, range(8)))
    assert sorted(found) == [201, *[401] * 7]


def test_a_challenge_is_over_after_two_minutes(world: World, node: WorldNode) -> None:
    message = challenge(node, node.officer)
    world.sleep(seconds=CHALLENGE_SECONDS)
    assert code_of(open_session(node, message, node.officer.sign(message))) == NOBODY


def test_a_challenge_of_another_node_or_of_nobody_opens_nothing(world: World, node: WorldNode) -> None:
    foreign = challenge(world["XA"], node.officer)
    assert code_of(open_session(node, foreign, node.officer.sign(foreign))) == NOBODY
    said = parse_challenge(challenge(node, node.officer))
    for change in (
        {"expires": "2027-11-21T03:00:00Z"},
        {"nonce": "ab" * 48},
        {"keyid": key_named("XR officer 2").public.keyid},
        {"node": "http://xa.test.example"},
        {"participant": "XA"},
        {"federation": "other.example"},
    ):
        made = format_challenge(replace(said, **change))
        assert code_of(open_session(node, made, node.officer.sign(made))) == NOBODY, change


def test_a_challenge_from_before_a_restart_opens_nothing(node: WorldNode) -> None:
    message = challenge(node, node.officer)
    node.stop()
    node.start()
    assert code_of(open_session(node, message, node.officer.sign(message))) == NOBODY


def test_a_session_outlives_a_restart(node: WorldNode) -> None:
    token = signed_in(node, node.officer)
    node.stop()
    node.start()
    assert who(node, token) == (200, ["releaser"])


def test_an_officer_signs_no_challenge_that_was_passed_on_from_another_node(world: World, node: WorldNode) -> None:
    passed_on = {"message": challenge(node, node.officer).decode(), "seconds": 120}
    with pytest.raises(NotSignedIn, match=r"one of http://xr\.test\.example"):
        officers.own_challenge(world["XA"].url, node.officer.public.keyid, passed_on)  # type: ignore[arg-type]
    with pytest.raises(NotSignedIn, match="not for yours"):
        officers.own_challenge(node.url, "ab" * 32, passed_on)  # type: ignore[arg-type]


def test_only_the_key_itself_opens_its_session(world: World, node: WorldNode) -> None:
    [editor, releaser] = enrolled(node, "editor", "releaser")
    message = challenge(node, releaser)
    assert code_of(open_session(node, message, editor.sign(message))) == NOBODY
    assert code_of(open_session(node, message, bytes(64))) == NOBODY
    assert code_of(open_session(node, message, releaser.sign(message)[:63])) == NOBODY
    assert open_session(node, message, releaser.sign(message)).status_code == 201
    foreign = challenge(node, world["XA"].officer)
    assert code_of(open_session(node, foreign, world["XA"].officer.sign(foreign))) == NOBODY, "another State's officer"


def test_a_key_that_has_no_role_opens_no_session(node: WorldNode) -> None:
    stranger = key_named("nobody's")
    message = challenge(node, stranger)
    assert code_of(open_session(node, message, stranger.sign(message))) == NOBODY


def test_a_session_ends_when_the_record_closes_its_key(node: WorldNode) -> None:
    [editor] = enrolled(node, "editor")
    token = signed_in(node, editor)
    assert who(node, token) == (200, ["editor"])
    node.publish()
    closed(node, editor, 1)
    assert who(node, token) == NOBODY
    message = challenge(node, editor)
    assert code_of(open_session(node, message, editor.sign(message))) == NOBODY


def test_a_session_ends_when_the_log_reaches_the_end_of_its_key(node: WorldNode) -> None:
    [editor] = enrolled(node, "editor")
    closed(node, editor, 1)
    token = signed_in(node, editor)
    node.publish()
    assert who(node, token) == NOBODY


def test_a_session_ends_after_half_an_hour_of_rest_and_after_eight_hours(world: World, node: WorldNode) -> None:
    idle, busy = signed_in(node, node.officer), signed_in(node, node.officer)
    for _ in range(SESSION_SECONDS // 1500):
        world.sleep(seconds=1500)
        assert who(node, busy) == (200, ["releaser"])
    assert who(node, idle) == NOBODY
    world.sleep(seconds=IDLE_SECONDS - 1)
    assert who(node, busy) == NOBODY


def test_a_ninth_session_of_a_key_ends_its_oldest(world: World, node: WorldNode) -> None:
    tokens = []
    for _ in range(MAX_SESSIONS + 1):
        world.sleep(seconds=1)
        tokens.append(signed_in(node, node.officer))
    assert [who(node, token) == NOBODY for token in tokens] == [True, *[False] * MAX_SESSIONS]


def test_asking_for_challenges_stores_nothing_and_sessions_that_are_over_are_forgotten(
    world: World, node: WorldNode
) -> None:
    def rows() -> int:
        with hand_in(node.directory) as db:
            return int(db.exec_driver_sql("SELECT count(*) FROM officer_session").scalar_one())

    for _ in range(20):
        challenge(node, node.officer)
    assert rows() == 0
    for _ in range(5):
        signed_in(node, node.officer)
    assert rows() == 5
    world.sleep(hours=9)
    signed_in(node, node.officer)
    assert rows() == 1


def test_the_database_holds_no_token(node: WorldNode) -> None:
    token = signed_in(node, node.officer)
    with hand_in(node.directory) as db:
        row = db.exec_driver_sql("SELECT * FROM officer_session").one()
    assert bytes.fromhex(token) not in [bytes(value) for value in row if isinstance(value, bytes | memoryview)]
    assert token not in map(str, row)


def test_no_token_is_logged_or_shown(node: WorldNode, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    message = challenge(node, node.officer)
    opened = node.running.app.state.room.sessions.open(message, format_base64(node.officer.sign(message)))
    assert who(node, opened.token) == (200, ["releaser"])
    wrong = node.get("/v1/session", headers=bearer(opened.token[:-2]))
    assert opened.token[:16] not in wrong.text + caplog.text + repr(opened)


def test_a_signed_challenge_is_worth_nothing_at_the_door(node: WorldNode) -> None:
    message = challenge(node, node.officer)
    envelope = Envelope(message, (Signature(node.officer.public.keyid, node.officer.sign(message)),))
    answer = post(node, {"envelope": format_base64(format_envelope(envelope)), "documents": []})
    assert answer.status_code in (400, 403, 422), answer.text
    with pytest.raises(ExchangeError):
        verify_note(message, [Vkey(node.origin, ED25519, node.officer.public)])


def test_what_is_malformed_is_told_as_such(node: WorldNode) -> None:
    good = challenge(node, node.officer).decode()
    for body in (b"", b"[]", b"{}", b'{"key":1}', b'{"key":"AB"}', b'{"key":"' + b"ab" * 32 + b'","x":1}', b"\xff"):
        headers = {"Content-Type": "application/json"}
        assert code_of(node.post("/v1/session/challenge", content=body, headers=headers)) == (400, "malformed"), body
    for sent in ({"message": good}, {"message": 1, "signature": "x"}, {"message": good + "\n", "signature": ""}):
        assert code_of(node.post("/v1/session", json=sent)) == (400, "malformed"), sent
    assert node.post("/v1/session", content=b"{}").status_code == 400, "no content type"
    assert node.post("/v1/session", json={"message": "x" * 5000, "signature": ""}).status_code == 413
