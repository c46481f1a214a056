"""Reading the audit log in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from app.gallery import Gallery
from app.gallery.schema import AuditRecord

AT_ONCE = 1000


@dataclass(frozen=True)
class Entry:
    """An entry, with its number."""

    id: int
    time: float
    who: str
    action: str
    details: dict[str, object]


def latest(
    gallery: Gallery, most: int, *, before: int | None = None, who: str | None = None, action: str | None = None
) -> list[Entry]:
    """The latest entries, the latest first: those with a number below `before`, of a user, of an action."""
    table = AuditRecord
    query = select(table.id, table.time, table.who, table.action, table.details).order_by(table.id.desc()).limit(most)
    if before is not None:
        query = query.where(table.id < before)
    if who:
        query = query.where(table.who == who)
    if action:
        query = query.where(table.action == action)
    with gallery.reading() as connection:
        return [Entry(*row) for row in connection.execute(query)]


def everything(gallery: Gallery) -> Iterator[Entry]:
    """All entries, oldest first, read in parts so that nobody waits for a slow reader."""
    table, last = AuditRecord, 0
    while True:
        query = select(table.id, table.time, table.who, table.action, table.details).where(table.id > last)
        with gallery.reading() as connection:
            rows = [Entry(*row) for row in connection.execute(query.order_by(table.id).limit(AT_ONCE))]
        if not rows:
            return
        yield from rows
        last = rows[-1].id
