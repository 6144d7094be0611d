"""The one door: what gets in, what waits, what is refused, and that nothing else decides it."""

import base64
import copy
import inspect
import json
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.dsse import MAX_ENVELOPE, PAYLOAD_TYPE, Signature, format_envelope, parse_envelope, sign_payload
from exchange.core.jsontext import canonical_json
from exchange.core.keys import RECORD_KINDS, Kind, PrivateKey
from exchange.core.merkle import leaf_hash
from exchange.core.statement import (
    FormRef,
    Statement,
    format_statement,
    submission_id,
)
from exchange.core.vocabulary import MESSAGES, MESSAGES_WITH_CONTENT
from exchange.trust.admission import Admitted, Disputed, Place, Refused, Verdict, Waiting, admit
from exchange.trust.participants import (
    Closed,
    ParticipantKey,
    ParticipantRecord,
    Participants,
    Standing,
    UnreadKey,
    check_successor,
)
from tests.builders import (
    FEDERATION,
    FORM,
    document,
    key,
    officer,
    origin_of,
    participant_key,
    participant_log,
    participants,
    record,
    signed,
    statement,
)

ORIGIN = origin_of("AT")
STRANGER = key("nobody's key")
NODE = key("AT node")
NODE_KEY = participant_key(NODE, Kind.NODE_SUBMISSION, may_sign=["PLT-02"])
PLATFORM = FormRef("PLT-02", 1, FORM.sha256)
KNOWN = participants(record("AT", forms={"*": 1, "ICT-03": 1, "CT-01": 2}, keys=[NODE_KEY]), record("CH"))
ROOT = leaf_hash(b"the last head")


def judge(entry: bytes, *, index: int = 0, origin: str = ORIGIN, known: Participants = KNOWN) -> Verdict:
    return admit(entry, origin, index, known)


def refusal(entry: bytes, *, index: int = 0, origin: str = ORIGIN, known: Participants = KNOWN) -> str:
    verdict = judge(entry, index=index, origin=origin, known=known)
    assert isinstance(verdict, Refused), verdict
    assert verdict.code == verdict.error.code
    assert verdict.detail == str(verdict.error) != ""
    return verdict.code


def disputed(entry: bytes, *, index: int, known: Participants) -> Place:
    verdict = judge(entry, index=index, known=known)
    assert isinstance(verdict, Disputed), verdict
    return verdict.since


def admitted(entry: bytes, *, index: int = 0, origin: str = ORIGIN, known: Participants = KNOWN) -> Admitted:
    verdict = judge(entry, index=index, origin=origin, known=known)
    assert isinstance(verdict, Admitted), verdict
    return verdict


def enveloped(payload: bytes, signatures: Iterable[tuple[str, bytes]]) -> bytes:
    """Canonical JSON with any payload and any signatures in any order: what no honest code of ours writes."""
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for keyid, sig in signatures],
        }
    )


def forged(what: Statement, signatures: Iterable[tuple[str, bytes]]) -> bytes:
    return enveloped(format_statement(what), signatures)


def well_signed(payload: bytes) -> bytes:
    return enveloped(payload, [(each.keyid, each.sig) for each in sign_payload(payload, [officer("AT")]).signatures])


def signatures(what: Statement, *keys: PrivateKey) -> tuple[Signature, ...]:
    return sign_payload(format_statement(what), keys).signatures


# What gets in


def test_a_signed_statement_in_its_own_log_is_admitted_with_all_it_says() -> None:
    entry = signed(statement())
    verdict = admitted(entry, index=7)
    assert verdict.statement == statement()
    assert verdict.id == submission_id(format_statement(statement()))
    assert (verdict.envelope, verdict.origin, verdict.index, verdict.until) == (entry, ORIGIN, 7, None)


def test_every_kind_of_message_has_a_way_in() -> None:
    for message in MESSAGES:
        admitted(signed(statement(message=message), officer("AT"), officer("AT", 2)))


def test_words_on_behalf_of_another_are_signed_by_the_writer_and_stay_the_writers() -> None:
    what = statement(on_behalf_of="CH")
    assert admitted(signed(what)).statement.participant == "AT"
    own = participants(record("AT"), record("CH"))
    assert refusal(signed(what, officer("CH")), origin=origin_of("CH"), known=own) == "wrong-origin"
    assert isinstance(judge(signed(what, officer("CH"))), Waiting)


def test_eight_officers_may_sign_one_statement() -> None:
    officers = [officer("AT", number) for number in range(1, 9)]
    known = participants(record("AT", signing=officers, forms={"*": 8}))
    admitted(signed(statement(), *officers), known=known)
    assert refusal(signed(statement(), *officers[:7]), known=known) == "too-few-signatures"


def test_the_status_of_a_participant_decides_nothing() -> None:
    for state in ("active", "suspended", "left"):
        admitted(signed(statement()), known=participants(record("AT", status=(Standing(state, "2026-01-01"),))))


# 1 and 2: bytes


def test_no_bytes_and_too_many_are_refused() -> None:
    assert refusal(b"") == "malformed"
    assert refusal(b"x" * (MAX_ENVELOPE + 1)) == "too-large"


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    assert refusal(data) in {"malformed", "too-large"}


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_arbitrary_payloads_are_refused_however_well_signed(payload: bytes) -> None:
    assert refusal(well_signed(payload)) == "malformed"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aA0-:/.é\0", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(json.loads(format_statement(statement())))), ANYTHING)
def test_a_signed_statement_with_anything_in_a_field_never_raises(name: str, anything: Any) -> None:
    value = json.loads(format_statement(statement())) | {name: anything}
    payload = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    verdict = judge(well_signed(payload))
    if isinstance(verdict, Admitted):  # only a field that may hold it, such as `period` null
        assert format_statement(verdict.statement) == payload


@settings(max_examples=300)
@given(st.data())
def test_a_good_envelope_cut_or_spliced_is_never_admitted(data: st.DataObject) -> None:
    good = signed(statement(), officer("AT"), officer("AT", 2))
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start, len(good)))
    entry = good[:start] + data.draw(st.binary(max_size=20)) + good[end:]
    if entry != good:
        assert not isinstance(judge(entry), Admitted)


def test_a_flipped_bit_anywhere_is_never_admitted() -> None:
    good = signed(statement(), officer("AT"), officer("AT", 2))
    admitted(good)
    seen = set()
    for bit in range(len(good) * 8):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        verdict = judge(bytes(flipped))
        assert not isinstance(verdict, Admitted), bit
        seen.add(verdict.code if isinstance(verdict, Refused) else "waiting")
    assert {"malformed", "bad-signature", "waiting"} <= seen


def test_another_spelling_of_the_same_envelope_is_refused() -> None:
    good = signed(statement())
    value = json.loads(good)
    for other in (
        json.dumps(value).encode(),
        good + b"\n",
        b" " + good,
        good.replace(b"/", b"\\/"),
        good.replace(b"=", b""),
        json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode(),
        json.dumps(value | {"note": ""}, separators=(",", ":")).encode(),
    ):
        assert other != good
        assert refusal(other) == "malformed"


# 3 to 6: refused with unknown keys too, since no later record can mend it

MISPLACED: dict[str, tuple[Statement, str]] = {
    "another federation": (statement(federation="other.example"), "wrong-federation"),
    "another log": (statement(origin="at.test.example/old"), "wrong-origin"),
    "another State's log": (statement(origin=origin_of("CH")), "wrong-origin"),
    "another participant": (statement(participant="CH", origin=ORIGIN), "wrong-participant"),
    "an unknown participant": (statement(participant="ZZ", origin=ORIGIN), "wrong-participant"),
    "named participants only": (statement(audience=("CH", "FR")), "audience-not-enforced"),
    "a document for more than its statement": (
        statement(
            audience="participating States",
            documents=(
                document(audience="participating States")[1],
                document("a1", b"x", audience="States and Partners")[1],
            ),
        ),
        "audience-not-enforced",
    ),
    "a document for one State": (
        statement(documents=(document()[1], document("a1", b"x", audience=("CH",))[1])),
        "audience-not-enforced",
    ),
}


@pytest.mark.parametrize("what", MISPLACED)
def test_the_door_refuses_whoever_signed(what: str) -> None:
    wrong, code = MISPLACED[what]
    for keys in ([officer("AT")], [officer("CH")], [STRANGER], [officer("AT"), STRANGER]):
        assert refusal(signed(wrong, *keys)) == code


def test_a_document_is_for_no_more_than_its_statement() -> None:
    widths = ["participating States", "States and Partners", "public"]
    for outer, inner in product(widths, widths):
        made = statement(audience=outer, documents=(document(audience=inner)[1],))
        fits = widths.index(inner) <= widths.index(outer)
        assert isinstance(judge(signed(made)), Admitted if fits else Refused), (outer, inner)


def test_a_day_of_release_is_no_reason_to_refuse() -> None:
    assert isinstance(judge(signed(statement(release_on="2027-01-01T00:00:00Z"))), Admitted)


def test_an_entry_copied_into_another_log_is_refused_there() -> None:
    entry = signed(statement())
    assert refusal(entry, origin=origin_of("CH")) == "wrong-origin"
    assert refusal(entry, origin="fr.test.example/log") == "wrong-origin"


def test_an_entry_copied_into_another_federation_is_refused_there() -> None:
    elsewhere = participants(record("AT"), federation="other.example")
    assert refusal(signed(statement()), known=elsewhere) == "wrong-federation"


def test_an_entry_copied_from_a_closed_log_into_its_successor_is_refused_there() -> None:
    logs = (
        participant_log(ORIGIN, key("AT log"), Closed(5, ROOT)),
        participant_log("at.test.example/log2", key("AT log 2")),
    )
    known = participants(record("AT", logs=logs))
    entry = signed(statement())
    admitted(entry, index=4, known=known)
    assert refusal(entry, index=4, origin="at.test.example/log2", known=known) == "wrong-origin"


def test_a_log_that_no_record_lists_speaks_for_nobody() -> None:
    what = statement(origin="at.test.example/secret")
    assert refusal(signed(what), origin="at.test.example/secret") == "wrong-participant"
    assert refusal(signed(statement()), known=participants(record("CH"))) == "wrong-participant"


def test_a_State_cannot_put_words_into_the_log_of_another() -> None:
    own = signed(statement(participant="AT", origin=origin_of("CH")), officer("AT"))
    assert refusal(own, origin=origin_of("CH")) == "wrong-participant"
    posing = signed(statement(participant="CH"), officer("AT"))
    assert isinstance(judge(posing, origin=origin_of("CH")), Waiting)  # a key that CH never listed


def test_a_closed_log_ends_exactly_at_its_size() -> None:
    logs = (
        participant_log(ORIGIN, key("AT log"), Closed(5, ROOT)),
        participant_log("at.test.example/log2", key("AT log 2")),
    )
    known = participants(record("AT", logs=logs))
    entry = signed(statement())
    assert [isinstance(judge(entry, index=index, known=known), Admitted) for index in range(8)] == [True] * 5 + [
        False
    ] * 3
    assert admitted(entry, index=0, known=known).until == 5
    assert disputed(entry, index=5, known=known) == Place(ORIGIN, 5) == disputed(entry, index=7, known=known)
    # A record still on its way may hold that key: then the entry is disputed like the others, whichever came first.
    assert isinstance(judge(signed(statement(), STRANGER), index=5, known=known), Waiting)


# 7: waiting


def test_an_entry_by_an_unknown_key_waits() -> None:
    entry = signed(statement(), STRANGER)
    assert judge(entry) == Waiting((STRANGER.public.keyid,), submission_id(format_statement(statement())))


def test_one_unknown_key_beside_known_ones_makes_the_entry_wait_and_only_it_is_named() -> None:
    verdict = judge(signed(statement(), officer("AT"), STRANGER))
    assert isinstance(verdict, Waiting) and verdict.keyids == (STRANGER.public.keyid,)


def test_all_unknown_keys_are_named() -> None:
    strangers = [key(f"stranger {number}") for number in range(8)]
    verdict = judge(signed(statement(), *strangers))
    assert isinstance(verdict, Waiting) and set(verdict.keyids) == {each.public.keyid for each in strangers}


def test_key_checks_wait_as_long_as_one_key_is_unknown() -> None:
    log_key, other = key("AT log"), participants(record("AT", keys=[participant_key(key("AT log"), Kind.LOG)]))
    assert isinstance(judge(signed(statement(), log_key, STRANGER), known=other), Waiting)
    what = statement(form=FormRef("CT-01", 1, FORM.sha256))
    assert isinstance(judge(signed(what, STRANGER)), Waiting)  # one signature where two are needed
    false = [(each.keyid, bytes(64)) for each in signatures(statement(), officer("AT"), STRANGER)]
    assert isinstance(judge(forged(statement(), false)), Waiting)


def test_a_waiting_entry_is_admitted_once_the_record_with_its_key_arrives() -> None:
    entry = signed(statement(), STRANGER)
    old = record("AT")
    new = replace(old, keys=(*old.keys, participant_key(STRANGER)))
    check_successor(old, new)
    assert isinstance(judge(entry, known=participants(old)), Waiting)
    admitted(entry, known=participants(new))


def test_the_key_of_another_participant_is_unknown_here() -> None:
    assert isinstance(judge(signed(statement(), officer("CH"))), Waiting)
    assert isinstance(judge(signed(statement(), officer("AT"), officer("CH"))), Waiting)


def test_a_key_of_an_algorithm_not_known_here_makes_the_entry_wait() -> None:
    unread = ParticipantKey(Kind.SIGNING, "ML-DSA-65", UnreadKey(bytes(1952)), (), ("*",), (0, 0), None)
    known = participants(record("AT", keys=[unread]))
    entry = forged(statement(), [(unread.public_key.keyid, bytes(3309))])
    verdict = judge(entry, known=known)
    assert isinstance(verdict, Waiting) and verdict.keyids == (unread.public_key.keyid,)


# 8: keys, forms, positions


def test_a_key_counts_at_exactly_the_positions_of_its_range() -> None:
    logs = (
        participant_log(ORIGIN, key("AT log"), Closed(6, ROOT)),
        participant_log("at.test.example/log2", key("AT log 2")),
    )
    places = [(ordinal, index) for ordinal in (0, 1) for index in range(6)]
    entries = [signed(statement(origin=log.origin)) for log in logs]
    for start in places:
        for before in [place for place in [*places, (2, 0)] if place >= start] + [None]:
            held = participant_key(officer("AT"), start=start, before=before)
            known = participants(record("AT", logs=logs, signing=[held]))
            for place in places:
                verdict = judge(entries[place[0]], index=place[1], origin=logs[place[0]].origin, known=known)
                inside = start <= place and (before is None or place < before)
                assert isinstance(verdict, Admitted) is inside, (start, before, place)
                if place < start:
                    assert isinstance(verdict, Refused) and verdict.code == "key-not-allowed"
                elif not inside:
                    assert before is not None
                    assert isinstance(verdict, Disputed) and verdict.since == Place(logs[before[0]].origin, before[1])


def test_until_is_the_first_index_at_which_the_verdict_changes() -> None:
    log = participant_log(ORIGIN, key("AT log"), Closed(9, ROOT))
    for ends in ([None, None], [None, (0, 7)], [(0, 4), (0, 7)], [(0, 7), (0, 9)], [(1, 0), None], [(0, 9), (1, 1)]):
        for closed in (None, log.closed):
            held = [participant_key(officer("AT", n), before=before) for n, before in enumerate(ends, start=1)]
            known = participants(record("AT", logs=(replace(log, closed=closed),), signing=held))
            entry = signed(statement(), officer("AT"), officer("AT", 2))
            verdicts = [judge(entry, index=index, known=known) for index in range(12)]
            inside = [verdict for verdict in verdicts if isinstance(verdict, Admitted)]
            assert verdicts[: len(inside)] == inside  # an unbroken run from 0
            assert {each.until for each in inside} == {None if len(inside) == 12 else len(inside)}


def test_a_key_that_ended_disputes_the_entry_even_beside_one_that_counts() -> None:
    ended = participant_key(officer("AT", 2), before=(0, 3))
    known = participants(record("AT", signing=[officer("AT"), ended]))
    both = signed(statement(), officer("AT"), officer("AT", 2))
    admitted(both, index=2, known=known)
    assert disputed(both, index=3, known=known) == Place(ORIGIN, 3)
    admitted(signed(statement()), index=3, known=known)


def test_what_was_never_right_is_refused_and_not_disputed() -> None:
    """A closing disputes what would have counted without it; nothing else gets into the registry by it."""
    ended = participant_key(officer("AT"), before=(0, 3), may_sign=("ICT-03",))
    known = participants(record("AT", signing=[ended], forms={"*": 1}))
    other = FormRef("CT-01", 1, FORM.sha256)
    assert disputed(signed(statement(), officer("AT")), index=3, known=known) == Place(ORIGIN, 3)
    assert refusal(signed(statement(form=other), officer("AT")), index=3, known=known) == "key-not-allowed"
    assert refusal(signed(statement(message="erasure"), officer("AT")), index=3, known=known) == "too-few-signatures"
    forged = parse_envelope(signed(statement(languages=("fr",)), officer("AT")))
    entry = replace(parse_envelope(signed(statement(), officer("AT"))), signatures=forged.signatures)
    assert refusal(format_envelope(entry), index=3, known=known) == "bad-signature"


def test_a_compromise_date_set_back_over_old_entries_disputes_them_and_refuses_none() -> None:
    """Whoever holds the identity keys, the State itself included, can say that old words are not its own. He cannot take them away."""
    old = record("AT")
    for back in range(10):
        new = replace(old, keys=(replace(old.keys[0], before=(0, back)), *old.keys[1:]))
        check_successor(old, new)
        for index in range(12):
            verdict = judge(signed(statement()), index=index, known=participants(new))
            if index < back:
                assert isinstance(verdict, Admitted)
            else:
                assert isinstance(verdict, Disputed) and verdict.since == Place(ORIGIN, back)
                assert verdict.detail.startswith(f"disputed by AT since entry {back} of {ORIGIN}: ")


def test_a_stolen_key_closed_before_its_use_signs_nothing_more_and_what_stood_before_stands() -> None:
    old = record("AT")
    new = replace(old, keys=(replace(old.keys[0], before=(0, 10)), *old.keys[1:]))
    check_successor(old, new)
    for index in range(20):
        assert isinstance(judge(signed(statement()), index=index, known=participants(new)), Admitted) is (index < 10)


@pytest.mark.parametrize("kind", [kind for kind in RECORD_KINDS if kind is not Kind.SIGNING])
def test_a_key_of_another_kind_signs_no_return(kind: Kind) -> None:
    private = key("AT log") if kind is Kind.LOG else key(f"AT {kind}")
    forms = ["PLT-01", "PLT-02"] if kind is Kind.NODE_SUBMISSION else []
    known = participants(record("AT", keys=[participant_key(private, kind, may_sign=forms)]))
    assert refusal(signed(statement(), private), known=known) == "key-not-allowed"
    assert refusal(signed(statement(), officer("AT"), private), known=known) == "key-not-allowed"


def test_a_log_key_that_stands_only_as_a_log_key_is_no_known_signer() -> None:
    assert isinstance(judge(signed(statement(), key("AT log"))), Waiting)


def test_a_node_submission_key_signs_its_platform_form_and_nothing_else() -> None:
    admitted(signed(statement(form=PLATFORM), NODE))
    for code in ("PLT-01", "ICT-03", "POC-01", "PLTX-02"):
        assert refusal(signed(statement(form=FormRef(code, 1, FORM.sha256)), NODE)) == "key-not-allowed"


def test_a_node_submission_key_does_not_count_towards_an_erasure() -> None:
    erasure = statement(form=PLATFORM, message="erasure")
    alone = participants(record("AT", keys=[NODE_KEY], erasure=1))
    assert refusal(signed(erasure, NODE), known=alone) == "key-not-allowed"
    assert refusal(signed(erasure, officer("AT"), NODE)) == "key-not-allowed"
    admitted(signed(erasure, officer("AT"), officer("AT", 2)))


def test_an_officer_signs_only_the_forms_that_the_record_names() -> None:
    known = participants(record("AT", signing=[participant_key(officer("AT"), may_sign=["CT-01"])]))
    assert refusal(signed(statement()), known=known) == "key-not-allowed"
    admitted(signed(statement(form=FormRef("CT-01", 1, FORM.sha256))), known=known)


# 9: thresholds

FOUR_EYES = statement(form=FormRef("CT-01", 1, FORM.sha256))


def test_a_form_with_four_eyes_needs_two_keys() -> None:
    assert refusal(signed(FOUR_EYES)) == "too-few-signatures"
    admitted(signed(FOUR_EYES, officer("AT"), officer("AT", 2)))


def test_an_erasure_needs_the_erasure_threshold_whatever_the_form_needs() -> None:
    for message in sorted(MESSAGES - {"erasure"}):
        admitted(signed(statement(message=message)))
    assert refusal(signed(statement(message="erasure"))) == "too-few-signatures"
    admitted(signed(statement(message="erasure"), officer("AT"), officer("AT", 2)))


def test_one_key_that_signs_twice_does_not_make_four_eyes() -> None:
    (once,) = signatures(FOUR_EYES, officer("AT"))
    assert refusal(forged(FOUR_EYES, [(once.keyid, once.sig)] * 2)) == "malformed"


def test_one_key_under_two_keyids_does_not_make_four_eyes() -> None:
    (once,) = signatures(FOUR_EYES, officer("AT"))
    second = officer("AT", 2).public.keyid
    claimed = sorted([(once.keyid, once.sig), (second, once.sig)])
    assert refusal(forged(FOUR_EYES, claimed)) == "bad-signature"
    invented = sorted([(once.keyid, once.sig), ("0" * 64, once.sig)])
    assert isinstance(judge(forged(FOUR_EYES, invented)), Waiting)


def test_more_signatures_than_an_envelope_holds_are_refused() -> None:
    officers = [officer("AT", number) for number in range(1, 10)]
    known = participants(record("AT", signing=officers))
    many = [(each.keyid, each.sig) for one in officers for each in signatures(statement(), one)]
    assert refusal(forged(statement(), sorted(many)), known=known) == "malformed"
    flood = sorted((f"{number:064x}", b"x") for number in range(500))
    assert refusal(forged(statement(), flood)) in {"malformed", "too-large"}
    assert refusal(forged(statement(), [])) == "malformed"


def test_signatures_out_of_order_are_refused() -> None:
    both = [(each.keyid, each.sig) for each in signatures(statement(), officer("AT"), officer("AT", 2))]
    admitted(forged(statement(), both))
    assert refusal(forged(statement(), both[::-1])) == "malformed"


# 10: signatures


def test_a_false_signature_refuses_the_entry_even_where_the_threshold_is_met_without_it() -> None:
    good, other = signatures(statement(), officer("AT"), officer("AT", 2))
    for false in (bytes(64), good.sig, other.sig[:-1], other.sig + b"\0", b"x"):
        assert refusal(forged(statement(), [(good.keyid, good.sig), (other.keyid, false)])) == "bad-signature"


def test_a_signature_over_another_statement_is_refused() -> None:
    moved = [(each.keyid, each.sig) for each in signatures(statement(status="test"), officer("AT"))]
    assert refusal(forged(statement(status="actual"), moved)) == "bad-signature"


def test_a_signature_over_the_bare_payload_is_refused() -> None:
    bare = officer("AT").sign(format_statement(statement()))
    assert refusal(forged(statement(), [(officer("AT").public.keyid, bare)])) == "bad-signature"


def test_another_payload_type_is_refused() -> None:
    sealed = signed(statement()).replace(b"cbm.submission.v1", b"cbm.submission.v2")
    assert refusal(sealed) == "malformed"


# The same answer everywhere


def samples() -> list[tuple[bytes, int]]:
    both = (officer("AT"), officer("AT", 2))
    entries = [
        signed(statement()), signed(statement(), STRANGER), signed(FOUR_EYES), signed(FOUR_EYES, *both), b"", b"{}",
        signed(statement(form=PLATFORM), NODE), signed(statement(), NODE),
        *(signed(each) for each, _ in MISPLACED.values()),
    ]  # fmt: skip
    return [(entry, index) for entry in entries for index in (0, 1, 2**53)]


def test_two_nodes_with_the_same_records_give_equal_answers() -> None:
    again = Participants(KNOWN.federation, KNOWN.live, copy.deepcopy(dict(KNOWN.records)))
    for entry, index in samples():
        assert judge(entry, index=index) == judge(entry, index=index, known=again)


def test_other_participants_and_the_order_of_records_and_keys_change_nothing() -> None:
    own = KNOWN.records["AT"]

    def shuffled(state: ParticipantRecord) -> ParticipantRecord:
        return replace(state, keys=state.keys[::-1])

    for known in (
        participants(own),
        participants(record("FR"), record("CH"), own),
        participants(shuffled(own), record("ORG-TNTD", kind="Secretariat")),
        participants(replace(own, names={"de": "Österreich"}, node_url="https://elsewhere.example", operator="x")),
        participants(own, live=True),
    ):
        for entry, index in samples():
            assert judge(entry, index=index) == judge(entry, index=index, known=known)


def test_admission_takes_the_entry_its_position_and_the_records_and_nothing_else() -> None:
    assert list(inspect.signature(admit).parameters) == ["entry", "origin", "index", "participants"]


def test_a_claimed_time_and_an_unknown_form_do_not_matter_to_the_door() -> None:
    for issued in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        admitted(signed(statement(issued=issued)))
    admitted(signed(statement(form=FormRef("ZZ-99", 9999, "0" * 64))))


# Admitted is made here only


def test_an_admitted_cannot_be_made_elsewhere() -> None:
    fields: dict[str, Any] = {
        "id": "0" * 64,
        "statement": statement(),
        "envelope": b"",
        "origin": ORIGIN,
        "index": 0,
        "until": None,
    }
    with pytest.raises(TypeError):
        Admitted(**fields)
    with pytest.raises(TypeError, match="admit"):
        Admitted(**fields, door=object())
    with pytest.raises(TypeError, match="admit"):
        Admitted(**fields, door=None)


def test_an_admitted_cannot_be_edited_into_another() -> None:
    good = admitted(signed(statement()))
    with pytest.raises((TypeError, ValueError)):
        replace(good, index=9)  # type: ignore[call-arg]
    with pytest.raises(FrozenInstanceError):
        good.index = 9  # type: ignore[misc]


def test_a_refusal_keeps_its_error_and_no_stack() -> None:
    verdict = judge(b"{}")
    assert isinstance(verdict, Refused)
    assert verdict.error.__traceback__ is None


def test_the_builders_build_what_the_door_knows() -> None:
    assert KNOWN.federation == FEDERATION
    assert parse_envelope(signed(statement())).payload == format_statement(statement())
    assert all(statement(message=message).documents for message in MESSAGES_WITH_CONTENT)
