"""Who asks the nodes: officers who submit, duty desks that look contacts up, people who open pages; each at its own pace.

Each is one thread with one connection, and asks when it is time, not when it has its answer: who falls behind skips what was
missed, and the number of answers says so. Whatever is not the answer that was expected is kept and ends in the verdict.
"""

import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

from tests.benchmarks import entries
from tests.benchmarks.load import parcel

SUBMIT, LOOK_UP, PAGE = "submit", "look-up", "page"
FIRST = entries.CONTACT_EVERY // 2  # a contact point, so that there is somebody to look up
BEHIND = 20  # originals after which an update follows


@dataclass(frozen=True)
class Question:
    """One request, and the status that is right."""

    method: str
    path: str
    body: bytes | None = None
    status: int = 200


@dataclass
class Clients:
    """What all of them saw: (seconds since the start, seconds it took) of each answer, by node and kind."""

    began: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)
    answers: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)
    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """The start that all times count from."""
        self.began = time.monotonic()

    def ask(self, code: str, url: str, kind: str, every: float, questions: Iterator[Question]) -> None:
        """Begin to ask that node, once in `every` seconds."""
        thread = threading.Thread(target=self._ask, args=(code, url, kind, every, questions), daemon=True)
        self.answers[code, kind] = []
        self.acknowledged.setdefault(code, [])
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, code: str, url: str, kind: str, every: float, questions: Iterator[Question]) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        due = time.monotonic()
        try:
            while not self.over.wait(max(0.0, due - time.monotonic())):
                due = max(due + every, time.monotonic())
                self._one(connection, code, kind, next(questions))
        except Exception as error:
            self.wrong.append(f"{kind} at {code}: {type(error).__name__}: {error}")
        finally:
            connection.close()

    def _one(self, connection: http.client.HTTPConnection, code: str, kind: str, asked: Question) -> None:
        began = time.monotonic()
        headers = {"Content-Type": "application/json"} if asked.body is not None else {}
        connection.request(asked.method, asked.path, asked.body, headers)
        response = connection.getresponse()
        content = response.read()
        now = time.monotonic()
        if response.status != asked.status:
            self.wrong.append(f"{asked.method} {asked.path} at {code} answered {response.status}: {content[:200]!r}")
            return
        self.answers[code, kind].append((began - self.began, now - began))
        if kind == SUBMIT:
            self.acknowledged[code].append(orjson.loads(content)["id"])


def numbers() -> Iterator[int]:
    """A contact point; then originals, and behind every fifth an update of one that stands already."""
    yield FIRST
    for number in itertools.count():
        if number == FIRST or entries.is_update(number):
            continue
        yield number
        earlier = number - BEHIND
        if earlier >= 0 and entries.is_update(earlier + entries.BACK):
            yield earlier + entries.BACK


def submissions(code: str, issued: str) -> Iterator[Question]:
    for number in numbers():
        yield Question("POST", "/v1/submissions", parcel(entries.make(code, number, issued)), 201)


def look_ups(codes: list[str]) -> Iterator[Question]:
    """Everybody's contacts, and everybody at once."""
    while True:
        for code in codes:
            yield Question("GET", f"/v1/contacts?participant={code}&role=technical")
        yield Question("GET", "/v1/contacts?now=true")


def pages(code: str, codes: list[str], clients: Clients) -> Iterator[Question]:
    """Lists with filters, one submission with its history, its receipt and pack, and what stands in the navigation."""
    for turn in itertools.count():
        known = clients.acknowledged[code]
        yield Question("GET", f"/v1/submissions?participant={codes[turn % len(codes)]}&form=ICT-03")
        yield Question("GET", "/v1/submissions?current=true&limit=20")
        if known:
            ident = known[turn * 7919 % len(known)]
            for what in ("", "/receipt", "/pack"):
                yield Question("GET", f"/v1/submissions/{ident}{what}")
        yield Question("GET", "/v1/heads")
        yield Question("GET", "/v1/alerts")
        yield Question("GET", "/log/checkpoint")
