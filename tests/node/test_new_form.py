"""A new form is a file: dropped into DIR/forms, it works from the draft to the look-up of other nodes, without Python."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.form import Form, parse_form
from exchange.core.pack import Pack
from exchange.core.statement import submission_id
from exchange.errors import DoesNotFit, UnknownForm
from exchange.node.draft import draft_of, parse_draft, prepare
from tests.core.test_catalogue import form_file
from tests.world import FEDERATION, Fault, World, WorldNode

OR_NOT_STATED = {"const": "not stated"}
TEXT = {"anyOf": [OR_NOT_STATED, {"type": "string"}]}
DESK = {
    "role": {"enum": ["desk"]},
    "institution": {"type": "string"},
    "phone": {"anyOf": [OR_NOT_STATED, {"type": "array", "items": {"type": "string"}}]},
    "hours": TEXT,
    "languages": TEXT,
    "confirm_by": {"anyOf": [OR_NOT_STATED, {"type": "integer"}]},
}


def dropped(code: str, properties: Mapping[str, Any], *, identifies: str, directory: bool = False) -> bytes:
    """A form file; the notes are those that the schema of test_catalogue has, but for these."""
    schema = json.loads(form_file(code))
    schema["x-cbm"] |= {"identifies": [f"/{identifies}"], "directory": directory, "obligations": [f"{code}:1", "ALL:1"]}
    return json.dumps({**schema, "required": list(properties), "properties": dict(properties)}).encode()


PLAIN = dropped("GEN-99", {"kind": {"enum": ["a", "b"]}, "text": TEXT}, identifies="kind")
CONTACT = dropped("GEN-98", DESK, identifies="role", directory=True)


def drop(node: WorldNode, *files: bytes) -> None:
    """As an operator does it: the files into DIR/forms, then a restart."""
    forms = node.directory / "forms"
    forms.mkdir(exist_ok=True)
    for content in files:
        (forms / f"{parse_form(content).code}.json").write_bytes(content)
    node.stop()
    node.start()


def parcel(node: WorldNode, form: Form, body: Mapping[str, Any], *, kind: str = "full") -> Pack:
    """As an officer does it: the draft of the form, filled in, made into a statement and signed."""
    text = draft_of(form, body, federation=FEDERATION, origin=node.origin, participant=node.code)
    draft = parse_draft(text.replace('kind = "full"', f'kind = "{kind}"'))
    payload, documents = prepare(draft, form, (), node.world.clock(), node.world.opening)
    return Pack(format_envelope(sign_payload(payload, [node.officer])), documents, None, None)


def publish(node: WorldNode, content: bytes, body: Mapping[str, Any], *, kind: str = "full") -> str:
    return node.submit(parcel(node, parse_form(content), body, kind=kind)).id


def fits(node: WorldNode, ident: str) -> str:
    return str(node.get(f"/v1/submissions/{ident}").json()["fits"])


def listed(node: WorldNode, **filters: str) -> set[str]:
    return {item["id"] for item in node.get("/v1/submissions", params=filters).json()["items"]}


def test_a_form_works_from_the_draft_to_the_registry(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        drop(world["XR"], PLAIN)
        ident = publish(world["XR"], PLAIN, {"kind": "a", "text": 'with "quotes"'})
        whole = world["XR"].get(f"/v1/submissions/{ident}").json()
        assert (whole["fits"], whole["body"]) == ("fits", {"kind": "a", "text": 'with "quotes"'})
        open_question = publish(world["XR"], PLAIN, {"kind": "b"})
        assert world["XR"].get(f"/v1/submissions/{open_question}").json()["body"]["text"] == "not stated"
        with pytest.raises(DoesNotFit) as caught:
            publish(world["XR"], PLAIN, {"kind": "c"})
        assert caught.value.pointer == "/kind"
        assert world["XR"].get("/v1/forms/GEN-99").content == PLAIN
        assert "GEN-99" in {form["code"] for form in world["XR"].get("/v1/forms").json()["items"]}
        assert listed(world["XR"], obligation="GEN-99:1") == {ident, open_question}
        assert world["XR"].get("/v1/contacts?participant=XR").json()["items"] == []


def test_without_its_file_a_form_is_not_taken(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        with pytest.raises(UnknownForm):
            publish(world["XR"], PLAIN, {"kind": "a"})
        drop(world["XR"], PLAIN)
        publish(world["XR"], PLAIN, {"kind": "a"})


def test_a_form_becomes_known_when_its_file_comes(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        drop(world["XR"], PLAIN, CONTACT)
        plain = publish(world["XR"], PLAIN, {"kind": "a"})
        nil = publish(world["XR"], PLAIN, {}, kind="nothing to declare")
        desk = publish(world["XR"], CONTACT, {"role": "desk", "institution": "Desk"})
        world.pull()
        assert {fits(world["XA"], ident) for ident in (plain, desk)} == {"form not known here"}
        assert listed(world["XA"]) == {plain, nil, desk}
        assert listed(world["XA"], obligation="ALL:1") == set()
        assert world["XA"].get("/v1/contacts?participant=XR").json()["items"] == []
        assert world["XA"].heads() == world["XR"].heads()  # what a node does not know stops nothing
        drop(world["XA"], PLAIN, CONTACT)
        assert {fits(world["XA"], ident) for ident in (plain, nil, desk)} == {"fits"}
        assert listed(world["XA"], obligation="ALL:1") == {plain, nil, desk}
        for node in world.nodes.values():
            (contact,) = node.get("/v1/contacts?participant=XR").json()["items"]
            assert contact["source"]["id"] == desk


def test_a_form_that_answers_look_ups_may_ask_in_its_own_way(tmp_path: Path) -> None:
    """Hours as words, phones as a list, a year as a number: shown as they stand, and the others are found as before."""
    with World(tmp_path, "XR") as world:
        drop(world["XR"], CONTACT)
        world["XR"].publish("POC-02")
        body = {
            "role": "desk",
            "institution": "Desk",
            "hours": "Office hours",
            "phone": ["+12025550142", "+12025550143"],
            "languages": "any",
            "confirm_by": 2027,
        }
        publish(world["XR"], CONTACT, body)
        answer = world["XR"].get("/v1/contacts?participant=XR")
        assert answer.status_code == 200
        found = {item["form"]: item for item in answer.json()["items"]}
        assert set(found) == {"POC-02", "GEN-98"}
        assert found["GEN-98"]["reachable"] == "reachability not stated"
        assert found["GEN-98"]["phone"] == body["phone"]
        assert found["GEN-98"]["contact"] == body
        assert world["XR"].get("/v1/contacts?participant=XR&language=en&role=desk").json()["items"] == []


def test_another_file_of_the_same_version_is_another_form(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        drop(world["XR"], PLAIN)
        drop(world["XA"], dropped("GEN-99", {"kind": {"enum": ["a"]}}, identifies="kind"))
        ident = publish(world["XR"], PLAIN, {"kind": "a"})
        world.pull()
        assert fits(world["XA"], ident) == "form not known here"
        assert listed(world["XA"], obligation="ALL:1") == set()


def without_documents(request: httpx.Request, real: Any) -> httpx.Response:
    return httpx.Response(404, request=request) if "/v1/documents" in request.url.path else real()


def test_form_and_document_may_come_in_either_order(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XB") as world:
        drop(world["XR"], CONTACT)
        desk = publish(world["XR"], CONTACT, {"role": "desk", "institution": "Desk"})
        fault: Fault = without_documents
        world["XR"].fault = fault
        world.pull()
        assert {fits(world[code], desk) for code in ("XA", "XB")} == {"not held"}
        drop(world["XA"], CONTACT)  # the form first
        assert fits(world["XA"], desk) == "not held"
        world["XR"].fault = None
        world.pull()
        assert (fits(world["XA"], desk), fits(world["XB"], desk)) == ("fits", "form not known here")
        drop(world["XB"], CONTACT)  # the document first
        for node in world.nodes.values():
            assert fits(node, desk) == "fits"
            assert len(node.get("/v1/contacts?participant=XR").json()["items"]) == 1


def test_a_series_of_a_new_form_behaves_as_any_other(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        drop(world["XR"], CONTACT)
        form = parse_form(CONTACT)
        first = publish(world["XR"], CONTACT, {"role": "desk", "institution": "As it was"})
        header = {"federation": FEDERATION, "origin": world["XR"].origin, "participant": "XR"}
        text = draft_of(form, {"role": "desk", "institution": "As it is"}, replaces=first, series=first, **header)
        payload, documents = prepare(parse_draft(text), form, (), world.clock(), world.opening)
        signed = format_envelope(sign_payload(payload, [world["XR"].officer]))
        world["XR"].submit(Pack(signed, documents, None, None))
        assert listed(world["XR"], current="true") == {submission_id(payload)}
        (contact,) = world["XR"].get("/v1/contacts?participant=XR").json()["items"]
        assert contact["institution"] == "As it is"
