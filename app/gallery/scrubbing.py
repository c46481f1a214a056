"""Leaving no byte of what was deleted: in the store's file, in its log, in the index's snapshot, in earlier copies.

Deleting rows is one transaction, and cleaning up behind it is not: so the transaction also leaves a note of what has to
be cleaned, which goes last. Cut off at any moment, the cleaning is done when the gallery is next opened for writing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, insert, select

from app.errors import InputError
from app.gallery.database import compact, flush_log
from app.gallery.schema import Meta
from app.gallery.snapshot import Snapshot
from app.gallery.upgrading import earlier_copies

ERASING = "erasing"
"""Key of the note in `meta`: JSON, `ids` of the sightings deleted, and whether the `whole` file is written anew."""


class _Note(NamedTuple):
    ids: list[int]
    whole: bool

    @classmethod
    def read(cls, text: str | None) -> _Note:
        values = json.loads(text) if text else {}
        return cls(values.get("ids", []), values.get("whole", False))


def note_deleted(connection: Connection, ids: Sequence[int], *, whole: bool) -> None:
    """Notes, in the transaction that deletes sightings, what `scrub` has to clean up.

    Args:
        connection: With the transaction open.
        ids: Numbers of the sightings.
        whole: Whether nothing may be left even in the free parts of pages, for which the file is written anew.
    """
    found = connection.scalar(select(Meta.value).where(Meta.key == ERASING))
    before = _Note.read(found)
    note = json.dumps({"ids": sorted({*before.ids, *ids}), "whole": before.whole or whole})
    connection.execute(delete(Meta).where(Meta.key == ERASING))
    connection.execute(insert(Meta), [{"key": ERASING, "value": note}])


def scrub(path: Path, engine: Engine, *, whole: bool = False) -> None:
    """Cleans up behind what was deleted, as the note says; without one, only what is asked for.

    Args:
        path: The gallery.
        engine: Its engine, for writing.
        whole: Whether the file is written anew in any case.

    Raises:
        InputError: If a file beside the gallery cannot be changed, or another process still reads what was deleted.
    """
    with engine.begin() as connection:
        found = connection.scalar(select(Meta.value).where(Meta.key == ERASING))
    note = _Note.read(found)
    if note.ids:
        _clean_beside(path, note.ids)
    emptied = compact(engine) if whole or note.whole else flush_log(engine)
    if not emptied:
        raise InputError(
            f"{path}: what was deleted is still in {path.name}-wal, which another process is reading; "
            "close that one, then run `gallery compact`"
        )
    if found:
        with engine.execution_options(writes=True).begin() as connection:
            # Unless something was deleted meanwhile and has added to it.
            connection.execute(delete(Meta).where(Meta.key == ERASING, Meta.value == found))


def _clean_beside(path: Path, ids: Sequence[int]) -> None:
    snapshot = Snapshot.beside(path)
    copies = earlier_copies(path)
    try:
        snapshot.drop(ids)
        # Made in case an upgrade fails, long ago; they show everybody who was in the gallery then.
        for copy in copies:
            copy.unlink(missing_ok=True)
    except OSError as error:
        name = error.filename or snapshot.path
        raise InputError(
            f"{name}: cannot be changed ({error.strerror}) and still shows who was erased; remove it, "
            "then run `gallery compact`"
        ) from None
