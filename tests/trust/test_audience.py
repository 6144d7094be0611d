"""Who may read what: every asker against every audience, by a table written out by hand."""

from dataclasses import replace

import pytest

from exchange.core.vocabulary import AUDIENCES
from exchange.trust.asker import NOBODY, Asker
from exchange.trust.audience import CLOSED, ENFORCED, PUBLIC_REACH, SEALED, WIDTH, is_within, may_read, reach, widest
from exchange.trust.record import ParticipantRecord, Standing
from tests.builders import record

pytestmark = pytest.mark.once

ACTIVE = (Standing("active", "2026-11-01"),)


def of(code: str, kind: str = "participating State", *states: str) -> ParticipantRecord:
    return record(code, kind=kind, status=(*ACTIVE, *(Standing(state, "2026-11-02") for state in states)))


def officer(*roles: str) -> Asker:
    return Asker.officer(of("XA"), frozenset(roles))


ASKERS = {
    "nobody": NOBODY,
    "a State": Asker.node(of("XA")),
    "a suspended State": Asker.node(of("XA", "participating State", "suspended")),
    "a State that left": Asker.node(of("XA", "participating State", "suspended", "left")),
    "a State that came back": Asker.node(of("XA", "participating State", "suspended", "active")),
    "a Partner": Asker.node(of("XP", "Partner")),
    "a suspended Partner": Asker.node(of("XP", "Partner", "suspended")),
    "an organisation": Asker.node(of("ORG-X1", "organisation")),
    "the Secretariat": Asker.node(of("ORG-SEC", "Secretariat")),
    "the publisher": Asker.node(of("XR")),
    "the suspended publisher": Asker.node(of("XR", "participating State", "suspended")),
    "an own reader": officer("reader"),
    "an own releaser": officer("releaser"),
    "an own contact holder": officer("contact holder"),
    "the operator": officer("operator"),
    "an officer without a role": officer(),
}
STATES = {"a State", "a State that came back", "the publisher", "an own reader", "an own releaser"}
OWN = {"the publisher", "the suspended publisher"}
READERS: dict[str | tuple[str, ...], set[str]] = {
    "public": set(ASKERS),
    "States and Partners": STATES | OWN | {"a Partner"},
    "participating States": STATES | OWN,
    ("XA", "XP"): STATES - {"the publisher"} | OWN | {"a Partner"},
    ("XP",): OWN | {"a Partner"},
    "nobody": OWN,
    "sealed": set(),
    "a word of a later version": OWN,
}


@pytest.mark.parametrize("audience", READERS, ids=str)
def test_who_reads_a_document_of_ruritania(audience: str | tuple[str, ...]) -> None:
    assert {name for name, asker in ASKERS.items() if may_read(audience, "XR", asker)} == READERS[audience]


@pytest.mark.parametrize("name", ASKERS)
def test_the_words_for_queries_say_the_same_as_the_rule(name: str) -> None:
    asker, reached = ASKERS[name], reach(ASKERS[name])
    for audience in (*WIDTH, SEALED):
        by_words = audience != SEALED and (audience in reached.words or reached.publisher == "XR")
        assert may_read(audience, "XR", asker) == by_words


def test_the_public_is_told_from_everybody_else() -> None:
    assert reach(NOBODY) == PUBLIC_REACH == reach(officer("operator"))
    assert PUBLIC_REACH.is_public
    assert not reach(ASKERS["an organisation"]).is_public, "it reads what it published itself"


def test_every_audience_of_a_statement_has_its_width() -> None:
    assert AUDIENCES - {SEALED} == ENFORCED


def test_audiences_lie_within_each_other() -> None:
    order = ["nobody", "participating States", "States and Partners", "public"]
    assert sorted(WIDTH, key=WIDTH.__getitem__) == order
    for number, inner in enumerate(order):
        assert [is_within(inner, outer) for outer in order] == [number <= place for place in range(len(order))]
    assert widest("participating States", "public", CLOSED) == "public"
    assert widest() == CLOSED


def test_a_status_never_makes_a_reader_of_an_organisation() -> None:
    organisation = replace(ASKERS["an organisation"], kind="participating States")  # a kind that nobody has
    assert reach(organisation).words == {"public"}
