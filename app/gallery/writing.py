"""What is written into the store: each function one change, on a connection whose transaction is open."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import BigInteger, Connection, String, bindparam, cast, delete, insert, select, update

from app.association.types import Identity
from app.gallery import queries
from app.gallery.bulk import insert_many, insert_numbered
from app.gallery.packing import Dimensions
from app.gallery.records import Row, SightingRows
from app.gallery.rows import CameraRow
from app.gallery.schema import (
    AuditRecord,
    Camera,
    CropRecord,
    IdentityRecord,
    Meta,
    SightingRecord,
    TrackletRecord,
    VectorRecord,
    table_of,
)
from trackers.tracklet import Tracklet

TURN = "pg_advisory_xact_lock(hashtext(current_schema()), hashtext('crowdtrace'))"
"""On a server: waits for one's turn to write, which lasts until the transaction ends."""


def audit_lock(*, shared: bool) -> str:
    """On a server: waits until nobody enters a change in the audit log; where not `shared`, until nobody enters any."""
    return f"pg_advisory_xact_lock{'_shared' * shared}(hashtext(current_schema()), hashtext('crowdtrace audit'))"


def put_camera(connection: Connection, camera: CameraRow) -> None:
    """Adds a camera, or replaces the facts about the one of that name."""
    values = {
        "source": camera.source,
        "start": float(camera.start),
        "width": int(camera.width),
        "height": int(camera.height),
        "rate": float(camera.rate),
        "frame_count": int(camera.frame_count),
    }
    changed = connection.execute(update(Camera).where(Camera.name == camera.name).values(**values))
    if not changed.rowcount:
        connection.execute(insert(Camera).values(name=camera.name, **values))


def known_cameras(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The keys of those of some cameras that were added."""
    found: dict[str, int] = {}
    wanted = sorted(set(names))
    for start in range(0, len(wanted), queries.KEYS_AT_ONCE):
        some = wanted[start : start + queries.KEYS_AT_ONCE]
        rows = connection.execute(select(Camera.name, Camera.id).where(Camera.name.in_(some)))
        found.update({name: int(number) for name, number in rows})
    return found


def camera_keys(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The keys of cameras.

    Raises:
        ValueError: If one of them was not added.
    """
    wanted = set(names)
    found = known_cameras(connection, wanted)
    if missing := wanted - found.keys():
        raise ValueError(f"camera: expected one that was added, given {min(missing)!r}")
    return found


def camera_key(connection: Connection, camera: str, tracklets: Sequence[Tracklet]) -> int:
    """The key of a camera that these tracklets can be added to.

    Raises:
        ValueError: If there is no such camera, it has a track of one of their numbers, or the exemplars' dimensions
            are not the gallery's.
    """
    key = camera_keys(connection, [camera])[camera]
    queries.check_new(connection, camera, [int(item.track_id) for item in tracklets])
    check_sizes(connection, tracklets)
    return key


def check_sizes(connection: Connection, tracklets: Sequence[Tracklet]) -> None:
    """Sees that exemplars have the sizes of the gallery's vectors, which are those of the first.

    Raises:
        ValueError: If they have not.
    """
    given = {Dimensions.of(item.exemplars) for item in tracklets if item.exemplars is not None}
    if not given:
        return
    stored = queries.dimensions(connection)
    if stored is None and len(given) == 1:
        connection.execute(insert(Meta), queries.dimension_facts(*given))
    elif given != {stored}:
        sizes = "; ".join(sorted(map(str, given)))
        raise ValueError(f"exemplars: expected {stored or 'one set of sizes'}, given {sizes}")


def insert_tracklets(connection: Connection, tracklets: list[Row], sightings: SightingRows) -> list[int]:
    """Adds tracklets and their sightings, and gives the sightings' numbers, which go on from the last."""
    return insert_sightings(connection, sightings, insert_numbered(connection, table_of(TrackletRecord), tracklets))


def insert_sightings(connection: Connection, sightings: SightingRows, keys: Sequence[int]) -> list[int]:
    """Adds sightings of tracklets with these keys, and gives their numbers, which go on from the last."""
    rows = [{**row, "tracklet_id": keys[owner]} for row, owner in zip(sightings.rows, sightings.owners, strict=True)]
    numbers = insert_numbered(connection, table_of(SightingRecord), rows)
    if not numbers:
        return []
    vectors = zip(numbers, sightings.vectors, strict=True)
    insert_many(connection, table_of(VectorRecord), [{"sighting_id": key, **row} for key, row in vectors])
    pictures = [
        {"sighting_id": key, "jpeg": picture}
        for key, picture in zip(numbers, sightings.pictures, strict=True)
        if picture is not None
    ]
    insert_many(connection, table_of(CropRecord), pictures)
    grow_revision(connection)
    return numbers


def replace_identities(connection: Connection, identities: Sequence[Identity]) -> None:
    """Replaces all identities.

    Raises:
        ValueError: If a member was not added.
    """
    known = queries.tracklet_keys(connection)
    links = []
    for identity in identities:
        for member in identity.members:
            if member.key not in known:
                camera, track = member.key
                raise ValueError(f"identities: expected stored tracklets, given {camera} track {track}")
            links.append({"key": known[member.key], "number": identity.number})
    connection.execute(update(TrackletRecord).values(identity=None))
    connection.execute(delete(IdentityRecord))
    if identities:
        rows = [{"number": identity.number, "status": identity.status} for identity in identities]
        connection.execute(insert(IdentityRecord), rows)
        linking = (
            update(TrackletRecord.__table__)  # type: ignore[arg-type]
            .where(TrackletRecord.id == bindparam("key"))
            .values(identity=bindparam("number"))
        )
        connection.execute(linking, links)
    grow_revision(connection)


def enter_audit(
    connection: Connection, time: float, action: str, details: Mapping[str, object], who: str | None
) -> None:
    """Enters something in the audit log; None stands for the account that the program runs under."""
    if connection.dialect.name == "postgresql" and not connection.get_execution_options().get("beside", False):
        connection.exec_driver_sql(f"SELECT {audit_lock(shared=False)}")
    entry = {"time": time, "who": who or account(), "action": action, "details": dict(details)}
    connection.execute(insert(AuditRecord), [entry])


def account() -> str:
    """The account that the program runs under."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def grow_revision(connection: Connection) -> None:
    """Marks that sightings have changed: what is derived from them is told by it."""
    grown = cast(cast(Meta.value, BigInteger) + 1, String)
    connection.execute(update(Meta).where(Meta.key == "revision").values(value=grown))
