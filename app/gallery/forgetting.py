"""Corrections when people are taken out of the gallery: what was said of them goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from app.gallery import queries
from app.gallery.corrections import history, note_last_number
from app.gallery.pseudonyms import Person
from app.gallery.schema import AuditRecord, Camera, CorrectedRecord, CorrectionRecord, TrackletRecord


def forget_tracklets(connection: Connection, keys: Sequence[int]) -> None:
    """Takes tracklets that are about to be deleted out of all corrections, and corrections that say nothing then."""
    part = CorrectedRecord
    for some in queries.parts(keys):
        connection.execute(delete(part).where(part.tracklet_id.in_(some)))
    left = {row.number: row for row in history(connection)}
    empty = [
        number
        for number, row in left.items()
        if (len(row.first) + len(row.second) < 2 if row.kind == "merge" else not row.first or not row.second)
    ]
    for some in queries.parts(empty):
        connection.execute(delete(part).where(part.correction_id.in_(some)))
        connection.execute(delete(CorrectionRecord).where(CorrectionRecord.id.in_(some)))


def forget_person(connection: Connection, person: Person, pseudonym: str) -> None:
    """Puts the pseudonym for the numbers of a person who is about to be erased, wherever corrections left them.

    That is in the audit log, where their tracklets are still named: call it before those are replaced.
    """
    numbers = {person.identity} | _merged_numbers(connection, person)
    note_last_number(connection)
    table = AuditRecord
    query = select(table.id, table.action, table.details).where(
        table.action.in_([f"identity {kind}" for kind in ("merge", "split", "never", "undo")])
    )
    for key, action, details in connection.execute(query).all():
        found = {tuple(item) for item in _list(details, "found") if isinstance(item, list)}
        about = numbers | (
            set(_list(details, "identities")) if action == "identity merge" and found & person.keys else set()
        )
        replaced = {
            **details,
            "identities": [pseudonym if each in about else each for each in _list(details, "identities")],
        }
        if replaced != details:
            connection.execute(update(table).where(table.id == key).values(details=replaced))
    for key, details in connection.execute(select(table.id, table.details)).all():
        origin = details.get("origin")
        if isinstance(origin, dict) and origin.get("identity") in numbers:
            replaced = {**details, "origin": {"person": pseudonym}}
            connection.execute(update(table).where(table.id == key).values(details=replaced))


def _merged_numbers(connection: Connection, person: Person) -> set[int]:
    """Numbers that a person has had and lost to merges in force."""
    part, table = CorrectedRecord, CorrectionRecord
    query = (
        select(Camera.name, TrackletRecord.track, part.before, part.after)
        .join_from(part, TrackletRecord)
        .join(Camera, TrackletRecord.camera_id == Camera.id)
        .join(table, part.correction_id == table.id)
        .where(table.kind == "merge", table.undone.is_(None))
    )
    rows = connection.execute(query).all()
    mine = [both for camera, track, *both in rows if (camera, track) in person.keys]
    return {value for both in mine for value in both if value is not None}


def _list(details: Mapping[str, object], key: str) -> list[Any]:
    found = details.get(key)
    return found if isinstance(found, list) else []
