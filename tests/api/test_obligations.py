"""What the decisions ask, and who chose to share what: names of forms, and nothing that could be taken for a score."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.api import refused
from tests.world import World, WorldNode

CONTACTS, STRATEGY = "OSCE:PC.DEC/1202:CBM-8", "OSCE:PC.DEC/1202:CBM-7"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldNode]:
    """XR shares a contact and a nil return; its strategy was withdrawn. XA shares a contact twice over."""
    with World(tmp_path_factory.mktemp("obligations"), "XR", "XA") as world:
        world["XR"].publish()
        world["XR"].publish("ICT-05", header={"kind": "nothing to declare"})
        strategy = world["XR"].publish("ICT-03")
        world["XR"].publish("ICT-03", header={"message": "withdrawal", "series": strategy.id, "replaces": strategy.id})
        first = world["XA"].publish()
        world["XA"].publish(edit=lambda one: replace(one, message="update", series=first.id))
        world.pull()
        yield world["XR"]


def listed(node: WorldNode, **asked: Any) -> dict[str, Any]:
    answer = node.get("/v1/obligations", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return {item["id"]: item for item in answer.json()["items"]}


def test_each_clause_names_its_forms_and_what_each_participant_shared(node: WorldNode) -> None:
    found = listed(node)
    assert found[CONTACTS]["forms"][:2] == ["GEN-05", "ICT-08"] and "POC-02" in found[CONTACTS]["forms"]
    assert found[CONTACTS]["shared"] == [
        {"participant": "XA", "forms": ["POC-02"]},
        {"participant": "XR", "forms": ["POC-02"]},
    ]
    assert found[STRATEGY]["shared"] == []  # withdrawn
    assert found["OSCE:PC.DEC/1202:CBM-9"]["shared"] == [{"participant": "XR", "forms": ["ICT-05"]}]  # nil is an answer
    assert found[CONTACTS]["clause"] == "CBM 8" and set(found[CONTACTS]["title"]) == {
        "en",
        "fr",
        "de",
        "it",
        "ru",
        "es",
    }


def test_no_number_stands_in_the_answer(node: WorldNode) -> None:
    def numbers(value: Any) -> list[Any]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [value] if isinstance(value, int | float) else [one for each in inner for one in numbers(each)]

    assert numbers(node.get("/v1/obligations").json()) == []


def test_a_clause_and_a_participant_can_be_asked_for(node: WorldNode) -> None:
    assert list(listed(node, obligation=CONTACTS)) == [CONTACTS]
    only = listed(node, participant="XA", obligation=CONTACTS)[CONTACTS]
    assert only["shared"] == [{"participant": "XA", "forms": ["POC-02"]}]
    refused(node.get("/v1/obligations", params={"obligation": "OSCE:PC.DEC/1202:CBM-17"}), 404, "not-found")
    refused(node.get("/v1/obligations", params={"participant": "XZ"}), 404, "not-found")


def test_the_list_is_not_sent_again_to_who_holds_it(node: WorldNode) -> None:
    etag = node.get("/v1/obligations").headers["ETag"]
    again = node.get("/v1/obligations", headers={"If-None-Match": etag})
    assert again.status_code == 304 and again.content == b""
