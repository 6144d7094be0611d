"""How many States must have cosigned, who counts, and since when a checkpoint has existed."""

from datetime import UTC, datetime, timedelta

import pytest

from exchange.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from exchange.core.cosignature import MAX_TIME, cosign
from exchange.core.keys import Kind
from exchange.core.merkle import leaf_hash
from exchange.core.note import Note, format_note, parse_note
from exchange.core.policy import format_policy, parse_policy, verify_policy
from exchange.errors import BadSignature, NotFound, RecordRefused
from exchange.trust.participants import ParticipantRecord, Participants, Standing
from exchange.trust.quorum import (
    LATE_AFTER,
    STALE_AFTER,
    answers_needed,
    is_stale,
    judge,
    newest_quorum,
    policy_of,
    quorum_of,
    verify_quorum,
    witness_keys,
    witness_name,
    witnesses_for,
)
from exchange.trust.roster import EVER, NOBODY, Roster, Rosters, Seat
from tests.builders import FEDERATION, key, origin_of, participant_key, participant_log, participants, record

T0 = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def state(code: str, operator: str | None = None, **named: object) -> ParticipantRecord:
    keys = [participant_key(key(f"{code} witness"), Kind.WITNESS)]
    return record(code, operator=operator, keys=keys, **named)  # type: ignore[arg-type]


def federation(number: int) -> Participants:
    codes = [chr(65 + n // 26) + chr(65 + n % 26) for n in range(number)]
    return participants(*(state(code) for code in codes))


def times(codes: list[str], start: datetime = T0) -> list[tuple[str, datetime]]:
    return [(code, start + n * MINUTE) for n, code in enumerate(codes)]


def cosigned_note(code: str, lines: list[tuple[str, str, int]]) -> Note:
    """A head of that State's log with the lines of (State, name of the key, time)."""
    checkpoint = Checkpoint(origin_of(code), 7, leaf_hash(b"seven"))
    note, text = parse_note(sign_checkpoint(checkpoint, key(f"{code} log"))), format_checkpoint(checkpoint)
    made = [cosign(text, witness_name(FEDERATION, other), key(name), time) for other, name, time in lines]
    return Note(note.text, (*note.signatures, *made))


@pytest.mark.parametrize(
    ("nodes", "of", "asked"),
    [(1, 0, 0), (2, 1, 1), (3, 2, 2), (4, 3, 3), (5, 4, 3), (34, 33, 23), (57, 56, 38), (68, 67, 45)],
)
def test_the_quorum_of_so_many_nodes(nodes: int, of: int, asked: int) -> None:
    known = federation(nodes)
    mine = known.records["AA"]
    others = [code for code in known.records if code != "AA"]
    assert (len(witnesses_for(known.rosters.at(T0), mine)), quorum_of(of)) == (of, asked)
    enough = of - asked + 1
    for count in (0, 1, enough - 1, enough, asked - 1, asked, of):
        if not 0 <= count <= of:
            continue
        found = judge(times(others[:count]), known.rosters, mine)
        assert (len(found.by), found.of, found.asked) == (count, of, asked)
        assert found.witnessed is (0 < asked <= count)
        # The (W - k + 1)-th earliest of them.
        assert found.not_later_than == (T0 + (enough - 1) * MINUTE if 0 < enough <= count and of else None)


@pytest.mark.parametrize(
    ("of", "needed"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 3), (5, 3), (6, 3), (7, 5), (33, 21), (56, 37), (67, 45)]
)
def test_so_many_answers_hold_one_honest_witness_of_the_newest_head(of: int, needed: int) -> None:
    assert answers_needed(of) == needed <= of
    missed = lying = of - quorum_of(of)
    assert needed > missed + lying or of == 0


def test_two_contradicting_heads_never_both_have_a_quorum_without_many_liars() -> None:
    for witnesses in range(1, 200):
        assert 3 * (2 * quorum_of(witnesses) - witnesses) > witnesses  # more than a third would have to sign both


def test_a_state_counts_once_by_its_earliest_time() -> None:
    known = federation(5)
    said = [("AB", T0 + 9 * MINUTE), ("AB", T0), ("AB", T0 + MINUTE), ("AC", T0 + 2 * MINUTE)]
    found = judge(said, known.rosters, known.records["AA"])
    assert found.by == (("AB", T0), ("AC", T0 + 2 * MINUTE)) and not found.witnessed


def test_ones_own_cosignature_and_those_of_strangers_count_for_nothing() -> None:
    known = federation(3)
    found = judge(times(["AA", "AA", "ZZ"]), known.rosters, known.records["AA"])
    assert (found.by, found.words) == ((), "cosigned by 0 of 2, 2 asked for")


def test_states_of_the_logs_own_operator_do_not_count_and_those_of_another_do() -> None:
    """One host for three States: it witnesses three times for others, and never for its own guests."""
    known = participants(
        *(state(code, "A common host") for code in ("XA", "XB", "XC")), *(state(code) for code in ("XI", "XR", "XS"))
    )
    roster = known.rosters.at(T0)
    assert witnesses_for(roster, known.records["XA"]) == ("XI", "XR", "XS")
    assert witnesses_for(roster, known.records["XR"]) == ("XA", "XB", "XC", "XI", "XS")
    found = judge(times(["XB", "XC", "XI", "XR"]), known.rosters, known.records["XA"])
    assert [code for code, _ in found.by] == ["XI", "XR"] and (found.of, found.asked) == (3, 3)
    alone = participants(state("XA", "One host"), state("XB", "One host"))
    nobody = judge(times(["XB"]), alone.rosters, alone.records["XA"])
    assert not nobody.witnessed and nobody.not_later_than is None and "nobody" in nobody.words


def test_a_log_whose_state_has_no_seat_is_judged_by_the_operator_of_its_record() -> None:
    known = participants(state("XA"), state("XI"), record("ORG-X", operator="Ministry of XA"))
    assert witnesses_for(known.rosters.at(T0), known.records["ORG-X"]) == ("XI",)


def test_the_records_give_seats_to_those_in_good_standing_with_a_witness_key() -> None:
    known = participants(
        state("XA"),
        state("XB", status=(Standing("active", "2026-11-01"), Standing("suspended", "2026-11-02"))),
        state("XC", status=(Standing("active", "2026-11-01"), Standing("left", "2026-11-02"))),
        state("XP", kind="Partner"),
        state("ORG-A"),
        state("ORG-S", kind="Secretariat"),
        record("XD"),
    )
    assert [seat.participant for seat in known.rosters.at(T0).seats] == ["ORG-A", "XA", "XP"]


def seats(*codes: str) -> tuple[Seat, ...]:
    return tuple(Seat(code, f"Ministry of {code}") for code in codes)


def test_a_receipt_is_judged_by_the_roster_in_force_at_its_cosignature_times() -> None:
    """Three States at first; two more join a day later, and one leaves."""
    day = timedelta(days=1)
    first, second = Roster(T0 - day, seats("AA", "AB", "AC")), Roster(T0 + day, seats("AA", "AC", "AD", "AE"))
    rosters = Rosters((first, second))
    mine = federation(5).records["AA"]
    early = judge(times(["AB", "AC"]), rosters, mine)
    assert early.witnessed and (early.of, early.asked) == (2, 2)
    # The same two later: one has left the roster, and three are asked for now.
    late = judge(times(["AB", "AC"], T0 + 2 * day), rosters, mine)
    assert not late.witnessed and [code for code, _ in late.by] == ["AC"] and (late.of, late.asked) == (3, 3)
    # Times from before and after a change are never put together.
    across = judge([("AB", T0), ("AC", T0 + 2 * day), ("AD", T0 + 2 * day)], rosters, mine)
    assert not across.witnessed and (len(across.by), across.of) == (2, 3)
    # Cosigned before anybody sat anywhere.
    assert judge(times(["AB", "AC"], T0 - 2 * day), rosters, mine).by == ()
    # What was witnessed under the first roster stays so, whatever comes later.
    again = judge([*times(["AB", "AC"]), *times(["AC", "AD"], T0 + 2 * day)], rosters, mine)
    assert again.witnessed and again.not_later_than == T0


def test_rosters_follow_one_another_without_a_gap() -> None:
    one, two = Roster(T0, seats("AA")), Roster(T0 + MINUTE, seats("AB"))
    rosters = Rosters((one, two))
    assert [rosters.at(time) for time in (T0 - MINUTE, T0, T0 + MINUTE, T0 + 2 * MINUTE)] == [NOBODY, one, two, two]
    assert next((start, end) for _, start, end in rosters.spans()) == (T0, T0 + MINUTE)
    for history in ((two, one), (one, one)):
        with pytest.raises(RecordRefused):
            Rosters(history)
    for wrong in (seats("AA", "AA"), seats("AB", "AA")):
        with pytest.raises(RecordRefused):
            Roster(T0, wrong)
    with pytest.raises(RecordRefused):
        Roster(T0.replace(tzinfo=None), ())


def test_w_minus_k_liars_cannot_move_the_time_before_a_checkpoint_existed() -> None:
    known = federation(57)
    others = [code for code in known.records if code != "AA"]
    liars = 56 - quorum_of(56)
    said = [(code, EVER) for code in others[:liars]] + [(code, T0) for code in others[liars:]]
    found = judge(said, known.rosters, known.records["AA"])
    assert found.witnessed and found.not_later_than == T0


def test_every_witness_key_that_a_record_ever_held_counts_for_its_state() -> None:
    arcadia = record(
        "XA",
        keys=[
            participant_key(key("XA old witness"), Kind.WITNESS, before=(0, 5)),
            participant_key(key("XA witness"), Kind.WITNESS),
        ],
    )
    known = participants(state("XR"), arcadia, state("XI"))
    lines = [
        ("XA", "XA old witness", 1_790_000_000),
        ("XA", "XA witness", 1_790_000_060),
        ("XI", "XI witness", 1_790_000_120),
    ]
    found = verify_quorum(cosigned_note("XR", lines), known, known.records["XR"])
    assert [code for code, _ in found.by] == ["XA", "XI"] and found.witnessed
    assert found.not_later_than == datetime.fromtimestamp(1_790_000_000, UTC)
    for one in lines[:2]:
        assert len(verify_quorum(cosigned_note("XR", [one]), known, known.records["XR"]).by) == 1


def test_a_line_of_a_known_witness_that_does_not_verify_spoils_the_receipt() -> None:
    known = participants(state("XR"), state("XA"), state("XI"))
    note = cosigned_note("XR", [("XA", "XA witness", 5)])
    broken = Note(note.text.replace(b"\n7\n", b"\n8\n"), note.signatures)
    with pytest.raises(BadSignature):
        verify_quorum(broken, known, known.records["XR"])


def test_a_time_beyond_the_year_9999_counts_for_nothing() -> None:
    known = participants(state("XR"), state("XA"))
    for time, count in ((253_402_300_799, 1), (253_402_300_800, 0), (MAX_TIME, 0)):
        found = verify_quorum(cosigned_note("XR", [("XA", "XA witness", time)]), known, known.records["XR"])
        assert len(found.by) == count


def test_a_key_that_cosigned_under_another_states_name_is_a_stranger() -> None:
    known = participants(state("XR"), state("XA"), state("XI"))
    note = cosigned_note("XR", [("XI", "XA witness", 5), ("XA", "XR log", 5)])
    assert verify_quorum(note, known, known.records["XR"]).by == ()


def test_no_origin_is_a_name_of_witnesses() -> None:
    """Pitfall 16."""
    origin = f"{FEDERATION}/witness/xr"
    with pytest.raises(RecordRefused):
        participants(record("XR", origin=origin, logs=(participant_log(origin, key("XR log")),)))


def test_a_log_key_is_no_witness_key() -> None:
    """Pitfall 16: one Ed25519 key as 0x01 and 0x04, of one State or of two."""
    for code in ("XA", "XR"):
        keys = [participant_key(key("XR log"), Kind.WITNESS)]
        with pytest.raises(RecordRefused):
            participants(*({"XR": state("XR")} | {code: record(code, keys=keys)}).values())


@pytest.mark.parametrize(("number", "asked"), [(2, 1), (3, 2), (5, 3), (57, 38)])
def test_the_generated_policy_says_what_the_roster_says(number: int, asked: int) -> None:
    known = federation(number)
    mine = known.records["AA"]
    made = policy_of(known, mine, mine.current_log, known.rosters.at(T0))
    policy = parse_policy(format_policy(made, ["any comment"]))
    others = [code for code in known.records if code != "AA"]
    for count in (asked - 1, asked):
        note = cosigned_note("AA", [(code, f"{code} witness", 1_790_000_000) for code in others[:count]])
        _, found = verify_policy(format_note(note), policy)
        assert (
            policy.is_met(one.vkey for one in found) is verify_quorum(note, known, mine).witnessed is (count == asked)
        )
    assert policy.witnesses[0].url == "https://ab.test.example/witness"


def test_the_policy_gives_a_state_of_two_keys_one_vote() -> None:
    two = [participant_key(key(f"XA witness {n}"), Kind.WITNESS) for n in (1, 2)]
    known = participants(state("XR"), record("XA", keys=two), state("XI"))
    policy = policy_of(known, known.records["XR"], known.records["XR"].current_log, known.rosters.at(T0))
    vkeys = {vkey: code for vkey, code in witness_keys(known).items() if code == "XA"}
    assert not policy.is_met(vkeys) and policy.is_met(policy.vkeys[1:]) and policy.is_met([*policy.vkeys[::2]])


def test_where_nobody_can_witness_there_is_no_policy() -> None:
    known = federation(1)
    with pytest.raises(NotFound):
        policy_of(known, known.records["AA"], known.records["AA"].current_log, known.rosters.at(T0))
    unknown = Roster(EVER, seats("AA", "AB", "AC"))
    with pytest.raises(NotFound):
        policy_of(known, known.records["AA"], known.records["AA"].current_log, unknown)


def test_a_claimed_time_too_far_before_the_first_that_others_vouch_for_is_late() -> None:
    known = federation(2)
    found = judge([("AB", T0)], known.rosters, known.records["AA"])
    assert not found.is_late(T0 - LATE_AFTER) and found.is_late(T0 - LATE_AFTER - timedelta(seconds=1))
    assert not judge([], known.rosters, known.records["AA"]).is_late(EVER)


def test_the_newest_quorum_is_as_old_as_the_last_of_the_k_newest() -> None:
    known = federation(5)
    mine, now = known.records["AA"], T0 + timedelta(days=2)
    said = [*times(["AB", "AC", "AD", "AE"]), ("AB", T0 + timedelta(hours=5)), ("AC", T0 + timedelta(hours=6))]
    newest = newest_quorum(said, known.rosters, mine, now)
    assert newest == T0 + 3 * MINUTE and is_stale(newest, now) and not is_stale(newest, newest + STALE_AFTER)
    assert newest_quorum(said[:2], known.rosters, mine, now) is None and is_stale(None, now)
    ahead = newest_quorum([*times(["AB", "AC", "AD"]), ("AE", now + timedelta(days=900))], known.rosters, mine, now)
    assert ahead == T0 + MINUTE  # one that dates itself ahead does not make the others fresh
