"""Who asks, and whether they may: what every route of the console depends on."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from app.console.accounts import Role, User
from app.console.sessions import csrf_of, session_user, token_user
from app.console.state import Console

COOKIE = "crowdtrace"
CSRF = "x-csrf-token"
SAFE = ("GET", "HEAD", "OPTIONS")

# They say in the API's description how to log in; `caller` reads the request itself.
_Cookie = Annotated[Any, Depends(APIKeyCookie(name=COOKIE, auto_error=False, description="Set by POST /api/session."))]
_Bearer = Annotated[Any, Depends(HTTPBearer(auto_error=False, description="An API token."))]


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        user: They, with the role that counts.
        secret: Their session's; None where a token is used.
    """

    user: User
    secret: str | None


def console_of(connection: HTTPConnection) -> Console:
    """What all routes share."""
    found: Console = connection.app.state.console
    return found


def find_caller(connection: HTTPConnection) -> Caller | None:
    """Who asks, by a token or a session; None where nobody is logged in."""
    console = console_of(connection)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        user = token_user(console.gallery, token.strip())
        return None if user is None else Caller(user, None)
    secret = connection.cookies.get(COOKIE)
    user = session_user(console.gallery, secret, console.config.console) if secret else None
    return None if user is None else Caller(user, secret)


def is_from_here(connection: HTTPConnection) -> bool:
    """Whether a browser says that one of the console's own pages asks, or nothing about it."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")


def anybody(connection: HTTPConnection, _cookie: _Cookie = None, _bearer: _Bearer = None) -> Caller:
    """Somebody who is logged in, even if they still have to change their password.

    A change needs the CSRF token of the session, which only the console's own pages have.
    """
    caller = find_caller(connection)
    if caller is None:
        raise HTTPException(401, "log in first", {"www-authenticate": "Bearer"})
    if caller.secret is not None and connection.scope.get("method", "GET") not in SAFE:
        given = connection.headers.get(CSRF, "").encode()
        if not is_from_here(connection) or not hmac.compare_digest(given, csrf_of(caller.secret).encode()):
            raise HTTPException(403, "this request does not come from a page of the console; load the page anew")
    return caller


def may(caller: Caller, role: Role) -> None:
    """Refuses somebody who has not this role.

    Raises:
        HTTPException: 403.
    """
    if caller.user.must_change:
        raise HTTPException(403, "choose a password of your own first")
    if not caller.user.may(role):
        raise HTTPException(403, f"this needs the role {role}, you are {caller.user.role}")


def viewer(caller: Annotated[Caller, Depends(anybody)]) -> Caller:
    """Somebody who may look."""
    may(caller, "viewer")
    return caller


def operator(caller: Annotated[Caller, Depends(anybody)]) -> Caller:
    """Somebody who may search and correct."""
    may(caller, "operator")
    return caller


def admin(caller: Annotated[Caller, Depends(anybody)]) -> Caller:
    """Somebody who may erase, read the audit log and look after users."""
    may(caller, "admin")
    return caller


Shared = Annotated[Console, Depends(console_of)]
Anybody = Annotated[Caller, Depends(anybody)]
Viewer = Annotated[Caller, Depends(viewer)]
Operator = Annotated[Caller, Depends(operator)]
Admin = Annotated[Caller, Depends(admin)]
