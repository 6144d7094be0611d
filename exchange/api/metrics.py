"""The node in figures, in the text format of Prometheus (exposition format 0.0.4); examples/operate/alerts.yml has the alarms to them.

Labels are codes, origins and verdicts out of audited records and our own words: nobody outside can make new ones. It is for the
operator: answered to this machine alone, unless the setting `metrics_public` says otherwise. Whoever came through a proxy did
not come from this machine, whatever address the proxy has; to anybody else there is no such page.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from exchange import __version__
from exchange.api.room import NodeDep, RoomDep
from exchange.errors import NotFound
from exchange.federation.quota import paused_until
from exchange.node.backup import last_backup
from exchange.node.node import Node
from exchange.store import log as logs
from exchange.store.database import Transaction
from exchange.store.figures import LogFigures, alerts_by_kind, database_bytes, log_figures
from exchange.store.findings import findings_by_participant
from exchange.store.fulltext import behind
from exchange.store.owed import count_hidden
from exchange.store.peers import peer_statuses
from exchange.store.restored import restored
from exchange.store.schema import NEWEST
from exchange.store.standing import head_standing
from exchange.trust.asker import Asker
from exchange.trust.audience import PUBLIC_REACH, Reach, reach

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OVERDUE_AFTER = timedelta(days=1)  # DESIGN section 4, rule 5: then a document is undelivered
NEVER = float("inf")
_BY_PROXY = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

router = APIRouter()

Samples = list[tuple[dict[str, str], float]]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, with a sample for each set of labels."""

    name: str
    kind: str
    help: str
    samples: Samples


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, room: RoomDep, node: NodeDep) -> PlainTextResponse:
    if not node.settings.metrics_public and not is_from_here(request):
        raise NotFound("there is no /metrics here")
    stale_since = None if room.trust is None else room.trust.now_standing.held.stale_since
    text = format_families(families(node, node.clock(), stale_since, whole=is_from_here(request)))
    return PlainTextResponse(text, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


def _own_reach(node: Node) -> Reach:
    mine = node.participants.records.get(node.settings.participant)
    return PUBLIC_REACH if mine is None else reach(Asker.node(mine))


def is_from_here(request: Request) -> bool:
    """Asked by a program on this machine, by a loopback name, and by no proxy on behalf of another."""
    client = request.client.host if request.client is not None else ""
    host = request.headers.get("host", "").rpartition("@")[2]
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    proxied = any(header in request.headers for header in _BY_PROXY)
    return not proxied and _is_loopback(client) and (name == "localhost" or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def families(node: Node, now: datetime, stale_since: datetime | None = None, *, whole: bool = True) -> Iterator[Family]:
    """Every figure of the node, out of one snapshot; `whole`, with those that grow by the size of what not everybody may read.

    `stale_since`: of the founders' list.
    """
    yield _one("build_info", "The program that runs.", 1, version=__version__, schema=NEWEST)
    appender, space = node.appender, node.space
    yield _one(
        "log_stopped", "1 where the log takes nothing until the node is started anew.", appender.stopped is not None
    )
    yield _one("log_refusing", "1 where the log takes nothing now, for whatever reason.", appender.refusing is not None)
    yield _one(
        "witnesses_answered",
        "Witnesses that told since the start what they know of the own log.",
        node.asked.answered,
    )
    yield _one("witnesses_needed", "How many must, before the log takes anything after a start.", node.asked.needed)
    yield _one("queue_length", "Submissions that wait for the writer.", appender.waiting)
    yield _one("commits_total", "Commits of own submissions since the start.", appender.commits, kind="counter")
    if whole:
        yield _one("disk_free_bytes", "Free on the disk of the data.", space.left())
    yield _one("disk_min_free_bytes", "Below it, nothing is taken in.", space.min_free)
    backup = last_backup(node.settings.directory)
    age = NEVER if backup is None else (now - backup.made).total_seconds()
    yield _one("backup_age_seconds", "Since the newest backup; +Inf where there was none.", age)
    stale = 0.0 if stale_since is None else (now - stale_since).total_seconds()
    yield _one("trust_stale_seconds", "Since nobody vouches for the founders' list; 0 while somebody does.", stale)
    yield _one("cosignatures_signed_total", "Signed as a witness since the start.", node.witness.signed, kind="counter")
    with node.db.read() as tx:
        if whole:
            yield _one(
                "database_bytes", "Size of the database, without the files of large documents.", database_bytes(tx)
            )
        yield from _of_database(tx)
        yield from _of_heads(tx, node, now)
        yield from _of_logs(log_figures(tx, now - OVERDUE_AFTER, _own_reach(node) if whole else PUBLIC_REACH))
        yield from _of_peers(tx, sorted(set(node.participants.records) - {node.settings.participant}), now)


def _of_database(tx: Transaction) -> Iterator[Family]:
    yield _one("documents_hidden", "Documents under an order to be forgotten, and not destroyed yet.", count_hidden(tx))
    yield _one("unsearched", "Submissions that cannot be found by all of their text yet.", behind(tx))
    yield _one("restored", "1 in a restored node that has not asked the others yet.", restored(tx) is not None)
    kinds: Samples = [({"kind": kind}, number) for kind, number in alerts_by_kind(tx).items()]
    yield Family("cbm_alerts", "gauge", "Alerts ever raised, by kind.", kinds)
    told: Samples = [({"participant": code}, number) for code, number in findings_by_participant(tx).items()]
    yield Family(
        "cbm_findings", "gauge", "Entries of a State's logs with evidence that convicts a log or a witness.", told
    )
    total = sum(number for _, number in kinds)  # from 0 on, so that the first one is seen as an increase
    yield _one("alerts_raised_total", "Alerts ever raised.", total, kind="counter")


def _of_logs(figures: Iterable[LogFigures]) -> Iterator[Family]:
    figures = list(figures)
    named = [(figure, {"participant": figure.participant, "origin": figure.origin}) for figure in figures]

    def each(name: str, words: str, of: Mapping[str, float]) -> Family:
        return Family(f"cbm_{name}", "gauge", words, [(labels, of[figure.origin]) for figure, labels in named])

    yield each("log_size", "Entries of a log under its newest checkpoint here.", {f.origin: f.size for f in figures})
    yield each("log_halted", "1 where a log contradicted itself.", {f.origin: f.halted for f in figures})
    verdicts: Samples = [
        ({**labels, "verdict": verdict}, getattr(figure, verdict))
        for figure, labels in named
        for verdict in ("admitted", "disputed", "refused", "waiting")
    ]
    yield Family("cbm_entries", "gauge", "Entries of a log by the verdict of the door.", verdicts)
    yield each("documents_owed", "Documents named and not held here.", {f.origin: f.owed for f in figures})
    yield each(
        "documents_overdue", "Documents not held here for more than a day.", {f.origin: f.overdue for f in figures}
    )


def _of_heads(tx: Transaction, node: Node, now: datetime) -> Iterator[Family]:
    ages: Samples = []
    paused: Samples = []
    waiting = 0
    for log in logs.all_logs(tx):
        if log.participant not in node.participants.records or log.note is None:
            continue
        until = paused_until(tx, log, node.participants, now)
        paused.append(({"participant": log.participant, "origin": log.origin}, until is not None))
        head = head_standing(tx, node.participants, log, now)
        if head.tally.of:
            waiting += not head.tally.witnessed
            age = NEVER if head.quorum is None else (now - head.quorum).total_seconds()
            ages.append(({"participant": log.participant, "origin": log.origin}, age))
    yield Family("cbm_log_paused", "gauge", "1 where a log is beyond its quota of today.", paused)
    yield _one("heads_waiting", "Heads of logs that a quorum has not cosigned yet.", waiting)
    yield Family(
        "cbm_quorum_age_seconds", "gauge", "Since the newest quorum for a head; +Inf where there is none.", ages
    )


def _of_peers(tx: Transaction, codes: list[str], now: datetime) -> Iterator[Family]:
    statuses = peer_statuses(tx)
    ages: Samples = []
    failures: Samples = []
    for code in codes:
        status = statuses.get(code)
        contacted = None if status is None else status.contacted
        age = NEVER if contacted is None else (now - datetime.fromisoformat(contacted)).total_seconds()
        ages.append(({"participant": code}, age))
        failures.append(({"participant": code}, 0 if status is None else status.failures))
    yield Family("cbm_peer_contact_age_seconds", "gauge", "Since the last good visit; +Inf where there was none.", ages)
    yield Family("cbm_peer_failures", "gauge", "Visits that failed in a row.", failures)


def _one(name: str, words: str, value: float, *, kind: str = "gauge", **labels: str) -> Family:
    return Family(f"cbm_{name}", kind, words, [(labels, value)])


def format_families(families: Iterable[Family]) -> str:
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in family.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{family.name}{{{inside}}} {_number(value)}" if inside else f"{family.name} {_number(value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value == NEVER:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
