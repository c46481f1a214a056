"""Tracklets of all cameras into identities, all at once (offline)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.association.clustering import Merge, agglomerate, agglomerate_in_turn, comparable, joined
from app.association.constraints import simultaneous
from app.association.crowd import GLIMPSE, Crowd, Floats, longest, people_among, seconds_in_view
from app.association.distance import tracklet_distances
from app.association.overlap import declared_elsewhere
from app.association.timing import time_odds
from app.association.types import CameraTracklet, Identity, Link
from app.association.views import seen_apart
from app.config_association import AssociationConfig
from reid_model.features import FloatArray

BoolArray = npt.NDArray[np.bool_]


def associate(tracklets: Sequence[CameraTracklet], config: AssociationConfig) -> list[Identity]:
    """Links the tracklets of all cameras into identities.

    Constrained agglomerative clustering over the distances of exemplar sets. Tracklets that one camera shows at once in
    different places are never one identity, tracklets at once in two cameras that seem to see no common place only when
    they look very much alike (`seen_apart`), and never where that is declared (`config.overlaps`). The time between two
    counts as far as people of sure looks show how long they are away (`time_odds`). The more people there are, the more
    alike two must look (`Crowd`). The longest tracklets, which have `config.first_share` of all time in view, are
    linked before the others: pieces of tracks, often of somebody half hidden, then decide nothing about who was seen
    well. A tracklet without exemplars is linked to nothing. The same person leaving a camera's view and coming back is
    linked by the same rule as across cameras. The result does not depend on the order of the input.

    Args:
        tracklets: Tracklets of all cameras; a track number occurs once in a camera.
        config: The association's settings.

    Returns:
        Identities by number; every tracklet is a member of exactly one.

    Raises:
        ValueError: If a camera has two tracklets of one number, or exemplars come from different models.
    """
    ordered = sorted(
        tracklets, key=lambda item: (float(item.tracklet.times.min()), item.camera, item.tracklet.track_id)
    )
    keys = [item.key for item in ordered]
    if len(set(keys)) < len(keys):
        camera, number = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"tracklets: expected each track number once in a camera, given {camera} track {number} twice")
    apart = simultaneous(ordered, config.shared_overlap, config.shared_frames)
    apart |= declared_elsewhere(ordered, config)
    distances = tracklet_distances(ordered, config)
    distances[apart] = np.inf
    if config.overlaps is None:
        distances[seen_apart(ordered, distances, config)] += np.float32(config.apart_penalty)
    view = np.array([seconds_in_view(item.tracklet.times) for item in ordered])
    seen = np.where(comparable(distances), view + GLIMPSE, 0.0)
    if config.transit_weight:
        distances = _timed(ordered, distances, apart, seen, config)
    limit = _limit(distances, seen, config)
    merges = agglomerate_in_turn(distances, limit, config.linkage, longest(seen, config.first_share))
    groups: dict[int, list[int]] = {i: [i] for i in range(len(ordered))}
    links: dict[int, list[Link]] = {i: [] for i in groups}
    for merge in merges:
        links[merge.first] += [*links.pop(merge.second), _link(merge, groups, keys, distances)]
        groups[merge.first] += groups.pop(merge.second)
    # Groups are named by their first tracklet in order of appearance, so sorting names sorts identities.
    return [
        _identity(number, sorted(groups[name]), links[name], ordered, distances, limit)
        for number, name in enumerate(sorted(groups), 1)
    ]


def _limit(distances: FloatArray, seen: Floats, config: AssociationConfig) -> float:
    """The largest distance at which two are linked, among as many people as these are by their distances."""
    crowd = Crowd(config.crowd_people, config.crowd_step)
    merges = agglomerate(distances, config.threshold, config.linkage, crowd=crowd, seen=seen)
    return crowd.limit(config.threshold, people_among(joined(merges, seen)))


def _timed(
    ordered: list[CameraTracklet], distances: FloatArray, apart: BoolArray, seen: Floats, config: AssociationConfig
) -> FloatArray:
    """Distances with what the times between tracklets say; only those compared in full come nearer."""
    times = [item.tracklet.times for item in ordered]
    first, last = (np.array([float(each[end]) for each in times]) for end in (0, -1))
    cameras = np.unique([item.camera for item in ordered], return_inverse=True)[1]
    odds = time_odds(distances, apart, cameras, first, last, _limit(distances, seen, config))
    nearer = np.maximum(distances - np.float32(config.transit_weight) * odds, 0)
    # What stands in where nothing was compared in full is just over the threshold, and stays there.
    return np.asarray(np.where(distances > config.threshold, np.maximum(nearer, distances), nearer), np.float32)


def _link(merge: Merge, groups: dict[int, list[int]], keys: list[tuple[str, int]], distances: FloatArray) -> Link:
    rows, columns = groups[merge.first], groups[merge.second]
    between = distances[np.ix_(rows, columns)]
    row, column = np.unravel_index(int(between.argmin()), between.shape)
    return Link(keys[rows[row]], keys[columns[column]], float(between[row, column]), merge.distance)


def _identity(
    number: int,
    positions: list[int],
    links: list[Link],
    ordered: list[CameraTracklet],
    distances: FloatArray,
    limit: float,
) -> Identity:
    outside = distances[positions].max(axis=0)
    outside[positions] = np.inf
    other = int(outside.argmin())
    nearest = float(outside[other]) if np.isfinite(outside[other]) else None
    members = tuple(ordered[i] for i in positions)
    if links:
        furthest = max(link.linkage for link in links)
        reason = f"{len(members)} tracklets linked, the furthest join at {furthest:.3f} of {limit:.3f}"
    elif members[0].tracklet.exemplars is None or not len(members[0].tracklet.exemplars):
        reason = "no exemplar to compare"
    elif nearest is None:
        reason = "no other tracklet that could be the same person"
    else:
        camera, track = ordered[other].key
        verdict = f"over {limit:.3f}" if nearest > limit else "its group is further away"
        reason = f"nearest is {camera} track {track} at {nearest:.3f}: {verdict}"
    return Identity(number, "linked" if links else "unknown", members, tuple(links), nearest, reason)
