"""What waited on disk goes into the gallery, when that can be written again or a run begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from sqlalchemy import Connection, select

from app.errors import InputError
from app.gallery import Gallery, queries
from app.gallery.corrections import note_last_number
from app.gallery.following import Reappearance
from app.gallery.growing import Grown, Key, assign, audited, put_all, stored_of
from app.gallery.schema import IdentityRecord
from app.live.spool import Spool, Waiting

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Tracklets in one go: others who write get their turn in between."""


def deliver(
    gallery: Gallery, spool: Spool, left_out: Callable[[Connection], Collection[Key]]
) -> tuple[list[Waiting], list[Reappearance]]:
    """Writes some of the tracklets that have waited longest, and takes them out of the file.

    Cut off in between, they are written again, which changes nothing.

    Args:
        gallery: Open for writing.
        spool: Where they wait.
        left_out: As `put_all` has it.

    Returns:
        What was written, none where nothing waits any more; and the events of people who are followed.

    Raises:
        InputError: If one of both cannot be written.
    """
    items = spool.next(AT_ONCE)
    cameras: dict[str, list[Grown]] = {}
    for item in items:
        cameras.setdefault(item.camera, []).append(item.grown)
    try:
        seen = put_all(gallery, cameras, left_out) if items else []
    except ValueError as error:
        raise InputError(
            f"{spool.path}: holds tracklets that {gallery.path} does not take ({error}); move it away"
        ) from error
    spool.drop([item.key for item in items])
    return items, seen


def catch_up(gallery: Gallery, spool: Spool) -> None:
    """Writes all that an earlier run has left, but for people who were erased since.

    Raises:
        InputError: If the gallery or the file cannot be written.
    """
    numbers = spool.numbers()
    if not spool.keys and not numbers:
        return
    with gallery.reading() as connection:
        numbers = _without_erased(connection, numbers)
    erased: set[Key] = set()
    count = 0
    while items := spool.next(AT_ONCE):
        with gallery.reading() as connection:
            erased = _erased(connection, items, spool.numbers().keys() - numbers.keys())
        deliver(gallery, spool, lambda _, out=erased: out)  # type: ignore[misc]
        count += sum(item.key not in erased for item in items)
    with gallery.writing() as connection:
        assign(connection, {key: number for key, (number, _) in numbers.items()})
    spool.keep_numbers({}, 0)
    log.info("%d tracklets that had waited for the gallery are in it now", count)


def _without_erased(connection: Connection, numbers: dict[Key, tuple[int, int]]) -> dict[Key, tuple[int, int]]:
    """The identities, without those that were in the gallery and, since they were decided, were erased."""
    suspects = {
        number
        for number, heeded in numbers.values()
        if "erase" in audited(connection, heeded)[1] and number <= _last_number(connection)
    }
    table = IdentityRecord
    there: set[int] = set()
    for some in queries.parts(sorted(suspects)):
        there |= set(connection.scalars(select(table.number).where(table.number.in_(some))))
    return {key: each for key, each in numbers.items() if each[0] not in suspects - there}


def _last_number(connection: Connection) -> int:
    return note_last_number(connection, write=False)


def _erased(connection: Connection, items: Collection[Waiting], of_erased: Collection[Key]) -> set[Key]:
    """Those of some tracklets that show people who were erased: by identity, or by rows that are gone."""
    doubtful = [item.key for item in items if item.stored and "erase" in audited(connection, item.heeded)[1]]
    missing = set(doubtful) - stored_of(connection, doubtful)
    return missing | {item.key for item in items if item.key in of_erased}
