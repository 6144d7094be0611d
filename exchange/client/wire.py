"""One question and its answer, without input or output: what goes out, and what may come in, byte by byte.

A shell sends an `Ask`, hands the head of the answer to `receive`, every piece of the body to the `Intake` that this gives, and
returns what it finishes with. Nothing else is decided in a shell. In this order:

1. What is not the answer asked for (a redirect, a compressed or an empty one) is refused before its body is read.
2. A body is bounded while it comes, by what was announced and by what is there.
3. A refusal (RFC 9457) is raised as the class whose code it carries; anything that is none is `Unreachable`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from exchange import __version__
from exchange.client.answers import fault
from exchange.core.jsontext import parse_json
from exchange.errors import ExchangeError, Malformed, Unreachable, by_code

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0  # without a byte
SECONDS = 120.0  # for an answer of ordinary size, from the first to the last byte
LONG_SECONDS = 3_600.0  # for what may be large
MAX_JSON = 16 * 1024 * 1024  # bytes
MAX_PROBLEM = 64 * 1024  # bytes of a refusal
MAX_SHOWN = 500  # characters of what a node says in a refusal
_PROBLEM = dict[str, Any]

# Not compressed: a small answer must not become a large one.
HEADERS = {"User-Agent": f"cbm-exchange/{__version__}", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Beginning:
    """The head of an answer; `place` is what was asked, for people."""

    place: str
    status: int
    headers: Mapping[str, str]

    def nonsense(self, why: str = "") -> Unreachable:
        return Unreachable(f"{self.place} does not answer like a node of the exchange{why and f': {why}'}")


class Intake(Protocol[T_co]):
    """Takes the body of an answer piece by piece."""

    def take(self, piece: bytes) -> None: ...

    def finish(self) -> T_co: ...


@dataclass(frozen=True)
class Ask(Generic[T]):
    """A question: `path` with its query; `content` is made anew for each time it is sent; `intake` is for a good answer.

    `times`: how often it is sent while the connection breaks off. Once only, unless it does no harm that it arrives twice.
    """

    path: str
    intake: Callable[[Beginning], Intake[T]]
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Callable[[], Iterator[bytes]] | None = None
    seconds: float = SECONDS
    times: int = 1


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of a list, and the question for the rest."""

    items: list[T]
    rest: "Ask[Page[T]] | None"


@dataclass(frozen=True)
class Gathering(Generic[T]):
    """What several answers say together, so far, and the question for what is missing."""

    so_far: T
    rest: "Ask[Gathering[T]] | None"


class Whole(Generic[T]):
    """A body of at most `limit` bytes, and what it reads as."""

    def __init__(self, beginning: Beginning, limit: int, read: Callable[[Beginning, bytes], T]) -> None:
        self._beginning, self._limit, self._read = beginning, limit, read
        self._body = bytearray()
        check_announced(beginning, limit)

    def take(self, piece: bytes) -> None:
        if len(self._body) + len(piece) > self._limit:
            raise too_much(self._beginning, self._limit)
        self._body += piece

    def finish(self) -> T:
        return self._read(self._beginning, bytes(self._body))


def receive(ask: Ask[T], beginning: Beginning) -> Intake[T]:
    """What takes the body of this answer; 1 and 3 of the module's words."""
    status, headers = beginning.status, beginning.headers
    if 300 <= status < 400:
        raise Unreachable(f"{beginning.place} answers with a redirect ({status}), which is not followed")
    if headers.get("content-encoding", "identity") != "identity":
        raise Unreachable(f"{beginning.place} answers compressed, which was not asked for")
    if status in (200, 201):
        return ask.intake(beginning)
    return Whole(beginning, MAX_PROBLEM, _refusal)


def check_announced(beginning: Beginning, limit: int) -> None:
    announced = beginning.headers.get("content-length", "0")
    if announced.isdigit() and int(announced[:20]) > limit:
        raise too_much(beginning, limit)


def too_much(beginning: Beginning, limit: int) -> Unreachable:
    return Unreachable(f"{beginning.place} sends more than {limit} bytes")


def _refusal(beginning: Beginning, body: bytes) -> NoReturn:
    try:
        refused = refusal_in(parse_json(body, limit=MAX_PROBLEM))
    except Malformed:
        refused = None
    raise refused or Unreachable(f"{beginning.place} answered {beginning.status}")


def refusal_in(problem: Any) -> ExchangeError | None:
    """The class whose code a problem carries (RFC 9457); None where it is none."""
    if fault(_PROBLEM, problem) is not None:
        return None
    code, detail, pointer = problem.get("code"), problem.get("detail"), problem.get("pointer")
    if type(code) is not str or type(detail) is not str or type(pointer) not in (str, type(None)):
        return None
    return by_code(code)(detail[:MAX_SHOWN], pointer=pointer and pointer[:MAX_SHOWN])


def parsed(kind: Any, beginning: Beginning, body: bytes) -> Any:
    """A JSON text as a value of that type (answers.py); anything else is no answer of a node."""
    try:
        value = parse_json(body, limit=MAX_JSON)
    except Malformed as error:
        raise beginning.nonsense(str(error)) from None
    where = fault(kind, value)
    if where is not None:
        raise beginning.nonsense(f"something else was expected at {where or '/'}")
    return value


def json_of(kind: Callable[..., T]) -> Callable[[Beginning], Whole[T]]:
    """An answer in JSON, strictly parsed."""
    return lambda beginning: Whole(beginning, MAX_JSON, partial(parsed, kind))


def bytes_of(limit: int) -> Callable[[Beginning], Whole[bytes]]:
    """An answer of any bytes."""
    return lambda beginning: Whole(beginning, limit, lambda _, body: body)
