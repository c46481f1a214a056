"""A person, given by a box, pictures or an identity, into the sightings that look most like them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from app.errors import InputError
from app.gallery import Gallery, IdentityRow, LiveIndex, Sighting, queries
from app.gallery.choosing import MOST_SIGHTINGS
from app.gallery.found import SHORTLIST, Found, Searchable
from app.gallery.packing import Dimensions
from app.gallery.reasons import Reason, explain
from app.pointing import find_camera
from reid_model.calibration import Calibration
from reid_model.features import Features
from reid_model.matching import Method, distances


@dataclass(frozen=True, eq=False)
class Match:
    """A tracklet that was found, by its best sighting.

    Attributes:
        rank: From 1, nearest first.
        distance: Distance to the nearest query crop, [0, 2].
        probability: That it is the person, [0, 1]; None where the weights do not say what their distances mean.
        person: Which of the people found it is, from 1, nearest first: tracklets of one identity have one number.
        camera: Name of the camera.
        time: Time of the sighting, seconds since the epoch.
        frame: 0-based frame number of the sighting.
        box: Left, top, right, bottom in source pixels.
        track: Number of the track in that camera.
        span: First and last time of the tracklet, seconds since the epoch.
        identity: Number of the identity, or None where none was decided.
        status: `linked` or `unknown`, or None.
        mass: Saliency mass of the crop, [0, 1]: low for a person mostly hidden.
        query: Which query crop was nearest, from 0.
        reason: What makes up the distance.
        crop: JPEG of the sighting, or None where none is stored.
    """

    rank: int
    distance: float
    probability: float | None
    person: int
    camera: str
    time: float
    frame: int
    box: tuple[float, float, float, float]
    track: int
    span: tuple[float, float]
    identity: int | None
    status: str | None
    mass: float
    query: int
    reason: Reason
    crop: bytes | None


def search(
    gallery: Gallery,
    query: Features,
    *,
    top: int = 20,
    start: float | None = None,
    end: float | None = None,
    cameras: Sequence[str] | None = None,
    exact: bool = False,
    method: Method = "gasm",
    calibration: Calibration | None = None,
    origin: Mapping[str, object] | None = None,
    who: str | None = None,
    index: Searchable | None = None,
    device: torch.device | None = None,
    people: int | None = None,
) -> list[Match]:
    """Finds a person in a gallery and enters the search in its audit log.

    The index, in 8 bits, says which sightings are nearest; what is said of them comes from the vectors in the store.

    Args:
        gallery: Where to search, open for writing.
        query: One or more crops of one person.
        top: Most matches returned.
        start: Earliest time, seconds since the epoch, included.
        end: Latest time, included.
        cameras: Names of the cameras to search; None for all.
        exact: Whether every sighting is matched cell by cell, not a shortlist only.
        method: How crops are compared.
        calibration: What the distances of this method mean; None where that is not known.
        origin: Where the query comes from (camera, frame and box, or files, or identity), for the audit log.
        who: User name for the audit log; None for the account that the program runs under.
        index: The gallery's index, for one who searches often and keeps it in step; None to open it for this search.
        device: Where an index opened for this search matches cells; None for the processor.
        people: How many people there are to choose from, for one who knows; None to count them.

    Returns:
        Matches, nearest first, one for each tracklet.

    Raises:
        InputError: If a camera is not in the gallery, the times or `top` are out of range, there is no query crop,
            the query comes from another model, the search cannot be entered in the audit log, or what is stored is
            damaged.
        ValueError: If the index holds vectors of another model.
    """
    _check_request(gallery, query, top, start, end)
    names = None if cameras is None else [find_camera(gallery, name).name for name in cameras]
    if index is None:
        index = LiveIndex.open(gallery, device)
    if index is not None and index.model != gallery.model:
        raise ValueError(f"index: expected vectors of {gallery.model}, given {index.model}")
    if calibration is not None and calibration.matching != method:
        calibration = None
    matches: list[Match] = []
    if index is not None:
        wanted = max(SHORTLIST, top * MOST_SIGHTINGS)
        found = index.search(
            query,
            wanted,
            now=gallery.now(),
            exact=exact,
            method=method,
            shortlist=wanted,
            cameras=names,
            start=start,
            end=end,
        )
        if people is None:
            people = 0 if calibration is None else gallery.people(names, start, end)
        prior = prior_of(people)
        matches = _matches(gallery, found, query, top, method, calibration, prior)
    details: dict[str, object] = {
        "origin": dict(origin or {}),
        "crops": len(query),
        "top": top,
        "from": start,
        "to": end,
        "cameras": names,
        "exact": exact,
        "method": method,
        "found": [[match.camera, match.track] for match in matches],
    }
    gallery.audit("search", details, who=who)
    return matches


def identity_sightings(gallery: Gallery, number: int) -> tuple[list[Sighting], Features]:
    """All of an identity's sightings and their features, in the same order.

    Raises:
        InputError: If there is no such identity, or none of its sightings is left.
    """
    find_identity(gallery, number)
    rows, features = gallery.sightings(identity=number)
    if features is None:
        raise InputError(f"identity {number}: has no sighting to search by (none was stored, or all have expired)")
    return rows, features


def find_identity(gallery: Gallery, number: int) -> IdentityRow:
    """The stored identity of that number.

    Raises:
        InputError: If there is none.
    """
    row = gallery.identity(number)
    if row is None:
        known = len(gallery.identities())
        cure = f"give one of the {known} that `identity list` shows" if known else "it holds no identities"
        raise InputError(f"identity {number}: not in {gallery.path}; {cure}")
    return row


def to_rows(matches: Sequence[Match]) -> list[dict[str, object]]:
    """Matches as plain values for tables, CSV and JSON; without pictures.

    Box columns are left, top, width, height in source pixels, as `box_query` takes them.
    """
    return [
        {
            "rank": match.rank,
            "distance": round(match.distance, 4),
            "probability": None if match.probability is None else round(match.probability, 4),
            "person": match.person,
            "camera": match.camera,
            "time": match.time,
            "frame": match.frame,
            "left": round(match.box[0], 1),
            "top": round(match.box[1], 1),
            "width": round(match.box[2] - match.box[0], 1),
            "height": round(match.box[3] - match.box[1], 1),
            "track": match.track,
            "first_time": match.span[0],
            "last_time": match.span[1],
            "identity": match.identity,
            "status": match.status,
            "mass": round(match.mass, 4),
            "query": match.query,
            "global_distance": round(match.reason.global_distance, 4),
            "local_distance": round(match.reason.local_distance, 4),
        }
        for match in matches
    ]


def prior_of(people: int) -> float:
    """How probable it is, before looking, that one of so many people is the one searched for, (0, 1).

    Each of them, and nobody, is equally probable.
    """
    return 1 / (1 + max(people, 1))


@contextmanager
def one_thread() -> Iterator[None]:
    """Has torch compute in the calling thread alone: for so few crops, waking others takes many times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _person(row: Sighting) -> object:
    """Whom a sighting shows: the identity, or the tracklet where none was decided."""
    return (row.camera, row.track) if row.identity is None else row.identity


def _matches(
    gallery: Gallery,
    found: Found,
    query: Features,
    top: int,
    method: Method,
    calibration: Calibration | None,
    prior: float,
) -> list[Match]:
    """The nearest `top` tracklets of what the index found, compared again by the vectors in the store."""
    firsts = np.sort(np.unique(found.tracklets, return_index=True)[1])[:top]
    wanted = found.ids[np.isin(found.tracklets, found.tracklets[firsts])].tolist()
    with gallery.checked() as connection:
        rows, features = queries.look_up(connection, wanted, gallery.now())
        if features is None:
            return []
        with one_thread():
            # Rounding can bring the distance of a crop to itself just below 0.
            apart = np.maximum(distances(query, features, method), 0)
        best: dict[tuple[str, int], int] = {}
        for position in np.argsort(apart.min(axis=0), kind="stable").tolist():
            best.setdefault((rows[position].camera, rows[position].track), position)
        places = np.array([*best.values()], np.intp)
        rows, features, apart = [rows[place] for place in places], features[places], apart[:, places]
        pictures = queries.crops(connection, [row.id for row in rows], gallery.now())
    nearest = apart.argmin(axis=0)
    closest = apart.min(axis=0)
    with one_thread():
        reasons = explain(query[nearest], features, method)
    likely: list[float | None] = [None] * len(rows)
    if calibration is not None:
        likely = [*calibration.probability(closest, query.mass[nearest], features.mass, prior).tolist()]
    people: dict[object, int] = {}
    return [
        Match(
            rank=place + 1,
            distance=float(closest[place]),
            probability=likely[place],
            person=people.setdefault(_person(row), len(people) + 1),
            camera=row.camera,
            time=row.time,
            frame=row.frame,
            box=row.box,
            track=row.track,
            span=row.span,
            identity=row.identity,
            status=row.status,
            mass=row.mass,
            query=int(nearest[place]),
            reason=reasons[place],
            crop=pictures[place],
        )
        for place, row in enumerate(rows)
    ]


def _check_request(gallery: Gallery, query: Features, top: int, start: float | None, end: float | None) -> None:
    if top < 1:
        raise InputError(f"top {top}: must be 1 or more")
    for name, value in (("from", start), ("to", end)):
        if value is not None and not math.isfinite(value):
            raise InputError(f"{name} {value}: must be a finite time")
    if start is not None and end is not None and start > end:
        raise InputError(f"from {start:.2f} is after to {end:.2f}; swap them")
    if not len(query):
        raise InputError("nothing to search for: no picture gave features")
    stored, given = gallery.dimensions(), Dimensions.of(query)
    if stored is not None and (stored.pooled, stored.local) != (given.pooled, given.local):
        raise InputError(
            f"{gallery.path}: holds vectors of {stored}, the query has {given}; use the weights that it was made with"
        )
