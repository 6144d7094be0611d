"""Every question to a node, and what its answer must be: built here once, for both flavours and for nobody's socket.

What cannot be right is refused before any node is asked: an id that is none would be another path.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar
from urllib.parse import urlencode

from exchange.client import answers
from exchange.client.answers import fault
from exchange.client.documents import Download, HeldDocument, Proven
from exchange.client.parcels import body_of
from exchange.client.wire import (
    LONG_SECONDS,
    MAX_JSON,
    Ask,
    Beginning,
    Gathering,
    Page,
    Whole,
    bytes_of,
    json_of,
    parsed,
)
from exchange.core.checkpoint import Checkpoint, verify_checkpoint
from exchange.core.dsse import MAX_ENVELOPE
from exchange.core.jsonfields import came, is_digest
from exchange.core.note import MAX_NOTE, Vkey
from exchange.core.pack import MAX_PACK, Pack
from exchange.core.receipt import MAX_RECEIPT
from exchange.core.vocabulary import is_form_code
from exchange.errors import Malformed

T = TypeVar("T")

OBLIGATIONS = "/v1/obligations"
MAX_FORM = 1024 * 1024  # bytes
MAX_PAGE = 100  # items of a list in one answer
SUBMISSIONS = "/v1/submissions"


class Filter(TypedDict, total=False):
    """What narrows a list of submissions. `period`: a year, month or day that the period of a return overlaps."""

    participant: str | None
    form: str | None
    obligation: str | None
    period: str | None
    status: str | Sequence[str] | None
    series: str | None
    current: bool | None


class Question(Filter, total=False):
    """`limit`: how many come in one answer; the list goes on to its end all the same."""

    before: int | None
    limit: int | None


class ContactQuestion(TypedDict, total=False):
    """`at`: ISO 8601 with a zone; `now`: only those who are not outside of their stated hours."""

    role: str | None
    language: str | None
    at: str | None
    status: str | Sequence[str] | None
    now: bool | None


def path_of(path: str, question: Mapping[str, Any]) -> str:
    """With what is not None asked in a query: numbers in digits, flags as `true` and `false`, a list as several."""
    pairs: list[tuple[str, str]] = []
    for name, value in question.items():
        values = (
            [] if value is None else [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
        )
        pairs += [(name, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
    try:
        return f"{path}?{urlencode(pairs)}" if pairs else path
    except UnicodeEncodeError:
        raise Malformed(f"a question in Unicode was expected, {came(pairs)} came") from None


def listed(path: str, kind: type[T], question: Mapping[str, Any] | None = None) -> Ask[Page[T]]:
    """A list whose items are of that type; the rest of it is on this node and goes on where this page ends."""
    return _page(path_of(path, question or {}), path, kind)


def all_of(path: str, kind: type[T]) -> Ask[list[T]]:
    """A list that comes in one answer, so that nobody can make it endless."""

    def read(beginning: Beginning, body: bytes) -> list[T]:
        page = _page_in(path, path, kind, beginning, parsed(dict[str, Any], beginning, body))
        if page.rest is not None:
            raise beginning.nonsense("a list in one answer was expected")
        return page.items

    return Ask(path, lambda beginning: Whole(beginning, MAX_JSON, read))


def _page(place: str, path: str, kind: type[T]) -> Ask[Page[T]]:
    def read(beginning: Beginning, body: bytes) -> Page[T]:
        return _page_in(place, path, kind, beginning, parsed(dict[str, Any], beginning, body))

    return Ask(place, lambda beginning: Whole(beginning, MAX_JSON, read))


def _page_in(place: str, path: str, kind: type[T], beginning: Beginning, answer: dict[str, Any]) -> Page[T]:
    items: Any = answer.get("items")
    following = answer.get("next")
    where = fault(list[kind], items, "/items")  # type: ignore[valid-type]
    if where is not None:
        raise beginning.nonsense(f"something else was expected at {where}")
    if following is None:
        return Page(items, None)
    # Only the rest of this list: "@elsewhere.example/" would turn our node into a user name, and a page of nothing never ends.
    if not (items and isinstance(following, str) and following.startswith(f"{path}?") and following != place):
        raise beginning.nonsense(f"its list goes on at {came(following)}")
    return Page(items, _page(following, path, kind))


def search(text: str, limit: int, question: Filter) -> Ask[Gathering[answers.Findings]]:
    """The newest that are found, at most `limit`: as many pages as that takes."""
    asked = path_of(SUBMISSIONS, {"q": text, "limit": min(limit, MAX_PAGE), **question})
    return _search(asked, limit, [])


def _search(place: str, limit: int, before: list[answers.Found]) -> Ask[Gathering[answers.Findings]]:
    def read(beginning: Beginning, body: bytes) -> Gathering[answers.Findings]:
        answer = parsed(dict[str, Any], beginning, body)
        page = _page_in(place, SUBMISSIONS, answers.Found, beginning, answer)
        unsearched = answer.get("unsearched")
        if type(unsearched) is not int:  # a node that knows no search gives its whole list
            raise beginning.nonsense("it does not search in words")
        items = [*before, *page.items][:limit]
        more = None if page.rest is None or len(items) == limit else _search(page.rest.path, limit, items)
        return Gathering({"items": items, "unsearched": unsearched}, more)

    return Ask(place, lambda beginning: Whole(beginning, MAX_JSON, read))


def node() -> Ask[answers.Node]:
    return Ask("/v1/node", json_of(answers.Node))


def participants() -> Ask[answers.Participants]:
    return Ask("/v1/participants", json_of(answers.Participants))


def contacts(participant: str | None, question: ContactQuestion) -> Ask[answers.Contacts]:
    return Ask(path_of("/v1/contacts", {"participant": participant, **question}), json_of(answers.Contacts))


def form(code: str, version: int | None) -> Ask[bytes]:
    if not is_form_code(code):
        raise Malformed(f"a form code such as ICT-03 was expected, {came(code)} came")
    return Ask(path_of(f"/v1/forms/{code}", {"version": version}), bytes_of(MAX_FORM))


def entries(verdict: str, origin: str, start: int) -> Ask[Page[answers.Entry]]:
    if verdict not in ("refused", "waiting", "disputed"):
        raise Malformed(f"refused, waiting or disputed was expected, {came(verdict)} came")
    return listed(f"/v1/entries/{verdict}", answers.Entry, {"origin": origin, "start": start})


def submission(ident: str) -> Ask[answers.SubmissionWhole]:
    return Ask(_submission(ident), json_of(answers.SubmissionWhole))


def envelope(ident: str) -> Ask[bytes]:
    return Ask(f"{_submission(ident)}/envelope", bytes_of(MAX_ENVELOPE))


def receipt(ident: str) -> Ask[bytes]:
    return Ask(f"{_submission(ident)}/receipt", bytes_of(MAX_RECEIPT))


def pack(ident: str) -> Ask[bytes]:
    return Ask(f"{_submission(ident)}/pack", bytes_of(MAX_PACK), seconds=LONG_SECONDS)


def download(commitment: str, write: Callable[[bytes], object]) -> Ask[Proven]:
    return _document(commitment, lambda beginning: Download(beginning, commitment, write, lambda proven: proven))


def document(commitment: str) -> Ask[HeldDocument]:
    def intake(beginning: Beginning) -> Download[HeldDocument]:
        content = bytearray()
        return Download(beginning, commitment, content.extend, lambda proven: HeldDocument(proven, bytes(content)))

    return _document(commitment, intake)


def checkpoint(vkey: Vkey) -> Ask[Checkpoint]:
    """Of any log that the node keeps, its own or a mirror, under the key that the caller holds."""
    path = f"/mirror/{hashlib.sha256(vkey.name.encode()).hexdigest()}/checkpoint"
    return Ask(path, lambda beginning: Whole(beginning, MAX_NOTE, lambda _, note: verify_checkpoint(note, vkey)))


def submit(parcel: Pack) -> Ask[answers.Recorded]:
    """Sent once more where the connection breaks off: a parcel that arrives twice is one entry."""
    headers, content = body_of(parcel)
    return Ask(SUBMISSIONS, json_of(answers.Recorded), "POST", headers, content, LONG_SECONDS, times=2)


def pull(token: str) -> Ask[list[answers.Visit]]:
    def read(beginning: Beginning, body: bytes) -> list[answers.Visit]:
        visits: list[answers.Visit] = parsed(dict[str, list[answers.Visit]], beginning, body).get("visits")
        if visits is None:
            raise beginning.nonsense("visits were expected")
        return visits

    if not (token.isascii() and token.isprintable()):
        raise Malformed("the operator's token is one line of ASCII")
    headers = {"Authorization": f"Bearer {token}"}
    return Ask("/local/pull", lambda start: Whole(start, MAX_JSON, read), "POST", headers, seconds=LONG_SECONDS)


def _submission(ident: str) -> str:
    return f"{SUBMISSIONS}/{_digest(ident, 'an id')}"


def _document(commitment: str, intake: Callable[[Beginning], Download[T]]) -> Ask[T]:
    return Ask(f"/v1/documents/{_digest(commitment, 'a commitment')}", intake, seconds=LONG_SECONDS)


def _digest(text: str, what: str) -> str:
    if not is_digest(text):
        raise Malformed(f"{what} is 64 lower-case hex digits, {came(text)} came")
    return text
