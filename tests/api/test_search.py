"""Free-text search at the door: what the six languages' own words find, what a question may be, and how far the index is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api import URL, refused
from tests.api.test_lists import pages
from tests.faults import answering, only
from tests.records import in_force, with_record
from tests.world import Published, World, WorldNode

STRATEGIES = {
    "en": "National strategy for the security of critical infrastructure",
    "fr": "Stratégie nationale de sécurité numérique : l’été des mesures",
    "de": "Nationale Strategie: Maßnahmen, Übungen und Straßenverkehrsämter",
    "it": "Strategia nazionale per la sicurezza, qualità e attività",
    "ru": "Национальная стратегия: учёт угроз и мой край",
    "es": "Estrategia nacional de ciberseguridad para el año y la nación",
}
FOUND = {
    "critical infrastructure": "en",
    "STRATEGIE securite": "fr",
    "numérique ete": "fr",
    "l'été": "fr",
    "massnahmen": "de",
    "UBUNGEN": "de",
    "straßenverkehrsämter": "de",
    "STRASSENVERKEHR*": "de",
    "qualita attivita": "it",
    "учет": "ru",
    "УГРОЗ мой": "ru",
    "мои": "",
    "стратеги*": "ru",
    "ano nacion": "es",
    '"para el año"': "es",
    '"año para"': "",
    "strategi*": "de fr it",
    "nationale": "de fr",
    "not stated": "",
}


def found(node: WorldNode, question: str, **asked: Any) -> list[str]:
    answer = node.get(URL, params={"q": question, **asked})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WorldNode, dict[str, Published]]]:
    with World(tmp_path_factory.mktemp("speakers"), "XR") as world:
        node = world["XR"]
        made = {lang: node.publish("ICT-03", name={lang: said}) for lang, said in STRATEGIES.items()}
        node.running.indexer.catch_up()
        yield node, made


@pytest.mark.parametrize("question", FOUND)
def test_everybody_finds_their_own_words(speakers: tuple[WorldNode, dict[str, Published]], question: str) -> None:
    node, made = speakers
    names = {published.id: lang for lang, published in made.items()}
    assert sorted(names[ident] for ident in found(node, question)) == FOUND[question].split()


def test_a_search_says_why_and_how_far(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        contact = xr.publish(
            institution={"en": "CERT"},
            scope={"en": "A team for incidents\nof all kinds"},
            attachments=(("Plan für Übungen.pdf", b"%PDF"),),
        )
        other = xa.publish(institution={"en": "Another team"})
        world.pull()
        plain = xr.get(URL).json()
        assert set(plain) == {"items", "next"} and "context" not in plain["items"][0]
        answer = xr.get(URL, params={"q": "team"}).json()
        assert answer == {"items": [], "next": None, "unsearched": 2}
        xr.running.indexer.catch_up()
        answer = xr.get(URL, params={"q": "team"}).json()
        assert [item["id"] for item in answer["items"]] == [other.id, contact.id] and answer["unsearched"] == 0
        assert [item["context"] for item in answer["items"]] == ["Another team", "A team for incidents of all kinds"]
        assert [{**item, "context": None} for item in answer["items"]] == [
            {**item, "context": None} for item in plain["items"]
        ]
        (item,) = xr.get(URL, params={"q": "übung*"}).json()["items"]
        assert (item["id"], item["context"]) == (contact.id, "Plan für Übungen.pdf")
        assert found(xr, "team", participant="XA") == [other.id]
        assert found(xr, "team", form="ICT-03") == found(xr, "team", current="false") == []
        assert found(xr, "team", obligation="OSCE:PC.DEC/1202:CBM-8", status="test") == [other.id, contact.id]
        assert found(xr, "team", obligation="OSCE:PC.DEC/1202:CBM-7") == found(xr, "team", status="actual") == []


def test_the_next_page_asks_the_same(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node = world["XR"]
        made = [node.publish(institution={"en": f"Équipe no. {number}"}).id for number in range(7)]
        node.running.indexer.catch_up()
        listed: list[str] = []
        following: str | None = f"{URL}?q=%C3%A9quipe+%22no+*%22&limit=3&form=POC-02"
        while following is not None:
            answer = node.get(following).json()
            listed += [item["id"] for item in answer["items"]]
            node.publish(institution={"en": "Équipe no. later"})
            node.running.indexer.catch_up()
            following = answer["next"]
        assert listed == made[::-1]
        assert sum(len(page["items"]) for page in pages(node, f"{URL}?limit=2")) == 10


@pytest.mark.parametrize("question", ["", " ", "!", "* \" '", "§", "🙂", "a\0b", "a\nb", "\x7f", "x" * 201])
def test_a_question_without_a_word_is_refused(node: WorldNode, question: str) -> None:
    assert refused(node.get(URL, params={"q": question}), 400, "malformed")["pointer"] == "/q"


SLY = [
    "x' OR '1'='1",
    'x" OR words:*',
    "x) OR (1=1) --",
    "words: a",
    "search : x",
    "rowid > 0",
    '{words} : "x"',
    "^x + y",
    "NEAR(x y, 10)",
    "x AND NOT y OR z",
    "x & !y | z <-> w:*A",
    "'x':1A & 'y'",
    "x\\' | 'y",
    "; DROP TABLE submission; --",
    "%x% _x_ ?1 %s %(q)s :q $1",
    "§p000000000000 §long §b10n0",
    "*x* **x** x***",
    '"' * 99 + "x",
    '"x ' * 50,
    "x " * 99,
    "ʼ",
    "ﷺ" * 200,
    "\U0001d7d8" * 200,
    "\u0301" * 199 + "x",
    "\ufdfa\u200b\u202e\U000e0041x",
]


@pytest.mark.parametrize("question", SLY)
def test_no_question_is_more_than_words(node: WorldNode, question: str) -> None:
    node.publish()
    node.running.indexer.catch_up()
    assert found(node, question) == []
    assert found(node, "team") and node.get(URL).json()["items"]


@settings(max_examples=60, deadline=None)
@given(question=st.text(max_size=200), begins=st.sampled_from(["", "team ", '"', "*"]))
def test_any_question_is_answered_or_refused(world: World, question: str, begins: str) -> None:
    answer = world["XR"].get(URL, params={"q": (begins + question).encode("utf-8", "replace").decode()[:200]})
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert refused(answer, 400, "malformed")["pointer"] == "/q"


def test_a_body_is_found_once_it_was_delivered(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        made = xr.publish(institution={"en": "Late team"}, attachments=(("late plan.pdf", b"%PDF"),))
        xr.fault = only("/v1/documents", answering(503))
        xa.pull()
        xa.running.indexer.catch_up()
        assert xa.get(URL, params={"q": "late"}).json() == {"items": [], "next": None, "unsearched": 0}
        xr.fault = None
        xa.pull()
        assert xa.get(URL, params={"q": "late"}).json()["unsearched"] == 1
        xa.running.indexer.catch_up()
        assert found(xa, "late team") == found(xa, "late plan") == [made.id]


def test_what_an_end_of_a_key_reaches_back_over_is_found_and_said_to_be_disputed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        made = [xr.publish(institution={"en": f"Team {number}"}) for number in range(4)]
        world.pull()
        for node in (xr, xa):
            node.running.indexer.catch_up()
            assert found(node, "team") == [each.id for each in made[::-1]]
        record = world.participants.records["XR"]
        keys = tuple(replace(key, before=(0, 2)) if key.public_key == xr.officer.public else key for key in record.keys)
        world.participants = with_record(world.participants, replace(record, keys=keys))
        in_force(world, world.participants)
        for node in (xr, xa):
            assert found(node, "team") == [each.id for each in made[::-1]]
            items = node.get("/v1/submissions", params={"q": "team"}).json()["items"]
            assert [item["disputed"] is not None for item in items] == [True, True, False, False]
            assert not any(item["current"] for item in items[:2])
        late = xa.publish(institution={"en": "Team of another"})
        world.pull()
        for node in (xr, xa):
            node.running.indexer.catch_up()
            assert found(node, "team") == [late.id, *[each.id for each in made[::-1]]]
