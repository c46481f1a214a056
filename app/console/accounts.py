"""Who may use the console: users, their roles and passwords, kept in the gallery."""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Select, delete, func, insert, select, update

from app.config_console import ConsoleConfig
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.schema import SessionRecord, TokenRecord, UserRecord
from app.gallery.writing import enter_audit

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the one that may do least; each may do all that those before it may."""

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
LEAST_PASSWORD, MOST_PASSWORD = 10, 256
"""Characters of a password."""

HASHER = PasswordHasher()
"""argon2id, 64 MiB and three passes."""

_HASHING = threading.Lock()
"""One password at a time: each takes 64 MiB, and a flood of them must not take the machine."""


@dataclass(frozen=True)
class User:
    """Somebody who may use the console.

    Attributes:
        id: Their number, never given twice.
        name: What they log in with.
        role: What they may do.
        must_change: Whether they have to choose a password of their own before anything else.
        created: Seconds since the epoch.
        disabled: Since when they are locked out for good, or None.
        locked_until: Until when too many wrong passwords lock them out, seconds since the epoch; 0 for never.
    """

    id: int
    name: str
    role: Role
    must_change: bool
    created: float
    disabled: float | None
    locked_until: float

    def may(self, role: Role) -> bool:
        """Whether their role is this one or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


class LoginError(ValueError):
    """Name and password do not belong together, or the account is locked."""


def one_time_password() -> str:
    """A password to be printed once and changed at first use."""
    return secrets.token_urlsafe(12)


def first_admin(gallery: Gallery) -> str | None:
    """Makes the user `admin` where there is no user yet, and gives their one-time password."""
    password = one_time_password()
    hashed = _hash(password)
    with gallery.writing() as connection:
        if connection.scalar(select(func.count()).select_from(UserRecord)):
            return None
        _insert(connection, gallery.now(), "admin", "admin", hashed, must_change=True)
        enter_audit(connection, gallery.now(), "user add", {"user": "admin", "role": "admin"}, None)
    return password


def users(gallery: Gallery) -> list[User]:
    """Everybody, by name."""
    with gallery.reading() as connection:
        return [_user(row) for row in connection.execute(_columns().order_by(UserRecord.name))]


def find_user(connection: Connection, number: int) -> User | None:
    """The user of that number."""
    row = connection.execute(_columns().where(UserRecord.id == number)).one_or_none()
    return None if row is None else _user(row)


def named_user(gallery: Gallery, name: str) -> User:
    """The user of that name.

    Raises:
        InputError: If there is none.
    """
    with gallery.reading() as connection:
        row = connection.execute(_columns().where(UserRecord.name == name)).one_or_none()
    if row is None:
        raise InputError(f"user {name}: may not use the console; give the name of somebody who may")
    return _user(row)


def add_user(gallery: Gallery, name: str, role: Role, *, who: str) -> tuple[User, str]:
    """Adds somebody, and gives their one-time password.

    Raises:
        InputError: If the name is taken or has characters that names cannot have.
    """
    if not NAME.fullmatch(name):
        raise InputError("name: expected up to 64 letters, digits and . _ @ -")
    password = one_time_password()
    hashed = _hash(password)
    with gallery.writing() as connection:
        if connection.scalar(select(UserRecord.id).where(UserRecord.name == name)) is not None:
            raise InputError(f"user {name}: is there already; choose another name")
        number = _insert(connection, gallery.now(), name, role, hashed, must_change=True)
        enter_audit(connection, gallery.now(), "user add", {"user": name, "role": role}, who)
        user = find_user(connection, number)
        assert user is not None
    return user, password


def change_user(gallery: Gallery, number: int, *, role: Role, disabled: bool, who: str) -> User:
    """Gives somebody another role, or locks them out for good or no longer; they are logged out.

    Raises:
        InputError: If there is no such user, or no admin would be left.
    """
    with gallery.writing() as connection:
        user = _existing(connection, number)
        since = None if not disabled else user.disabled or gallery.now()
        table = UserRecord
        connection.execute(update(table).where(table.id == number).values(role=role, disabled=since))
        admins = select(func.count()).select_from(table).where(table.role == "admin", table.disabled.is_(None))
        if not connection.scalar(admins):
            raise InputError(f"user {user.name}: is the last admin; make another one first")
        connection.execute(delete(SessionRecord).where(SessionRecord.user_id == number))
        if disabled:
            connection.execute(delete(TokenRecord).where(TokenRecord.user_id == number))
        details = {"user": user.name, "role": role, "disabled": disabled}
        enter_audit(connection, gallery.now(), "user change", details, who)
        return _existing(connection, number)


def reset_password(gallery: Gallery, number: int, *, who: str | None) -> str:
    """Gives somebody a new one-time password, unlocks their account and logs them out.

    Raises:
        InputError: If there is no such user.
    """
    password = one_time_password()
    values = {"password": _hash(password), "must_change": True, "failures": 0, "locked_until": 0.0}
    with gallery.writing() as connection:
        user = _existing(connection, number)
        connection.execute(update(UserRecord).where(UserRecord.id == number).values(**values))
        connection.execute(delete(SessionRecord).where(SessionRecord.user_id == number))
        enter_audit(connection, gallery.now(), "user password", {"user": user.name, "one_time": True}, who)
    return password


def change_password(gallery: Gallery, user: User, old: str, new: str, config: ConsoleConfig) -> None:
    """Gives somebody the password they chose; every session of theirs ends.

    Raises:
        LoginError: If the old one is wrong, or the account is locked.
        InputError: If the new one is too short or too long, the name, or the old one.
    """
    check_password(gallery, user.name, old, config)
    if not LEAST_PASSWORD <= len(new) <= MOST_PASSWORD:
        raise InputError(f"password: expected {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    if new.lower() == user.name.lower() or new == old:
        raise InputError("password: choose one that is not your name and not the old one")
    hashed = _hash(new)
    with gallery.writing() as connection:
        table = UserRecord
        connection.execute(update(table).where(table.id == user.id).values(password=hashed, must_change=False))
        connection.execute(delete(SessionRecord).where(SessionRecord.user_id == user.id))
        enter_audit(connection, gallery.now(), "user password", {"user": user.name, "one_time": False}, user.name)


def check_password(gallery: Gallery, name: str, password: str, config: ConsoleConfig) -> User:
    """The user whose name and password these are; too many wrong ones in a row lock the account for a while.

    An unknown name, a wrong password and a locked account take the same time and are told in the same words.

    Raises:
        LoginError: If they do not belong together, or the account is locked or disabled.
    """
    table, now = UserRecord, gallery.now()
    with gallery.reading() as connection:
        row = connection.execute(_columns(table.password).where(table.name == name)).one_or_none()
    right = _verify(_of_nobody() if row is None else row.password, password[: MOST_PASSWORD + 1])
    if row is None:
        raise LoginError
    user = _user(row[:-1])
    if user.locked_until > now or user.disabled is not None:
        raise LoginError
    with gallery.writing() as connection:
        mine = update(table).where(table.id == user.id)
        if right:
            connection.execute(mine.values(failures=0))
            if HASHER.check_needs_rehash(row.password):
                connection.execute(mine.values(password=_hash(password)))
            return user
        connection.execute(mine.values(failures=table.failures + 1))
        if (connection.scalar(select(table.failures).where(table.id == user.id)) or 0) >= config.lock_after:
            connection.execute(mine.values(failures=0, locked_until=now + 60 * config.lock_minutes))
            enter_audit(connection, now, "user locked", {"user": name, "minutes": config.lock_minutes}, name)
    raise LoginError


@cache
def _of_nobody() -> str:
    """A hash that no password has: what is compared where the name is unknown."""
    return _hash(secrets.token_urlsafe(32))


def _hash(password: str) -> str:
    with _HASHING:
        return HASHER.hash(password)


def _verify(hashed: str, password: str) -> bool:
    try:
        with _HASHING:
            return HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _columns(*more: Any) -> Select[Any]:
    table = UserRecord
    return select(
        *(table.id, table.name, table.role, table.must_change, table.created, table.disabled, table.locked_until), *more
    )


def _user(row: Any) -> User:
    return User(*row)


def _existing(connection: Connection, number: int) -> User:
    user = find_user(connection, number)
    if user is None:
        raise InputError(f"user {number}: is not there; the list of users shows those there are")
    return user


def _insert(connection: Connection, now: float, name: str, role: Role, hashed: str, *, must_change: bool) -> int:
    values = {
        "name": name,
        "role": role,
        "password": hashed,
        "must_change": must_change,
        "created": now,
        "disabled": None,
        "failures": 0,
        "locked_until": 0.0,
    }
    return int(connection.scalars(insert(UserRecord).returning(UserRecord.id), [values]).one())
