"""The contract under schemas/ is true: forms, examples, public schemas and the list of errors agree with the code."""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from exchange import errors
from exchange.api.problems import problem
from exchange.core.form import LANGUAGES, NOT_STATED, Form, judge, parse_form
from exchange.errors import ExchangeError

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS, EXAMPLES = ROOT / "schemas", ROOT / "examples"
FORMS = sorted((SCHEMAS / "forms").glob("*.json"))
RETURNS = sorted((EXAMPLES / "returns").glob("*.json"))
LISTS = sorted((SCHEMAS / "lists").glob("*.json"))
PUBLIC = sorted(SCHEMAS.glob("*.v1.json"))
README = (SCHEMAS / "README.md").read_text()
Json = dict[str, Any]


def read(path: Path) -> Json:
    value: Json = json.loads(path.read_bytes())
    return value


@cache
def vectors(name: str) -> Json:
    return read(SCHEMAS / "vectors" / f"{name}.json")


def code_of(path: Path) -> str:
    """The form's code, with which the name of a form or an example begins: CT-01.v1.json, POC-02-hours-not-stated.json."""
    return "-".join(path.name.split(".")[0].split("-")[:2])


def form(code: str) -> Form:
    newest = max(FORMS, key=lambda path: (code_of(path) == code, int(path.stem.rpartition(".v")[2])))
    return parse_form(newest.read_bytes())


def public_schema(name: str) -> jsonschema_rs.Draft202012Validator:
    known = [(schema["$id"], schema) for schema in map(read, PUBLIC)]
    return jsonschema_rs.Draft202012Validator(read(SCHEMAS / f"{name}.v1.json"), registry=jsonschema_rs.Registry(known))


def body_with(code: str, name: str, value: Any) -> bytes:
    return json.dumps(read(EXAMPLES / "returns" / f"{code}.json") | {name: value}).encode()


def annotated(node: Any, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every property of a form at any depth, with its schema."""
    if isinstance(node, dict):
        for name, schema in node.get("properties", {}).items():
            yield f"{path}/{name}", schema
        for key, value in node.items():
            if key not in ("x-cbm", "examples", "if", "then"):  # conditions ask nothing of their own
                yield from annotated(value, f"{path}/{key}")
    elif isinstance(node, list):
        for value in node:
            yield from annotated(value, path)


def codes_in(node: Any) -> Iterator[str]:
    """The closed codes of one property, not those of properties within it."""
    if isinstance(node, dict):
        yield from node.get("enum", ())
        yield from (node["const"] for _ in node if _ == "const" and node["const"] != NOT_STATED)
        for key in ("anyOf", "items"):
            yield from codes_in(node.get(key))
    elif isinstance(node, list):
        for value in node:
            yield from codes_in(value)


@pytest.mark.parametrize("path", FORMS + PUBLIC, ids=lambda path: path.name)
def test_every_schema_is_a_valid_schema_of_2020_12(path: Path) -> None:
    schema = read(path)
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    kind = schema["x-cbm"]["code"] if path.parent.name == "forms" else path.name.split(".")[0]
    place, version = ("form", schema["x-cbm"]["version"]) if path.parent.name == "forms" else ("schema", 1)
    assert (schema["$id"], path.name) == (f"urn:cbm:{place}:{kind}:{version}", f"{kind}.v{version}.json")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_asks_in_six_languages(path: Path) -> None:
    schema = read(path)
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    for number, asked in enumerate(schema["properties"].values(), 1):
        assert asked["x-cbm"]["item"] == str(number)
        assert list(asked["x-cbm"]["help"]) == list(LANGUAGES)
    for title in (schema["x-cbm"]["title"], schema["x-cbm"]["attachments"]):
        assert list(title) == list(LANGUAGES)
    for where, asked in annotated(schema):
        meta = asked["x-cbm"]
        words = [meta["label"], *([meta["help"]] if "help" in meta else []), *meta.get("values", {}).values()]
        for texts in words:
            assert list(texts) == list(LANGUAGES), where
            assert all(text and text == text.strip() for text in texts.values()), where
            assert re.search("[а-я]|^security.txt$", texts["ru"], re.IGNORECASE), where
            assert not_left_in_english(texts), where
        assert set(codes_in(asked)) <= set(meta.get("values", ())), where


def not_left_in_english(texts: dict[str, str]) -> bool:
    """A name or a word that languages share may look the same in two of them; a sentence may not, and nothing in all of them."""
    same = [lang for lang in LANGUAGES[1:] if texts[lang] == texts["en"]]
    if texts["en"] == "security.txt":
        return True
    proper = re.search(r"[A-Z0-9]{3}", texts["en"]) is not None  # INTERPOL I-24/7
    return len(same) <= (4 if proper else 2) and (len(texts["en"].split()) <= 3 or not same)


@pytest.mark.parametrize("path", FORMS + LISTS, ids=lambda path: path.stem)
def test_a_shared_list_has_one_text_wherever_it_is_copied(path: Path) -> None:
    """A form carries the codes it uses, so that it needs no other file; the list is where they come from."""
    if path.parent.name == "lists":
        known = read(path)
        assert path.name == f"{known['list'].replace('/', '.v')}.json" and known["source"]
        for texts in (known["title"], *known["values"].values()):
            assert list(texts) == list(LANGUAGES) and not_left_in_english(texts)
        return
    for where, asked in annotated(read(path)):
        if "list" in asked["x-cbm"]:
            name, version = asked["x-cbm"]["list"].split("/")
            known, copied = read(SCHEMAS / "lists" / f"{name}.v{version}.json")["values"], asked["x-cbm"]["values"]
            assert list(copied.items()) == [pair for pair in known.items() if pair[0] in copied], where


@pytest.mark.parametrize("path", RETURNS, ids=lambda path: path.stem)
def test_every_example_fits_its_form(path: Path) -> None:
    assert judge(form(code_of(path)), path.read_bytes()) == ()


CODES = sorted({code_of(path) for path in FORMS})


@pytest.mark.parametrize("code", CODES)
def test_every_form_has_an_example_and_every_field_accepts_its_own_examples(code: str) -> None:
    asked = form(code)
    for name, schema in asked.schema["properties"].items():
        assert schema["examples"], name
        for example in schema["examples"]:
            assert judge(asked, body_with(code, name, example)) == (), (name, example)


@pytest.mark.parametrize("code", CODES)
def test_not_stated_is_the_one_way_to_leave_a_question_open(code: str) -> None:
    asked = form(code)
    for name in asked.schema["properties"]:
        identifies = f"/{name}" in asked.meta["identifies"]
        assert (judge(asked, body_with(code, name, NOT_STATED)) == ()) is not identifies, name
        nothings: tuple[object, ...] = (None, "", {}, "Not stated", "unknown")
        for nothing in nothings:
            errors_found = judge(asked, body_with(code, name, nothing))
            assert errors_found and all(error.pointer.startswith(f"/{name}") for error in errors_found), (name, nothing)
        body = read(EXAMPLES / "returns" / f"{code}.json")
        del body[name]
        assert [error.pointer for error in judge(asked, json.dumps(body).encode())] == [f"/{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("person_name", "Rudolf Rassendyll"),
        ("person_name", {"en": "Rudolf Rassendyll"}),
        ("role", "policy"),
        ("website", "javascript:alert(1)"),
        ("website", "https://user:secret@csirt.example/"),
        ("website", "ftp://csirt.example"),
        ("website", "https://csirt.example/\n"),
        ("institution", {"en": "annex\u202efdp.exe"}),
        ("institution", {"en": "\u00a0"}),
        ("institution", {"en": "x" * 501}),
        ("institution", {"english": "x"}),
        ("phone", "0043123456789"),
        ("phone", "+43 1 23456789"),
        ("email", "duty officer <duty@cert.example>"),
        ("valid_from", "2027-02-29"),
        ("valid_from", "1900-02-29"),
        ("valid_from", "2027-04-31"),
        ("valid_from", "in progress"),
        ("valid_from", 2027),
        ("languages", ["en", "en"]),
        ("ip_ranges", ["192.0.2.0/33"]),
        ("team_type", ["rival"]),
        ("hours", {"time_zone": "Europe/Vienna", "weekly": []}),
        ("hours", {"time_zone": "+01:00", "weekly": [{"days": ["mon"], "from": "08:00", "to": "18:00"}]}),
        ("hours", {"time_zone": "UTC", "weekly": [{"days": ["mon"], "from": "24:00", "to": "18:00"}]}),
        ("hours", {"time_zone": "UTC", "weekly": [{"days": ["mon", "mon"], "from": "08:00", "to": "18:00"}]}),
    ],
)
def test_a_contact_point_refuses(name: str, value: Any) -> None:
    pointers = [error.pointer for error in judge(form("POC-02"), body_with("POC-02", name, value))]
    assert pointers and all(pointer.startswith(f"/{name}") for pointer in pointers)


@pytest.mark.parametrize("value", ["2025", "2025-12", "2024-02-29", "2000-02-29", "2025-12-31", "in progress"])
def test_an_instrument_takes_a_date_as_far_as_it_is_known(value: str) -> None:
    assert judge(form("ICT-03"), body_with("ICT-03", "expires_on", value)) == ()


def test_the_example_pdf_is_the_one_that_the_example_return_names() -> None:
    content = (EXAMPLES / "national-strategy.pdf").read_bytes()
    table = int(content.split(b"startxref\n")[1].split(b"\n")[0])
    assert len(content) < 3 * 1024 and content.startswith(b"%PDF-1.4\n") and content[table:].startswith(b"xref\n")
    for number, line in enumerate(content[table:].split(b"\n")[3:10], 1):
        assert content[int(line[:10]) :].startswith(b"%d 0 obj" % number)
    assert read(EXAMPLES / "returns" / "ICT-03.json")["document_sha256"] == hashlib.sha256(content).hexdigest()


def test_public_schemas_accept_what_the_code_writes() -> None:
    peers = vectors("receipt")["peers"]
    public_schema("peers").validate(peers)
    for case in peers["participants"]:
        public_schema("participant").validate(case)
    for case in vectors("statement")["accepted"]:
        public_schema("statement").validate(json.loads(case["payload"]))
    for case in vectors("envelope")["accepted"]:
        public_schema("envelope").validate(json.loads(case["envelope"]))
    for case in vectors("checkpoint")["evidence"]:
        public_schema("evidence").validate(json.loads(case["evidence"]))
    for kind in every_error():
        public_schema("problem").validate(json.loads(bytes(problem(kind("why", pointer="/hours")).body)))


def test_the_public_schema_refuses_each_statement_whose_fault_is_its_shape() -> None:
    """Bytes, order and the calendar are beyond a schema; what stands below is not."""
    beyond = re.compile(
        r"white space|newline|another order|twice|escape|UTF-8|byte order|1\.0|calendar|starts|order|bytes"
    )
    validator = public_schema("statement")
    for case in vectors("statement")["refused"]:
        if not beyond.search(case["name"]):
            assert not validator.is_valid(json.loads(case["payload"])), case["name"]


def every_error() -> Iterator[type[ExchangeError]]:
    waiting = [ExchangeError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]


def test_every_error_code_is_listed_with_its_status_and_no_other() -> None:
    rows = re.findall(r"^\| \*?`([a-z-]+)`\*? \| ([0-9]{3}) \| .+ \|$", README, re.MULTILINE)
    assert dict(rows) == {kind.code: str(problem(kind("why")).status_code) for kind in every_error()}
    assert len(rows) == len(dict(rows))


def test_the_examples_in_the_readme_are_those_of_the_vectors() -> None:
    first = vectors("envelope")["accepted"][0]
    key, opened = vectors("envelope")["keys"][0], vectors("commitment")["accepted"][0]
    receipts, heads = vectors("receipt")["accepted"], vectors("checkpoint")["accepted"]
    shown = [first["payload"], first["id"], first["leaf_hash"], key["public_key"], key["keyid"], opened["opening"]]
    shown += [opened["commitment"], vectors("checkpoint")["vkey"], heads[2]["note"], receipts[1]["receipt"]]
    shown += [
        json.loads(first["envelope"])["signatures"][0]["sig"],
        hashlib.sha256(key["seed_text"].encode()).hexdigest(),
    ]
    assert [text for text in shown if text not in README] == []
    lines = len((EXAMPLES / "verify_receipt.py").read_text().splitlines())
    assert lines < 180 and f"a verifier in {lines} lines" in README


def test_the_readme_names_every_file_and_leads_nowhere_else() -> None:
    for path in [*PUBLIC, *(SCHEMAS / "vectors").glob("*.json")]:
        assert f"{path.name}`" in README, path.name
    titles = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.+)$", README, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) == titles
