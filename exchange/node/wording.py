"""A return in words, for the officer who is about to sign it: who says what to whom, replacing what, kept how long."""

from collections.abc import Sequence
from unicodedata import category

from exchange.core.document import Document
from exchange.core.form import NOT_STATED, Form
from exchange.core.jsontext import parse_json
from exchange.core.statement import Period, Statement
from exchange.core.vocabulary import is_language
from exchange.errors import ExchangeError

_MESSAGE = {
    "original": "begins a new series",
    "update": "replaces the current version of the series",
    "correction": "corrects the current version of the series",
    "withdrawal": "withdraws the series: nothing of it stays current",
    "erasure": "has documents forgotten, hidden everywhere at once and destroyed after 72 hours",
}


def in_words(statement: Statement, documents: Sequence[Document], form: Form | None, name: str) -> list[str]:
    """One line a fact."""
    title = form.title("en") if form is not None else "a form that is not known on this machine"
    audience = statement.audience if isinstance(statement.audience, str) else ", ".join(statement.audience)
    lines = [
        f"{name} states, under form {statement.form.code} ({title}):",
        f"  return      {statement.return_}" + (f", for {_span(statement.period)}" if statement.period else ""),
        f"  status      {statement.status}" + ("" if statement.status == "actual" else " - not an actual submission"),
        f"  to          {'everybody: it becomes public for ever' if audience == 'public' else audience}",
        f"  replacing   {_replacing(statement)}",
        f"  kept        {_kept(statement)}",
        f"  issued      {statement.issued}, in {', '.join(statement.languages)}",
        f"  in the log  {statement.origin} of the federation {statement.federation}",
    ]
    if statement.on_behalf_of:
        lines.append(f"  on behalf of {statement.on_behalf_of}, whose own word it becomes only by countersignature")
    for document in documents:
        lines.append(f"  document    {document.slot}: {document.name}, {len(document.content):,} bytes")
        if document.slot.startswith("body"):
            lines += _answers(document, form)
    return [printable(line) for line in lines]


def _span(period: Period) -> str:
    return period.start if period.start == period.end else f"{period.start} to {period.end}"


def _kept(statement: Statement) -> str:
    if statement.message == "erasure":
        return "for ever: that something was erased, when and by whom, stays; copies that others took are theirs"
    if statement.retain_until is None:
        return "without an end; it can be withdrawn, not unsaid"
    return f"until {statement.retain_until}, then every node deletes the documents"


def _replacing(statement: Statement) -> str:
    what = _MESSAGE.get(statement.message, statement.message)
    if statement.return_ == "nothing new":
        what = "nothing; it confirms the full return in force"
    named = [
        f"{reference.rel} {f'{reference.slot} of ' if reference.slot else ''}{reference.id}"
        for reference in statement.references
    ]
    return f"{what}{': ' + '; '.join(named) if named else ''}"


def _answers(document: Document, form: Form | None) -> list[str]:
    try:
        body = parse_json(document.content, limit=len(document.content))
    except ExchangeError as error:
        return [f"    (cannot be shown: {error})"]
    if not isinstance(body, dict):
        return ["    (cannot be shown: the body is not an object)"]
    lines, open_questions = [], 0
    for field, answer in body.items():
        if answer == NOT_STATED:
            open_questions += 1
            continue
        label = (form.says(field, "label") if form is not None else None) or field
        lines.append(f"    {label}: {shown(answer)}")
    if open_questions:
        lines.append(f"    {open_questions} question{'s' * (open_questions > 1)} left open (not stated)")
    return lines


def shown(answer: object) -> str:
    """An answer on one line: every language of a text, every field of an object that was answered."""
    if isinstance(answer, dict):
        if _is_text(answer):
            several = len(answer) > 1
            return " / ".join(shown(text) + (f" ({language})" if several else "") for language, text in answer.items())
        fields = {key: value for key, value in answer.items() if value != NOT_STATED}
        return ", ".join(f"{key.replace('_', ' ')} {shown(value)}" for key, value in fields.items())
    if isinstance(answer, list):
        return "; ".join(shown(item) for item in answer)
    return printable(str(answer).replace("\n", " | "))


def in_one_language(answer: object, *wanted: str) -> str:
    """A text in the first of the wanted languages that it has, else in the one that it begins with; for one glance."""
    if isinstance(answer, dict) and _is_text(answer):
        language = next((language for language in wanted if language in answer), next(iter(answer)))
        return shown(answer[language])
    return shown(answer)


def _is_text(answer: dict[str, object]) -> bool:
    """Texts in languages are objects whose keys are language tags."""
    return bool(answer) and all(is_language(key) and isinstance(text, str) for key, text in answer.items())


def printable(text: str) -> str:
    """What is shown is what is meant: control and direction characters must not repaint the reader's screen."""
    return "".join(
        character if character.isprintable() else " " if category(character) == "Zs" else "\ufffd" for character in text
    )
