"""How the console knows who asks: sessions of browsers and tokens of programs, of which only hashes are stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select, update

from app.config_console import ConsoleConfig
from app.console.accounts import ROLES, Role, User, find_user
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.schema import SessionRecord, TokenRecord
from app.gallery.writing import enter_audit

TOKEN_PREFIX = "ct_"
TOUCH_SECONDS = 60.0
"""Seconds after which a session's last use is written again: not at every request."""


@dataclass(frozen=True)
class Token:
    """A program's key.

    Attributes:
        id: Its number.
        name: What it is for.
        user: Name of whom it acts for.
        role: What it may do at most.
        created: Seconds since the epoch.
        expires: Likewise.
    """

    id: int
    name: str
    user: str
    role: Role
    created: float
    expires: float


def begin_session(gallery: Gallery, user: User) -> str:
    """Logs somebody in and gives the secret that their browser is to hold."""
    secret, now = secrets.token_urlsafe(32), gallery.now()
    row = {"digest": _digest(secret), "user_id": user.id, "started": now, "seen": now}
    with gallery.writing() as connection:
        connection.execute(insert(SessionRecord), [row])
        enter_audit(connection, now, "login", {}, user.name)
    return secret


def session_user(gallery: Gallery, secret: str, config: ConsoleConfig) -> User | None:
    """Who holds a session's secret; None where it is over or never was."""
    table, now, digest = SessionRecord, gallery.now(), _digest(secret)
    with gallery.reading() as connection:
        row = connection.execute(
            select(table.user_id, table.started, table.seen).where(table.digest == digest)
        ).one_or_none()
        user = None if row is None else find_user(connection, row.user_id)
    if row is None or user is None or user.disabled is not None:
        return None
    if now - row.seen > 60 * config.idle_minutes or now - row.started > 3600 * config.session_hours:
        with gallery.writing() as connection:
            connection.execute(delete(table).where(table.digest == digest))
        return None
    if now - row.seen > TOUCH_SECONDS:
        with gallery.writing() as connection:
            connection.execute(update(table).where(table.digest == digest).values(seen=now))
    return user


def end_session(gallery: Gallery, secret: str, user: User) -> None:
    """Logs somebody out."""
    with gallery.writing() as connection:
        connection.execute(delete(SessionRecord).where(SessionRecord.digest == _digest(secret)))
        enter_audit(connection, gallery.now(), "logout", {}, user.name)


def csrf_of(secret: str) -> str:
    """What a page must send back with every change: another site cannot know it, nor make a browser send it."""
    return hashlib.sha256(b"csrf " + secret.encode()).hexdigest()


def add_token(gallery: Gallery, user: User, name: str, role: Role, days: float) -> tuple[int, str]:
    """Makes a token that acts for a user; its number, and its secret, which is shown this once.

    Raises:
        InputError: If it were to do more than the user may.
    """
    if not user.may(role):
        raise InputError(f"token: {user.name} is {user.role}, so a token of theirs cannot be {role}")
    secret, now = TOKEN_PREFIX + secrets.token_urlsafe(32), gallery.now()
    row = {
        "user_id": user.id,
        "name": name,
        "role": role,
        "digest": _digest(secret),
        "created": now,
        "expires": now + 86400 * days,
    }
    with gallery.writing() as connection:
        number = int(connection.scalars(insert(TokenRecord).returning(TokenRecord.id), [row]).one())
        enter_audit(connection, now, "token add", {"token": number, "name": name, "role": role}, user.name)
    return number, secret


def tokens(gallery: Gallery, user: User) -> list[Token]:
    """A user's tokens that have not expired; of an admin, everybody's."""
    table = TokenRecord
    query = select(table.id, table.name, table.user_id, table.role, table.created, table.expires).order_by(table.id)
    query = query.where(table.expires > gallery.now())
    if not user.may("admin"):
        query = query.where(table.user_id == user.id)
    with gallery.reading() as connection:
        rows: Sequence[tuple[int, str, int, Role, float, float]] = connection.execute(query).all()  # type: ignore[assignment]
        owners = {row[2]: find_user(connection, row[2]) for row in rows}
    names = {number: owner.name for number, owner in owners.items() if owner is not None}
    return [
        Token(number, name, names[owner], role, created, expires)
        for number, name, owner, role, created, expires in rows
    ]


def end_token(gallery: Gallery, user: User, number: int) -> None:
    """Ends a token of a user's own; an admin ends anybody's.

    Raises:
        InputError: If there is none of that number.
    """
    if number not in {token.id for token in tokens(gallery, user)}:
        raise InputError(f"token {number}: is not there; the list of tokens shows those there are")
    with gallery.writing() as connection:
        connection.execute(delete(TokenRecord).where(TokenRecord.id == number))
        enter_audit(connection, gallery.now(), "token end", {"token": number}, user.name)


def token_user(gallery: Gallery, secret: str) -> User | None:
    """For whom a token acts, with no more than its own role; None where it is over or never was."""
    table = TokenRecord
    query = select(table.user_id, table.role).where(table.digest == _digest(secret), table.expires > gallery.now())
    with gallery.reading() as connection:
        row = connection.execute(query).one_or_none()
        user = None if row is None else find_user(connection, row.user_id)
    if row is None or user is None or user.disabled is not None or user.must_change:
        return None
    return replace(user, role=min(user.role, row.role, key=ROLES.index))


def _digest(secret: str) -> str:
    # The secrets have 256 bits of chance, so a plain hash of one tells nothing.
    return hashlib.sha256(secret.encode()).hexdigest()
