"""The people in a gallery, as lists for an operator."""

from __future__ import annotations

from app.contact_sheet import format_time
from app.gallery import Gallery, IdentityRow, queries
from app.gallery.corrections import history
from app.search import find_identity

Result = dict[str, object]


def people(gallery: Gallery) -> list[Result]:
    """Everybody in a gallery, by number: status, tracklets, cameras, first and last time."""
    with gallery.reading() as connection:
        spans = queries.spans(connection)
        return [_summary(row, spans) for row in queries.identities(connection, None)]


def _summary(row: IdentityRow, spans: dict[tuple[str, int], tuple[float, float]]) -> Result:
    times = [spans[key] for key in row.tracklets]
    return {
        "name": row.number,
        "status": row.status,
        "tracklets": len(row.tracklets),
        "cameras": ", ".join(sorted({camera for camera, _ in row.tracklets})),
        "first": format_time(min(first for first, _ in times)) if times else "",
        "last": format_time(max(last for _, last in times)) if times else "",
    }


def tracklets_of(gallery: Gallery, number: int) -> list[Result]:
    """One person's tracklets, in order of appearance: camera, track, boxes, sightings, first and last time.

    Raises:
        InputError: If there is no such identity.
    """
    row = find_identity(gallery, number)
    with gallery.reading() as connection:
        stored = queries.sighting_counts(connection, queries.Filter(gallery.now(), identity=number))
    found: list[Result] = []
    for camera, track in row.tracklets:
        tracklet = gallery.tracklet(camera, track)
        assert tracklet is not None
        found.append(
            {
                "name": f"{camera} {track}",
                "camera": camera,
                "track": track,
                "boxes": len(tracklet.frames),
                "sightings": stored.get((camera, track), 0),
                "first": format_time(float(tracklet.times.min())),
                "last": format_time(float(tracklet.times.max())),
            }
        )
    return found


def corrections_of(gallery: Gallery) -> list[Result]:
    """What was said of people, by number: kind, when, by whom, the tracklets of both sides, and when it was undone."""
    with gallery.reading() as connection:
        rows = history(connection)
    return [
        {
            "name": str(row.number),
            "kind": row.kind,
            "time": format_time(row.time),
            "who": row.who,
            "first": ", ".join(f"{camera}:{track}" for camera, track in row.first),
            "second": ", ".join(f"{camera}:{track}" for camera, track in row.second),
            "undone": "" if row.undone is None else format_time(row.undone),
        }
        for row in rows
    ]
