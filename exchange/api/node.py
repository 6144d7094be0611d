"""The node about itself: who it is, what it holds of every log, whether it is alive and ready."""

import hmac
from typing import Any

from fastapi import APIRouter, Header, Response

from exchange import __version__
from exchange.api import shapes
from exchange.api.contract import refusals
from exchange.api.proof import AskerDep, ReachDep
from exchange.api.room import NodeDep, RoomDep
from exchange.api.standing import head_answer, moment, trust_answer, witness_vkey
from exchange.core.base64text import format_base64
from exchange.core.note import format_vkey
from exchange.errors import KeyNotAllowed
from exchange.federation.quota import paused_until
from exchange.store import documents
from exchange.store import log as logs
from exchange.store.peers import PeerStatus, peer_statuses
from exchange.trust.asker import OPERATOR

VERDICTS = ("admitted", "disputed", "refused", "waiting")

router = APIRouter()


@router.get("/v1/node", response_model=shapes.NodeAnswer)
def node_about_itself(room: RoomDep, node: NodeDep, response: Response) -> dict[str, Any]:
    """Who runs this node, and the log it keeps; `instance` is another with each start."""
    response.headers["Cache-Control"] = "no-store"  # an answer of the process before would look like a second one
    with node.db.read() as tx:
        log = logs.log_of(tx, node.origin)
        head = head_answer(tx, node, log)
    return {
        "participant": node.settings.participant,
        "federation": node.settings.federation,
        "live": node.participants.live,
        "origin": node.origin,
        "log_vkey": format_vkey(node.vkey),
        "size": log.size,
        "version": __version__,
        "instance": node.instance,
        "witness_vkey": witness_vkey(node),
        "witness_url": f"{node.settings.url}/witness",
        "head": head,
        "trust": None if room.trust is None else trust_answer(room.trust.now_standing.held),
    }


@router.get("/v1/heads", response_model=shapes.Heads)
def heads(node: NodeDep) -> dict[str, Any]:
    """Every log known here: two registries that agree give the same answer, byte for byte."""
    with node.db.read() as tx:
        counts = logs.verdicts(tx)
        items = [
            {
                "participant": log.participant,
                "origin": log.origin,
                "size": log.size,
                "root": format_base64(log.root),
                **{verdict: counts.get(log.id, {}).get(verdict, 0) for verdict in VERDICTS},
            }
            for log in logs.all_logs(tx)
        ]
    return {"items": items, "next": None}


@router.get("/v1/peers", response_model=shapes.Peers, responses=refusals(401))
def peers(node: NodeDep, reach: ReachDep) -> dict[str, Any]:
    """How the last contact with each peer went, and what it still owes of what the asker may read."""
    with node.db.read() as tx:
        statuses, owed = peer_statuses(tx), documents.count_missing(tx, reach)
        known = logs.all_logs(tx)
        heads = {
            log.participant: head_answer(tx, node, log) for log in known if log.participant in node.participants.records
        }
        paused = {
            log.participant: until
            for log in known
            if (until := paused_until(tx, log, node.participants, node.clock())) is not None
        }
    items = []
    for code, record in sorted(node.participants.records.items()):
        if code == node.settings.participant:
            continue
        mine = [log for log in known if log.participant == code]
        status = statuses.get(code, PeerStatus(code, None, None, None, 0))
        items.append(
            {
                "participant": code,
                "node_url": record.node_url,
                "size": sum(log.size for log in mine),
                "attempted": status.attempted,
                "contacted": status.contacted,
                "error": status.error,
                "failures": status.failures,
                "paused_until": moment(paused.get(code)),
                "documents_missing": sum(owed.get(log.id, 0) for log in mine),
                "head": heads.get(code),
            }
        )
    return {"items": items, "next": None}


@router.get("/healthz", include_in_schema=False)
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", include_in_schema=False)
def readyz(node: NodeDep, response: Response) -> dict[str, str | None]:
    """The node reads and appends; where it only reads, 503 and the reason."""
    with node.db.read() as tx:
        logs.log_of(tx, node.origin)
    why = node.appender.refusing
    if why is not None:
        response.status_code = 503
        return {"status": "reading only", "reason": why}
    return {"status": "ready", "reason": None}


@router.post("/local/pull", include_in_schema=False)
def pull_now(room: RoomDep, asker: AskerDep, authorization: str = Header("")) -> dict[str, Any]:
    """A round of visits at once, for whoever can read the operator's token in the data directory (`cbm pull`), or is an operator by the record."""
    if not (asker.own and OPERATOR in asker.roles) and not hmac.compare_digest(
        authorization.encode(), f"Bearer {room.token}".encode()
    ):
        raise KeyNotAllowed("this is for the operator of the node, with the token in its directory")
    return {"visits": room.pull()}
