"""Every attack and fault of reference/trust.md 2.3 on the trust list, by the hands that could commit it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.errors import Malformed, TooFewSignatures
from exchange.trust.choice import Chosen, choose, pin, read_named
from exchange.trust.drafts import draft_record, draft_targets
from exchange.trust.findings import EQUIVOCATION, LIST_REFUSED, RECORD_REFUSED, ROLLED_BACK
from exchange.trust.participants import ParticipantRecord
from exchange.trust.rolefile import RoleFile
from tests.founders import DAY, NOW, WEEK, YEAR, Founders, Holder, holder, offer, sign

pytestmark = pytest.mark.once


def url(chosen: Chosen, code: str) -> str:
    assert chosen.participants is not None
    return chosen.participants.records[code].node_url


def moved(made: Founders, code: str, address: str = "https://new.example") -> ParticipantRecord:
    return made.record(code, node_url=address)


def kinds(chosen: Chosen) -> set[tuple[str, str]]:
    return {(finding.kind, finding.participant) for finding in chosen.findings}


def test_an_honest_list_is_imported_whole() -> None:
    made = Founders()
    chosen = made.cold()
    assert chosen.participants is not None and sorted(chosen.participants.records) == sorted(made.codes)
    assert chosen.findings == () and chosen.unread == () and chosen.stale_since is None
    assert made.later(chosen.held).held == chosen.held, "a second look changes nothing"


def test_a_root_with_two_of_three_signatures_is_not_taken() -> None:
    made = Founders(founders=5, k=3)
    held = made.cold().held
    made.next_root(*made.founders[:2])
    assert made.later(held).held.root.version == 1


def test_a_root_signed_only_by_its_own_new_keys_is_not_taken() -> None:
    made = Founders()
    held = made.cold().held
    made.founders = [holder(f"usurper {number}") for number in range(3)]
    made.next_root()
    assert made.later(held).held.root.version == 1


def test_a_root_that_its_own_new_keys_did_not_sign_is_not_taken() -> None:
    made = Founders()
    held, old = made.cold().held, made.founders
    made.founders = [holder(f"new founder {number}") for number in range(3)]
    made.next_root(*old)
    chosen = made.later(held)
    assert chosen.held.root.version == 1 and kinds(chosen) == {(LIST_REFUSED, "")}


def test_a_root_version_that_is_skipped_is_not_taken() -> None:
    made = Founders()
    held = made.cold().held
    made.next_root(), made.next_root()
    without = [(name, raw) for name, raw in made.files() if name != "2.root.json"]
    assert choose(without, held, NOW).held.root.version == 1
    assert made.later(held).held.root.version == 3


def test_roots_of_several_years_are_climbed_one_by_one() -> None:
    made = Founders()
    first = made.pinned()
    for year in range(4):
        old = made.founders
        made.founders = [*old[1:], holder(f"founder of year {year}")]
        made.next_root(*old, *made.founders)
    made.targets.append(made.sign_targets(2))
    made.speak(NOW)
    chosen = choose(made.files(), first, NOW)
    assert chosen.held.root.version == 5 and chosen.participants is not None


@pytest.mark.parametrize("signers", [0, 1])
def test_targets_under_the_threshold_are_not_taken(signers: int) -> None:
    made = Founders()
    held = made.cold().held
    charter = replace(made.charter, live=True)
    bad = sign(draft_targets(2, NOW + YEAR, charter, NOW), *made.founders[:signers])
    chosen = made.later(held, bad)
    assert chosen.held.targets is not None and chosen.held.targets.version == 1
    assert chosen.participants is not None and not chosen.participants.live


def test_a_record_signed_by_one_of_its_two_keys_is_not_taken_and_others_are() -> None:
    made = Founders()
    held = made.cold().held
    identities = made.identities["XR"]
    bad = made.sign_record("XR", 2, moved(made, "XR"), identities[:1])
    made.file_record("XA", moved(made, "XA"))
    chosen = made.later(held, bad)
    assert url(chosen, "XR") != "https://new.example" and url(chosen, "XA") == "https://new.example"


def test_founders_who_sign_a_states_role_themselves_are_not_believed() -> None:
    made = Founders()
    held = made.cold().held
    bad = made.sign_record("XR", 2, moved(made, "XR"), made.founders)
    assert url(made.later(held, bad), "XR") != "https://new.example"
    assert url(made.cold(bad), "XR") != "https://new.example"


def test_a_relay_that_alters_a_records_bytes_breaks_its_signature() -> None:
    made = Founders()
    name, raw = offer(made.sign_record("XR", 2, moved(made, "XR")))[0]
    chosen = choose([*made.files(), (name, raw.replace(b"new.example", b"bad.example"))], made.pinned(), NOW)
    assert url(chosen, "XR") == "https://xr.test.example"


def test_a_record_whose_hash_is_not_that_of_its_content_is_refused() -> None:
    made = Founders()
    good = made.record("XR")
    draft = draft_record(2, NOW + YEAR, good, made.proofs(good, made.identities["XR"]))
    name, raw = offer(draft)[0]
    lying = read_named(name, raw.replace(b'"length":', b'"length":1'))
    chosen = made.later(made.cold().held, sign(lying, *made.identities["XR"]))
    assert kinds(chosen) == {(RECORD_REFUSED, "XR")}


def test_a_state_that_lists_anothers_record_is_refused_and_the_other_keeps_its_own() -> None:
    made = Founders()
    held = made.cold().held
    false = moved(made, "XA")
    draft = draft_record(2, NOW + YEAR, false, made.proofs(false, made.identities["XA"]))
    raw = draft.raw.replace(b"2.XA.json", b"2.XR.json")
    bad = sign(read_named("2.XR.json", raw), *made.identities["XR"])
    chosen = made.later(held, bad)
    assert url(chosen, "XA") == "https://xa.test.example" and kinds(chosen) == {(RECORD_REFUSED, "XR")}


def test_an_old_timestamp_rolls_nothing_back() -> None:
    made = Founders()
    old = list(made.words["relay 0"])
    held = made.cold().held
    made.speak(NOW + DAY)
    newer = made.later(held, now=NOW + DAY).held
    after = choose(offer(*old), newer, NOW + DAY).held
    assert after.words == newer.words and after.stale_since is None


def test_stolen_relay_keys_roll_no_record_back() -> None:
    made = Founders()
    old = made.records["XR"]
    made.file_record("XR", moved(made, "XR"))
    made.speak(NOW)
    held = made.cold().held
    made.records["XR"] = old
    made.speak(NOW + timedelta(minutes=5))
    chosen = made.later(held, now=NOW + timedelta(minutes=5))
    assert url(chosen, "XR") == "https://new.example"
    assert {kind for kind, _ in kinds(chosen)} == {ROLLED_BACK}, "the relay's own signatures convict it"


def test_a_mirror_that_serves_an_old_record_under_the_new_name_is_not_heard() -> None:
    made = Founders()
    old = made.records["XR"]
    made.file_record("XR", moved(made, "XR"))
    held = made.cold().held
    chosen = choose([("2.XR.json", old.raw)], held, NOW)
    assert url(chosen, "XR") == "https://new.example" and "2.XR.json" in chosen.unread[0]


def test_frozen_the_list_goes_on_and_says_since_when_for_cached_and_fresh_nodes_alike() -> None:
    made = Founders()
    held = made.cold().held
    later = NOW + WEEK + DAY
    for chosen in (made.later(held, now=later), made.cold(now=later)):
        assert chosen.stale_since == NOW + WEEK
        assert chosen.participants is not None and len(chosen.participants.records) == 4


def test_frozen_changes_wait_until_somebody_vouches_again() -> None:
    made = Founders()
    held = made.cold().held
    made.file_record("XR", moved(made, "XR"))
    frozen = made.later(held, now=NOW + WEEK + DAY)
    assert url(frozen, "XR") == "https://xr.test.example"
    made.speak(NOW + WEEK + DAY)
    thawed = made.later(frozen.held, now=NOW + WEEK + DAY)
    assert url(thawed, "XR") == "https://new.example" and thawed.stale_since is None


def test_a_states_expired_role_stays_in_force_and_the_others_load() -> None:
    made = Founders()
    record = made.record("XR")
    draft = draft_record(2, NOW - DAY, record, made.proofs(record, made.identities["XR"]))
    made.records["XR"] = sign(draft, *made.identities["XR"])
    made.speak(NOW)
    chosen = made.cold()
    assert chosen.participants is not None and len(chosen.participants.records) == 4
    assert chosen.held.files["XR"].expires == NOW - DAY


@pytest.mark.parametrize("name", ["timestamp.json", "1.root.json", "1.XR.json"])
def test_endless_data_is_refused_before_it_is_read(name: str) -> None:
    with pytest.raises(Malformed, match="bytes"):
        read_named(name, b"[" + b" " * (5 * 1024 * 1024))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"signed":1,"signatures":[]}', b'{"signed":{"_type":"root"}}', b"\xff"]
)
def test_broken_json_is_put_aside(raw: bytes) -> None:
    made = Founders()
    chosen = choose([("1.root.json", raw), *made.files()], made.pinned(), NOW)
    assert chosen.participants is not None and len(chosen.unread) == 1


def test_with_every_relay_gone_only_changes_wait() -> None:
    made = Founders()
    held = made.cold().held
    chosen = choose([], held, NOW + YEAR)
    assert chosen.participants is not None and len(chosen.participants.records) == 4
    assert chosen.stale_since == NOW + WEEK and chosen.findings == ()


def test_a_state_serves_its_new_record_itself_while_the_relays_are_down() -> None:
    made = Founders()
    held = made.cold().held
    direct = offer(made.file_record("XR", moved(made, "XR")))
    assert url(choose(direct, held, NOW + DAY), "XR") == "https://new.example"


def test_two_relays_take_turns_without_a_counter_between_them() -> None:
    made = Founders()
    held = made.cold().held
    for minute, name in enumerate(("relay 1", "relay 0", "relay 1"), start=1):
        at = NOW + timedelta(minutes=minute)
        made.speak(at, name)
        chosen = made.later(held, now=at)
        assert chosen.taken and chosen.stale_since is None
        held = chosen.held


@pytest.mark.parametrize("version", [2**53 - 1, int(NOW.timestamp()) + 3_602])
def test_a_stolen_relay_that_jumps_its_version_is_refused_outright(version: int) -> None:
    made = Founders(relays=1)
    held = made.cold().held
    bad = made.word("relay 0", version)
    jumped = choose(offer(*bad), held, NOW).held
    assert jumped.words == held.words
    made.speak(NOW + DAY)
    assert made.later(jumped, now=NOW + DAY).stale_since is None


def test_a_hostile_relay_one_hour_ahead_spoils_its_own_memory_alone() -> None:
    made = Founders()
    made.words["relay 0"] = made.word("relay 0", int(NOW.timestamp()) + 3_599)
    held = made.cold().held
    made.speak(NOW + DAY * 6)
    chosen = made.later(held, now=NOW + DAY * 6)
    assert chosen.stale_since is None
    assert {word.timestamp.version for word in chosen.held.words.values()} == {int((NOW + DAY * 6).timestamp())}


def test_a_relay_that_promises_a_century_is_believed_for_a_week() -> None:
    made = Founders(relays=1)
    assert made.cold(now=NOW + WEEK - DAY).stale_since is None
    assert made.cold(now=NOW + WEEK).stale_since == NOW + WEEK


def test_a_relay_that_withholds_what_it_lists_does_not_make_the_list_fresh() -> None:
    made = Founders(relays=1)
    made.speak(NOW, versions={"targets": 2})
    assert made.cold().stale_since == NOW


def two_of_three() -> Founders:
    """Relays of which two must sign: not how it is founded, but how founders may decide it."""
    made = Founders(relays=3)
    draft = made.draft_root(2)
    raw = draft.raw.replace(b'"threshold":1', b'"threshold":2')
    made.roots.append(sign(read_named("2.root.json", raw), *made.founders))
    return made


def test_where_two_of_three_relays_must_sign_one_is_not_enough() -> None:
    made = two_of_three()
    alone = made.word("relay 0", int(NOW.timestamp()) + 60)
    made.words = {"relay 0": alone}
    assert made.cold().stale_since == NOW
    made.words["relay 0"] = (sign(alone[0], made.relays["relay 1"]), sign(alone[1], made.relays["relay 1"]))
    assert made.cold().stale_since is None


def test_two_lists_of_the_founders_under_one_version_are_evidence_and_the_first_stays() -> None:
    made = Founders()
    held = made.cold().held
    other = made.sign_targets(1, replace(made.charter, live=True))
    chosen = made.later(held, other)
    assert chosen.held.targets == held.targets and kinds(chosen) == {(EQUIVOCATION, "")}
    assert [file["version"] for file in chosen.findings[0].evidence["files"]] == [1, 1]


def test_two_new_lists_of_the_founders_under_one_version_are_evidence_and_neither_is_taken() -> None:
    made = Founders()
    held = made.cold().held
    one, two = made.sign_targets(2), made.sign_targets(2, replace(made.charter, live=True))
    chosen = made.later(held, one, two)
    assert chosen.held.targets == held.targets and kinds(chosen) == {(EQUIVOCATION, "")}
    cold = choose([*((n, r) for n, r in made.files() if "targets" not in n), *offer(one, two)], made.pinned(), NOW)
    assert cold.participants is None, "a node that begins believes neither"


def test_two_records_under_one_version_are_evidence_and_neither_is_taken() -> None:
    made = Founders()
    held = made.cold().held
    one, two = (
        made.sign_record("XR", 2, moved(made, "XR")),
        made.sign_record("XR", 2, moved(made, "XR", "https://b.example")),
    )
    chosen = made.later(held, one, two)
    assert url(chosen, "XR") == "https://xr.test.example" and kinds(chosen) == {(EQUIVOCATION, "XR")}
    taken = made.later(held, one).held
    assert url(made.later(taken, two), "XR") == "https://new.example", "what was held stays"


def test_two_roots_under_one_version_are_evidence_and_neither_is_taken() -> None:
    made = Founders()
    held = made.cold().held
    other = sign(replace_relays(made), *made.founders)
    chosen = made.later(held, made.next_root(), other)
    assert chosen.held.root.version == 1 and kinds(chosen) == {(EQUIVOCATION, "")}


def replace_relays(made: Founders) -> RoleFile:
    spare = Founders(relays=1)
    spare.founders = made.founders
    return spare.draft_root(2)


def test_signatures_that_were_spoilt_on_the_way_hide_no_good_ones() -> None:
    made = Founders()
    held = made.cold().held
    good = made.file_record("XR", moved(made, "XR"))
    spoilt = replace(good, signatures={keyid: bytes(64) for keyid in good.signatures})
    for order in ([spoilt, good], [good, spoilt]):
        assert url(choose(offer(*order), held, NOW), "XR") == "https://new.example"


def test_what_comes_first_decides_nothing() -> None:
    made = Founders()
    held = made.cold().held
    made.file_record("XR", moved(made, "XR"))
    made.next_root()
    made.decide(replace(made.charter, live=True))
    made.speak(NOW + timedelta(minutes=1))
    files = made.files(made.sign_targets(1, replace(made.charter, live=True)))
    forward, backward = choose(files, held, NOW), choose(files[::-1], held, NOW)
    assert forward.held == backward.held and forward.findings == backward.findings


def test_a_root_that_is_not_signed_is_not_pinned() -> None:
    made = Founders()
    with pytest.raises(TooFewSignatures):
        pin(sign(made.draft_root(1), made.founders[0]).raw)


def test_a_list_of_another_federation_under_the_same_founders_is_refused() -> None:
    made = Founders()
    held = made.cold().held
    bad = made.decide(replace(made.charter, federation="other.example"))
    chosen = made.later(held, bad)
    assert chosen.held.targets is not None and chosen.held.targets.version == 1
    assert kinds(chosen) == {(LIST_REFUSED, "")}


def test_a_record_of_another_federation_proves_nothing_here() -> None:
    made = Founders()
    held = made.cold().held
    record = moved(made, "XR")
    foreign = made.proofs(record, made.identities["XR"], "other.example")
    bad = sign(draft_record(2, NOW + YEAR, record, foreign), *made.identities["XR"])
    assert kinds(made.later(held, bad)) == {(RECORD_REFUSED, "XR")}


def test_founders_who_lost_their_keys_recover_by_a_root_whatever_version_a_thief_signed() -> None:
    made = Founders()
    thief: list[Holder] = made.founders[:2]
    stolen = sign(draft_targets(1_000_000, NOW + YEAR, replace(made.charter, live=True), NOW), *thief)
    held = made.cold(stolen).held
    assert held.targets is not None and held.targets.version == 1_000_000
    old, made.founders = made.founders, [holder(f"new founder {number}") for number in range(3)]
    made.next_root(*old, *made.founders)
    made.targets = [made.sign_targets(2)]
    made.speak(NOW + DAY)
    chosen = made.later(held, now=NOW + DAY)
    assert chosen.held.targets is not None and chosen.held.targets.version == 2 and chosen.stale_since is None
