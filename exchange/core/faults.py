"""What a form refuses, in plain words: from the errors of the JSON Schema validator to fields and what they expect.

Guarantee: limits, words and examples are quoted from the form, never from the body, since a recorded verdict outlives
an erased body; of the body, pointers name keys and nothing else. Where a field takes alternatives (`"not stated"` or an
answer), the words are about the one that the writer meant, and the pointer (RFC 6901) goes as deep as the fault lies.

    FieldError("/adopted_on", 'expected a date such as 2026-11-20, or "not stated"')
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind

from exchange.core.jsontext import canonical_json

NOT_STATED = "not stated"
"""The answer that every question takes, except those that identify the return (rule 7)."""
MAX_FIELDS = 500
"""Fields of one object whose faults are told one by one: the validator's time grows with their square."""
MAX_ENTRIES = 2_000
"""Entries of one list whose faults are told one by one."""
MAX_KEY = 100
"""Characters of a key that a pointer names; longer ones are the body's own invention."""
MAX_EXAMPLE = 80
"""Characters; a longer example of the form explains nothing."""

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FieldError:
    """What a field of a body should have been; `pointer` is RFC 6901, empty for the body as a whole."""

    pointer: str
    detail: str


def explain(
    schema: Mapping[str, Any], identifies: Iterable[str], errors: Iterable[ValidationError]
) -> Iterator[FieldError]:
    """Every fault once, in the validator's order; `identifies` are the fields where "not stated" is no answer."""
    reading = _Reading(schema, frozenset(identifies))
    told: set[FieldError] = set()
    for error in errors:
        for fault in reading.faults(error):
            told_now = FieldError(_pointer(fault.path), _sentence(fault))
            if told_now not in told:
                told.add(told_now)
                yield told_now


def find_crowd(body: dict[str, Any]) -> FieldError | None:
    """The first object or list of a refused body that is too long to tell its faults; the attack is to ask for them all."""
    waiting: list[tuple[_Path, Any]] = [((), body)]
    for path, value in waiting:
        if not isinstance(value, dict | list):
            continue
        limit = MAX_FIELDS if isinstance(value, dict) else MAX_ENTRIES
        if len(value) > limit:
            return FieldError(_pointer(path), f"does not fit, and has too many entries (above {limit:,}) to tell why")
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        waiting += [((*path, key), entry) for key, entry in inner]
    return None


@dataclass(frozen=True, slots=True)
class _Fault:
    path: _Path
    expected: str
    before: str = ""
    """What to say first, such as that the field is missing."""
    not_stated_at: _Path | None = None
    """Where "not stated" would do: at the field itself or above it."""
    wrong_type: bool = False


@dataclass(frozen=True, slots=True)
class _Reading:
    """The form that the errors are about."""

    schema: Mapping[str, Any]
    identifies: frozenset[str]

    def faults(self, error: ValidationError) -> list[_Fault]:
        """The faults that lie behind an error; for alternatives, those of the alternative that the writer meant."""
        here: _Path = tuple(error.instance_path)
        match error.kind:
            case ValidationErrorKind.AnyOf(context=context) | ValidationErrorKind.OneOfNotValid(context=context):
                return self._of_alternatives(here, context)
            case ValidationErrorKind.Required(property=name):
                return [self._missing(error, name)]
            case (
                ValidationErrorKind.AdditionalProperties(unexpected=names)
                | ValidationErrorKind.UnevaluatedProperties(unexpected=names)
            ):
                return [_Fault((*here, name), "no field of this name: the form does not ask for it") for name in names]
            case ValidationErrorKind.PropertyNames(error=inner):
                return [_Fault((*here, str(inner.instance)), self._expected_name(error))]
            case ValidationErrorKind.Pattern(pattern=pattern):
                return [_Fault(here, self._expected_text(error, pattern))]
        return [_Fault(here, _expected(error.kind), wrong_type=isinstance(error.kind, ValidationErrorKind.Type))]

    def _of_alternatives(self, here: _Path, context: list[list[ValidationError]]) -> list[_Fault]:
        real = [branch for branch in context if not _is_not_stated(branch)]
        faults = _closest([[fault for error in branch for fault in self.faults(error)] for branch in real], here)
        if len(real) == len(context):
            return faults
        return [replace(fault, not_stated_at=here) if fault.not_stated_at is None else fault for fault in faults]

    def _missing(self, error: ValidationError, name: str) -> _Fault:
        path, before = (*error.instance_path, name), "the field is missing: "
        if _pointer(path) in self.identifies:
            return _Fault(path, "an answer, since it identifies the return", before)
        for owner, depth in self._owners(error):
            properties = owner.get("properties") if depth == 0 else None
            if isinstance(properties, dict) and self._takes_not_stated(properties.get(name)):
                return _Fault(path, "an answer", before, path)
        return _Fault(path, "an answer", before)

    def _takes_not_stated(self, schema: Any) -> bool:
        hops = 0
        while (
            isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and hops < 8
        ):  # a form may refer in circles
            schema, hops = self._resolve(schema["$ref"]), hops + 1
        if not isinstance(schema, dict):
            return False
        alternatives = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
        return any(
            isinstance(one, dict) and (one.get("const") == NOT_STATED or NOT_STATED in one.get("enum", ()))
            for one in alternatives
        )

    def _expected_text(self, error: ValidationError, pattern: str) -> str:
        if pattern.startswith(r"^[^\u0000"):  # the forms' patterns for free text, which only exclude characters
            return "text that starts with a visible character and holds no control characters"
        example = self._example(error)
        return f"text such as {_quote(example)}" if isinstance(example, str) else f"text that matches {pattern}"

    def _expected_name(self, error: ValidationError) -> str:
        example = self._example(error)
        names = f" such as {_quote(next(iter(example)))}" if isinstance(example, dict) and example else ""
        return f"a field name{names} here"

    def _example(self, error: ValidationError) -> Any:
        """What the form's own examples have in this place; kinder to a reader than a regular expression."""
        for owner, depth in self._owners(error):
            for example in owner.get("examples", ()):
                found = _part(example, error.instance_path[len(error.instance_path) - depth :])
                if found and found != NOT_STATED and len(str(found)) <= MAX_EXAMPLE:
                    return found
        return None

    def _owners(self, error: ValidationError) -> list[tuple[dict[str, Any], int]]:
        """The schemas around an error's keyword, nearest first, each with the levels of the body in between."""
        owners: list[tuple[Any, int]] = []
        node: Any = self.schema
        depth = 0
        segments = iter(error.evaluation_path)
        for keyword in segments:
            owners.append((node, depth))
            if keyword == "$ref":
                node = self._resolve(str(_step(node, keyword)))
                continue
            node = _step(node, keyword)
            if keyword in _NAMED:
                node = _step(node, next(segments, ""))
            depth += keyword in _DESCENDING
        return [
            (owner, len(error.instance_path) - level) for owner, level in reversed(owners) if isinstance(owner, dict)
        ]

    def _resolve(self, reference: str) -> Any:
        node: Any = self.schema
        for segment in reference.removeprefix("#").split("/")[1:]:
            node = _step(node, segment.replace("~1", "/").replace("~0", "~"))
        return node


_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "anyOf", "oneOf", "allOf", "prefixItems"})
_DESCENDING = frozenset({"properties", "patternProperties", "prefixItems", "items", "additionalProperties", "contains"})


def _closest(branches: list[list[_Fault]], here: _Path) -> list[_Fault]:
    """The faults of the alternative that fits best: one that errs only deeper down, else those of the right type."""
    if deeper := [branch for branch in branches if all(fault.path != here for fault in branch)]:
        return min(deeper, key=len)
    typed = [branch for branch in branches if not any(fault.wrong_type and fault.path == here for fault in branch)]
    typed = typed or branches
    if len(typed) == 1:
        return typed[0]
    phrases = [" and ".join(fault.expected for fault in branch if fault.path == here) for branch in typed]
    return [_Fault(here, " or ".join(dict.fromkeys(phrases)) or "another answer", wrong_type=typed is branches)]


def _is_not_stated(branch: list[ValidationError]) -> bool:
    match [error.kind for error in branch]:
        case [ValidationErrorKind.Constant(expected_value=value)]:
            return value == NOT_STATED
    return False


def _sentence(fault: _Fault) -> str:
    sentence = f"{fault.before}expected {fault.expected}"
    if fault.not_stated_at is None:
        return sentence
    if fault.not_stated_at == fault.path:
        return f'{sentence}, or "{NOT_STATED}"'
    return f'{sentence} ("{NOT_STATED}" is accepted for {_pointer(fault.not_stated_at)} as a whole)'


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FORMATS = {
    "date": "a date such as 2026-11-20",
    "date-time": "a date and time such as 2026-11-20T09:30:00Z",
    "time": "a time such as 09:30:00Z",
    "duration": "a duration such as P3D",
    "email": "an e-mail address",
    "idn-email": "an e-mail address",
    "hostname": "a host name such as cert.example.org",
    "idn-hostname": "a host name such as cert.example.org",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "uri": "a web address such as https://example.org/strategy",
    "iri": "a web address such as https://example.org/strategy",
    "uuid": "a UUID",
}


def _expected(kind: ValidationErrorKind) -> str:
    """What would have fitted, as a phrase that follows "expected"."""
    match kind:
        case ValidationErrorKind.Type(types=types):
            return " or ".join(_TYPES.get(name, name) for name in types)
        case ValidationErrorKind.Constant(expected_value=value):
            return _quote(value)
        case ValidationErrorKind.Enum(options=options):
            return f"one of {', '.join(map(_quote, options))}"
        case ValidationErrorKind.Format(format=name):
            return _FORMATS.get(name, f"text in the format {name}")
        case ValidationErrorKind.MinLength(limit=limit):
            return "text that is not empty" if limit == 1 else f"text of at least {limit} characters"
        case ValidationErrorKind.MaxLength(limit=limit):
            return f"text of at most {limit} characters"
        case ValidationErrorKind.Minimum(limit=limit):
            return f"a number of at least {limit}"
        case ValidationErrorKind.Maximum(limit=limit):
            return f"a number of at most {limit}"
        case ValidationErrorKind.ExclusiveMinimum(limit=limit):
            return f"a number above {limit}"
        case ValidationErrorKind.ExclusiveMaximum(limit=limit):
            return f"a number below {limit}"
        case ValidationErrorKind.MultipleOf(multiple_of=step):
            return f"a multiple of {step}"
        case ValidationErrorKind.MinItems(limit=limit):
            return "a list that is not empty" if limit == 1 else f"a list of at least {limit} entries"
        case ValidationErrorKind.MaxItems(limit=limit):
            return f"a list of at most {limit} entries"
        case ValidationErrorKind.UniqueItems():
            return "a list in which each entry stands once"
        case ValidationErrorKind.Contains():
            return "a list with the entry that the form requires"
        case ValidationErrorKind.MinProperties(limit=limit):
            return "an object that is not empty" if limit == 1 else f"an object with at least {limit} fields"
        case ValidationErrorKind.MaxProperties(limit=limit):
            return f"an object with at most {limit} fields"
        case ValidationErrorKind.OneOfMultipleValid():
            return "an answer that fits one of the alternatives only"
        case ValidationErrorKind.FalseSchema():
            return "nothing here, given the other answers"
    return f"what the form asks for ({kind.name})"


def _part(example: Any, path: list[str | int]) -> Any:
    """What stands at `path` in an example; where the example has other keys, one of its own will do."""
    for segment in path:
        if isinstance(example, dict) and example:
            example = example.get(str(segment), next(iter(example.values())))
        elif isinstance(example, list) and example:
            example = example[0]
        else:
            return None
    return example


def _step(node: Any, segment: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(str(segment))
    return node[segment] if isinstance(node, list) and isinstance(segment, int) and segment < len(node) else None


def _quote(value: Any) -> str:
    return canonical_json(value).decode()


def _pointer(path: _Path) -> str:
    """RFC 6901 section 3; up to the first key that cannot be shown: too long, or with an escape sequence for a terminal."""
    shown = takewhile(lambda segment: len(segment) <= MAX_KEY and segment.isprintable(), map(str, path))
    return "".join("/" + segment.replace("~", "~0").replace("/", "~1") for segment in shown)
