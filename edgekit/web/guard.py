"""Who may ask: a token on the local network, and on the loopback address only those who named it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = ("127.0.0.1", "localhost")
OPEN_TO_ALL = "/health"


class Guard:
    """Refuses strangers before anything else is done, and counts how requests end.

    With ``token``, a request must bring it as ``Authorization: Bearer``. Without one the service is on the loopback
    address, where a page from elsewhere must not reach it under a name of its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str, count: Callable[[str, int], None]) -> None:
        self.app, self.count = app, count
        self._expected = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        began = False

        async def counting(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                self.count(getattr(scope.get("endpoint"), "__name__", "none"), message["status"])
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self.app)(scope, receive, counting)
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            if began:
                raise
            farewell = JSONResponse({"error": "The service ends; ask again in a moment."}, 503, {"Retry-After": "1"})
            await farewell(scope, receive, counting)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if self._expected:
            given = headers.get("authorization", "").encode()
            if scope["path"] == OPEN_TO_ALL or hmac.compare_digest(given, self._expected):
                return None
            text = "A token is needed: send the header 'Authorization: Bearer TOKEN' with the one that was printed."
            return JSONResponse({"error": text}, 401, {"WWW-Authenticate": "Bearer"})
        if headers.get("host", "").rpartition(":")[0] in LOCAL_NAMES or headers.get("host") in LOCAL_NAMES:
            return None
        return JSONResponse({"error": f"This service is called {' or '.join(LOCAL_NAMES)}."}, 421)
