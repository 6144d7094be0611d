"""The methods of HTTP: HEAD wherever there is GET, and `Allow` with every method of a path (RFC 9110 sections 9.3.2, 15.5.6)."""

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "DELETE")
"""All that a node answers, besides HEAD."""


class Headed:
    """Answers HEAD with the head of what GET would answer: the routes are asked for GET, and the body stays here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A proof is over the method that was sent (api/proof.py).
        await self._app({**scope, "method": "GET", "asked": "HEAD"}, receive, send_head)


def allowed(request: Request) -> str:
    """The methods of this path, as `Allow` lists them. The framework names those of the first route it finds."""
    found = [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return ", ".join([*found, "HEAD"] if "GET" in found else found)
