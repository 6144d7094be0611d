"""Officers at their own node: how they sign in, who they are to the other routes, and the local record of what they did.

A session is sent as `Authorization: Bearer TOKEN` and in no other way: what a browser sends by itself proves nothing here. No answer
is kept by any cache.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from exchange.api import deskshapes, shapes
from exchange.api.contract import refusals
from exchange.api.request import read_body
from exchange.api.room import Limit, Number, RoomDep, page
from exchange.core.jsonfields import is_digest
from exchange.core.jsontext import parse_json
from exchange.errors import Malformed, NotSignedIn
from exchange.node.sessions import CHALLENGE_SECONDS, IDLE_SECONDS, SignedIn
from exchange.store.acts import acts, newest, record_act
from exchange.trust.acts import What
from exchange.trust.challenge import MAX_CHALLENGE
from exchange.trust.roles import Right

MAX_SIGN_IN = 4 * MAX_CHALLENGE  # bytes of JSON
JSON = "application/json"
NO_STORE = "no-store"
OFFICERS = "officers"
"""In the contract: what is for officers of this very node, and for nobody else."""

_bearer = HTTPBearer(auto_error=False, scheme_name="session", description="what POST /v1/session answers")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def signed_in(room: RoomDep, bearer: Bearer, response: Response) -> SignedIn:
    """Who asks, for routes that are for officers alone. Raises NotSignedIn."""
    response.headers["Cache-Control"] = NO_STORE
    if bearer is None:
        raise NotSignedIn("this is for officers of this node who signed in: Authorization: Bearer TOKEN")
    return room.sessions.who(bearer.credentials, room.token)


SignedInDep = Annotated[SignedIn, Depends(signed_in)]


def json_body(limit: int) -> Callable[[Request], Awaitable[Any]]:
    """For routes that take an object in JSON: bounded before it is read, strict."""

    async def read(request: Request) -> Any:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise Malformed(f"expected {JSON}, got {kind[:80] or 'no content type'!r}")
        return parse_json(await read_body(request, limit), limit=limit)

    return read


def fields_of(value: Any, *names: str) -> list[Any]:
    """The values of an object that has exactly these fields."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise Malformed(f"expected an object with exactly the fields {', '.join(names)}")
    return [value[name] for name in names]


def text_of(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{name} is a text", pointer=f"/{name}")
    return value


SmallBody = Annotated[Any, Depends(json_body(MAX_SIGN_IN))]

router = APIRouter(prefix="/v1", tags=[OFFICERS])


@router.post(
    "/session/challenge",
    response_model=deskshapes.ChallengeAnswer,
    responses=refusals(413),
    openapi_extra=deskshapes.asked(key=shapes.DIGEST),
)
def challenge(room: RoomDep, response: Response, body: SmallBody) -> dict[str, Any]:
    """The text that an officer's signing key signs to open a session here, within two minutes."""
    [key] = fields_of(body, "key")
    if not is_digest(text_of(key, "key")):
        raise Malformed("the id of a key is 64 lower-case hex digits", pointer="/key")
    response.headers["Cache-Control"] = NO_STORE
    return {"message": room.sessions.challenge(key).decode(), "seconds": CHALLENGE_SECONDS}


@router.post(
    "/session",
    response_model=deskshapes.SessionOpened,
    status_code=201,
    responses=refusals(401, 413),
    openapi_extra=deskshapes.asked(message={"type": "string"}, signature=shapes.BASE64),
)
def open_session(room: RoomDep, response: Response, body: SmallBody) -> dict[str, Any]:
    """A session for the key that signed the challenge: its token is told this once, and is worth 8 hours, or 30 minutes of rest."""
    message, signature = fields_of(body, "message", "signature")
    response.headers["Cache-Control"] = NO_STORE
    opened = room.sessions.open(text_of(message, "message").encode(), text_of(signature, "signature"))
    return {"token": opened.token, **_answer(opened.signed_in)}


@router.get("/session", response_model=deskshapes.SessionAnswer, responses=refusals(401))
def session(asks: SignedInDep) -> dict[str, Any]:
    """Who holds this token, as the record has it now."""
    return _answer(asks)


@router.delete("/session", response_model=deskshapes.SessionEnded, responses=refusals(401))
def end_session(room: RoomDep, asks: SignedInDep, bearer: Bearer) -> dict[str, Any]:
    """End it."""
    if bearer is not None:
        room.sessions.end(bearer.credentials, asks.officer)
    return {"ended": True}


def _answer(asks: SignedIn) -> dict[str, Any]:
    ends = f"{datetime.fromtimestamp(asks.ends, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "key": asks.officer.keyid,
        "participant": asks.asker.participant,
        "roles": sorted(asks.officer.roles),
        "ends": ends,
        "idle_seconds": IDLE_SECONDS,
    }


@router.get("/acts", response_model=deskshapes.Acts, responses=refusals(401, 403))
def local_record(
    request: Request, room: RoomDep, asks: SignedInDep, after: Number = 0, limit: Limit = 100
) -> dict[str, Any]:
    """Who did and read what here, in order; for auditors and operators of this node. To read it is itself such an act."""
    asks.officer.check(Right.SEE_ACTS)
    with room.node.db.write() as tx:
        record_act(tx, room.node.clock(), asks.officer, What.ACTS_READ, f"after:{after}")
    with room.node.db.read() as tx:
        found, last = acts(tx, after=after, limit=limit), newest(tx)
    items = [{name: getattr(act, name) for name in deskshapes.ActAnswer.model_fields} for act in found]
    head = None if last is None else {"seq": last.seq, "sha256": last.sha256}
    return {**page(request, items, limit, "after", found[-1].seq if found else None), "head": head}
