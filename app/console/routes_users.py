"""Users and tokens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from app.console import accounts, sessions
from app.console.access import Admin, Shared, Viewer
from app.console.accounts import User
from app.console.models import MadeToken, NewToken, NewUser, OneTime, TokenOut, UserChange, UserOut

router = APIRouter(prefix="/api", tags=["users"])

Id = Annotated[int, Path(ge=1, le=2**53 - 1)]


@router.get("/users")
def list_users(_caller: Admin, console: Shared) -> list[UserOut]:
    """Everybody who may use the console."""
    return [_out(user) for user in accounts.users(console.gallery)]


@router.post("/users", status_code=201)
def add_user(given: NewUser, caller: Admin, console: Shared) -> OneTime:
    """Adds somebody, with a password that works once."""
    user, password = accounts.add_user(console.gallery, given.name, given.role, who=caller.user.name)
    return OneTime(user=_out(user), password=password)


@router.put("/users/{number}")
def change_user(number: Id, given: UserChange, caller: Admin, console: Shared) -> UserOut:
    """Gives somebody another role, or locks them out; they are logged out."""
    return _out(
        accounts.change_user(console.gallery, number, role=given.role, disabled=given.disabled, who=caller.user.name)
    )


@router.post("/users/{number}/password")
def reset_password(number: Id, caller: Admin, console: Shared) -> OneTime:
    """Gives somebody a new password that works once, and unlocks their account."""
    password = accounts.reset_password(console.gallery, number, who=caller.user.name)
    with console.gallery.reading() as connection:
        user = accounts.find_user(connection, number)
    assert user is not None
    return OneTime(user=_out(user), password=password)


@router.get("/tokens")
def list_tokens(caller: Viewer, console: Shared) -> list[TokenOut]:
    """Your API tokens; an admin sees everybody's."""
    return [TokenOut(**asdict(token)) for token in sessions.tokens(console.gallery, caller.user)]


@router.post("/tokens", status_code=201)
def add_token(given: NewToken, caller: Viewer, console: Shared) -> MadeToken:
    """Makes an API token; its secret is shown this once."""
    number, secret = sessions.add_token(console.gallery, caller.user, given.name, given.role, given.days)
    return MadeToken(id=number, secret=secret)


@router.delete("/tokens/{number}", status_code=204)
def end_token(number: Id, caller: Viewer, console: Shared) -> None:
    """Ends an API token."""
    sessions.end_token(console.gallery, caller.user, number)


def _out(user: User) -> UserOut:
    return UserOut(**asdict(user))
