"""The verdict on a pack: every check, each of its failures, and that nothing vouches for itself."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.base64text import parse_base64
from exchange.core.catalogue import Catalogue
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.pack import Pack, format_pack, parse_pack
from exchange.core.receipt import format_receipt, parse_receipt
from exchange.core.statement import format_statement
from exchange.errors import ExchangeError
from exchange.node.draft import Draft, prepare
from exchange.trust.convicting import check_evidence
from exchange.trust.participants import (
    Closed,
    Participants,
    parse_participants,
)
from exchange.trust.verdict import Verdict, check_pack
from tests import builders
from tests.builders import document, key, officer, participant_log, participants, record, signed, statement
from tests.trust.packs import (
    ANCHOR,
    CATALOGUE,
    INDEX,
    LOG_KEY,
    NOBODY,
    ORIGIN,
    SIZE,
    contact,
    forgery,
    judge,
    logged,
    pack,
    ruritania,
    two_histories,
)
from tests.world import body_of


def says_no(verdict: Verdict, code: str) -> None:
    """No, for this reason, and the reason is the last line: later checks would have rested on it."""
    assert not verdict.holds and verdict.summary == "does not verify"
    assert [check.passed for check in verdict.checks].count(False) == 1
    assert verdict.checks[-1].line.endswith(f"[{code}]"), verdict.checks[-1]


def test_a_good_pack_is_verified_under_an_anchor() -> None:
    made = pack()
    verdict = judge(made, ANCHOR)
    assert (verdict.holds, verdict.vouched) == (True, True)
    assert verdict.summary == "verified: Ruritania published this, and its log holds it at index 2"
    assert verdict.id == sha256(parse_envelope(made.envelope).payload).hexdigest()
    assert verdict.fingerprints == (officer("XR").public.keyid,)
    assert verdict.checks[-1].line.startswith("recorded, and not witnessed") and verdict.checks[-1].passed is None
    assert all(check.passed is not False for check in verdict.checks)


def test_without_an_anchor_the_same_pack_is_consistent_and_no_more() -> None:
    verdict = judge(pack())
    assert (verdict.holds, verdict.vouched, verdict.summary) == (True, False, NOBODY)
    assert verdict.fingerprints == (officer("XR").public.keyid,)


def test_an_anchor_of_another_federation_or_without_that_state_vouches_for_nothing() -> None:
    other = participants(ruritania(), federation="elsewhere.example")
    without = participants(record("XA"))
    assert judge(pack(), other, without).summary == NOBODY
    assert judge(pack(), other, without, ANCHOR).vouched


def test_a_pack_without_any_record_needs_an_anchor() -> None:
    bare = pack(trust=None)
    assert judge(bare, ANCHOR).vouched
    says_no(judge(bare), "unknown-key")


def test_a_perfect_forgery_is_consistent_and_vouched_for_by_nobody() -> None:
    verdict = judge(forgery())
    assert (verdict.holds, verdict.vouched, verdict.summary) == (True, False, NOBODY)
    assert verdict.fingerprints == (key("Mallory").public.keyid,)


def test_a_perfect_forgery_fails_under_the_true_anchor() -> None:
    says_no(judge(forgery(), ANCHOR), "record-refused")
    says_no(judge(replace(forgery(), trust=None), ANCHOR), "unknown-key")


def test_a_true_signature_in_a_forged_log_fails_under_the_true_anchor() -> None:
    says_no(judge(pack(log_key=key("Mallory's log")), ANCHOR), "unknown-key")


def test_a_forged_signature_under_a_true_keyid_fails() -> None:
    said, documents = contact()
    false = sign_payload(format_statement(said), [key("Mallory")])
    mine = replace(false.signatures[0], keyid=officer("XR").public.keyid)
    envelope = format_envelope(replace(false, signatures=(mine,)))
    says_no(judge(Pack(envelope, documents, logged(envelope), None), ANCHOR), "bad-signature")


def test_a_second_history_in_the_packs_own_record_is_noticed_beside_an_anchor() -> None:
    says_no(judge(pack(trust=participants(ruritania(signing=[key("Mallory")]))), ANCHOR), "record-refused")
    says_no(judge(replace(pack(), trust=b"{}"), ANCHOR), "malformed")
    says_no(judge(pack(trust=participants(record("XA"))), ANCHOR), "unknown-key")


def test_an_earlier_or_later_record_in_the_pack_is_no_contradiction() -> None:
    later = participants(ruritania(signing=[officer("XR"), officer("XR", 2), officer("XR", 3)]))
    for own, anchor, word in ((later, ANCHOR, "a later version"), (ANCHOR, later, "an earlier version")):
        verdict = judge(pack(trust=own), anchor)
        assert verdict.holds and verdict.vouched
        assert any(word in check.line for check in verdict.checks)


def test_a_key_that_only_the_packs_later_record_holds_does_not_count() -> None:
    newcomer = officer("XR", 3)
    later = participants(ruritania(signing=[officer("XR"), officer("XR", 2), newcomer]))
    made = pack(signers=(newcomer,), trust=later)
    says_no(judge(made, ANCHOR), "unknown-key")
    assert judge(made, later).vouched


def test_a_parcel_shows_nothing_but_that_it_was_signed() -> None:
    verdict = judge(replace(pack(), receipt=None, trust=None), ANCHOR)
    says_no(verdict, "malformed")
    assert "ever submitted" in verdict.checks[-1].line


def at_another_index(made: Pack) -> Pack:
    receipt = parse_receipt(made.receipt or b"")
    return replace(made, receipt=format_receipt(replace(receipt, index=INDEX + 1)))


def of_another_entry(made: Pack) -> Pack:
    return replace(made, receipt=logged(signed(statement("XR"))))


def with_another_body(made: Pack) -> Pack:
    body, *others = made.documents
    return replace(made, documents=(replace(body, content=body.content + b" "), *others))


def with_another_opening(made: Pack) -> Pack:
    body, *others = made.documents
    return replace(made, documents=(replace(body, opening=bytes(32)), *others))


def with_a_document_too_many(made: Pack) -> Pack:
    return replace(made, documents=(*made.documents, document("a2", b"unasked")[0]))


def without_a_signature(made: Pack) -> Pack:
    return replace(made, envelope=made.envelope.replace(b'"signatures":[{', b'"signatures":[ {'))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (at_another_index, "bad-proof"),
        (of_another_entry, "bad-proof"),
        (with_another_body, "wrong-commitment"),
        (with_another_opening, "wrong-commitment"),
        (with_a_document_too_many, "malformed"),
        (without_a_signature, "malformed"),
    ],
)
def test_each_part_that_was_altered_is_named(spoil: Callable[[Pack], Pack], code: str) -> None:
    says_no(judge(spoil(pack()), ANCHOR), code)
    says_no(judge(spoil(pack())), code)


def test_too_few_signatures_are_no() -> None:
    strict = participants(ruritania(forms={"POC-02": 2}))
    says_no(judge(pack(trust=None), strict), "too-few-signatures")
    assert judge(pack(trust=None, signers=(officer("XR"), officer("XR", 2))), strict).vouched


def test_a_key_of_another_position_is_no() -> None:
    for start, before in (((0, INDEX + 1), None), ((0, 0), (0, INDEX))):
        limited = builders.participant_key(officer("XR"), start=start, before=before)
        says_no(judge(pack(trust=None), participants(ruritania(signing=[limited]))), "key-not-allowed")


def closed_at(size: int, root: bytes) -> Participants:
    return participants(ruritania(logs=(participant_log(ORIGIN, LOG_KEY, Closed(size, root)),)))


def test_a_receipt_beyond_or_beside_the_closing_of_its_log_is_no() -> None:
    made = pack(trust=None)
    root = parse_base64(parse_receipt(made.receipt or b"").checkpoint.split(b"\n")[2])
    assert judge(made, closed_at(SIZE, root)).vouched
    assert judge(made, closed_at(SIZE + 1, sha256(b"later").digest())).vouched
    says_no(judge(made, closed_at(SIZE, sha256(b"the other branch").digest())), "bad-proof")
    says_no(judge(made, closed_at(SIZE - 1, sha256(b"earlier").digest())), "bad-proof")
    says_no(judge(made, closed_at(INDEX, sha256(b"before it").digest())), "key-not-allowed")


def test_a_document_that_is_not_in_the_pack_is_a_remark_with_its_commitment() -> None:
    made = pack()
    without = replace(made, documents=made.documents[:1])
    verdict = judge(without, ANCHOR)
    assert verdict.holds
    assert any(
        check.passed is None and "a1" in check.line and "not in the pack" in check.line for check in verdict.checks
    )


def test_a_body_that_does_not_fit_is_said_and_decides_nothing() -> None:
    said, _ = contact()
    misfit, ref = document("body", b'{"role":"technical"}')
    verdict = judge(pack(replace(said, documents=(ref,)), (misfit,)), ANCHOR)
    assert verdict.holds
    assert any(check.passed is None and "does not fit" in check.line for check in verdict.checks)
    unknown = check_pack(pack(), [ANCHOR], Catalogue({}))
    assert unknown.holds and any("form not known here" in check.line for check in unknown.checks)


def test_what_is_not_an_actual_submission_is_marked() -> None:
    for status in ("actual", "exercise", "test"):
        said, documents = contact(status)
        lines = [check.line for check in judge(pack(said, documents), ANCHOR).checks]
        assert any("(not an actual submission)" in line for line in lines) == (status != "actual")


def test_the_extra_line_of_a_receipt_is_marked() -> None:
    made = pack()
    receipt = replace(parse_receipt(made.receipt or b""), extra=b"believe me")
    verdict = judge(replace(made, receipt=format_receipt(receipt)), ANCHOR)
    assert verdict.holds and any("nothing vouches" in check.line for check in verdict.checks)


def test_every_flipped_byte_of_a_pack_is_a_no() -> None:
    good = format_pack(pack())
    for at in range(len(good)):
        flipped = bytearray(good)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(ExchangeError):
            parse_pack(bytes(flipped))


MEMBERS = ("envelope", "receipt", "trust")


@pytest.mark.parametrize("member", MEMBERS)
def test_every_flipped_byte_behind_a_right_checksum_is_a_no(member: str) -> None:
    """An attacker computes the zip's sums anew. A record that came along may differ in what a later version may change."""
    made = pack()
    content: bytes = getattr(made, member)
    # The record is long and checked as one: every seventh byte of it will do.
    for at in range(0, len(content), 7 if member == "trust" else 1):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 7
        changed: dict[str, Any] = {member: bytes(flipped)}
        verdict = judge(replace(made, **changed), ANCHOR)
        if member == "trust" and verdict.holds:
            own = parse_participants(bytes(flipped)).records["XR"]
            assert own == ANCHOR.records["XR"] or any(
                "only the anchor's counts" in check.line for check in verdict.checks
            )
        else:
            assert not verdict.holds, f"byte {at} of {member}: {verdict}"


def test_every_flipped_byte_of_a_document_is_a_no() -> None:
    made = pack()
    for number, one in enumerate(made.documents):
        for field in ("opening", "content"):
            content: bytes = getattr(one, field)
            for at in range(len(content)):
                flipped = bytearray(content)
                flipped[at] ^= 1 << at % 8
                documents = list(made.documents)
                changed: dict[str, Any] = {field: bytes(flipped)}
                documents[number] = replace(one, **changed)
                says_no(judge(replace(made, documents=tuple(documents)), ANCHOR), "wrong-commitment")


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.one_of(st.none(), st.binary(max_size=300)),
    st.one_of(st.none(), st.binary(max_size=300)),
)
def test_no_bytes_make_it_stumble(envelope: bytes, receipt: bytes | None, trust: bytes | None) -> None:
    good = pack()
    for made in (Pack(envelope, (), receipt, trust), replace(good, receipt=receipt), replace(good, trust=trust or b"")):
        verdict = judge(made)
        assert not (verdict.holds and verdict.vouched)


def test_evidence_convicts_whoever_signed_two_histories() -> None:
    evidence = two_histories()
    verdict = check_evidence(evidence)
    assert verdict.holds and verdict.summary == f"convicts: whoever holds the key of {ORIGIN} signed two histories"
    assert verdict.fingerprints == (builders.vkey(ORIGIN, LOG_KEY).keyid.hex(),)
    for at in range(len(evidence)):
        flipped = bytearray(evidence)
        flipped[at] ^= 1 << at % 7
        assert check_evidence(bytes(flipped)).summary == "convicts nobody", at


def test_a_return_made_by_the_draft_verifies_as_it_stands() -> None:
    form = CATALOGUE.newest("ICT-03")
    assert form is not None
    header = {"federation": builders.FEDERATION, "origin": ORIGIN, "participant": "XR", "kind": "full"}
    draft = Draft({**header, "message": "original", "status": "actual", "languages": ["en"]}, body_of("ICT-03"), ())
    said, documents = prepare(draft, form, (), statement().issued_time, lambda: bytes(range(32)))
    envelope = format_envelope(sign_payload(said, [officer("XR")]))
    verdict = judge(Pack(envelope, documents, logged(envelope), None), ANCHOR)
    assert verdict.vouched and "the body fits the form ICT-03 version 1" in [check.line for check in verdict.checks]
