"""Rule 4: a State's identity keys change by its own word, or after thirty days in public and into a successor log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.core.merkle import EMPTY_ROOT
from exchange.errors import RecordRefused
from exchange.trust.choice import Chosen
from exchange.trust.findings import LIST_REFUSED, RECORD_REFUSED, REPLACEMENT
from exchange.trust.identities import FOUNDERS, check_identities
from exchange.trust.participants import Closed, ParticipantRecord
from tests import builders
from tests.founders import DAY, NOW, WEEK, Founders, Holder, holder

pytestmark = pytest.mark.once

MONTH = timedelta(days=30)


def new_keys(code: str = "XR") -> list[Holder]:
    return [holder(f"{code} new identity {number}") for number in range(3)]


def in_force(chosen: Chosen, code: str = "XR") -> str:
    assert chosen.participants is not None
    return chosen.participants.records[code].node_url


def successor(made: Founders, address: str = "https://successor.example") -> ParticipantRecord:
    """The log of before closed, and one with another origin and key after it."""
    first = builders.participant_log(builders.origin_of("XR"), made.known("XR log"), Closed(0, EMPTY_ROOT))
    second = builders.participant_log("xr2.test.example/log", made.known("XR second log"))
    return made.record("XR", logs=(first, second), node_url=address)


def change(made: Founders, *signers: Holder, by: str = "itself", log: int | None = None) -> None:
    new = new_keys()
    made.decide(made.with_member(made.changed("XR", new, *signers, by=by, log=log)))
    made.identities["XR"] = new


def test_a_change_that_old_and_new_keys_signed_counts_at_once() -> None:
    made = Founders()
    held, old = made.cold().held, made.identities["XR"]
    change(made, *old[:2], *new_keys()[:2])
    made.file_record("XR", made.record("XR", node_url="https://new.example"))
    made.speak(NOW)
    for chosen in (made.later(held), made.cold()):
        assert in_force(chosen) == "https://new.example" and chosen.findings == ()


@pytest.mark.parametrize(("old", "new"), [(1, 2), (0, 2), (2, 1), (2, 0)])
def test_a_change_below_either_threshold_is_refused(old: int, new: int) -> None:
    made = Founders()
    held, keys = made.cold().held, made.identities["XR"]
    with pytest.raises(RecordRefused, match="signed by"):
        change(made, *keys[:old], *new_keys()[:new])
    assert in_force(made.later(held)) == "https://xr.test.example"


def test_the_old_keys_sign_nothing_after_the_change() -> None:
    made = Founders()
    held, old = made.cold().held, made.identities["XR"]
    change(made, *old[:2], *new_keys()[:2])
    made.file_record("XR")
    chosen = made.later(held)
    made.identities["XR"] = old
    made.file_record("XR", made.record("XR", node_url="https://thief.example"))
    assert in_force(made.later(chosen.held)) == "https://xr.test.example"


def test_founders_who_replace_a_states_keys_wait_thirty_days_in_public() -> None:
    made = Founders()
    held = made.cold().held
    change(made, *new_keys()[:2], by=FOUNDERS, log=1)
    made.file_record("XR", successor(made))
    for days in (0, 1, 29):
        at = NOW + timedelta(days=days)
        made.speak(at)
        chosen = made.later(held, now=at)
        held = chosen.held
        assert in_force(chosen) == "https://xr.test.example"
        assert (REPLACEMENT, "XR") in {(each.kind, each.participant) for each in chosen.findings}
    at = NOW + MONTH
    made.speak(at)
    chosen = made.later(held, now=at)
    assert in_force(chosen) == "https://successor.example"
    assert "replaced" in " ".join(each.summary for each in chosen.findings), "and it is shown for ever"


def test_founders_who_date_a_replacement_back_gain_nothing_on_a_node_that_watched() -> None:
    made = Founders()
    held = made.cold().held
    made.now = NOW - MONTH
    change(made, *new_keys()[:2], by=FOUNDERS, log=1)
    made.now = NOW
    made.file_record("XR", successor(made))
    chosen = made.later(held)
    assert in_force(chosen) == "https://xr.test.example"
    made.speak(NOW + MONTH)
    assert in_force(made.later(chosen.held, now=NOW + MONTH)) == "https://successor.example"


def test_founders_who_replace_a_states_keys_open_a_successor_log() -> None:
    made = Founders()
    change(made, *new_keys()[:2], by=FOUNDERS, log=1)
    made.file_record("XR", made.record("XR", node_url="https://same-log.example"))
    at = NOW + MONTH
    made.speak(at)
    chosen = made.cold(now=at)
    refused = [each for each in chosen.findings if each.kind == RECORD_REFUSED]
    assert chosen.participants is not None and "XR" not in chosen.participants.records
    assert "successor log" in refused[0].summary


def test_the_state_goes_on_under_its_old_keys_while_a_replacement_waits() -> None:
    made = Founders()
    held, old = made.cold().held, made.identities["XR"]
    change(made, *new_keys()[:2], by=FOUNDERS, log=1)
    made.identities["XR"] = old
    made.file_record("XR", made.record("XR", node_url="https://still-here.example"))
    made.speak(NOW + WEEK)
    assert in_force(made.later(held, now=NOW + WEEK)) == "https://still-here.example"


def test_a_replacement_that_waits_may_be_withdrawn_and_one_in_force_may_not() -> None:
    made = Founders()
    held, before = made.cold().held, made.charter
    change(made, *new_keys()[:2], by=FOUNDERS, log=1)
    waiting = made.later(held).held
    with_it = made.charter
    made.decide(before)
    made.speak(NOW + DAY)
    assert made.later(waiting, now=NOW + DAY).findings == ()
    made.decide(with_it)
    made.speak(NOW + DAY)
    again = made.later(waiting, now=NOW + DAY).held
    late = NOW + MONTH + DAY
    made.speak(late)
    done = made.later(again, now=late).held
    made.decide(before)
    made.speak(late + DAY)
    chosen = made.later(done, now=late + DAY)
    assert LIST_REFUSED in {each.kind for each in chosen.findings}


def test_a_history_whose_first_keys_were_exchanged_is_refused() -> None:
    made = Founders()
    held = made.cold().held
    made.identities["XR"] = new_keys()
    made.decide(made.with_member(made.member("XR")))
    made.file_record("XR", made.record("XR", node_url="https://usurper.example"))
    chosen = made.later(held)
    assert in_force(chosen) == "https://xr.test.example"
    assert [each.kind for each in chosen.findings] == [LIST_REFUSED]


def test_a_signature_for_another_change_does_not_count() -> None:
    made = Founders()
    old = made.identities["XR"]
    member = made.changed("XR", new_keys(), *old[:2], *new_keys()[:2])
    moved = replace(member.identities[1], threshold=1)
    with pytest.raises(RecordRefused):
        check_identities(builders.FEDERATION, "XR", (member.identities[0], moved))
    with pytest.raises(RecordRefused):
        check_identities("other.example", "XR", member.identities)
    with pytest.raises(RecordRefused):
        check_identities(builders.FEDERATION, "XA", member.identities)


def test_keys_dropped_before_the_state_signed_under_the_new_ones_leave_its_last_record_in_force() -> None:
    """Break before make: the others' clients see nothing of it until it signs again; here nobody falls silent."""
    made = Founders()
    held, old = made.cold().held, made.identities["XR"]
    change(made, *old[:2], *new_keys()[:2])
    made.speak(NOW)
    assert in_force(made.later(held)) == "https://xr.test.example"
    cold = made.cold()
    assert cold.participants is not None and "XR" not in cold.participants.records
    assert len(cold.participants.records) == 3
