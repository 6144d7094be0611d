"""What the benchmarks send and pull: signed submissions of an invented year, the same each time for a number and a date.

An envelope has 1.1 to 1.2 KB, which is what a return with one document takes, and names one body of 1 KB. Four officers of
a State sign by turns; returns are those of the forms that carry text, one in a thousand is a contact point (and
four early ones), as in a federation where contacts are few among much. Every fifth one updates what stands 8,191 places before it: far enough that
batches and many connections never overtake it. The words of a body are drawn as words of a language are, few often and many
seldom, so that a search has both to find.
"""

import random
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import accumulate

import orjson

from exchange.core.base64text import format_base64
from exchange.core.catalogue import Catalogue
from exchange.core.document import commit
from exchange.core.dsse import PAYLOAD_TYPE, format_envelope, pae, sign_payload
from exchange.core.form import NOT_STATED, Form
from exchange.core.keys import PrivateKey
from exchange.core.statement import DocumentRef, FormRef, Period, Statement, format_statement
from exchange.resources import form_files
from tests import key_named

FEDERATION = "bench.example"
OFFICERS = 4
BODY = 1_024  # bytes
BACK = 8_191  # how far an update reaches back
CONTACT_EVERY = 1_000
DESKS = (100, 200, 300, 400)  # and these, so that every State has some, however short its log
FIRST_YEAR, YEARS = 2020, 7  # of the periods
COMMON, RARE = "zaborul", "xenthic"  # a word in every second body, and one in every thousandth: for the search

# Form, the answers that identify a return, and the question that takes the text.
_FORMS: tuple[tuple[str, dict[str, object], str], ...] = (
    ("ICT-03", {"instrument_kind": "strategy", "name": {"en": "A strategy"}}, "objectives"),
    ("ICT-01", {}, "views"),
    ("CT-01", {}, "trend_and_extent"),
    ("CSE-01", {}, "p7_private_sector"),
)
_CONTACT: tuple[str, dict[str, object], str] = (
    "POC-02",
    {
        "role": "technical",
        "institution": {"en": "A response team"},
        "email": "desk@team.example",
        "phone": "+12025550142",
        "hours": {
            "time_zone": "Europe/Vienna",
            "weekly": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "16:30"}],
        },
        "languages": ["en", "fr"],
        "confirm_by": "2027",
    },
    "scope",
)


def origin_of(code: str) -> str:
    return f"{code.lower()}.{FEDERATION}/log"


@cache
def officers(code: str) -> tuple[PrivateKey, ...]:
    return tuple(key_named(f"{code} officer {number}") for number in range(1, OFFICERS + 1))


@dataclass(frozen=True, slots=True)
class Made:
    """One submission: its envelope, and its document as a line of the bulk stream of documents."""

    envelope: bytes
    line: bytes


@cache
def _words() -> tuple[list[str], list[float]]:
    """2,000 invented words, the n-th as frequent as 1/n."""
    chance = random.Random("words")
    syllables = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]
    words = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(2_000)]
    return words, list(accumulate(1 / rank for rank in range(1, len(words) + 1)))


def is_update(number: int) -> bool:
    return number % 5 == 4 and number >= BACK


def _form_of(number: int) -> tuple[str, dict[str, object], str]:
    """A series is one of its first entry's form."""
    first = number - BACK if is_update(number) else number
    is_contact = first in DESKS or first % CONTACT_EVERY == CONTACT_EVERY // 2
    return _CONTACT if is_contact else _FORMS[first % len(_FORMS)]


@cache
def _catalogue() -> Catalogue:
    return Catalogue.from_files(form_files())


@cache
def _form(code: str) -> Form:
    form = _catalogue().newest(code)
    assert form is not None, code
    return form


@cache
def _frame(code: str) -> int:
    """How long a body without its text is."""
    known = next(each for each in (*_FORMS, _CONTACT) if each[0] == code)
    return len(_fill(known, ""))


def _fill(known: tuple[str, dict[str, object], str], text: str) -> bytes:
    code, answers, question = known
    answered = {**answers, question: {"en": text}}
    return orjson.dumps({name: answered.get(name, NOT_STATED) for name in _form(code).schema["properties"]})


def body(code: str, number: int) -> bytes:
    """The document of submission `number`: a form filled in, mostly text."""
    known = _form_of(number)
    words, weights = _words()
    chance = random.Random(f"{code} {number}")
    room = BODY - _frame(known[0])
    said = [f"Number {number}."]
    if number % 2:
        said.append(COMMON)
    if number % 1_000 == 7:
        said.append(RARE)
    said += chance.choices(words, cum_weights=weights, k=room // 5)
    return _fill(known, " ".join(said)[:room])


def _opening(code: str, number: int) -> bytes:
    return sha256(f"opening {code} {number}".encode()).digest()


def _payload(code: str, number: int, issued: str, content: bytes) -> tuple[bytes, str]:
    """(payload, commitment). An update names the id of its original, which is found by making that one's payload again."""
    form = _form(_form_of(number)[0])
    series = None
    if is_update(number):
        first = number - BACK
        series = sha256(_payload(code, first, issued, body(code, first))[0]).hexdigest()
    commitment = commit(_opening(code, number), content)
    year = str(FIRST_YEAR + number // len(_FORMS) % YEARS)
    statement = Statement(
        v=1,
        federation=FEDERATION,
        origin=origin_of(code),
        participant=code,
        form=FormRef(form.code, form.version, form.sha256),
        series=series,
        issued=issued,
        period=Period(year, year),
        return_="full",
        message="original" if series is None else "update",
        references=(),
        status="actual",
        on_behalf_of=None,
        languages=("en",),
        audience="public",
        release_on=None,
        retain_until=None,
        documents=(DocumentRef("body", "application/json", "en", "public", commitment),),
    )
    return format_statement(statement), commitment


def make(code: str, number: int, issued: str) -> Made:
    content = body(code, number)
    payload, commitment = _payload(code, number, issued, content)
    officer = officers(code)[number % OFFICERS]
    line = {
        "index": number,
        "slot": "body",
        "commitment": commitment,
        "name": f"{_form_of(number)[0]}.json",
        "opening": format_base64(_opening(code, number)),
        "size": len(content),
        "content": format_base64(content),
    }
    return Made(format_envelope(sign_payload(payload, [officer])), orjson.dumps(line) + b"\n")


def checked_size() -> int:
    """Bytes that one check of a signature reads here: what the raw reference is measured with."""
    return len(pae(PAYLOAD_TYPE, _payload("XR", BACK, "2026-11-20T09:30:00Z", body("XR", BACK))[0]))
