"""How a node looks from outside: what it says of itself under an address, by which clock, behind which certificate.

For a person who checks (`cbm node check`). Nothing of it is believed; it is compared.
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from exchange.core.jsontext import parse_json
from exchange.errors import ExchangeError
from exchange.federation.peer import PeerLog

MAX_ABOUT = 64 * 1024  # bytes
LOOK_SECONDS = 10.0
_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Presence:
    """What stands under `url`. `error` says why nothing does; `ahead` is by how much its clock is ahead of ours, if it says."""

    url: str
    error: str | None = None
    participant: str = ""
    origin: str = ""
    vkey: str = ""
    version: str = ""
    ahead: timedelta | None = None
    instance: str = ""
    cosignatures: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of an https address: until when it holds, or why it does not."""

    until: datetime | None
    error: str | None


def look_at(client: Any, url: str, clock: Callable[[], datetime], seconds: float = LOOK_SECONDS) -> Presence:
    """Ask the node under `url` who it is."""
    before = clock()
    try:
        status, date, body = PeerLog(client, url, time.monotonic() + seconds).ask("/v1/node")
        ahead = _ahead(date, before, clock())
        if status != 200:
            return Presence(url, f"{url}/v1/node answered {status}", ahead=ahead)
        about = parse_json(body, limit=MAX_ABOUT)
        code, origin, vkey, version = (
            str(about[name])[:256] for name in ("participant", "origin", "log_vkey", "version")
        )
        instance = str(about.get("instance", ""))[:256]  # nodes of 0.1.0 have none
        head = about.get("head") or {}
        cosignatures, stale = str(head.get("cosignatures", ""))[:256], head.get("stale") is True
    except ExchangeError as error:
        return Presence(url, str(error))
    except (KeyError, TypeError, AttributeError):
        return Presence(url, f"{url}/v1/node does not answer like a node of the exchange", ahead=ahead)
    return Presence(url, None, code, origin, vkey, version, ahead, instance, cosignatures, stale)


def look_at_all(client: Any, urls: Sequence[str], clock: Callable[[], datetime]) -> list[Presence]:
    """All of them at once."""
    if not urls:
        return []
    with ThreadPoolExecutor(min(_TOGETHER, len(urls)), thread_name_prefix="look") as pool:
        return list(pool.map(lambda url: look_at(client, url, clock), urls))


def readiness(client: Any, url: str) -> tuple[bool, str | None]:
    """Whether a node answers under `url` at all, and why it takes nothing, if so."""
    try:
        status, _, body = PeerLog(client, url, time.monotonic() + LOOK_SECONDS).ask("/readyz")
        if status == 200:
            return True, None
        return True, str(parse_json(body, limit=MAX_ABOUT)["reason"])
    except ExchangeError:
        return False, None
    except (KeyError, TypeError):
        return True, f"{url}/readyz answered {status}"


def _ahead(date: str, before: datetime, after: datetime) -> timedelta | None:
    """A Date counts whole seconds: it means the middle of one, and was written in the middle of the request."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return theirs + timedelta(seconds=0.5) - (before + (after - before) / 2)


def certificate_of(url: str, context: ssl.SSLContext | None = None) -> Certificate | None:
    """The certificate behind an https address, as a stranger judges it; None for http."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return None
    host = parts.hostname or ""
    context = context or ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, parts.port or 443), timeout=LOOK_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            found = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Certificate(None, error.verify_message)
    except (OSError, ValueError) as error:
        return Certificate(None, f"no connection ({type(error).__name__})")
    seconds = ssl.cert_time_to_seconds(str(found["notAfter"]))
    return Certificate(datetime.fromtimestamp(seconds, UTC), None)
