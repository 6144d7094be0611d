"""The clauses of the decisions, as data: what States were asked to share, under which short title, in six languages.

`schemas/obligations.json` lists them; which forms serve a clause stands in the forms. Nothing is weighed, counted or ranked.

    {"obligations": [{"id": "OSCE:PC.DEC/1202:CBM-8", "decision": "OSCE PC.DEC/1202 (2016)", "clause": "CBM 8", "title": {"en": ...}}]}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from exchange.core.form import LANGUAGES
from exchange.core.jsontext import parse_json
from exchange.errors import Malformed

MAX_OBLIGATIONS = 512 * 1024
"""Bytes of the file."""
_FIELDS = {"id", "decision", "clause", "title"}


@dataclass(frozen=True, slots=True)
class Obligation:
    """A clause; the title is this project's, the decision is the text."""

    id: str
    decision: str
    clause: str
    title: Mapping[str, str]


@lru_cache(maxsize=4)
def parse_obligations(content: bytes) -> tuple[Obligation, ...]:
    """In the order of the file. Raises Malformed, which says where."""
    value = parse_json(content, limit=MAX_OBLIGATIONS)
    listed = value.get("obligations") if type(value) is dict else None
    if type(listed) is not list:
        raise Malformed("a list was expected", pointer="/obligations")
    found: dict[str, Obligation] = {}
    for number, item in enumerate(listed):
        if type(item) is not dict or set(item) != _FIELDS or not _is_clause(item) or item["id"] in found:
            raise Malformed(
                f"a clause with {', '.join(sorted(_FIELDS))} was expected, each once", pointer=f"/obligations/{number}"
            )
        found[item["id"]] = Obligation(item["id"], item["decision"], item["clause"], item["title"])
    return tuple(found.values())


def _is_clause(item: Mapping[str, Any]) -> bool:
    title = item["title"]
    return all(type(item[name]) is str and item[name] for name in ("id", "decision", "clause")) and (
        type(title) is dict and tuple(title) == LANGUAGES and all(type(text) is str and text for text in title.values())
    )
