"""Taking people out of the gallery: one person everywhere, or everybody whose time is over."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sqlalchemy import Connection, delete, select

from app.errors import InputError
from app.gallery import queries
from app.gallery.following import delete_follows, follows
from app.gallery.forgetting import forget_person, forget_tracklets
from app.gallery.pseudonyms import Person, replace_in_audit
from app.gallery.rows import TrackletRow
from app.gallery.schema import (
    Camera,
    CropRecord,
    FollowRecord,
    IdentityRecord,
    ReappearanceRecord,
    SightingRecord,
    TrackletRecord,
    VectorRecord,
)
from app.gallery.scrubbing import note_deleted
from app.gallery.store import Gallery
from app.gallery.waiting import expire, forget, take_out
from app.gallery.writing import enter_audit, grow_revision

AT_ONCE = 500
"""Tracklets that expire in one transaction: others write in between."""

PAUSE = 0.05
"""Seconds between two such transactions, in which one that waits gets its turn."""


@dataclass(frozen=True)
class Removed:
    """What was taken out.

    Attributes:
        person: Name under which the audit log remembers who was erased; empty where nobody in particular was.
        identities: Identities.
        tracklets: Tracklets.
        sightings: Sightings, with their vectors.
        crops: Pictures.
        follows: Stored searches, with their features.
        waiting: Tracklets that waited beside the gallery until it could be written.
    """

    person: str = ""
    identities: int = 0
    tracklets: int = 0
    sightings: int = 0
    crops: int = 0
    follows: int = 0
    waiting: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(
            self.person or other.person,
            self.identities + other.identities,
            self.tracklets + other.tracklets,
            self.sightings + other.sightings,
            self.crops + other.crops,
            self.follows + other.follows,
            self.waiting + other.waiting,
        )


def erase_identity(gallery: Gallery, number: int, *, who: str | None = None) -> Removed:
    """Erases a person everywhere in the gallery.

    Rows, vectors and pictures go in one transaction, and with them every stored search for the person: those that came
    from the identity or a box of theirs, and those whose query is taken for them. The audit log then names them by a
    pseudonym only. The file is written anew, the log emptied, the index's snapshot rid of them, and copies left by
    upgrading are deleted: no byte of the person is left in the gallery's files. Cut off after the transaction, the rest
    is done when the gallery is next opened for writing.

    What waits for a gallery in a file goes with it. A gallery on a server does not know where its cameras' run is: that
    takes out what waits as soon as it reads of the erasure, or when it next begins.

    Args:
        gallery: Open for writing.
        number: The identity.
        who: User name for the audit log; None for the account that the program runs under.

    Returns:
        What was taken out.

    Raises:
        InputError: If there is no such identity, or the files cannot be cleaned up.
    """
    pseudonym = f"erased-{secrets.token_hex(4)}"
    now = gallery.now()
    with gallery.writing() as connection:
        if next(queries.identities(connection, number), None) is None:
            raise InputError(f"identity {number}: not in {gallery.path}; `identity list` shows those there are")
        table = TrackletRecord
        keys = list(connection.scalars(select(table.id).where(table.identity == number)))
        person = Person(number, _boxes(connection, keys))
        searches = _follows_of(connection, person)
        forget_person(connection, person, pseudonym)
        removed = _delete_tracklets(connection, keys, whole=True)
        delete_follows(connection, searches)
        connection.execute(delete(IdentityRecord).where(IdentityRecord.number == number))
        replace_in_audit(connection, person, pseudonym)
        # Before the transaction ends: if this fails, it can be asked for again.
        waited = take_out(gallery.place.waiting(), now, lambda file: forget(file, number, person.keys))
        removed += Removed(person=pseudonym, identities=1, follows=len(searches), waiting=waited)
        enter_audit(connection, now, "erase", asdict(removed), who)
    gallery.clean_up()
    return removed


def purge(gallery: Gallery, *, older_than: float | None = None, who: str | None = None) -> Removed:
    """Takes out everything whose time is over, also what waits beside a gallery in a file.

    Args:
        gallery: Open for writing.
        older_than: Seconds; what was stored longer ago goes too, whatever expiry it was given.
        who: User name for the audit log; None for the account that the program runs under.

    Returns:
        What was taken out. Cut off, the rest is left for the next time.

    Raises:
        InputError: If the gallery cannot be written.
    """
    now = gallery.now()
    least = math.inf if older_than is None else older_than
    removed = Removed(waiting=take_out(gallery.place.waiting(), now, lambda file: expire(file, now, least)))
    while True:
        with gallery.writing() as connection:
            table = TrackletRecord
            due = table.expires <= now
            if older_than is not None:
                due |= table.stored <= now - older_than
            keys = list(connection.scalars(select(table.id).where(due).limit(AT_ONCE)))
            if not keys:
                break
            removed += _delete_tracklets(connection, keys, whole=False)
        time.sleep(PAUSE)
    with gallery.writing() as connection:
        over = FollowRecord.expires <= now
        if older_than is not None:
            over |= FollowRecord.stored <= now - older_than
        ended = list(connection.scalars(select(FollowRecord.id).where(over)))
        delete_follows(connection, ended)
        empty = select(TrackletRecord.identity).where(TrackletRecord.identity.is_not(None))
        gone = connection.execute(delete(IdentityRecord).where(IdentityRecord.number.not_in(empty)))
        removed += Removed(identities=gone.rowcount, follows=len(ended))
        details = {name: value for name, value in asdict(removed).items() if name != "person"}
        enter_audit(connection, now, "purge", details, who)
    gallery.clean_up()
    return removed


def _delete_tracklets(connection: Connection, keys: Sequence[int], *, whole: bool) -> Removed:
    """Deletes tracklets with everything that hangs on them."""
    removed = Removed(tracklets=len(keys))
    forget_tracklets(connection, keys)
    for some in queries.parts(keys):
        mine = SightingRecord.tracklet_id.in_(some)
        ids = list(connection.scalars(select(SightingRecord.id).where(mine)))
        note_deleted(connection, ids, whole=whole)
        inner = select(SightingRecord.id).where(mine)
        connection.execute(delete(VectorRecord).where(VectorRecord.sighting_id.in_(inner)))
        crops = connection.execute(delete(CropRecord).where(CropRecord.sighting_id.in_(inner)))
        connection.execute(delete(SightingRecord).where(mine))
        connection.execute(delete(ReappearanceRecord).where(ReappearanceRecord.tracklet_id.in_(some)))
        connection.execute(delete(TrackletRecord).where(TrackletRecord.id.in_(some)))
        removed += Removed(sightings=len(ids), crops=crops.rowcount)
    grow_revision(connection)
    return removed


def _boxes(connection: Connection, keys: Sequence[int]) -> list[TrackletRow]:
    found: list[TrackletRow] = []
    for some in queries.parts(keys):
        table = TrackletRecord
        query = select(Camera.name, table.track).join_from(table, Camera).where(table.id.in_(some))
        for camera, track in connection.execute(query).all():
            found += queries.tracklets(connection, camera, track)
    return found


def _follows_of(connection: Connection, person: Person) -> list[int]:
    """The stored searches that look for a person."""
    # Also those past their expiry that nobody has purged yet.
    everyone = follows(connection, -np.inf)
    _, seen = queries.sightings(connection, queries.Filter(-np.inf, identity=person.identity))
    return [
        follow.id
        for follow in everyone
        if person.is_origin(follow.origin) or (seen is not None and follow.compare(seen)[1].max() >= follow.bar)
    ]
