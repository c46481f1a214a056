"""The gallery of live cameras: tracklets are written while they grow, and identities as they are decided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, delete, func, insert, select, tuple_, update

from app.association.types import CameraTracklet, Stay
from app.gallery import queries, writing
from app.gallery.bulk import insert_numbered
from app.gallery.corrections import note_last_number
from app.gallery.following import Reappearance, raise_events
from app.gallery.records import SightingRows, sighting_values, tracklet_values
from app.gallery.rows import Sighting, TrackletRow
from app.gallery.schema import AuditRecord, Camera, IdentityRecord, SightingRecord, TrackletRecord, table_of
from app.gallery.store import SECONDS_A_DAY, Gallery
from reid_model.features import Features
from trackers.gates import iou
from trackers.tracklet import Tracklet

Key = tuple[str, int]
"""Camera name and track number."""


SAME_BOX = 0.5
"""Overlap, [0, 1], of a sighting's box with a tracklet's in its frame from which it is its own: tracklets' boxes are
steadied."""


@dataclass(frozen=True, eq=False)
class Grown:
    """A tracklet as it is now, and which of its views are sightings that are not stored yet.

    Attributes:
        tracklet: Its record so far.
        views: Rows of its exemplars, `(k,)`; none where nothing new is worth storing.
    """

    tracklet: Tracklet
    views: npt.NDArray[np.intp]


def _nobody(connection: Connection) -> Collection[Key]:
    """No track is left out."""
    return ()


def put_tracklets(gallery: Gallery, camera: str, grown: Sequence[Grown]) -> list[Reappearance]:
    """What `put_all` does, for one camera."""
    return put_all(gallery, {camera: grown})


def put_all(
    gallery: Gallery,
    cameras: Mapping[str, Sequence[Grown]],
    left_out: Callable[[Connection], Collection[Key]] = _nobody,
) -> list[Reappearance]:
    """Adds tracklets of many cameras or brings them up to date, and adds sightings, all in one transaction.

    Sightings of a tracklet that lie outside its span now go to the one of its camera's, among those given, in whose
    span they lie: a track that went over to somebody else is taken apart when it ends.

    Args:
        gallery: Open for writing.
        cameras: Tracklets of different numbers, by the name of their camera, which was added.
        left_out: Says, when nobody else can write any more, which are not to be written after all: of people who were
            erased meanwhile.

    Returns:
        The events of follows whose person is among the new sightings.

    Raises:
        InputError: If the gallery cannot be written.
        ValueError: If a camera was not added, or the exemplars' dimensions are not the gallery's.
    """
    grown = {(camera, int(item.tracklet.track_id)): item for camera, some in cameras.items() for item in some}
    stored = gallery.now()
    expires = stored + gallery.config.retention_days * SECONDS_A_DAY
    # Pictures are encoded before the lock is taken: others may write meanwhile.
    sightings = _sightings(gallery, grown, expires)
    with gallery.writing() as connection:
        out = set(left_out(connection)) & grown.keys()
        if out:
            grown = {key: item for key, item in grown.items() if key not in out}
            sightings = _sightings(gallery, grown, expires)
        owners = writing.camera_keys(connection, cameras)
        numbers = _keys(connection, list(grown))
        old = set(numbers)
        fresh = [key for key in grown if key not in old]
        writing.check_sizes(connection, [grown[key].tracklet for key in fresh])
        _bring_up_to_date(connection, {numbers[key]: grown[key].tracklet for key in old}, stored, expires)
        added = [tracklet_values(owners[key[0]], grown[key].tracklet, stored, expires) for key in fresh]
        numbers.update(zip(fresh, insert_numbered(connection, table_of(TrackletRecord), added), strict=True))
        _hand_over(connection, old, numbers, grown)
        new = _new(connection, sightings, list(grown), {key: numbers[key] for key in old})
        ids = writing.insert_sightings(connection, new, [numbers[key] for key in grown])
        return raise_events(connection, set(cameras), ids[0] - 1, stored) if ids else []


def runs(cameras: Mapping[str, Sequence[Tracklet]], most: int) -> Iterator[dict[str, list[Tracklet]]]:
    """Tracklets by camera, parted into runs of at most so many: each is a transaction in which others wait."""
    every = [(camera, item) for camera, some in cameras.items() for item in some]
    for first in range(0, len(every), most):
        run: dict[str, list[Tracklet]] = {}
        for camera, item in every[first : first + most]:
            run.setdefault(camera, []).append(item)
        yield run


def _sightings(gallery: Gallery, grown: Mapping[Key, Grown], expires: float) -> SightingRows:
    items, views = [item.tracklet for item in grown.values()], [item.views for item in grown.values()]
    return sighting_values(items, expires, crops=gallery.config.crops, views=views)


def _new(connection: Connection, given: SightingRows, order: Sequence[Key], old: Mapping[Key, int]) -> SightingRows:
    """Without sightings that are stored: of whoever writes again because no answer came, though all was written.

    Args:
        connection: With the transaction open.
        given: Sightings.
        order: The tracklets that `given.owners` are places of.
        old: Those of them that were stored before, and their keys.
    """
    table = SightingRecord
    stored: set[tuple[int, int]] = set()
    mine = [old.get(order[owner]) for owner in given.owners]
    for some in queries.parts(sorted({key for key in mine if key is not None})):
        found = connection.execute(select(table.tracklet_id, table.frame).where(table.tracklet_id.in_(some)))
        stored |= {(int(key), row) for key, row in found}
    new = [place for place, key in enumerate(mine) if (key, given.rows[place]["frame"]) not in stored]
    if len(new) == len(mine):
        return given
    return SightingRows(
        [given.owners[place] for place in new],
        [given.rows[place] for place in new],
        [given.vectors[place] for place in new],
        [given.pictures[place] for place in new],
    )


def stored_of(connection: Connection, keys: Collection[Key]) -> set[Key]:
    """Those of some tracklets that are stored."""
    return set(_keys(connection, list(keys)))


def _bring_up_to_date(connection: Connection, tracklets: Mapping[int, Tracklet], stored: float, expires: float) -> None:
    """Writes stored tracklets, by their keys, as they are now."""
    if not tracklets:
        return
    rows = {key: tracklet_values(0, item, stored, expires) for key, item in tracklets.items()}
    names = [name for name in next(iter(rows.values())) if name not in ("camera_id", "track")]
    change = update(TrackletRecord.__table__).where(TrackletRecord.id == bindparam("key"))  # type: ignore[arg-type]
    values = [{**{f"to_{name}": row[name] for name in names}, "key": key} for key, row in rows.items()]
    connection.execute(change.values({name: bindparam(f"to_{name}") for name in names}), values)


def _hand_over(
    connection: Connection, old: Collection[Key], numbers: Mapping[Key, int], grown: Mapping[Key, Grown]
) -> None:
    """Gives sightings outside their tracklet's span to the tracklet that has their box.

    Args:
        connection: With the transaction open.
        old: The tracklets that may have some.
        numbers: The keys of all that were given.
        grown: All that were given.
    """
    table, cameras = SightingRecord, {numbers[key]: key[0] for key in old}
    for some in queries.parts(sorted(cameras)):
        query = (
            select(table.id, table.tracklet_id, table.frame, table.left, table.top, table.right, table.bottom)
            .join_from(table, TrackletRecord)
            .where(table.tracklet_id.in_(some))
            .where((table.frame < TrackletRecord.first_frame) | (table.frame > TrackletRecord.last_frame))
        )
        for number, owner, frame, *box in connection.execute(query).all():
            beside = [key for key in grown if key[0] == cameras[owner]]
            shares = [_share(grown[key].tracklet, frame, np.array(box)) for key in beside]
            if max(shares) >= SAME_BOX:
                heir = numbers[beside[int(np.argmax(shares))]]
                connection.execute(update(table).where(table.id == number).values(tracklet_id=heir))


def _share(tracklet: Tracklet, frame: int, box: npt.NDArray[np.float64]) -> float:
    """Overlap of a box with a tracklet's in a frame, [0, 1]: 0 where it has none there."""
    place = int(np.searchsorted(tracklet.frames, frame))
    if place >= len(tracklet) or tracklet.frames[place] != frame:
        return 0.0
    return float(iou(tracklet.boxes[place : place + 1].astype(np.float64), box[None])[0, 0])


def assign(connection: Connection, numbers: Mapping[Key, int]) -> set[Key]:
    """Gives stored tracklets their identities; identities that are empty then go, and those that are new come.

    Args:
        connection: With a transaction open.
        numbers: The identity of each tracklet that changes; those not stored are left out.

    Returns:
        The tracklets that are stored.
    """
    keys = _keys(connection, list(numbers))
    links = {key: numbers[name] for name, key in keys.items()}
    if not links:
        return set()
    note_last_number(connection)
    table, people = TrackletRecord, IdentityRecord
    touched = set(links.values())
    for some in queries.parts(list(links)):
        before = connection.scalars(select(table.identity).distinct().where(table.id.in_(some)))
        touched |= {number for number in before if number is not None}
    there = set()
    for some in queries.parts(sorted(touched)):
        there |= set(connection.scalars(select(people.number).where(people.number.in_(some))))
    new = sorted(set(links.values()) - there)
    if new:
        connection.execute(insert(people), [{"number": number, "status": "unknown"} for number in new])
    change = update(table.__table__).where(table.id == bindparam("key"))  # type: ignore[arg-type]
    connection.execute(
        change.values(identity=bindparam("new")), [{"key": key, "new": number} for key, number in links.items()]
    )
    for some in queries.parts(sorted(touched)):
        counted = connection.execute(
            select(table.identity, func.count()).where(table.identity.in_(some)).group_by(table.identity)
        )
        counts = {int(row[0] or 0): row[1] for row in counted}
        for status, of in (("linked", True), ("unknown", False)):
            chosen = [number for number in counts if (counts[number] > 1) is of]
            connection.execute(update(people).where(people.number.in_(chosen)).values(status=status))
        connection.execute(delete(people).where(people.number.in_([each for each in some if each not in counts])))
    writing.grow_revision(connection)
    return set(keys)


def audited(connection: Connection, after: int) -> tuple[int, set[str]]:
    """The last entry's number in the audit log, and what was done in those after a number."""
    last = connection.scalar(select(func.max(AuditRecord.id))) or 0
    if last <= after:
        return last, set()
    return last, set(connection.scalars(select(AuditRecord.action).distinct().where(AuditRecord.id > after)))


def last_tracks(gallery: Gallery) -> dict[str, int]:
    """The highest track number that each camera has, 0 for none."""
    query = (
        select(Camera.name, func.coalesce(func.max(TrackletRecord.track), 0))
        .outerjoin_from(Camera, TrackletRecord)
        .group_by(Camera.name)
    )
    with gallery.reading() as connection:
        return {name: int(track) for name, track in connection.execute(query)}


def recent(gallery: Gallery, since: float) -> list[tuple[CameraTracklet, int | None]]:
    """The tracklets seen since a time, with their sightings as exemplars, and the identity of each, in order of time.

    Args:
        gallery: Which.
        since: Seconds since the epoch.

    Raises:
        InputError: If what is stored is damaged.
    """
    with gallery.reading() as connection:
        return _read(gallery, connection, since, nameless=False)


def nameless(gallery: Gallery, most: int) -> list[CameraTracklet]:
    """The tracklets without an identity, of more than `most` about so many of the latest, in order of time.

    Raises:
        InputError: If what is stored is damaged.
    """
    record = TrackletRecord
    with gallery.reading() as connection:
        times = select(record.last_time).where(record.identity.is_(None)).order_by(record.last_time.desc()).limit(most)
        since = min(connection.scalars(times), default=None)
        return [] if since is None else [item for item, _ in _read(gallery, connection, since, nameless=True)]


def _read(
    gallery: Gallery, connection: Connection, since: float, *, nameless: bool
) -> list[tuple[CameraTracklet, int | None]]:
    rows = list(queries.tracklets(connection, since=since, nameless=nameless))
    sightings, features = queries.sightings_of_recent(connection, since, gallery.now(), nameless=nameless)
    views: dict[Key, list[int]] = {}
    for place, sighting in enumerate(sightings):
        views.setdefault((sighting.camera, sighting.track), []).append(place)
    found = [
        (CameraTracklet(row.camera, _tracklet(row, sightings, features, views.get((row.camera, row.track), []))), row)
        for row in rows
    ]
    found.sort(key=lambda each: (each[0].tracklet.times[0], each[0].key))
    return [(item, row.identity) for item, row in found]


def stays_before(gallery: Gallery, identities: Collection[int], until: float) -> list[Stay]:
    """Where identities were in tracklets that ended before a time.

    Args:
        gallery: Which.
        identities: Their numbers.
        until: Seconds since the epoch.
    """
    record = TrackletRecord
    wanted, found = sorted(identities), []
    with gallery.reading() as connection:
        for start in range(0, len(wanted), queries.KEYS_AT_ONCE):
            some = wanted[start : start + queries.KEYS_AT_ONCE]
            query = (
                select(record.identity, Camera.name, func.min(record.first_time), func.max(record.last_time))
                .join_from(record, Camera)
                .where(record.last_time < until, record.identity.in_(some))
                .group_by(record.identity, Camera.name)
            )
            rows = connection.execute(query)
            found += [Stay(number, name, first, last) for number, name, first, last in rows if number is not None]
    return found


def _tracklet(
    row: TrackletRow, sightings: Sequence[Sighting], features: Features | None, views: Sequence[int]
) -> Tracklet:
    """A stored tracklet with its sightings, given by their places, as exemplars."""
    seen = [sightings[place] for place in views]
    return Tracklet(
        track_id=row.track,
        frames=row.frames,
        times=row.times,
        boxes=row.boxes,
        scores=row.scores,
        exemplars=features[np.array(views)] if features is not None and len(views) else None,
        exemplar_frames=np.array([each.frame for each in seen], np.int64),
        exemplar_times=np.array([each.time for each in seen], np.float64),
        exemplar_boxes=np.array([each.box for each in seen], np.float32).reshape(-1, 4),
        exemplar_crops=(None,) * len(seen),
    )


def _keys(connection: Connection, wanted: Sequence[Key]) -> dict[Key, int]:
    """The keys in the store of those tracklets that are there."""
    table = TrackletRecord
    found: dict[Key, int] = {}
    names = {camera for camera, _ in wanted}
    cameras = {number: name for name, number in writing.known_cameras(connection, names).items()}
    owners = {name: number for number, name in cameras.items()}
    pairs = [(owners[camera], int(track)) for camera, track in wanted if camera in owners]
    for start in range(0, len(pairs), queries.KEYS_AT_ONCE):
        some = pairs[start : start + queries.KEYS_AT_ONCE]
        query = select(table.camera_id, table.track, table.id).where(tuple_(table.camera_id, table.track).in_(some))
        found.update({(cameras[owner], track): key for owner, track, key in connection.execute(query)})
    return found
