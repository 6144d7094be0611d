"""Obligations are data: every clause that asks States to share something is listed, and forms serve it."""

import json
from typing import Any

import pytest

from exchange.core.catalogue import Catalogue
from exchange.core.form import LANGUAGES
from exchange.core.obligations import MAX_OBLIGATIONS, parse_obligations
from exchange.errors import Malformed, TooLarge
from exchange.resources import form_files, obligations_file

KNOWN = {one.id: one for one in parse_obligations(obligations_file())}
CATALOGUE = Catalogue.from_files(form_files())
NINE = "OSCE:MC.DEC/9/07:"
CTC = "UN:CTC/2016:"
CBM = "OSCE:PC.DEC/1202:CBM-"

COVERAGE = {
    "OSCE:MC.DEC/3/04:1": "CT-01 CT-02",
    "OSCE:MC.DEC/3/04:2": "GEN-01 GEN-02 GEN-03 ICT-04 POC-05",
    f"{NINE}1": "POC-05 ICT-11 CSE-01",
    f"{NINE}2": "CSE-07 CSE-08 CSE-09",
    f"{NINE}3": "CSE-10 CSE-11",
    f"{NINE}4": "ICT-04 CSE-01",
    f"{NINE}5": "POC-04",
    f"{NINE}6": "CSE-02",
    f"{NINE}7": "CSE-03 ICT-11",
    f"{NINE}8": "CSE-04",
    f"{NINE}9": "CSE-05",
    f"{NINE}10": "CSE-11 ICT-13",
    f"{NINE}11": "CSE-06 GEN-04",
    f"{NINE}12": "GEN-01",
    f"{NINE}13": "CSE-06 GEN-01 GEN-04",
    f"{NINE}14": "GEN-08",
    "OSCE:PC.DEC/1039": "GEN-05 GEN-07",
    "OSCE:MC.DEC/5/16": "GEN-05 GEN-06 GEN-07",
    "OSCE:PC.DEC/1106:PRACTICAL": "GEN-06 GEN-07",
    "OSCE:MC.DEC/4/16": "ICT-11 CT-02",
    "OSCE:MC.DEC/7/06": "CT-01 CT-02 POC-03 GEN-05",
    "OSCE:CHARTER/2002": "CT-02 GEN-05",
    "OSCE:BUCHAREST/2001": "CT-02 GEN-05",
    "OSCE:PA/2018": "CT-02 GEN-05",
    "OSCE:MC.DEC/15/06": "CSE-01",
    f"{CTC}5": "GEN-04 ICT-11",
    f"{CTC}6": "GEN-04 ICT-11",
    f"{CTC}12": "GEN-04 ICT-11",
    f"{CTC}9": "GEN-01 GEN-02",
    f"{CTC}10": "GEN-03",
    f"{CTC}13": "GEN-03",
    f"{CBM}1": "ICT-01",
    f"{CBM}2": "GEN-04",
    f"{CBM}3": "ICT-06 ICT-07 ICT-08 ICT-09",
    f"{CBM}4": "ICT-02",
    f"{CBM}5": "GEN-01 GEN-04 ICT-13",
    f"{CBM}6": "ICT-04 POC-03",
    f"{CBM}7": "ICT-03",
    f"{CBM}8": "POC-01 POC-02 POC-05 POC-06 POC-07",
    f"{CBM}9": "ICT-05",
    f"{CBM}10": "ICT-14",
    f"{CBM}11": "GEN-01 GEN-03",
    f"{CBM}12": "GEN-01 GEN-02 GEN-03 ICT-13",
    f"{CBM}13": "ICT-07 ICT-08 ICT-14",
    f"{CBM}14": "ICT-11 GEN-04",
    f"{CBM}15": "ICT-06 ICT-10",
    f"{CBM}16": "ICT-12 ICT-14",
}
"""What each clause asks for, by the project's reading of the decisions, and the forms that must be there for it."""


@pytest.mark.parametrize("clause", COVERAGE)
def test_every_clause_is_served_by_the_forms_made_for_it(clause: str) -> None:
    assert clause in KNOWN
    assert set(COVERAGE[clause].split()) <= set(CATALOGUE.serving(clause))


def test_every_clause_has_a_form_and_every_form_a_clause() -> None:
    assert [one for one in KNOWN if not CATALOGUE.serving(one)] == []
    for form in CATALOGUE.forms.values():
        assert set(form.obligations) <= set(KNOWN), form.code
        assert form.obligations or form.code.startswith(("PLT-", "SEAL-")), form.code


def test_titles_stand_in_six_languages_and_are_translated() -> None:
    for one in KNOWN.values():
        assert tuple(one.title) == LANGUAGES
        assert len({*one.title.values()}) >= 4, one.id
        assert one.decision and one.clause


def changed(**changes: Any) -> bytes:
    item = {"id": "OSCE:X", "decision": "X", "clause": "1", "title": dict.fromkeys(LANGUAGES, "Title")}
    return json.dumps({"obligations": [item | changes]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"obligations": {}}',
        b'{"obligations": [1]}',
        changed(id=""),
        changed(clause=None),
        changed(title={"en": "only English"}),
        changed(title=dict.fromkeys(LANGUAGES, "")),
        changed(more=1),
        changed().replace(b"]", b"," + changed()[len(b'{"obligations": [') :].replace(b"]}", b"]")),
    ],
)
def test_a_list_of_clauses_is_strict(content: bytes) -> None:
    with pytest.raises(Malformed):
        parse_obligations(content)
    assert len(parse_obligations(changed())) == 1


def test_a_list_of_clauses_is_bounded() -> None:
    with pytest.raises(TooLarge):
        parse_obligations(b" " * (MAX_OBLIGATIONS + 1))
