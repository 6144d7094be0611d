"""The witness over HTTP, asked by a client that was written by hand from the specification."""

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.core.checkpoint import Checkpoint
from exchange.core.keys import Kind
from exchange.core.note import parse_vkey
from exchange.node.keyfile import open_key
from exchange.node.witness import Witness
from exchange.store import log as logs
from exchange.store import witness as store
from exchange.store.log import LogState
from exchange.trust.participants import ParticipantLog, Participants
from tests.faults import answering, down, only
from tests.records import in_force
from tests.witness import ADD, ask, head_of, path_of, proof_of, request_bytes, sign, time_of, vkey_of
from tests.world import START, World, WorldNode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA", "XI") as world:
        yield world


@pytest.fixture
def log(world: World) -> WorldNode:
    return world["XR"]


@pytest.fixture
def witness(world: World) -> WorldNode:
    return world["XA"]


def log_key(node: WorldNode) -> Ed25519PrivateKey:
    seed = open_key(node.directory / "keys" / "log.key", kind=Kind.LOG).key.seed
    return Ed25519PrivateKey.from_private_bytes(seed)


def signed_last(witness: WorldNode, of: WorldNode) -> tuple[int, int] | None:
    """(size, time) of what it signed last of that log, out of its database."""
    with witness.running.node.db.read() as tx:
        head = store.witness_head(tx, logs.log_of(tx, of.origin))
    return None if head is None else (head.checkpoint.size, head.time)


def refused(witness: WorldNode, of: WorldNode) -> list[str]:
    with witness.running.node.db.read() as tx:
        return [one.code for one in store.refusals(tx, logs.log_of(tx, of.origin))]


def test_a_first_checkpoint_is_cosigned_after_a_visit_to_its_log(log: WorldNode, witness: WorldNode) -> None:
    for number in range(3):
        log.publish(scope={"en": str(number)})
    size, note = head_of(log)
    answer = ask(witness, 0, [], note)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert time_of(vkey_of(witness), note, answer.content) == int(START.timestamp())
    assert signed_last(witness, log) == (size, int(START.timestamp()))
    # The line says that all entries are here.
    assert witness.get("/mirror/XR/tile/entries/000.p/3").status_code == 200


def test_a_log_grows_and_is_cosigned_with_a_proof_each_time(log: WorldNode, witness: WorldNode) -> None:
    old = 0
    assert ask(witness, 0, [], head_of(log)[1]).status_code == 200  # of nothing, too
    for number in range(5):
        log.publish(scope={"en": str(number)})
        size, note = head_of(log)
        proof = proof_of(log, old, size)
        assert time_of(vkey_of(witness), note, ask(witness, old, proof, note).content) == int(START.timestamp())
        old = size
    assert signed_last(witness, log) == (5, int(START.timestamp()))


def test_an_unchanged_head_is_cosigned_anew_with_the_time_that_it_is(
    world: World, log: WorldNode, witness: WorldNode
) -> None:
    log.publish()
    size, note = head_of(log)
    assert ask(witness, 0, [], note).status_code == 200
    world.sleep(hours=1)
    answer = ask(witness, size, [], note)
    assert time_of(vkey_of(witness), note, answer.content) == int(START.timestamp()) + 3600


def test_the_monitoring_answer_is_the_checkpoint_with_both_signatures(log: WorldNode, witness: WorldNode) -> None:
    path = path_of(log.origin)
    log.publish()
    assert witness.get(path).status_code == 404
    _, note = head_of(log)
    line = ask(witness, 0, [], note).content
    answer = witness.get(path)
    assert answer.status_code == 200 and answer.content == note + line
    assert answer.headers["content-type"].startswith("text/plain")
    digest = path.split("/")[2]
    others = (path.replace(digest, digest.upper()), path + "/", path_of("no.example/log"), path_of(witness.origin))
    for wrong in others:
        assert witness.get(wrong).status_code == 404
    assert witness.get(ADD).status_code == 405 and witness.post(path).status_code == 405


def test_an_unknown_log_is_404_and_so_is_ones_own(log: WorldNode, witness: WorldNode) -> None:
    key = Ed25519PrivateKey.generate()
    assert ask(witness, 0, [], sign("no.example/log", 1, bytes(32), key)).status_code == 404
    witness.publish()
    assert ask(witness, 0, [], head_of(witness)[1]).status_code == 404
    assert signed_last(witness, witness) is None


def test_what_the_log_did_not_sign_is_403(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    _, note = head_of(log)
    text, _, line = note.rpartition(b"\n\n")
    key, stranger = log_key(log), Ed25519PrivateKey.generate()
    strangers = sign(log.origin, 1, bytes(32), stranger)
    forged = sign(log.origin, 2, bytes(32), key).rpartition(b"\n\n")[2]  # a real line of the log, over another text
    for checkpoint in (strangers, text + b"\n\n" + forged, note + forged, text + b"\n\n" + forged + line):
        answer = ask(witness, 0, [], checkpoint)
        assert answer.status_code == 403, checkpoint
    assert refused(witness, log) == [] and signed_last(witness, log) is None
    assert ask(witness, 0, [], note + strangers.rpartition(b"\n\n")[2]).status_code == 200  # and strangers are ignored


def test_what_is_malformed_is_400(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    size, note = head_of(log)
    key = log_key(log)
    extended = note.rpartition(b"\n\n")[0] + b"\nan extension line\n"
    signature = sign(log.origin, 1, bytes(32), key).rpartition(b"\n\n")[2]
    bodies = [
        b"", b"old 0\n", note, request_bytes(0, [], note)[:-1], request_bytes(0, [], note) + b"\n",
        request_bytes(0, [], note).replace(b"\n", b"\r\n"), b"old 00\n\n" + note, b"old +0\n\n" + note, b"old x\n\n" + note,
        request_bytes(0, [bytes(32)] * 64, note), request_bytes(0, [bytes(31)], note),
        request_bytes(0, [], extended + b"\n" + signature),
        request_bytes(0, [], note + signature * 100),
        request_bytes(size + 1, [], note),  # old beyond the new size
    ]  # fmt: skip
    for body in bodies:
        answer = witness.post(ADD, content=body)
        assert answer.status_code in (400, 403) if body == bodies[11] else answer.status_code == 400, body
    assert signed_last(witness, log) is None


def test_a_body_of_8_mib_is_refused_unread(witness: WorldNode) -> None:
    assert witness.post(ADD, content=bytes(8 * 1024 * 1024)).status_code == 413


def test_another_old_size_is_409_with_the_right_one(log: WorldNode, witness: WorldNode) -> None:
    for number in range(3):
        log.publish(scope={"en": str(number)})
    _, note = head_of(log)
    answer = ask(witness, 2, proof_of(log, 2, 3), note)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (409, "text/x.tlog.size", b"0\n")
    assert ask(witness, 0, [], note).status_code == 200
    log.publish(scope={"en": "and one more"})
    answer = ask(witness, 0, [], head_of(log)[1])
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (409, "text/x.tlog.size", b"3\n")
    assert answer.headers["cache-control"] == "no-store"


def test_a_proof_that_does_not_hold_is_422(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    assert ask(witness, 0, [], head_of(log)[1]).status_code == 200
    for number in range(4):
        log.publish(scope={"en": str(number)})
    size, note = head_of(log)
    proof = proof_of(log, 1, size)
    for wrong in ([], proof[:-1], [*proof, bytes(32)], [bytes(32), *proof], proof[::-1]):
        assert ask(witness, 1, wrong, note).status_code == 422
    assert ask(witness, 1, proof, note).status_code == 200
    assert ask(witness, size, [bytes(32)], note).status_code == 422
    key = log_key(log)
    assert (
        ask(witness, size, [], sign(log.origin, size, bytes(32), key)).status_code == 422
    )  # another root of that size


def test_size_0_with_another_root_is_422(log: WorldNode, witness: WorldNode) -> None:
    assert ask(witness, 0, [], sign(log.origin, 0, bytes(32), log_key(log))).status_code == 422
    (alert,) = witness.alerts()  # an empty tree with a root convicts by itself
    assert alert["kind"] == "inconsistent-checkpoints/v1"


def test_proof_lines_with_old_0_are_422(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    assert ask(witness, 0, [bytes(32)], head_of(log)[1]).status_code == 422


def test_entries_that_are_not_here_are_503_and_nothing_has_changed(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    _, note = head_of(log)
    for fault in (down, only("/log/tile/", answering(404))):
        log.fault = fault
        answer = ask(witness, 0, [], note)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        assert signed_last(witness, log) is None and witness.get(path_of(log.origin)).status_code == 404
    log.fault = None
    assert ask(witness, 0, [], note).status_code == 200


def test_a_clock_that_stands_behind_signs_nothing(world: World, log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    size, note = head_of(log)
    assert ask(witness, 0, [], note).status_code == 200
    world.sleep(seconds=-1)
    answer = ask(witness, size, [], note)
    assert answer.status_code == 503 and "clock" in answer.json()["detail"]
    world.sleep(seconds=1)
    assert ask(witness, size, [], note).status_code == 200


@pytest.mark.parametrize("number", [2, 8])
def test_of_many_requests_with_one_old_size_exactly_one_is_signed(
    log: WorldNode, witness: WorldNode, number: int
) -> None:
    log.publish()
    _, note = head_of(log)
    with ThreadPoolExecutor(number) as pool:
        answers = list(pool.map(lambda _: ask(witness, 0, [], note), range(number)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (number - 1)
    assert {answer.content for answer in answers if answer.status_code == 409} == {b"1\n"}


def test_lines_that_came_with_a_request_are_not_handed_on(world: World, log: WorldNode, witness: WorldNode) -> None:
    """A forged line under the witness's own key, once stored, would spoil every later answer."""
    log.publish()
    _, note = head_of(log)
    name, keyid, _ = vkey_of(witness).split("+", 2)
    forged = sign(name, 1, bytes(32), log_key(log)).rpartition(b"\n\n")[2].decode().split(" ")
    own = f"{forged[0]} {name} {b64encode(bytes.fromhex(keyid) + bytes(72)).decode()}\n".encode()
    assert ask(witness, 0, [], note + own).status_code == 200
    served = witness.get(path_of(log.origin)).content
    assert own not in served and time_of(vkey_of(witness), note, served.removeprefix(note))
    assert ask(witness, 1, [], note + own).status_code == 200


def test_two_roots_of_one_size_convict_and_end_the_cosigning(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    size, note = head_of(log)
    assert ask(witness, 0, [], note).status_code == 200
    assert ask(witness, size, [], sign(log.origin, size, bytes(32), log_key(log))).status_code == 422
    (alert,) = witness.alerts()
    assert (alert["kind"], alert["participant"]) == ("inconsistent-checkpoints/v1", "XR")
    assert refused(witness, log) == ["bad-proof"]
    for old, checkpoint in ((size, note), (0, note)):
        answer = ask(witness, old, [], checkpoint)
        assert answer.status_code == 403 and answer.json()["code"] == "forked"
    assert witness.get(path_of(log.origin)).content.startswith(note)  # what was signed stays


def test_a_refused_request_convicts_once_the_entries_are_here(log: WorldNode, witness: WorldNode) -> None:
    """A head of another history, larger than what the witness holds: shown to it first, contradicted by the log's own entries later."""
    log.publish()
    assert ask(witness, 0, [], head_of(log)[1]).status_code == 200
    assert ask(witness, 0, [], sign(log.origin, 2, bytes(32), log_key(log))).status_code == 409
    assert refused(witness, log) == ["wrong-old-size"] and witness.alerts() == []
    for number in range(2):
        log.publish(scope={"en": str(number)})
    size, note = head_of(log)
    assert ask(witness, 1, proof_of(log, 1, size), note).status_code == 403
    (alert,) = witness.alerts()
    assert alert["kind"] == "inconsistent-checkpoints/v1"


def test_an_ordinary_visit_tells_which_refused_requests_were_true(log: WorldNode, witness: WorldNode) -> None:
    log.publish()
    assert ask(witness, 0, [], head_of(log)[1]).status_code == 200
    for number in range(2):
        log.publish(scope={"en": str(number)})
    assert ask(witness, 0, [], head_of(log)[1]).status_code == 409  # true, and nobody here can tell yet
    assert ask(witness, 0, [], sign(log.origin, 2, bytes(32), log_key(log))).status_code == 409
    assert refused(witness, log) == ["wrong-old-size"] * 2 and witness.alerts() == []
    witness.pull()
    assert refused(witness, log) == ["wrong-old-size"]
    assert [alert["kind"] for alert in witness.alerts()] == ["inconsistent-checkpoints/v1"]


def test_a_head_that_the_entries_here_do_not_lead_to_is_not_signed(log: WorldNode, witness: WorldNode) -> None:
    """The witness holds more than it signed; the first head that it is asked to sign is of another history."""
    for number in range(3):
        log.publish(scope={"en": str(number)})
    witness.pull()
    answer = ask(witness, 0, [], sign(log.origin, 2, bytes(32), log_key(log)))
    assert answer.status_code == 403 and signed_last(witness, log) is None
    assert [alert["kind"] for alert in witness.alerts()] == ["inconsistent-checkpoints/v1"]


class Trusting(Witness):
    """A witness of what C2SP asks and no more: it signs without holding the entries, which the published vectors do not have."""

    def _hold(self, log: LogState, new: Checkpoint, note: bytes) -> None:
        pass


def test_published_requests_get_the_published_answers(world: World, witness: WorldNode, vectors: Path | None) -> None:
    if vectors is None:
        return
    published = json.loads((vectors / "tlog-witness" / "add-checkpoint.json").read_text())
    vkey = parse_vkey(published["log_vkey"])
    known = world.participants
    record = known.records["XI"]
    foreign = replace(record, participant="XS", logs=(ParticipantLog(vkey.name, vkey),), keys=())
    in_force(world, Participants(known.federation, known.live, {**known.records, "XS": foreign}), "XA")
    node = witness.running.node
    key = open_key(witness.directory / "keys" / "witness.key", kind=Kind.WITNESS).key
    node.witness = Trusting(node.db, name=node.witness.vkey.name, key=key, own_origin=node.origin, clock=world.clock)
    assert len(published["cases"]) == 11
    for case in published["cases"]:
        answer = witness.post(ADD, content=case["body"].encode())
        assert answer.status_code in (case["status"], *case.get("also_allowed", [])), case["name"]
        if case["status"] == 409:
            assert (answer.text, answer.headers["content-type"]) == (case["body_contains"], "text/x.tlog.size")
        if case["status"] == 200:
            time_of(vkey_of(witness), case["body"].partition("\n\n")[2].encode(), answer.content)
    world.audited = False  # the node holds a head of a log whose entries nobody has
