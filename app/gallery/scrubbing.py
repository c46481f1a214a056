"""Leaving no byte of what was deleted: in the store's file, in its log, in the index's snapshot, in earlier copies.

Deleting rows is one transaction, and cleaning up behind it is not: so the transaction also leaves a note of what has to
be cleaned, which goes last. Cut off at any moment, the cleaning is done when the gallery is next opened for writing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, insert, select

from app.errors import InputError
from app.gallery.place import Place
from app.gallery.schema import Meta

NOTE = "erasing"
"""What keys of notes in `meta` begin with; a point and the first sighting's number follow. A note is JSON: `ids` of the
sightings deleted by one transaction, and whether the `whole` file is written anew."""


class _Note(NamedTuple):
    ids: list[int]
    whole: bool

    @classmethod
    def read(cls, text: str | None) -> _Note:
        values = json.loads(text) if text else {}
        return cls(values.get("ids", []), values.get("whole", False))


def unfinished(facts: Iterable[str]) -> bool:
    """Whether keys of `meta` tell of something deleted that has not been cleaned up behind."""
    return any(key.startswith(NOTE) for key in facts)


def note_deleted(connection: Connection, ids: Sequence[int], *, whole: bool) -> None:
    """Notes, in the transaction that deletes sightings, what `scrub` has to clean up.

    Args:
        connection: With the transaction open.
        ids: Numbers of the sightings.
        whole: Whether nothing may be left even in the free parts of pages, for which the file is written anew.
    """
    key = f"{NOTE}.{min(ids, default=0)}"
    before = _Note.read(connection.scalar(select(Meta.value).where(Meta.key == key)))
    note = json.dumps({"ids": sorted({*before.ids, *ids}), "whole": before.whole or whole})
    connection.execute(delete(Meta).where(Meta.key == key))
    connection.execute(insert(Meta), [{"key": key, "value": note}])


def scrub(place: Place, engine: Engine, *, whole: bool = False) -> None:
    """Cleans up behind what was deleted, as the note says; without one, only what is asked for.

    Args:
        place: Where the gallery is.
        engine: Its engine, for writing.
        whole: Whether the file is written anew in any case.

    Raises:
        InputError: If a file beside the gallery cannot be changed, or another process still reads what was deleted.
    """
    with engine.begin() as connection:
        query = select(Meta.key, Meta.value).where(Meta.key.startswith(NOTE))
        found = {row.key: row.value for row in connection.execute(query)}
    notes = [_Note.read(value) for value in found.values()]
    ids = [number for note in notes for number in note.ids]
    if ids:
        _clean_beside(place, ids)
    emptied = place.compact(engine) if whole or any(note.whole for note in notes) else place.flush(engine)
    if not emptied:
        raise InputError(place.held_up)
    if found:
        with engine.execution_options(writes=True).begin() as connection:
            for key, value in found.items():
                # Unless something was deleted meanwhile and has added to it.
                connection.execute(delete(Meta).where(Meta.key == key, Meta.value == value))


def _clean_beside(place: Place, ids: Sequence[int]) -> None:
    snapshot = place.snapshot()
    copies = place.earlier_copies()
    try:
        if snapshot is not None:
            snapshot.drop(ids)
        # Made in case an upgrade fails, long ago; they show everybody who was in the gallery then.
        for copy in copies:
            copy.unlink(missing_ok=True)
    except OSError as error:
        name = error.filename or place
        raise InputError(
            f"{name}: cannot be changed ({error.strerror}) and still shows who was erased; remove it, "
            "then run `gallery compact`"
        ) from None
