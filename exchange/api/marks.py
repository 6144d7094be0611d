"""What every answer carries, also the one to an error that nobody foresaw: the mark of a trial federation, and no sniffing.

What is answered to a request that proves who asks is for them alone, and no cache keeps it.
"""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.api.proof import is_somebody


class Marked:
    """Stands around the whole application, outside of what turns exceptions into answers."""

    def __init__(self, app: ASGIApp, is_live: Callable[[], bool]) -> None:
        self._app, self._is_live = app, is_live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        proven = scope["type"] == "http" and is_somebody(scope)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if not self._is_live():
                    headers["CBM-Federation"] = "trial"
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if proven:
                    headers["Cache-Control"] = "no-store"
                    headers.add_vary_header("Authorization, Signature-Input")
            await send(message)

        await self._app(scope, receive, send_marked)
