"""A person, given by a box, pictures or an identity, into the sightings that look most like them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from app.errors import InputError
from app.gallery import CameraRow, Gallery, IdentityRow, LiveIndex, Sighting
from app.gallery.choosing import MOST_SIGHTINGS
from app.gallery.found import SHORTLIST, Found, Searchable
from app.gallery.packing import Dimensions
from app.gallery.reasons import Reason, explain
from reid_model.calibration import Calibration
from reid_model.features import Features
from reid_model.matching import Method, distances

EDGE = 2.0
"""Pixels that a box may reach over the frame's edge: rounding, not a mistake."""


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


@dataclass(frozen=True)
class BoxQuery:
    """A box in a stored camera's frame, checked.

    Attributes:
        camera: The camera, with the path of its source.
        frame: 0-based frame number.
        time: Time of that frame, seconds since the epoch, from the camera's start and rate (exact at constant rate).
        box: Left, top, right, bottom in source pixels, inside the frame.
    """

    camera: CameraRow
    frame: int
    time: float
    box: tuple[float, float, float, float]


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


def box_query(
    gallery: Gallery,
    camera: str,
    box: Sequence[float],
    *,
    frame: int | None = None,
    time: float | None = None,
) -> BoxQuery:
    """Checks a box that someone pointed at.

    Args:
        gallery: Where the camera is stored.
        camera: Name of the camera.
        box: Left, top, width, height in source pixels; it may reach over the frame's edge by 2 pixels, and is cut
            there.
        frame: 0-based frame number, or
        time: seconds since the epoch: the frame nearest to it. One of both is given.

    Returns:
        The camera, frame, time and box.

    Raises:
        InputError: If the camera is not in the gallery, or the frame, time or box is not in its video.
    """
    row = find_camera(gallery, camera)
    if (frame is None) == (time is None):
        raise InputError("give a frame number or a time, one of both")
    frame = _frame_at(row, time) if time is not None else _check_frame(row, frame or 0)
    moment = row.start + frame / row.rate if row.rate > 0 else row.start
    return BoxQuery(row, frame, moment, box_inside(row.name, (row.width, row.height), box))


def identity_query(gallery: Gallery, number: int) -> Features:
    """The features of all of an identity's sightings, to search for it elsewhere.

    Raises:
        InputError: If there is no such identity, or none of its sightings is left.
    """
    return identity_sightings(gallery, number)[1]


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


def find_camera(gallery: Gallery, name: str) -> CameraRow:
    """The stored camera of that name.

    Raises:
        InputError: If there is none; the message names those there are, and the nearest.
    """
    known = {row.name: row for row in gallery.cameras()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = ", ".join(known) or "none"
    raise InputError(f"camera {name!r}: not in {gallery.path}, which has {listed}{hint}")


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
    rows, features = gallery.look_up(found.ids[np.isin(found.tracklets, found.tracklets[firsts])])
    if features is None:
        return []
    # Rounding can bring the distance of a crop to itself just below 0.
    apart = np.maximum(distances(query, features, method), 0)
    best: dict[tuple[str, int], int] = {}
    for position in np.argsort(apart.min(axis=0), kind="stable").tolist():
        best.setdefault((rows[position].camera, rows[position].track), position)
    places = np.array([*best.values()], np.intp)
    rows, features, apart = [rows[place] for place in places], features[places], apart[:, places]
    nearest = apart.argmin(axis=0)
    closest = apart.min(axis=0)
    reasons = explain(query[nearest], features, method)
    likely: list[float | None] = [None] * len(rows)
    if calibration is not None:
        likely = [*calibration.probability(closest, query.mass[nearest], features.mass, prior).tolist()]
    people: dict[object, int] = {}
    crops = gallery.crops([row.id for row in rows])
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
            crop=crops[place],
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


def _check_frame(camera: CameraRow, frame: int) -> int:
    if frame < 0 or 0 < camera.frame_count <= frame:
        last = f" to {camera.frame_count - 1}" if camera.frame_count > 0 else " and up"
        raise InputError(f"frame {frame}: camera {camera.name} has frames 0{last}; give one of them")
    return frame


def _frame_at(camera: CameraRow, time: float) -> int:
    if camera.rate <= 0 or camera.frame_count <= 0:
        raise InputError(f"time {time:.2f}: the frame rate of camera {camera.name} is not known; give a frame number")
    frame = round((time - camera.start) * camera.rate) if math.isfinite(time) else -1
    if not 0 <= frame < camera.frame_count:
        last = camera.start + (camera.frame_count - 1) / camera.rate
        span = f"{camera.start:.2f} to {last:.2f}"
        raise InputError(f"time {time:.2f}: camera {camera.name} was recorded from {span}; give a time in between")
    return frame


def box_inside(camera: str, size: tuple[int, int], box: Sequence[float]) -> tuple[float, float, float, float]:
    """A box that someone pointed at, cut to its frame.

    Args:
        camera: Name of the camera, for the message.
        size: Width and height of its frames in pixels.
        box: Left, top, width, height in pixels; it may reach over the frame's edge by 2 pixels.

    Returns:
        Left, top, right, bottom.

    Raises:
        InputError: If it is no box, or not in the frame.
    """
    if len(box) != 4:
        raise InputError(f"box: expected left top width height, given {len(box)} numbers")
    left, top, width, height = (float(value) for value in box)
    given = f"box {left:g} {top:g} {width:g} {height:g}"
    if not all(math.isfinite(value) for value in (left, top, width, height)) or width <= 0 or height <= 0:
        raise InputError(f"{given}: width and height must be above 0; give left top width height in pixels")
    right, bottom = left + width, top + height
    if left < -EDGE or top < -EDGE or right > size[0] + EDGE or bottom > size[1] + EDGE:
        raise InputError(f"{given}: not inside the frame of camera {camera}, {size[0]} x {size[1]} pixels")
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(size[0])), min(bottom, float(size[1])))
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        raise InputError(f"{given}: smaller than a pixel; give left top width height in pixels")
    return cut
