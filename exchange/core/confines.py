"""What a form says of its returns beyond their answers: who may read them at most, and for how long they are kept.

Guarantee: the safeguards that no schema of a body can hold (names and private numbers never public, nothing of a child kept
longer than its alert) stand in the form file as data, and the State's own node refuses what breaks them. Foreign entries are
never judged by this: rule 1 asks of them nothing that a later node could answer otherwise.

    "audiences": ["participating States", "named"]        no return of this form has another audience
    "narrower": [{"field": "person_name", "except": ["not stated"], "audiences": ["participating States", "named"]}]
    "retention": 3                                        retain_until is set, at most 3 days after issue
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from exchange.core.form import NOT_STATED, FieldError, Form
from exchange.core.statement import Statement
from exchange.core.vocabulary import NAMED


def check_statement(form: Form, statement: Statement) -> FieldError | None:
    """Why no return of this form may say what the statement says: 1. of its audience, 2. of its term."""
    allowed = form.meta.get("audiences")
    if allowed is not None and _word(statement.audience) not in allowed:  # 1
        return FieldError("/audience", f"{form.code} is for {_either(allowed)} only")
    if form.retention is None or not statement.documents:
        return None
    last = statement.issued_time.date() + timedelta(days=form.retention)  # 2
    if statement.retain_until is None or date.fromisoformat(statement.retain_until) > last:
        return FieldError("/retain_until", f"{form.code} is kept for {form.retention} days at most: until {last}")
    return None


def check_body(form: Form, audience: str | tuple[str, ...], body: Mapping[str, Any]) -> FieldError | None:
    """Why answers in this body may not be told to that audience. The answers themselves are never repeated."""
    for rule in form.meta.get("narrower", ()):
        answer = body.get(rule["field"], NOT_STATED)
        given = [answer] if type(answer) is not list else answer
        applies = any(one in rule["answers"] if "answers" in rule else one not in rule["except"] for one in given)
        if applies and _word(audience) not in rule["audiences"]:
            return FieldError(
                f"/{rule['field']}", f"with this answer, the return may be for {_either(rule['audiences'])} only"
            )
    return None


def _word(audience: str | tuple[str, ...]) -> str:
    return audience if isinstance(audience, str) else NAMED


def _either(audiences: list[str]) -> str:
    return " or ".join("named participants" if word == NAMED else word for word in audiences)
