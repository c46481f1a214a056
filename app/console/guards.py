"""What goes around every request: headers that browsers obey, and a limit to what is sent."""

from __future__ import annotations

import json
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing but the console's own files runs or is loaded, and nobody may frame it."""

HEADERS = {
    "content-security-policy": CONTENT,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
HTTPS_ONLY = {"strict-transport-security": "max-age=31536000"}


class TooLargeError(Exception):
    """More was sent than is taken."""


class Guards:
    """ASGI middleware: sets headers on every answer and refuses bodies above a size, whatever they say of it."""

    def __init__(self, app: ASGIApp, most_bytes: int, *, https: bool) -> None:
        self._app = app
        self._most = most_bytes
        chosen = HEADERS | (HTTPS_ONLY if https else {})
        self._headers = [(name.encode(), value.encode()) for name, value in chosen.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken, begun = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise TooLargeError
            return message

        async def guarded(message: Message) -> None:
            nonlocal begun
            if taken > self._most and not begun:
                return  # whatever the application makes of it, the answer is below
            if message["type"] == "http.response.start":
                begun = True
            await send(self._with_headers(message))

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most:
            await self._refuse(send)
            return
        with suppress(TooLargeError):
            await self._app(scope, counted, guarded)
        if taken > self._most and not begun:
            await self._refuse(send)

    def _with_headers(self, message: Message) -> Message:
        if message["type"] != "http.response.start":
            return message
        given = {name.lower() for name, _ in message["headers"]}
        more = [item for item in self._headers if item[0] not in given]
        return {**message, "headers": [*message["headers"], *more]}

    async def _refuse(self, send: Send) -> None:
        problem = {"error": f"the request is over {self._most / 2**20:g} MB; send less"}
        body = json.dumps(problem).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send(self._with_headers({"type": "http.response.start", "status": 413, "headers": headers}))
        await send({"type": "http.response.body", "body": body})
