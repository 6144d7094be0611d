"""The same proof against a witness: its lines under two checkpoints that no single history leads to."""

import json
from dataclasses import replace

import pytest

from exchange.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from exchange.core.cosignature import cosign
from exchange.core.evidence import (
    InconsistentCheckpoints,
    bared,
    build_evidence,
    evidence_id,
    format_evidence,
    parse_evidence,
    verify_evidence,
)
from exchange.core.note import COSIGNATURE, ED25519, Note, Vkey, format_note, format_vkey, parse_note
from exchange.errors import BadProof, ExchangeError, Malformed
from exchange.trust.convicting import check_evidence
from tests import key_named
from tests.core import Tree, flipped_in_each_byte

LOG, WITNESS, OTHER = key_named("log of Ruritania"), key_named("XA witness"), key_named("XI witness")
ORIGIN, NAME = "cbm.example/ruritania", "cbm.example/witness/XA"
VKEY = format_vkey(Vkey(ORIGIN, ED25519, LOG.public))
COSIGNER = format_vkey(Vkey(NAME, COSIGNATURE, WITNESS.public))
HONEST, FORKED = Tree.of(20), Tree.of(20, "another history")


def cosigned(
    tree: Tree, size: int, time: int = 1_790_000_000, *, origin: str = ORIGIN, log_signed: bool = True
) -> bytes:
    text = format_checkpoint(Checkpoint(origin, size, tree.root(size)))
    line = cosign(text, NAME, WITNESS, time)
    if not log_signed:
        return format_note(Note(text, (line,)))
    note = parse_note(sign_checkpoint(Checkpoint(origin, size, tree.root(size)), LOG))
    also = cosign(text, "cbm.example/witness/XI", OTHER, time)
    return format_note(Note(text, (*note.signatures, line, also)))


def build(a: bytes, b: bytes) -> InconsistentCheckpoints:
    return build_evidence(VKEY, a, b, HONEST.read, COSIGNER)


@pytest.mark.parametrize(("a", "b"), [(6, 13), (7, 7), (1, 20)])
def test_a_witness_of_two_histories_is_convicted_at_any_sizes_and_in_words(a: int, b: int) -> None:
    evidence = build(cosigned(FORKED, a), cosigned(HONEST, b, 1_790_000_900))
    data = format_evidence(evidence)
    assert parse_evidence(data) == evidence and evidence.accused == COSIGNER
    assert [one.size for one in verify_evidence(evidence)] == [a, b]
    assert list(json.loads(data))[:4] == ["kind", "log_vkey", "cosigner_vkey", "checkpoint_a"]
    verdict = check_evidence(data)
    assert (
        verdict.summary
        == f"convicts: whoever holds the key of {NAME} vouched, as a witness, for two histories of {ORIGIN}"
    )
    assert all(check.line.startswith(f"the witness {NAME} cosigned size") for check in verdict.checks[:2])


def test_a_witness_that_cosigned_one_history_is_convicted_by_nothing() -> None:
    for a, b in ((0, 5), (5, 5), (5, 9), (9, 5)):
        with pytest.raises(BadProof):
            build(cosigned(HONEST, a), cosigned(HONEST, b))


def test_the_log_alone_signing_both_does_not_convict_its_witness() -> None:
    false = sign_checkpoint(Checkpoint(ORIGIN, 6, FORKED.root(6)), LOG)
    for other in (false, cosigned(FORKED, 6, origin="cbm.example/other", log_signed=False)):
        with pytest.raises(BadProof):
            build(other, cosigned(HONEST, 13))
    with pytest.raises(BadProof):
        build_evidence(VKEY, cosigned(FORKED, 6), cosigned(HONEST, 13), HONEST.read, VKEY)


def test_no_other_line_is_needed_and_none_is_handed_on() -> None:
    evidence = build(cosigned(FORKED, 6), cosigned(HONEST, 13))
    bare = bared(evidence)
    assert verify_evidence(bare) == verify_evidence(evidence)
    assert [len(parse_note(note).signatures) for note in (bare.checkpoint_a, bare.checkpoint_b)] == [1, 1]
    log = build_evidence(VKEY, cosigned(FORKED, 6), cosigned(HONEST, 13), HONEST.read)
    assert verify_evidence(bared(log)) == verify_evidence(log)
    assert parse_note(bared(log).checkpoint_a).signatures[0].name == ORIGIN
    assert len({evidence_id(format_evidence(one)) for one in (evidence, bare, log, bared(log))}) == 4


def test_a_flipped_bit_in_any_byte_convicts_nobody() -> None:
    data = format_evidence(bared(build(cosigned(FORKED, 6), cosigned(HONEST, 13))))
    for flipped in flipped_in_each_byte(data):
        with pytest.raises(ExchangeError):
            verify_evidence(parse_evidence(flipped))


def test_the_field_has_one_place_and_one_type() -> None:
    evidence = build(cosigned(FORKED, 6), cosigned(HONEST, 13))
    value = json.loads(format_evidence(evidence))
    last = {**{name: item for name, item in value.items() if name != "cosigner_vkey"}, "cosigner_vkey": COSIGNER}
    for wrong in (last, value | {"cosigner_vkey": None}, value | {"cosigner_vkey": 5}):
        with pytest.raises(Malformed):
            parse_evidence(json.dumps(wrong, separators=(",", ":"), ensure_ascii=False).encode())
    for vkey in ("", "no vkey", format_vkey(Vkey(NAME, ED25519, WITNESS.public))):
        with pytest.raises(BadProof):
            verify_evidence(replace(evidence, cosigner_vkey=vkey))
