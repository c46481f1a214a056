"""What goes around every request: headers that browsers obey, and a limit to what is sent."""

from __future__ import annotations

import json
from collections.abc import Collection
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
    """ASGI middleware: sets headers on every answer, refuses bodies above a size, and names that are not the console's.

    Args:
        app: What answers.
        most_bytes: Of a request's body, whatever it says of itself.
        https: Whether browsers are to come by https from now on.
        names: Hosts under which it is reached, without ports; None for any. A name of somebody else's that leads to
            this machine must not get in through a browser on it.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, *, https: bool, names: Collection[str] | None = None) -> None:
        self._app, self._names = app, names
        self._most = most_bytes
        self._too_large = f"the request is over {most_bytes / 2**20:g} MB; send less"
        chosen = HEADERS | (HTTPS_ONLY if https else {})
        self._headers = [(name.encode(), value.encode()) for name, value in chosen.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        known = self._names is None or host_name(scope) in self._names
        if scope["type"] == "websocket":
            if known:
                await self._app(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        if not known:
            await self._refuse(send, 400, "this is not a name of the console's; console.names lists those it has")
            return
        await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            await self._refuse(send, 413, self._too_large)
            return
        with suppress(TooLargeError):
            await self._app(scope, counted, guarded)
        if taken > self._most and not begun:
            await self._refuse(send, 413, self._too_large)

    def _with_headers(self, message: Message) -> Message:
        if message["type"] != "http.response.start":
            return message
        given = {name.lower() for name, _ in message["headers"]}
        more = [item for item in self._headers if item[0] not in given]
        return {**message, "headers": [*message["headers"], *more]}

    async def _refuse(self, send: Send, status: int, why: str) -> None:
        body = json.dumps({"error": why}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send(self._with_headers({"type": "http.response.start", "status": status, "headers": headers}))
        await send({"type": "http.response.body", "body": body})


def host_name(scope: Scope) -> str:
    """The host that a request is addressed to, without its port; empty where it says none or several."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    host: str = given[0].decode("latin-1").lower() if len(given) == 1 else ""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
