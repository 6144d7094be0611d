"""A role gives what is written beside it, and nothing else; a key has it as long as the record says."""

import itertools

import pytest

from exchange.core.keys import Kind
from exchange.errors import RoleMissing
from exchange.trust.asker import READING_ROLES
from exchange.trust.participants import format_record, parse_record
from exchange.trust.roles import GIVES, ROLES, Officer, Right, officer_in_force
from tests import builders

MAY = {
    "editor": {Right.READ, Right.WRITE},
    "releaser": {Right.READ, Right.WRITE, Right.SIGN, Right.RELEASE},
    "reader": {Right.READ},
    "contact holder": set(),
    "auditor": {Right.READ, Right.SEE_ACTS},
    "operator": {Right.SEE_ACTS},
    "node": set(),
    "admin": set(),
    "Releaser": set(),
    "releaser ": set(),
}


@pytest.mark.parametrize(("role", "right"), [*itertools.product(MAY, Right)])
def test_each_role_gives_what_is_written_here(role: str, right: Right) -> None:
    officer = Officer("k", frozenset({role}))
    assert officer.may(right) is (right in MAY[role])
    if right in MAY[role]:
        officer.check(right)
    else:
        with pytest.raises(RoleMissing):
            officer.check(right)


def test_a_contact_holder_releases_contacts_and_nothing_else() -> None:
    holder = Officer("k", frozenset({"contact holder"}))
    assert {right for right in Right if holder.may(right, contacts=True)} == {Right.WRITE, Right.SIGN, Right.RELEASE}
    editor = Officer("k", frozenset({"editor"}))
    assert not editor.may(Right.RELEASE, contacts=True)


def test_who_reads_by_role_is_who_reads_by_audience() -> None:
    assert frozenset(role for role, rights in GIVES.items() if Right.READ in rights) == READING_ROLES


def test_a_record_with_roles_that_nobody_knows_is_read_and_they_give_nothing() -> None:
    odd = builders.participant_key(builders.officer("XR"), roles=("minister of silly walks", "editor"))
    none = builders.participant_key(builders.officer("XR", 2), roles=("minister of silly walks",))
    record = parse_record(format_record(builders.record("XR", signing=(odd, none))))
    assert record.keys[0].roles == ("minister of silly walks", "editor")
    found = officer_in_force(record, odd.public_key.keyid, (0, 0))
    assert found is not None and found.roles == {"editor"}
    assert officer_in_force(record, none.public_key.keyid, (0, 0)) is None


def test_a_key_counts_from_its_first_position_up_to_its_last() -> None:
    key = builders.participant_key(builders.officer("XR"), roles=ROLES, start=(0, 3), before=(0, 5))
    record = builders.record("XR", signing=(key,))
    counts = [officer_in_force(record, key.public_key.keyid, (0, index)) is not None for index in range(7)]
    assert counts == [False, False, False, True, True, False, False]
    assert officer_in_force(record, key.public_key.keyid, (1, 4)) is None, "a later log is behind all of an earlier one"
    assert officer_in_force(record, "ab" * 32, (0, 4)) is None


@pytest.mark.parametrize("kind", [Kind.TRANSPORT, Kind.WITNESS, Kind.NODE_SUBMISSION, Kind.IDENTITY, Kind.LOG])
def test_no_key_but_a_signing_key_is_an_officers(kind: Kind) -> None:
    key = builders.participant_key(builders.key("other"), kind, roles=("operator", "auditor"))
    record = builders.record("XR", keys=(key,))
    assert officer_in_force(record, key.public_key.keyid, (0, 0)) is None
