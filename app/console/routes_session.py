"""Logging in and out."""

from __future__ import annotations

import math

from fastapi import APIRouter, HTTPException, Request, Response

from app.console.access import COOKIE, Anybody, Caller, Shared, find_caller, is_from_here
from app.console.accounts import LoginError, User, change_password, check_password
from app.console.models import Login, Me, NewPassword
from app.console.sessions import begin_session, csrf_of, end_session
from app.console.state import Console

router = APIRouter(prefix="/api/session", tags=["session"])

WRONG = "name and password do not belong together, or the account is locked for a while after too many attempts"


@router.post("")
def log_in(given: Login, request: Request, response: Response, console: Shared) -> Me:
    """Logs somebody in: sets the cookie that stands for the session."""
    if not is_from_here(request):
        raise HTTPException(403, "this request does not come from a page of the console")
    _slow_down(console, request)
    try:
        user = check_password(console.gallery, given.name, given.password, console.config.console)
    except LoginError:
        raise HTTPException(401, WRONG) from None
    secret = begin_session(console.gallery, user)
    _set_cookie(response, secret, console)
    return _me(Caller(user, secret), console)


@router.get("")
def show_session(request: Request, console: Shared) -> Me | None:
    """Who is logged in; null where nobody is."""
    caller = find_caller(request)
    return None if caller is None else _me(caller, console)


@router.delete("", status_code=204)
def log_out(caller: Anybody, console: Shared, response: Response) -> None:
    """Logs somebody out; a token stays as it is."""
    if caller.secret is not None:
        end_session(console.gallery, caller.secret, caller.user)
        response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")


@router.post("/password")
def choose_password(given: NewPassword, caller: Anybody, request: Request, response: Response, console: Shared) -> Me:
    """Gives somebody the password they chose; their other sessions end."""
    if caller.secret is None:
        raise HTTPException(403, "a token cannot change a password; log in")
    _slow_down(console, request)
    try:
        change_password(console.gallery, caller.user, given.old, given.new, console.config.console)
    except LoginError:
        raise HTTPException(403, "the old password is wrong") from None
    user = check_password(console.gallery, caller.user.name, given.new, console.config.console)
    secret = begin_session(console.gallery, user)
    _set_cookie(response, secret, console)
    return _me(Caller(user, secret), console)


def _slow_down(console: Console, request: Request) -> None:
    wait = console.logins.wait(request.client.host if request.client else "")
    if wait:
        raise HTTPException(429, "too many attempts; wait a minute", {"retry-after": str(math.ceil(wait))})


def _set_cookie(response: Response, secret: str, console: Console) -> None:
    seconds = round(3600 * console.config.console.session_hours)
    response.set_cookie(COOKIE, secret, max_age=seconds, secure=True, httponly=True, samesite="strict", path="/")


def _me(caller: Caller, console: Console) -> Me:
    user: User = caller.user
    settings = console.config.console
    return Me(
        name=user.name,
        role=user.role,
        must_change=user.must_change,
        csrf="" if caller.secret is None else csrf_of(caller.secret),
        recorded=console.wall.recorded,
        require_reason=settings.require_reason,
        floor_plan=settings.floor_plan is not None,
        pictures_a_second=settings.pictures_a_second,
    )
