import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from exchange.core.evidence import (
    MAX_EVIDENCE,
    InconsistentCheckpoints,
    build_evidence,
    format_evidence,
    parse_evidence,
    verify_evidence,
)
from exchange.core.merkle import EMPTY_ROOT, MAX_PROOF
from exchange.core.note import COSIGNATURE, ED25519, Vkey, format_vkey, sign_note
from exchange.errors import BadProof, ExchangeError, Malformed, TooLarge
from tests import key_named
from tests.core import Tree, flipped_in_each_byte

KEY = key_named("log of Ruritania")
ORIGIN = "cbm.example/ruritania"
VKEY = format_vkey(Vkey(ORIGIN, ED25519, KEY.public))
SIZE = 20
HONEST, FORKED = Tree.of(SIZE), Tree.of(SIZE, "another history")


def signed(tree: Tree, size: int) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, tree.root(size)), KEY)


def signed_as(origin: str, size: int, root: bytes) -> bytes:
    """What an honest program never signs."""
    return sign_note(format_checkpoint(Checkpoint(origin, size, root)), ORIGIN, KEY)


HONEST_NOTES = [signed(HONEST, size) for size in range(SIZE + 1)]
FORKED_NOTES = [signed(FORKED, size) for size in range(SIZE + 1)]
EVIDENCE = build_evidence(VKEY, FORKED_NOTES[6], HONEST_NOTES[13], HONEST.read)
DATA = format_evidence(EVIDENCE)


def convicts(evidence: InconsistentCheckpoints) -> bool:
    try:
        verify_evidence(evidence)
    except BadProof:
        return False
    return True


@pytest.mark.parametrize("a", range(SIZE + 1))
def test_two_histories_convict_at_every_pair_of_sizes(a: int) -> None:
    for b in range(a, SIZE + 1):
        if a == 0:
            continue  # all histories begin with the empty tree
        for notes in ((FORKED_NOTES[a], HONEST_NOTES[b]), (HONEST_NOTES[b], FORKED_NOTES[a])):
            evidence = build_evidence(VKEY, *notes, HONEST.read if a < b else None)
            small, large = verify_evidence(parse_evidence(format_evidence(evidence)))
            assert (small.size, large.size) == (a, b)
            assert (evidence.prefix_root is None) == (a == b)
            assert parse_evidence(format_evidence(evidence)) == evidence


def test_an_honest_log_cannot_be_convicted_at_any_pair_of_sizes() -> None:
    for a in range(SIZE + 1):
        for b in range(SIZE + 1):
            with pytest.raises(BadProof):
                build_evidence(VKEY, HONEST_NOTES[a], HONEST_NOTES[b], HONEST.read)


def test_an_honest_log_is_not_framed_with_a_false_prefix_or_proof() -> None:
    for a in range(SIZE + 1):
        for b in range(a, SIZE + 1):
            proofs = [(), HONEST.proof(a, b), FORKED.proof(a, b), HONEST.proof(b // 2, b)]
            for prefix_root in (None, HONEST.root(a), FORKED.root(a), FORKED.root(b), EMPTY_ROOT, bytes(32), b""):
                for proof in proofs:
                    assert not convicts(
                        InconsistentCheckpoints(VKEY, HONEST_NOTES[a], HONEST_NOTES[b], prefix_root, proof)
                    )


@settings(max_examples=100)
@given(
    st.integers(0, SIZE),
    st.integers(0, SIZE),
    st.none() | st.binary(min_size=32, max_size=32),
    st.lists(st.binary(min_size=32, max_size=32) | st.sampled_from(HONEST.leaves), max_size=8),
)
def test_an_honest_log_is_not_framed_with_any_bytes(
    a: int, b: int, prefix_root: bytes | None, proof: list[bytes]
) -> None:
    assert not convicts(InconsistentCheckpoints(VKEY, HONEST_NOTES[a], HONEST_NOTES[b], prefix_root, tuple(proof)))


def test_a_false_root_of_the_empty_tree_convicts_by_itself() -> None:
    false = signed_as(ORIGIN, 0, bytes(32))
    for notes in (
        (false, false),
        (false, HONEST_NOTES[0]),
        (HONEST_NOTES[0], false),
        (false, HONEST_NOTES[5]),
        (HONEST_NOTES[5], false),
    ):
        evidence = build_evidence(VKEY, *notes, None)
        assert verify_evidence(parse_evidence(format_evidence(evidence)))
        assert evidence.prefix_root is None and not evidence.consistency
    with pytest.raises(BadProof):
        build_evidence(VKEY, HONEST_NOTES[0], HONEST_NOTES[5], HONEST.read)


def test_nothing_is_added_where_nothing_needs_proof() -> None:
    for note_a in (FORKED_NOTES[7], signed_as(ORIGIN, 0, bytes(32))):
        evidence = InconsistentCheckpoints(VKEY, note_a, HONEST_NOTES[7], None, ())
        assert convicts(evidence)
        assert not convicts(replace(evidence, prefix_root=HONEST.root(7)))
        assert not convicts(replace(evidence, consistency=(HONEST.root(7),)))


def test_the_smaller_checkpoint_stands_first() -> None:
    assert not convicts(replace(EVIDENCE, checkpoint_a=EVIDENCE.checkpoint_b, checkpoint_b=EVIDENCE.checkpoint_a))


def test_a_rollback_alone_does_not_convict() -> None:
    assert not convicts(InconsistentCheckpoints(VKEY, HONEST_NOTES[5], HONEST_NOTES[9], None, ()))


def test_notes_by_others_or_for_others_do_not_convict() -> None:
    other_key = format_vkey(Vkey(ORIGIN, ED25519, key_named("another").public))
    other_name = format_vkey(Vkey("cbm.example/other", ED25519, KEY.public))
    cosigner = format_vkey(Vkey(ORIGIN, COSIGNATURE, KEY.public))
    for vkey in (other_key, other_name, cosigner, "no vkey", ""):
        assert not convicts(replace(EVIDENCE, log_vkey=vkey))
    for note in (signed_as("cbm.example/other", 6, bytes(32)), b"no note", sign_note(b"text\n", ORIGIN, KEY)):
        assert not convicts(replace(EVIDENCE, checkpoint_a=note))
        with pytest.raises(BadProof):
            build_evidence(VKEY, note, HONEST_NOTES[13], HONEST.read)


def test_a_weak_key_convicts_nobody() -> None:
    weak = format_vkey(Vkey(ORIGIN, ED25519, (1).to_bytes(32, "little")))
    assert not convicts(replace(EVIDENCE, log_vkey=weak))


def test_without_the_larger_tree_nothing_is_built() -> None:
    with pytest.raises(BadProof):
        build_evidence(VKEY, FORKED_NOTES[6], HONEST_NOTES[13], None)


def test_a_reader_of_the_wrong_tree_builds_nothing() -> None:
    with pytest.raises(BadProof):
        build_evidence(VKEY, FORKED_NOTES[6], HONEST_NOTES[13], FORKED.read)
    with pytest.raises(BadProof):
        build_evidence(VKEY, HONEST_NOTES[6], HONEST_NOTES[13], lambda *_: bytes(32))


def test_a_flipped_bit_in_any_byte_no_longer_convicts() -> None:
    for data in flipped_in_each_byte(DATA):
        with pytest.raises(ExchangeError):
            verify_evidence(parse_evidence(data))


def test_a_spoilt_proof_does_not_convict() -> None:
    proof = EVIDENCE.consistency
    for other in (proof[:-1], proof[1:], (*proof, bytes(32)), (bytes(32), *proof), ()):
        assert not convicts(replace(EVIDENCE, consistency=other))
    assert not convicts(replace(EVIDENCE, prefix_root=None))
    assert not convicts(replace(EVIDENCE, prefix_root=FORKED.root(6)))


def test_evidence_is_the_documented_json() -> None:
    value = json.loads(DATA)
    assert list(value) == ["kind", "log_vkey", "checkpoint_a", "checkpoint_b", "prefix_root", "consistency"]
    assert value["kind"] == "inconsistent-checkpoints/v1" and value["log_vkey"] == VKEY
    assert value["checkpoint_a"].encode() == FORKED_NOTES[6] and value["checkpoint_b"].encode() == HONEST_NOTES[13]
    assert len(DATA) < 1_500


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for whole in (data, DATA + data, data + DATA):
        if whole != DATA:
            with pytest.raises(Malformed):
                parse_evidence(whole)


VALUE = json.loads(DATA)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "inconsistent-checkpoints/v2"}, {"kind": None}, {"log_vkey": 5}, {"log_vkey": None},
        {"checkpoint_a": None},
        {"checkpoint_b": [1]}, {"checkpoint_a": "no note"}, {"checkpoint_b": ""}, {"prefix_root": ""},
        {"prefix_root": 5},
        {"prefix_root": "YQ=="}, {"prefix_root": "A" * 42 + "B="}, {"consistency": None}, {"consistency": "YQ=="},
        {"consistency": {}}, {"consistency": [None]}, {"consistency": ["YQ=="]}, {"more": 1},
    ],
)  # fmt: skip
def test_parse_refuses_other_fields_and_types(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse_evidence(json.dumps(VALUE | change, separators=(",", ":"), ensure_ascii=False).encode())


def test_parse_refuses_every_text_but_the_canonical_one() -> None:
    same = [
        json.dumps(VALUE, ensure_ascii=False).encode(),
        json.dumps(VALUE, separators=(",", ":")).encode(),  # the dash escaped
        json.dumps(dict(reversed(VALUE.items())), separators=(",", ":"), ensure_ascii=False).encode(),
        DATA + b"\n",
        b" " + DATA,
        DATA.replace(b"{", b'{"kind":"inconsistent-checkpoints/v1",'),
        DATA.replace(b"/v1", rb"\/v1", 1),
    ]
    for data in same:
        assert json.loads(data) == VALUE
        with pytest.raises(Malformed):
            parse_evidence(data)
    for field in VALUE:
        with pytest.raises(Malformed):
            parse_evidence(json.dumps({k: v for k, v in VALUE.items() if k != field}, separators=(",", ":")).encode())
    for data in (b"[]", b"null", b'"text"', b"{}"):
        with pytest.raises(Malformed):
            parse_evidence(data)


def test_evidence_and_its_proof_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parse_evidence(DATA + b" " * MAX_EVIDENCE)
    with pytest.raises(TooLarge):
        parse_evidence(format_evidence(replace(EVIDENCE, consistency=(bytes(32),) * (MAX_PROOF + 2))))
