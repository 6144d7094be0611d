"""What a return changes against the version before it, in words: for the officer who is about to sign, and for pages later.

Guarantee: every fact of the statement and every answer that is another one than before is named, with both; documents are told apart by
their content, whatever they are called. Nothing is read here: statements and bodies come in as values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exchange.core.document import Document, commit
from exchange.core.form import NOT_STATED, Form
from exchange.core.jsontext import parse_json
from exchange.core.statement import Statement
from exchange.errors import ExchangeError
from exchange.node.wording import printable, shown


@dataclass(frozen=True, slots=True)
class EarlierDocument:
    """A document of the earlier version, by what proves its content; `opening` is None where it is not held."""

    slot: str
    name: str
    commitment: str
    opening: bytes | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """The version that stands; `body` is None where it has none, or where it is not held."""

    id: str
    statement: Statement
    body: Mapping[str, Any] | None
    documents: tuple[EarlierDocument, ...] = ()


def differences(
    before: Earlier | None, statement: Statement, documents: Sequence[Document], form: Form | None
) -> list[str]:
    """One line a difference; nothing stands before what begins a series."""
    if before is None:
        return ["Nothing stands before it: it begins a series, or its series has no current version here."]
    lines = [f"Against the version that is current now, {before.id[:16]}:"]
    lines += _facts(before.statement, statement)
    lines += _answers(before.body, _body(documents), form)
    lines += _attachments(before.documents, documents)
    return [printable(line) for line in (lines if len(lines) > 1 else [*lines, "  nothing but the time of issue"])]


def _facts(old: Statement, new: Statement) -> list[str]:
    pairs = {
        "form": (f"{old.form.code} version {old.form.version}", f"{new.form.code} version {new.form.version}"),
        "return": (old.return_, new.return_),
        "status": (old.status, new.status),
        "period": (_period(old), _period(new)),
        "languages": (", ".join(old.languages), ", ".join(new.languages)),
        "to": (_audience(old), _audience(new)),
        "released on": (old.release_on or "at once", new.release_on or "at once"),
        "kept until": (old.retain_until or "without an end", new.retain_until or "without an end"),
        "on behalf of": (old.on_behalf_of or "itself", new.on_behalf_of or "itself"),
    }
    return [f"  {name}: {was} -> {now}" for name, (was, now) in pairs.items() if was != now]


def _period(statement: Statement) -> str:
    return "none" if statement.period is None else f"{statement.period.start} to {statement.period.end}"


def _audience(statement: Statement) -> str:
    return statement.audience if isinstance(statement.audience, str) else ", ".join(statement.audience)


def _body(documents: Sequence[Document]) -> Mapping[str, Any] | None:
    for document in documents:
        if document.slot == "body":
            try:
                body = parse_json(document.content, limit=len(document.content))
            except ExchangeError:
                return None
            return body if isinstance(body, dict) else None
    return None


def _answers(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, form: Form | None) -> list[str]:
    if old is None and new is None:
        return []
    if old is None or new is None:
        return ["  the answers of the version before are not here" if old is None else "  no answers any more"]
    lines = []
    for field in dict.fromkeys([*old, *new]):
        was, now = old.get(field, NOT_STATED), new.get(field, NOT_STATED)
        if was != now:
            label = (form.says(field, "label") if form is not None else None) or field
            lines.append(f"  {label}: {shown(was)} -> {shown(now)}")
    return lines


def _attachments(old: Sequence[EarlierDocument], new: Sequence[Document]) -> list[str]:
    """The same content under the old opening gives the old commitment, so the old content need not be here."""
    left = [document for document in old if not document.slot.startswith("body")]
    lines = []
    for document in new:
        if document.slot.startswith("body"):
            continue
        same = next(
            (one for one in left if one.opening and commit(one.opening, document.content) == one.commitment), None
        )
        if same is None:
            lines.append(f"  attachment {document.name}: not in the version before")
        else:
            left.remove(same)
            if same.name != document.name:
                lines.append(f"  attachment {document.name}: was called {same.name}")
    return [*lines, *(f"  attachment {one.name or one.slot}: no longer there" for one in left)]
