"""The shell around httpx.Client: sends an `Ask`, feeds its `Intake`. What may come in is decided in wire.py, when it must end here.

Every wait of a socket ends with the time of its question (patience.py): a node that drips one byte a minute holds nobody for ever.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self, TypeVar

import httpx

from exchange.client.patience import patient_pool, patient_until
from exchange.client.wire import (
    CONNECT_SECONDS,
    HEADERS,
    READ_SECONDS,
    Ask,
    Beginning,
    Gathering,
    Intake,
    Page,
    receive,
)
from exchange.errors import Unreachable

T = TypeVar("T")

MAX_CONNECTIONS = 64
TIMEOUT = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
# What httpx raises for a host that does not answer, and for an address that none can have.
SILENT = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, OverflowError)
# What it raises for one that answered before: a kept connection that was closed meanwhile, a node that starts anew.
BROKEN_OFF = (httpx.NetworkError, httpx.RemoteProtocolError)


class PatientTransport(httpx.HTTPTransport):
    """httpx over sockets whose every wait ends when the patience of its thread does."""

    def __init__(self) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context)
        self._pool = patient_pool(context, MAX_CONNECTIONS)


def no_cookies() -> CookieJar:
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


class Blocking:
    """One node of the exchange. Safe to share between threads.

    `transport`: another way there, such as one with certificates of its own; how long each wait of its sockets lasts is then its affair.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            headers=HEADERS,
            timeout=TIMEOUT,
            transport=transport or PatientTransport(),
            cookies=no_cookies(),
            trust_env=False,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the connections; what `with` does at its end."""
        self._http.close()

    def ask(self, ask: Ask[T]) -> T:
        """The answer, or the error that there is instead."""
        before = patient_until(time.monotonic() + ask.seconds)
        try:
            intake = self._send(ask)
        except SILENT as error:
            raise Unreachable(f"{self.url} does not answer ({type(error).__name__})") from None
        finally:
            patient_until(before)
        return intake.finish()

    def _send(self, ask: Ask[T]) -> Intake[T]:
        """What took in the answer, to its last byte."""
        for _ in range(ask.times - 1):
            with suppress(*BROKEN_OFF):
                return self._send_once(ask)
        return self._send_once(ask)

    def _send_once(self, ask: Ask[T]) -> Intake[T]:
        place = self.url + ask.path
        content = None if ask.content is None else ask.content()
        with self._http.stream(ask.method, place, headers=dict(ask.headers), content=content) as response:
            intake = receive(ask, Beginning(place.partition("?")[0], response.status_code, response.headers))
            for piece in response.iter_raw():
                intake.take(piece)
        return intake

    def gather(self, ask: Ask[Gathering[T]]) -> T:
        """What as many answers as it takes say together."""
        gathering = self.ask(ask)
        while gathering.rest is not None:
            gathering = self.ask(gathering.rest)
        return gathering.so_far

    def each(self, ask: Ask[Page[T]] | None) -> Iterator[T]:
        """All of a list, page by page."""
        following = ask
        while following is not None:
            page = self.ask(following)
            yield from page.items
            following = page.rest
