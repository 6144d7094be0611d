"""Sockets whose every wait ends with the question, or the visit, that it belongs to.

A read timeout alone starts anew with each byte: a host that sends its headers byte by byte would hold a thread, and a
round of visits with it, for days. Here each thread has a moment at which its patience ends, and no wait of its sockets outlasts it.
"""

import math
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore


class _Patience(threading.local):
    """A question is asked in one thread from its first to its last byte, and so is a whole visit: the thread carries the deadline."""

    until = math.inf  # as time.monotonic() counts


_patience = _Patience()


def patient_until(moment: float) -> float:
    """Let no wait of this thread's sockets outlast `moment` (as time.monotonic() counts), until told otherwise; what held before."""
    before, _patience.until = _patience.until, moment
    return before


def patient_pool(ssl_context: ssl.SSLContext, connections: int) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=ssl_context,
        max_connections=connections,
        max_keepalive_connections=connections,
        network_backend=_Backend(),
    )


def _left(timeout: float | None, over: type[Exception]) -> float:
    """How long this wait may last: what was asked for, or what is left. Raises `over` where nothing is."""
    left = _patience.until - time.monotonic()
    if left <= 0:
        raise over("the time for this is over")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))
