"""The twelve pitfalls of reference/trust.md 2.4, and what else the audit refuses: keys told apart by bytes, each with its holder's consent."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, derive_private_key
from securesystemslib.signer import SSlibKey

from exchange.core.identity import IdentityKey
from exchange.core.keys import ALGORITHM, Kind
from exchange.errors import ExchangeError, Malformed, RecordRefused, WeakKey
from exchange.trust.charter import Decided, Final, format_charter, parse_charter
from exchange.trust.choice import Chosen, choose, read_named
from exchange.trust.contents import CHARTER, published, read_root, read_targets
from exchange.trust.drafts import draft_record, draft_root
from exchange.trust.findings import EQUIVOCATION, LIST_REFUSED, RECORD_REFUSED, ROLLED_BACK
from exchange.trust.participants import ParticipantKey
from exchange.trust.rolefile import RoleFile, parse_role
from exchange.trust.roster import Rosters
from tests import builders, key_named
from tests.founders import DAY, NOW, YEAR, Founders, holder, offer, sign

pytestmark = pytest.mark.once


def edited(file: RoleFile, edit: Any) -> RoleFile:
    """Another file with other content, unsigned."""
    value = json.loads(file.raw)
    edit(value["signed"])
    return parse_role(json.dumps({"signatures": [], "signed": value["signed"]}).encode(), file.role)


def reasons(chosen: Chosen) -> str:
    return " | ".join(finding.summary for finding in chosen.findings)


def records(chosen: Chosen) -> list[str]:
    assert chosen.participants is not None
    return sorted(chosen.participants.records)


def test_one_key_under_three_names_does_not_meet_a_threshold_of_three() -> None:
    """Pitfall 1: python-tuf counts keyids."""
    made = Founders()

    def thrice(signed: dict[str, Any]) -> None:
        keyid = signed["roles"]["root"]["keyids"][0]
        for number in (1, 2):
            signed["keys"][f"{number}" * 64] = signed["keys"][keyid]
        for role in ("root", "targets"):
            signed["roles"][role] = {"keyids": [keyid, "1" * 64, "2" * 64], "threshold": 3}
        signed["keys"] = {
            k: v for k, v in signed["keys"].items() if any(k in r["keyids"] for r in signed["roles"].values())
        }

    with pytest.raises(ExchangeError, match="stands under the keyid"):
        read_root(edited(made.roots[0], thrice))


def test_a_key_named_twice_in_one_role_is_refused() -> None:
    made = Founders()

    def twice(signed: dict[str, Any]) -> None:
        signed["roles"]["root"]["keyids"] += signed["roles"]["root"]["keyids"][:1]

    with pytest.raises(Malformed):
        read_root(edited(made.roots[0], twice))


def test_a_key_of_an_unknown_type_in_one_delegation_leaves_the_last_list_in_force() -> None:
    """Pitfall 2: python-tuf cannot read such a list at all; so the version is not taken, and nobody falls silent."""
    made = Founders()
    held = made.cold().held

    def unknown(signed: dict[str, Any]) -> None:
        key = next(iter(signed["delegations"]["keys"].values()))
        key |= {"keytype": "slh-dsa", "scheme": "slh-dsa"}

    with pytest.raises(Malformed):
        edited(made.targets[0], unknown)
    value = json.loads(made.targets[0].raw)
    unknown(value["signed"])
    value["signed"]["version"] = 2
    chosen = choose([("2.targets.json", json.dumps(value).encode())], held, NOW)
    assert records(chosen) == sorted(made.codes) and "2.targets.json" in chosen.unread[0]


def test_a_key_that_python_tuf_knows_and_we_do_not_is_the_affair_of_its_state() -> None:
    made = Founders()
    theirs = SSlibKey.from_crypto(derive_private_key(7, SECP384R1()).public_key())

    def other(signed: dict[str, Any]) -> None:
        role = next(role for role in signed["delegations"]["roles"] if role["name"] == "XR")
        del signed["delegations"]["keys"][role["keyids"][2]]
        role["keyids"][2] = theirs.keyid
        signed["delegations"]["keys"][theirs.keyid] = theirs.to_dict()
        signed["version"] = 2

    made.targets.append(sign(edited(made.targets[0], other), *made.founders))
    chosen = made.cold()
    assert records(chosen) == ["XA", "XB", "XI"] and "neither Ed25519 nor" in reasons(chosen)


def test_a_snapshot_that_drops_a_state_is_not_heard() -> None:
    """Pitfall 3: it breaks every client of others."""
    made = Founders(relays=1)
    held = made.cold().held
    versions = {"targets": 1, **{code: 1 for code in made.codes if code != "XR"}}
    made.speak(NOW + DAY, versions=versions)
    chosen = made.later(held, now=NOW + DAY)
    assert [finding.kind for finding in chosen.findings] == [ROLLED_BACK]
    assert chosen.held.words == held.words


@pytest.mark.parametrize(
    "change",
    [
        {"paths": ["participants/*.json"]},
        {"paths": ["participants/XR.json", "participants/XA.json"]},
        {"paths": ["participants/XA.json"]},
        {"terminating": False},
    ],
)
def test_a_delegation_of_anything_but_its_own_path_counts_for_nobody(change: dict[str, Any]) -> None:
    """Pitfall 4: with a wildcard 32 of 57 are found, and the first answers for all others."""
    made = Founders()

    def wild(signed: dict[str, Any]) -> None:
        next(role for role in signed["delegations"]["roles"] if role["name"] == "XR").update(change)
        signed["version"] = 2

    made.targets.append(sign(edited(made.targets[0], wild), *made.founders))
    chosen = made.cold()
    assert records(chosen) == ["XA", "XB", "XI"] and "XR" in reasons(chosen)


def left(made: Founders, code: str) -> None:
    """The founders write down that it left, and with which record."""
    member, file = made.charter.members[code], made.records[code]
    status = (*member.status, Decided("left", "2026-11-22", "PC.DEC/9"))
    made.decide(made.with_member(replace(member, status=status, final=Final(file.version, file.digest.hex()))))


def test_a_state_that_left_is_not_absent() -> None:
    """Pitfall 5: a removed delegation erases its history for new clients; the charter keeps it."""
    made = Founders()
    held = made.cold().held
    left(made, "XR")
    made.speak(NOW)
    for chosen in (made.cold(), made.later(held)):
        assert chosen.participants is not None and chosen.participants.records["XR"].status[-1].state == "left"
        assert chosen.findings == ()


def test_a_state_that_left_publishes_nothing_any_more() -> None:
    made = Founders()
    left(made, "XR")
    before = made.records["XR"]
    made.file_record("XR", made.record("XR", node_url="https://after.example"))
    made.speak(NOW)
    chosen = made.cold()
    assert "XR" not in records(chosen) and "delegated" in reasons(chosen)
    assert records(made.cold(before)) == sorted(made.codes), "its last record is still found"


def test_a_list_that_drops_a_participant_is_refused() -> None:
    made = Founders()
    held = made.cold().held
    members = {code: member for code, member in made.charter.members.items() if code != "XB"}
    chosen = made.later(held, made.decide(replace(made.charter, members=members, rosters=Rosters())))
    assert [finding.kind for finding in chosen.findings] == [LIST_REFUSED] and "XB was dropped" in reasons(chosen)


def test_a_state_that_registers_anothers_key_is_refused_on_cold_and_warm_nodes() -> None:
    """Pitfall 7: nothing in TUF checks it."""
    made = Founders()
    held = made.cold().held
    stolen = builders.participant_key(key_named("XR officer 1"))
    greedy = made.record("XA", signing=[stolen])
    proofs = made.proofs(made.record("XA"), made.identities["XA"])  # its own keys', and XR's published one
    proofs[_text(stolen)] = made.proofs(made.record("XR"))[_text(stolen)]
    proofs = {text: proof for text, proof in proofs.items() if "officer" not in text}
    bad = sign(draft_record(2, NOW + YEAR, greedy, proofs), *made.identities["XA"])
    warm = made.later(held, bad)
    assert "signature" in reasons(warm)
    made.records["XA"] = bad
    cold = made.cold()
    assert records(cold) == ["XB", "XI", "XR"], "the State whose key it is comes in, whoever is read first"


def _text(key: ParticipantKey) -> str:
    return IdentityKey(ALGORITHM, key.public_key.raw).text


def test_a_witness_key_listed_for_two_states_is_refused() -> None:
    made = Founders()
    shared = builders.participant_key(made.known("one witness"), Kind.WITNESS)
    made.file_record("XR", made.record("XR", keys=[shared]))
    made.file_record("XA", made.record("XA", keys=[shared]))
    made.speak(NOW)
    chosen = made.cold()
    assert records(chosen) in (["XA", "XB", "XI"], ["XB", "XI", "XR"]) and "stands twice" in reasons(chosen)
    first = made.cold().held
    assert records(made.later(first)) == records(chosen), "the one in force stays"


def test_a_state_is_one_witness() -> None:
    made = Founders()
    two = [builders.participant_key(made.known(f"witness {number}"), Kind.WITNESS) for number in (1, 2)]
    made.file_record("XR", made.record("XR", keys=two))
    assert "one witness" in reasons(made.cold())
    closed = [replace(two[0], before=(0, 3)), two[1]]
    made.file_record("XR", made.record("XR", keys=closed))
    made.speak(NOW)
    assert "XR" in records(made.cold()), "the key of before and the one of now"


def test_one_key_for_two_kinds_of_work_is_refused() -> None:
    made = Founders()
    key = made.known("busy")
    both = [builders.participant_key(key, Kind.WITNESS), builders.participant_key(key, Kind.TRANSPORT)]
    made.file_record("XR", made.record("XR", keys=both))
    assert "XR" not in records(made.cold())


def test_an_identity_key_that_also_signs_submissions_is_refused() -> None:
    made = Founders()
    made.identities["XR"][0] = holder("XR officer 1")
    again = Founders.member(made, "XR")
    made.known("XR officer 1")
    made.decide(made.with_member(again))
    made.file_record("XR")
    assert "XR" not in records(made.cold()) and "identity" in reasons(made.cold())


def test_one_identity_key_under_two_states_counts_for_neither() -> None:
    made = Founders()
    made.identities["XA"][2] = made.identities["XR"][2]
    made.decide(made.with_member(made.member("XA")))
    chosen = made.cold()
    assert records(chosen) == ["XB", "XI"] and "share an identity key" in reasons(chosen)


def test_a_founder_who_signs_for_a_state_with_the_same_key_is_noticed() -> None:
    made = Founders()
    made.identities["XR"][0] = made.founders[0]
    made.decide(made.with_member(made.member("XR")))
    assert "founder" in reasons(made.cold()) and "XR" not in records(made.cold())


def test_a_founders_key_that_is_also_online_is_refused() -> None:
    made = Founders()
    made.relays["relay 0"] = made.founders[0]
    with pytest.raises(RecordRefused, match="online"):
        read_root(made.draft_root(1))


@pytest.mark.parametrize(("k", "n"), [(1, 2), (1, 3), (2, 4), (2, 5)])
def test_a_threshold_that_two_groups_could_meet_at_once_is_refused(k: int, n: int) -> None:
    keys = tuple(holder(f"founder {number}").public for number in range(n))
    with pytest.raises(RecordRefused, match="majority"):
        read_root(draft_root(1, NOW + YEAR, keys, k, (holder("relay").public,)))


def test_a_key_that_did_not_sign_for_this_record_is_refused() -> None:
    made = Founders()
    record = made.record("XR")
    for text in list(made.proofs(record)):
        proofs = dict(made.proofs(record, made.identities["XR"]))
        del proofs[text]
        bad = sign(draft_record(2, NOW + YEAR, record, proofs), *made.identities["XR"])
        chosen = made.later(made.cold().held, bad)
        assert [finding.kind for finding in chosen.findings] == [RECORD_REFUSED]


def test_a_proof_for_a_key_that_is_not_there_is_refused() -> None:
    made = Founders()
    record = made.record("XR")
    proofs = {**made.proofs(record, made.identities["XR"]), holder("somebody").public.text: bytes(64)}
    bad = sign(draft_record(2, NOW + YEAR, record, proofs), *made.identities["XR"])
    assert "does not hold" in reasons(made.later(made.cold().held, bad))


def test_a_weak_founders_key_is_refused() -> None:
    made = Founders()

    def weak(signed: dict[str, Any]) -> None:
        keyid = next(k for k, key in signed["keys"].items() if key["keytype"] == "ed25519")
        signed["keys"][keyid]["keyval"]["public"] = "01" + "00" * 31

    with pytest.raises(WeakKey):
        read_root(edited(made.roots[0], weak))


def test_a_member_named_twice_in_the_json_is_refused() -> None:
    """Pitfall 8: python-tuf takes the last one."""
    made = Founders()
    raw = made.targets[0].raw.replace(b'"signed":', b'"signed":{},"signed":')
    with pytest.raises(Malformed, match="twice"):
        read_named("1.targets.json", raw)


def test_a_record_that_reopens_a_closed_key_is_refused_and_the_last_good_one_stays() -> None:
    made = Founders()
    closed = builders.participant_key(made.known("XR officer 3"), before=(0, 5))
    made.file_record("XR", made.record("XR", signing=[closed]))
    held = made.cold().held
    made.file_record("XR", made.record("XR", signing=[replace(closed, before=None)]))
    chosen = made.later(held)
    assert "reopened" in reasons(chosen)
    assert chosen.participants is not None and chosen.participants.records["XR"].keys[0].before == (0, 5)


def test_the_version_after_a_refused_one_is_taken() -> None:
    made = Founders()
    held = made.cold().held
    made.file_record("XR", made.record("XR", kind="Partner"))
    assert "Partner" in reasons(made.later(held))
    made.file_record("XR", made.record("XR", node_url="https://new.example"))
    chosen = made.later(held)
    assert chosen.participants is not None and chosen.participants.records["XR"].node_url == "https://new.example"


def test_the_founders_say_status_and_operator_and_the_state_the_rest() -> None:
    made = Founders()
    member = made.charter.members["XR"]
    status = (*member.status, Decided("suspended", "2026-11-20", "PC.DEC/7"))
    made.decide(made.with_member(replace(member, status=status, operator="Another operator")))
    chosen = made.cold()
    assert chosen.participants is not None
    record = chosen.participants.records["XR"]
    assert record.operator == "Another operator" and record.status[-1].state == "suspended"


def test_rosters_of_the_past_are_not_rewritten() -> None:
    made = Founders()
    held = made.cold().held
    first = made.charter.rosters.history[0]
    bad = replace(made.charter.rosters, history=(replace(first, seats=first.seats[1:]),))
    chosen = made.later(held, made.decide(replace(made.charter, rosters=bad)))
    assert [finding.kind for finding in chosen.findings] == [LIST_REFUSED] and "rosters" in reasons(chosen)


def test_a_relay_that_signs_two_files_in_one_second_convicts_itself() -> None:
    made = Founders(relays=1)
    held = made.cold().held
    at = int(NOW.timestamp())
    other = made.word("relay 0", at, {"targets": 1, **{code: 2 for code in made.codes}})
    chosen = made.later(held, sign(read_named("timestamp.json", _later(other[1])), made.relays["relay 0"]))
    assert [finding.kind for finding in chosen.findings] == [EQUIVOCATION]


def _later(file: RoleFile) -> bytes:
    value = json.loads(file.raw)
    value["signed"]["expires"] = "2027-01-01T00:00:00Z"
    return json.dumps(value | {"signatures": []}).encode()


def test_the_charter_reads_back() -> None:
    made = Founders("XR", "XA", "ORG-CBM")
    assert parse_charter(format_charter(made.charter)) == made.charter
    content = next(text for path, text in published(made.targets[0]).items() if path.endswith(CHARTER))
    assert parse_charter(json.loads(content)) == made.charter
    assert read_targets(made.targets[0], read_root(made.roots[0])).charter == made.charter


def test_every_field_of_a_charter_is_needed_and_none_is_unknown() -> None:
    made = Founders("XR")
    value = format_charter(made.charter)
    for name in value:
        with pytest.raises(Malformed):
            parse_charter({key: item for key, item in value.items() if key != name})
    for path in ("participants", "rosters", "relays"):
        with pytest.raises(Malformed):
            parse_charter({**value, path: [{**value[path][0], "more": 1}]})


def test_a_bundle_of_one_role_carries_no_other() -> None:
    made = Founders()
    swapped = [(name.replace("XR", "XA"), raw) for name, raw in offer(made.records["XR"])]
    chosen = choose(swapped, made.cold().held, NOW)
    assert chosen.participants is not None and chosen.findings == () and not chosen.taken
