"""A return being written: the commented template, and what an officer made of it.

The format is TOML: typed, strict, with comments, and without YAML's habit of reading the country code NO as "false".
A draft never leaves the machine of those who write it; `prepare` turns it into a statement and documents to be signed.
"""

import json
import mimetypes
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from exchange.core.document import Document, commit, parse_name
from exchange.core.form import NOT_STATED, Form
from exchange.core.jsontext import canonical_json
from exchange.core.letter import CARRIED_TYPE
from exchange.core.statement import (
    DocumentRef,
    FormRef,
    Period,
    Reference,
    Statement,
    format_statement,
    parse_statement,
)
from exchange.core.vocabulary import AUDIENCES, NAMED
from exchange.errors import Malformed
from exchange.node.wording import printable

BODY = "application/json"
HEADER = (
    "form",
    "version",
    "federation",
    "origin",
    "participant",
    "kind",
    "message",
    "replaces",
    "series",
    "status",
    "period",
    "languages",
    "audience",
    "retain_until",
)
_ATTACHMENT = frozenset({"file", "media_type", "language"})
_RELATION = {"update": "supersedes", "correction": "supersedes", "withdrawal": "withdraws", "reply": "in reply to"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A parsed draft: the header as it stands under [return], the body, and the attachments' (file, media type, language)."""

    header: Mapping[str, Any]
    body: Mapping[str, Any] | None
    attachments: tuple[tuple[str, str, str | None], ...]


def template(
    form: Form,
    *,
    federation: str = "",
    origin: str = "",
    participant: str = "",
    replaces: str = "",
    series: str = "",
    status: str = "actual",
    period: str = "",
    languages: Sequence[str] = ("en",),
    audience: str | Sequence[str] = "",
    retain_until: str = "",
    message: str = "",
) -> str:
    """The draft of a form, every question with its help, choices and an example; all open questions answer "not stated"."""
    message = message or ("update" if replaces else "original")
    lines = [
        f"# {form.code}, version {form.version}: {_words(form.title('en'))}",
        f"# Serves {_words(', '.join(form.obligations) or 'the exchange itself')}.",
        f'# Every question may stay "{NOT_STATED}", except those marked (identifies the return).',
        "# Lines that begin with # are for you; they are not sent.",
        "",
        "[return]",
        f'form = "{form.code}"',
        f"version = {form.version}",
        f'federation = "{federation}"'
        if federation
        else 'federation = ""                 # as GET /v1/node of your State\'s node says',
        f'origin = "{origin}"'
        if origin
        else 'origin = ""                     # the name of your State\'s log, as GET /v1/node says',
        f'participant = "{participant}"' if participant else 'participant = ""                # the code of your State',
        'kind = "full"                   # full | nothing to declare | nothing new',
        f'message = "{message}"'.ljust(32) + "# original | update | correction | withdrawal | reply",
        f'replaces = "{replaces}"'.ljust(31)
        + " # id of the submission that this one updates, corrects, confirms, withdraws or answers",
        f'series = "{series}"'.ljust(31) + " # id of the first submission of that series",
        f'status = "{status}"'.ljust(31) + " # actual | exercise | test",
        f'period = "{period}"'.ljust(31) + ' # "2026", or "2026-01 to 2026-06"; empty where the form has none',
        f"languages = {json.dumps(list(languages))}".ljust(31) + " # the languages of this return",
        f"audience = {_toml(audience or ([] if form.audience_now == NAMED else form.audience_now))}".ljust(31)
        + f" # {_who(form)}",
        f'retain_until = "{retain_until}"'.ljust(31)
        + " # a date after which every node deletes the documents; empty "
        + (
            "to keep them"
            if form.retention is None
            else f"for {form.retention} days, the longest that this form may be kept"
        ),
        "",
        "# [[attachments]]",
        '# file = "strategy.pdf"          # beside this draft, at most 25 MB',
        '# language = "en"',
        "",
        "[body]",
    ]
    for name in form.schema["properties"]:
        lines += _question(form, name, f"/{name}" in form.meta["identifies"])
    return "\n".join(lines) + "\n"


def _who(form: Form) -> str:
    """The audiences that a return of this form may have."""
    words = form.meta.get("audiences", [*sorted(AUDIENCES), NAMED])
    return " | ".join('codes such as ["XA", "XB"]' if word == NAMED else word for word in words)


def _words(text: object) -> str:
    """Words of a form on one line: its file may come from anywhere, and they must stay comments."""
    return printable(" ".join(str(text).split()))


def _question(form: Form, name: str, identifies: bool) -> list[str]:
    notes, label, help_ = form.notes(name), form.says(name, "label") or name, form.says(name, "help")
    lines = [
        "",
        f"# {_words(notes.get('item', '-'))}. {_words(label)}" + ("  (identifies the return)" if identifies else ""),
    ]
    if help_:
        lines.append(f"#    {_words(help_)}")
    if isinstance(notes.get("values"), dict | list):
        lines.append(f"#    One of: {_words(' | '.join(map(str, notes['values'])))}")
    question = form.schema["properties"][name]
    example = next(iter(question.get("examples", [])), None) if isinstance(question, dict) else None
    if example is not None and example != NOT_STATED:
        lines.append(f"#    Example: {_words(f'{_key(name)} = {_toml(example)}')}")
    lines.append(f"{_key(name)} = {json.dumps('' if identifies else NOT_STATED)}")
    return lines


def _toml(value: Any) -> str:
    """A value as TOML writes it inline; JSON strings, numbers and booleans are TOML already."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the one character that TOML alone forbids


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _toml(key)


def draft_of(form: Form, body: Mapping[str, Any], **header: Any) -> str:
    """The template with the answers of `body` filled in."""
    text = template(form, **header)
    for name, value in body.items():
        for empty in (f'\n{_key(name)} = ""', f'\n{_key(name)} = "{NOT_STATED}"'):
            text = text.replace(empty + "\n", f"\n{_key(name)} = {_toml(value)}\n")
    return text


def parse_draft(text: str) -> Draft:
    """Raises Malformed, which says where."""
    try:
        fields = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not TOML, or numbers and lists beyond all measure
        raise Malformed(f"the draft is not TOML: {error}") from None
    unknown = set(fields) - {"return", "body", "attachments"}
    header = fields.get("return")
    if unknown or not isinstance(header, dict):
        raise Malformed(
            f"a draft has the sections [return], [body] and [[attachments]]; got {', '.join(sorted(unknown)) or 'no [return]'}"
        )
    for name in header:
        if name not in HEADER:
            raise Malformed(f"[return] has no field {name!r}; it has {', '.join(HEADER)}", pointer=f"/return/{name}")
    attachments = fields.get("attachments", [])
    if not isinstance(attachments, list) or not all(
        isinstance(item, dict) and isinstance(item.get("file"), str) and set(item) <= _ATTACHMENT
        for item in attachments
    ):
        raise Malformed(
            f"each of [[attachments]] names its file, and has no other fields than {', '.join(sorted(_ATTACHMENT))}",
            pointer="/attachments",
        )
    files = tuple(
        (item["file"], item.get("media_type") or _media_type(item["file"]), item.get("language"))
        for item in attachments
    )
    body = fields.get("body")
    if body is not None and not isinstance(body, dict):
        raise Malformed("[body] is a section with the answers", pointer="/body")
    return Draft(header, None if body is None else _plain(body), files)


def _media_type(name: str) -> str:
    if name.endswith(".cbm"):  # a letter within a letter: how a reader is added
        return CARRIED_TYPE
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _plain(value: Any) -> Any:
    """TOML's own dates become the text that forms ask for, so an unquoted date is not an error."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value


def prepare(
    draft: Draft, form: Form, contents: Sequence[tuple[str, bytes]], issued: datetime, opening: Callable[[], bytes]
) -> tuple[bytes, tuple[Document, ...]]:
    """The payload to be signed and its documents. `contents` are the attachments' (name, bytes); `opening` gives 32 random bytes."""
    kind, message = _text(draft.header, "kind"), _text(draft.header, "message")
    audience = _audience(draft.header.get("audience", form.audience_now))
    documents: list[Document] = []
    refs: list[DocumentRef] = []
    if kind == "full" and message != "withdrawal":
        _add(
            documents,
            refs,
            "body",
            f"{form.code}.json",
            canonical_json(draft.body or {}),
            BODY,
            None,
            audience,
            opening(),
        )
    for number, ((_, media_type, language), (name, content)) in enumerate(
        zip(draft.attachments, contents, strict=True), 1
    ):
        _add(documents, refs, f"a{number}", name, content, media_type, language, audience, opening())
    replaces, series = _text(draft.header, "replaces"), _text(draft.header, "series")
    relation = _RELATION.get(message) if kind != "nothing new" else "related"
    languages = draft.header.get("languages", ["en"])
    retain_until = _text(draft.header, "retain_until")
    if not retain_until and form.retention is not None and documents:
        retain_until = f"{issued.date() + timedelta(days=form.retention)}"
    statement = Statement(
        v=1,
        federation=_text(draft.header, "federation"),
        origin=_text(draft.header, "origin"),
        participant=_text(draft.header, "participant"),
        form=FormRef(form.code, form.version, form.sha256),
        series=series or None,
        issued=f"{issued:%Y-%m-%dT%H:%M:%SZ}",
        period=_period(_text(draft.header, "period")),
        return_=kind,
        message=message,
        references=(Reference(relation, replaces, None),) if replaces and relation else (),
        status=_text(draft.header, "status"),
        on_behalf_of=None,
        languages=tuple(languages) if isinstance(languages, list) else (str(languages),),
        audience=audience,
        release_on=None,
        retain_until=retain_until or None,
        documents=tuple(refs),
    )
    payload = format_statement(statement)
    parse_statement(payload)  # the parser is the judge of what was built; its errors name the field
    return payload, tuple(documents)


def _add(
    documents: list[Document],
    refs: list[DocumentRef],
    slot: str,
    name: str,
    content: bytes,
    media_type: str,
    language: str | None,
    audience: str | tuple[str, ...],
    opening: bytes,
) -> None:
    documents.append(Document(slot, parse_name(name), opening, content))
    refs.append(DocumentRef(slot, media_type, language, audience, commit(opening, content)))


def _audience(said: Any) -> str | tuple[str, ...]:
    """A word, or the codes of those who may read, in the order that a statement wants."""
    if isinstance(said, list) and said and all(isinstance(code, str) for code in said):
        return tuple(sorted(set(said)))
    if isinstance(said, str) and said in AUDIENCES:
        return said
    raise Malformed(
        f'audience in [return] is one of {", ".join(sorted(AUDIENCES))}, or the codes of those who may read: ["XA", "XB"]',
        pointer="/return/audience",
    )


def _text(header: Mapping[str, Any], name: str) -> str:
    value = _plain(header.get(name, ""))
    if not isinstance(value, str):
        raise Malformed(f'{name} in [return] is a text in quotes, like {name} = "{value}"', pointer=f"/return/{name}")
    return value


def _period(text: str) -> Period | None:
    if not text:
        return None
    start, _, end = text.partition(" to ")
    return Period(start.strip(), (end or start).strip())
