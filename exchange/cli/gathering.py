"""The facts for `cbm node check`, from the node's own machine (node/gather.py) and from the network (federation/presence.py)."""

from dataclasses import astuple
from datetime import UTC, datetime

from exchange import __version__
from exchange.config import Settings
from exchange.core.note import format_vkey
from exchange.errors import Misuse, NotFound, Unavailable
from exchange.federation.peer import open_client
from exchange.federation.presence import certificate_of, look_at_all, readiness
from exchange.node.backup import last_backup
from exchange.node.checks import officers
from exchange.node.facts import Facts, PeerFacts, Seen, StoredFacts
from exchange.node.gather import database_facts, is_loopback, key_facts
from exchange.node.space import MEGABYTE, free_bytes
from exchange.store.peers import PeerStatus
from exchange.store.schema import NEWEST
from exchange.trust.participants import ParticipantRecord

_NEVER = PeerStatus("", None, None, None, 0)


def gather(settings: Settings, records: dict[str, ParticipantRecord]) -> Facts:
    """Everything that is judged."""
    now = _now()
    mine = records.get(settings.participant)
    schema: str | None = None
    stored: StoredFacts | None = None
    visits: dict[str, PeerStatus] = {}
    database_error: str | None = None
    try:
        schema, stored, visits = database_facts(settings, now)
    except (NotFound, Unavailable, Misuse) as error:
        database_error = str(error)
    others = [record for code, record in sorted(records.items()) if code != settings.participant]
    with open_client() as client:
        here = f"http://{settings.listen}"
        running, refusing = readiness(client, here)
        local, own, *seen = look_at_all(client, [here, settings.url, *(record.node_url for record in others)], _now)
    certificate = certificate_of(settings.url)
    backup = last_backup(settings.directory)
    return Facts(
        now=now,
        directory=str(settings.directory),
        url=settings.url,
        loopback=is_loopback(settings.url),
        participant=settings.participant,
        origin=settings.origin,
        vkey="" if mine is None else format_vkey(mine.current_log.vkey),
        version=__version__,
        seen=Seen(*astuple(own)),
        certificate=None if certificate is None else (certificate.until, certificate.error),
        running=running,
        refusing=refusing,
        peers=[
            _peer(record.participant, Seen(*astuple(presence)), visits.get(record.participant, _NEVER))
            for record, presence in zip(others, seen, strict=True)
        ],
        disk_free=free_bytes(settings.directory),
        disk_min=settings.min_free_mb * MEGABYTE,
        backup=None if backup is None else (backup.made, backup.target),
        keys=list(key_facts(settings, mine)),
        officers=officers(mine, 0 if stored is None else stored.size),
        schema=schema,
        newest_schema=NEWEST,
        database_error=database_error,
        stored=stored,
        instance=local.instance,
    )


def _peer(code: str, seen: Seen, status: PeerStatus) -> PeerFacts:
    contacted = None if status.contacted is None else datetime.fromisoformat(status.contacted)
    return PeerFacts(code, seen, contacted, status.failures, status.error)


def _now() -> datetime:
    return datetime.now(UTC)
