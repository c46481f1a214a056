"""The operator's corrections in the gallery: stored as what holds between tracklets, and carried out on identities.

A correction stays in force when identities are decided anew: `load` gives what later decisions obey. Each is entered in
the audit log; undoing one keeps it as history.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, cast, delete, func, insert, select, update
from sqlalchemy.types import BigInteger

from app.association.corrections import ContradictionError, Correction, Corrections, Key, Kind, name
from app.errors import InputError
from app.gallery import queries
from app.gallery.schema import (
    Camera,
    CorrectedRecord,
    CorrectionRecord,
    FollowRecord,
    IdentityRecord,
    Meta,
    TrackletRecord,
)
from app.gallery.store import Gallery
from app.gallery.writing import account, enter_audit, grow_revision

LAST = "last_identity"
"""Key in `meta` of the highest number that an identity has had when identities were last corrected."""


@dataclass(frozen=True)
class CorrectionRow:
    """A correction as it is kept.

    Attributes:
        number: Its number, never given twice.
        time: When it was said, seconds since the epoch.
        who: Who said it.
        kind: `merge`, `split` or `never`.
        first: Tracklets of one side.
        second: Tracklets of the other side.
        undone: When it was undone, or None where it is in force.
    """

    number: int
    time: float
    who: str
    kind: Kind
    first: tuple[Key, ...]
    second: tuple[Key, ...]
    undone: float | None


@dataclass(frozen=True)
class Made:
    """What a correction changed.

    Attributes:
        correction: Its number.
        kind: `merge`, `split` or `never`.
        identities: The identities it was about, and a new one where it made one, in that order.
        moved: Tracklets whose identity changed, with the number they have now.
    """

    correction: int
    kind: Kind
    identities: tuple[int, ...]
    moved: Mapping[Key, int]


def history(connection: Connection) -> list[CorrectionRow]:
    """All corrections by number, undone ones among them."""
    table, part = CorrectionRecord, CorrectedRecord
    sides: dict[int, tuple[list[Key], list[Key]]] = {}
    query = (
        select(part.correction_id, part.side, Camera.name, TrackletRecord.track)
        .join_from(part, TrackletRecord)
        .join(Camera, TrackletRecord.camera_id == Camera.id)
        .order_by(part.correction_id, TrackletRecord.first_time, Camera.name, TrackletRecord.track)
    )
    for number, side, camera, track in connection.execute(query):
        sides.setdefault(number, ([], []))[side - 1].append((camera, track))
    rows = connection.execute(select(table.id, table.time, table.who, table.kind, table.undone).order_by(table.id))
    found = []
    for number, time, who, kind, undone in rows:
        first, second = sides.get(number, ([], []))
        found.append(CorrectionRow(number, time, who, typing.cast(Kind, kind), tuple(first), tuple(second), undone))
    return found


def load(connection: Connection) -> Corrections:
    """The corrections in force: what association obeys."""
    return Corrections(_plain(row) for row in history(connection) if row.undone is None)


def merge(gallery: Gallery, number: int, other: int, *, who: str | None = None) -> Made:
    """Says that two identities are one person: all their tracklets, whatever is decided later.

    Args:
        gallery: Open for writing.
        number: One identity.
        other: Another; the lower of the two numbers goes on.
        who: User name; None for the account that the program runs under.

    Raises:
        InputError: If one is not there, both are the same, or a correction in force contradicts it.
    """
    if number == other:
        raise InputError(f"identity {number}: is one already; give two different identities")
    with gallery.writing() as connection:
        first, second = _members(connection, gallery, number), _members(connection, gallery, other)
        target = min(number, other)
        after = dict.fromkeys((*first, *second), target)
        made = _say(connection, gallery, "merge", first, second, after, (number, other), who)
        taken = max(number, other)
        for key, origin in connection.execute(select(FollowRecord.id, FollowRecord.origin)).all():
            if origin.get("identity") == taken:
                renamed = {**origin, "identity": target}
                connection.execute(update(FollowRecord).where(FollowRecord.id == key).values(origin=renamed))
        return made


def split(gallery: Gallery, number: int, tracklets: Sequence[Key], *, who: str | None = None) -> Made:
    """Says that some tracklets of an identity are another person, and none of the rest is.

    Args:
        gallery: Open for writing.
        number: The identity.
        tracklets: Camera and track number of those that become a new identity.
        who: User name; None for the account that the program runs under.

    Raises:
        InputError: If the identity has none of them, or no others, or a correction in force contradicts it.
    """
    with gallery.writing() as connection:
        members = _members(connection, gallery, number)
        for key in tracklets:
            if key not in members:
                raise InputError(f"identity {number}: has no {name(key)}; `identity show {number}` lists what it has")
        part = tuple(key for key in members if key in set(tracklets))
        rest = tuple(key for key in members if key not in set(tracklets))
        if not part or not rest:
            raise InputError(f"identity {number}: some of its tracklets must go and some stay; give others")
        new = _new_number(connection)
        after = {**dict.fromkeys(part, new), **dict.fromkeys(rest, number)}
        return _say(connection, gallery, "split", part, rest, after, (number, new), who)


def never(gallery: Gallery, number: int, other: int, *, who: str | None = None) -> Made:
    """Says that two identities are two people, whatever is decided later.

    Args:
        gallery: Open for writing.
        number: One identity.
        other: Another.
        who: User name; None for the account that the program runs under.

    Raises:
        InputError: If one is not there, both are the same, or a correction in force contradicts it.
    """
    if number == other:
        raise InputError(f"identity {number}: is one person; give two identities, or use `identity split`")
    with gallery.writing() as connection:
        first, second = _members(connection, gallery, number), _members(connection, gallery, other)
        after = {**dict.fromkeys(first, number), **dict.fromkeys(second, other)}
        return _say(connection, gallery, "never", first, second, after, (number, other), who)


def undo(gallery: Gallery, correction: int | None = None, *, who: str | None = None) -> Made:
    """Takes a correction back, as if it had never been said; it stays as history.

    What it changed is put back as it was before, where nothing has changed it since and no other correction forbids.

    Args:
        gallery: Open for writing.
        correction: Its number; None for the latest in force.
        who: User name; None for the account that the program runs under.

    Raises:
        InputError: If there is none in force, or none of that number.
    """
    table, part = CorrectionRecord, CorrectedRecord
    with gallery.writing() as connection:
        rows = {row.number: row for row in history(connection)}
        in_force = [number for number, row in rows.items() if row.undone is None]
        if not in_force:
            raise InputError(f"{gallery.path}: no correction is in force; there is nothing to undo")
        number = max(in_force) if correction is None else correction
        if number not in in_force:
            known = ", ".join(map(str, in_force))
            raise InputError(f"correction {number}: is not in force; those that are: {known}")
        values = {"undone": gallery.now(), "undone_by": who or account()}
        connection.execute(update(table).where(table.id == number).values(**values))
        was = _numbers(connection)
        said = connection.execute(
            select(Camera.name, TrackletRecord.track, part.before, part.after)
            .join_from(part, TrackletRecord)
            .join(Camera, TrackletRecord.camera_id == Camera.id)
            .where(part.correction_id == number)
        ).all()
        numbers = dict(was)
        numbers.update(
            {(camera, track): before for camera, track, before, after in said if was[camera, track] == after}
        )
        corrections = load(connection)
        next_number = _new_number(connection)
        enforce(numbers, corrections, next_number)
        moved = _renumber(connection, was, numbers)
        identities = tuple(sorted({value for _, _, *both in said for value in both if value is not None}))
        kind = rows[number].kind
        _audit(connection, gallery, "undo", number, identities, [(camera, track) for camera, track, *_ in said], who)
    return Made(number, kind, identities, moved)


def enforce(numbers: dict[Key, int | None], corrections: Corrections, next_number: int) -> None:
    """Makes identities obey corrections: who is one person has one number, and walls part the others.

    Args:
        numbers: The identity of each tracklet; changed in place.
        corrections: What holds.
        next_number: The first number that no identity has had.
    """
    groups: dict[Key, list[Key]] = {}
    for key in sorted(corrections.named & numbers.keys()):
        groups.setdefault(corrections.group(key), []).append(key)
    for members in groups.values():
        lowest = min((value for key in members if (value := numbers[key]) is not None), default=None)
        numbers.update(dict.fromkeys(members, lowest))
    for said in corrections.said:
        first, second = said.apart()
        both = {numbers.get(key) for key in first} & {numbers.get(key) for key in second}
        for number in sorted(each for each in both if each is not None):
            parted = {corrections.group(key) for key in first if numbers.get(key) == number}
            numbers.update({key: next_number for group in parted for key in groups[group]})
            next_number += 1


def note_last_number(connection: Connection, *, write: bool = True) -> int:
    """Notes the highest number that an identity has had, which a deletion may take out of sight; gives it.

    Args:
        connection: With a transaction open.
        write: Whether it is noted, not only given.
    """
    stored = connection.scalar(select(cast(Meta.value, BigInteger)).where(Meta.key == LAST)) or 0
    last = max(stored, connection.scalar(select(func.max(IdentityRecord.number))) or 0)
    if write and last > stored:
        connection.execute(delete(Meta).where(Meta.key == LAST))
        connection.execute(insert(Meta), [{"key": LAST, "value": str(last)}])
    return last


def _new_number(connection: Connection) -> int:
    return note_last_number(connection) + 1


def _say(
    connection: Connection,
    gallery: Gallery,
    kind: Kind,
    first: tuple[Key, ...],
    second: tuple[Key, ...],
    after: Mapping[Key, int],
    identities: tuple[int, ...],
    who: str | None,
) -> Made:
    """Stores a correction that contradicts none, and carries it out."""
    table = CorrectionRecord
    said = {"time": gallery.now(), "who": who or account(), "kind": kind}
    number = connection.scalars(insert(table).returning(table.id), [said]).one()
    try:
        load(connection).add(Correction(number, kind, first, second))
    except ContradictionError as error:
        what = {"merge": "one person", "split": "parted", "never": "two people"}[kind]
        who_is = " and ".join(map(str, identities if kind != "split" else identities[:1]))
        raise InputError(
            f"identity {who_is}: cannot be {what}: {error}; undo one of these corrections first, `identity undo NUMBER`"
        ) from None
    keys, was = queries.tracklet_keys(connection), _numbers(connection)
    rows = [
        {
            "correction_id": number,
            "tracklet_id": keys[key],
            "side": side,
            "before": was[key],
            "after": after[key],
        }
        for side, part in ((1, first), (2, second))
        for key in part
    ]
    connection.execute(insert(CorrectedRecord), rows)
    moved = _renumber(connection, was, {**was, **after})
    _audit(connection, gallery, kind, number, identities, [*first, *second], who)
    return Made(number, kind, identities, moved)


def _renumber(
    connection: Connection, was: Mapping[Key, int | None], numbers: Mapping[Key, int | None]
) -> dict[Key, int]:
    """Gives tracklets their identities; identities that are empty then go, and those that are new come."""
    note_last_number(connection)
    keys = queries.tracklet_keys(connection)
    moved = {key: number for key, number in numbers.items() if was[key] != number}
    counts: dict[int, int] = {}
    for number in numbers.values():
        if number is not None:
            counts[number] = counts.get(number, 0) + 1
    there = set(connection.scalars(select(IdentityRecord.number)))
    status = {number: "linked" if count > 1 else "unknown" for number, count in counts.items()}
    touched = {value for key in moved for value in (was[key], numbers[key]) if value is not None}
    for number in sorted(touched & counts.keys()):
        if number in there:
            change = update(IdentityRecord).where(IdentityRecord.number == number)
            connection.execute(change.values(status=status[number]))
        else:
            connection.execute(insert(IdentityRecord), [{"number": number, "status": status[number]}])
    for key, number in moved.items():
        connection.execute(update(TrackletRecord).where(TrackletRecord.id == keys[key]).values(identity=number))
    gone = sorted(touched - counts.keys())
    for some in queries.parts(gone):
        connection.execute(delete(IdentityRecord).where(IdentityRecord.number.in_(some)))
    if moved:
        grow_revision(connection)
    return {key: number for key, number in moved.items() if number is not None}


def _members(connection: Connection, gallery: Gallery, number: int) -> tuple[Key, ...]:
    row = next(queries.identities(connection, number), None)
    if row is None or not row.tracklets:
        raise InputError(f"identity {number}: not in {gallery.path}; `identity list` shows those there are")
    return row.tracklets


def _numbers(connection: Connection) -> dict[Key, int | None]:
    """The identity of each tracklet."""
    query = select(Camera.name, TrackletRecord.track, TrackletRecord.identity).join_from(TrackletRecord, Camera)
    return {(camera, track): number for camera, track, number in connection.execute(query)}


def _audit(
    connection: Connection,
    gallery: Gallery,
    kind: str,
    number: int,
    identities: Sequence[int],
    tracklets: Sequence[Key],
    who: str | None,
) -> None:
    details = {"correction": number, "identities": list(identities), "found": [list(key) for key in tracklets]}
    enter_audit(connection, gallery.now(), f"identity {kind}", details, who)


def _plain(row: CorrectionRow) -> Correction:
    return Correction(row.number, row.kind, row.first, row.second)
