"""Forms: what a return asks, as data. A form is one JSON Schema 2020-12 file annotated with `x-cbm`; it needs no code.

Guarantee: `judge` gives the same verdict on the same two files on every node, for ever. It reads nothing but the form's
bytes and the body's, follows no reference out of the file, and matches patterns in linear time, so that no body can
hold a node up. An unknown format or a pattern with look-around is refused with the form, not when a State's return
meets it.

    {"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
     "x-cbm":{"code":"ICT-03","version":1,
              "title":{"en":"Strategy","fr":"Stratégie","de":"Strategie","it":"Strategia","ru":"Стратегия","es":"Estrategia"},
              "obligations":["OSCE:PC.DEC/1202:CBM-7"],"audience":"public","cadence":{"every":"year"},"safeguards":["R3"],
              "identifies":["/kind"],"directory":false},
     "required":["kind","adopted_on"],"additionalProperties":false,
     "properties":{"kind":{"enum":["strategy","policy"]},
                   "adopted_on":{"anyOf":[{"const":"not stated"},{"type":"string","format":"date"}]}}}
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.faults import NOT_STATED as NOT_STATED
from exchange.core.faults import FieldError as FieldError
from exchange.core.faults import explain, find_crowd
from exchange.core.jsontext import parse_json
from exchange.core.statement import MAX_VERSION
from exchange.core.vocabulary import AUDIENCES, NAMED, SEALED, is_form_code
from exchange.errors import Malformed

LANGUAGES = ("en", "fr", "de", "it", "ru", "es")
"""The six official languages of the OSCE; each form has its title in all."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_FORM = 512 * 1024
"""Bytes of a form file."""
MAX_ERRORS = 32
"""Errors told of one body; the writer corrects these before the rest matters."""
FORM_AUDIENCES = AUDIENCES | {NAMED, SEALED}
MAX_RETENTION = 3650
"""Days for which a form may let its documents be kept, where it sets a term."""


@dataclass(frozen=True, slots=True)
class Form:
    """One version of a form. Its sha256 is what statements name, so a changed file is another form."""

    code: str
    version: int
    sha256: str
    content: bytes = field(repr=False)
    schema: Mapping[str, Any] = field(repr=False, compare=False)
    meta: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def obligations(self) -> tuple[str, ...]:
        return tuple(self.meta["obligations"])

    @property
    def audience(self) -> str:
        """The default; the publisher decides in each statement. "named": there is none, since each return names its readers."""
        return str(self.meta["audience"])

    @property
    def audience_now(self) -> str:
        """The default since audiences are enforced: files that were published before name it apart."""
        return str(self.meta.get("audience_later", self.audience))

    @property
    def retention(self) -> int | None:
        """Days after which every node has to have deleted the documents of a return; None where the publisher decides."""
        days: int | None = self.meta.get("retention")
        return days

    @property
    def directory(self) -> bool:
        """Whether its bodies answer contact look-ups."""
        return bool(self.meta["directory"])

    def title(self, lang: str = "en") -> str:
        titles: Mapping[str, str] = self.meta["title"]
        return titles.get(lang, titles["en"])

    def notes(self, field: str) -> Mapping[str, Any]:
        """What the form notes beside a field (label, help, values ...); a form owes its fields none."""
        question = self.schema["properties"].get(field)
        notes = question.get("x-cbm") if type(question) is dict else None
        return notes if type(notes) is dict else {}

    def says(self, field: str, what: str, lang: str = "en") -> str | None:
        """The label or help of a field in a language."""
        texts = self.notes(field).get(what)
        text = texts.get(lang) if type(texts) is dict else None
        return text if type(text) is str else None


@lru_cache(maxsize=256)
def parse_form(content: bytes) -> Form:
    """The form in this file, kept by its content.

    1. Strict JSON: a schema of the 2020-12 dialect that describes an object. 2. `x-cbm` is complete. 3. `identifies`
    names fields of the form. 4. The schema compiles: keywords well formed, formats known, patterns linear, no reference
    out of the file.
    """
    schema = parse_json(content, limit=MAX_FORM)  # 1
    if type(schema) is not dict or schema.get("$schema") != DIALECT or schema.get("type") != "object":
        raise Malformed(f'a JSON Schema with "$schema": "{DIALECT}" and "type": "object" was expected', pointer="")
    meta = _check_meta(schema.get("x-cbm"))  # 2
    properties = schema.get("properties")
    if type(properties) is not dict or not all(
        _names_field(pointer, properties) for pointer in meta["identifies"]
    ):  # 3
        raise Malformed("pointers to fields of the form were expected", pointer="/x-cbm/identifies")
    _validator(content)  # 4
    return Form(meta["code"], meta["version"], hashlib.sha256(content).hexdigest(), content, schema, meta)


def judge(form: Form, body: bytes) -> tuple[FieldError, ...]:
    """Why the body does not fit the form; nothing if it fits.

    1. The body is a strict JSON object of at most SMALL_DOCUMENT bytes. 2. It satisfies the schema, formats included.
    If not, 3. its faults are told, MAX_ERRORS at most.
    """
    try:
        value = parse_json(body, limit=SMALL_DOCUMENT)  # 1
    except Malformed as error:
        return (FieldError("", str(error)),)
    if type(value) is not dict:
        return (FieldError("", "expected an object with the fields of the form"),)
    validator = _validator(form.content)
    if validator.is_valid(value):  # 2
        return ()
    if crowd := find_crowd(value):  # 3
        return (crowd,)
    return tuple(islice(explain(form.schema, form.meta["identifies"], validator.iter_errors(value)), MAX_ERRORS))


@lru_cache(maxsize=256)
def _validator(content: bytes) -> Draft202012Validator:
    """The compiled form. Kept by content, for which its sha256 stands; offline, so that no form makes a node fetch."""
    try:
        return Draft202012Validator(
            parse_json(content, limit=MAX_FORM),
            validate_formats=True,
            ignore_unknown_formats=False,
            offline=True,
            pattern_options=RegexOptions(),
        )
    except ValueError as error:  # ValidationError is one, and so is what it raises for values that it cannot take
        message = error.message if isinstance(error, ValidationError) else str(error)
        raise Malformed(f"a JSON Schema that compiles was expected: {message}") from None


def _check_meta(meta: Any) -> dict[str, Any]:
    if type(meta) is not dict:
        raise Malformed("the annotation x-cbm was expected", pointer="/x-cbm")
    code, version, audience = meta.get("code"), meta.get("version"), meta.get("audience")
    for key, is_right, expected in (
        ("code", type(code) is str and is_form_code(code), "a form code such as ICT-03"),
        ("version", type(version) is int and 1 <= version <= MAX_VERSION, f"a version from 1 to {MAX_VERSION}"),
        ("title", _is_title(meta.get("title")), f"a title in each of {', '.join(LANGUAGES)}"),
        ("obligations", _is_texts(meta.get("obligations")), "a list of obligations"),
        (
            "audience",
            type(audience) is str and audience in FORM_AUDIENCES,
            f"one of {', '.join(sorted(FORM_AUDIENCES))}",
        ),
        ("cadence", type(meta.get("cadence")) is dict, "an object"),
        ("safeguards", _is_texts(meta.get("safeguards")), "a list of safeguards"),
        ("identifies", _is_texts(meta.get("identifies")), "a list of pointers"),
        ("directory", type(meta.get("directory")) is bool, "true or false"),
        (
            "audiences",
            _are_audiences(meta.get("audiences", [audience])),
            f"some of {', '.join(sorted(FORM_AUDIENCES))}",
        ),
        ("narrower", _are_narrowings(meta.get("narrower", [])), "a list of fields, answers and audiences"),
        ("retention", _is_days(meta.get("retention", 1)), f"a number of days from 1 to {MAX_RETENTION}"),
    ):
        if not is_right:
            raise Malformed(f"{expected} was expected", pointer=f"/x-cbm/{key}")
    return meta


def _is_title(titles: Any) -> bool:
    return type(titles) is dict and all(type(titles.get(lang)) is str and titles[lang] for lang in LANGUAGES)


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _are_audiences(value: Any) -> bool:
    return _is_texts(value) and 0 < len(value) == len(set(value)) and FORM_AUDIENCES.issuperset(value)


def _are_narrowings(value: Any) -> bool:
    return type(value) is list and all(
        type(rule) is dict
        and set(rule) in ({"field", "answers", "audiences"}, {"field", "except", "audiences"})
        and type(rule["field"]) is str
        and _is_texts(rule.get("answers", rule.get("except")))
        and _are_audiences(rule["audiences"])
        for rule in value
    )


def _is_days(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_RETENTION


def _names_field(pointer: str, properties: Mapping[str, Any]) -> bool:
    name = pointer.split("/")[1] if pointer.startswith("/") else ""
    return name.replace("~1", "/").replace("~0", "~") in properties
