"""Tracklets of recordings as if they came live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from app.association.corrections import Corrections
from app.association.describing import joined
from app.association.online import OnlineAssociator
from app.association.types import CameraTracklet, Identity
from app.config_association import AssociationConfig

SLICE_SECONDS = 0.5
"""Seconds of recordings that are one moment."""


def replay(
    tracklets: Sequence[CameraTracklet],
    config: AssociationConfig,
    *,
    corrections: Corrections | None = None,
    homographies: Mapping[str, Sequence[Sequence[float]]] | None = None,
    delays: Mapping[str, float] | None = None,
    growing_seconds: float = 0.0,
) -> list[Identity]:
    """Links tracklets as if they came live, each when it ends or, as live cameras show them, while it grows as well.

    Args:
        tracklets: Tracklets of all cameras; a track number occurs once in a camera.
        config: The association's settings.
        corrections: The operator's word.
        homographies: Of cameras by name, 3 × 3, from source pixels to metres on a common ground.
        delays: Seconds by which the tracklets of a camera come late, by its name.
        growing_seconds: Seconds between two states of a tracklet that grows, with those of its final views that it had
            by then; 0: it is seen when it ends alone.

    Returns:
        Identities by number, which is in order of decision; every tracklet is a member of exactly one.

    Raises:
        ValueError: If a camera has two tracklets of one number, or exemplars come from different models.
    """
    keys = [item.key for item in tracklets]
    if len(set(keys)) < len(keys):
        camera, number = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"tracklets: expected each track number once in a camera, given {camera} track {number} twice")
    associator = OnlineAssociator(config, corrections=corrections, homographies=homographies)
    states = _states(tracklets, delays or {}, growing_seconds)
    found: list[Identity] = []
    # Between arrivals only what waits for its decision makes a moment worth a look.
    wait = int(np.ceil(config.wait_seconds / SLICE_SECONDS))
    last = max(states, default=0)
    for moment in sorted({*states, *(each + wait for each in states if each + wait <= last)}):
        for item, finished in states.get(moment, []):
            associator.observe(item, finished=finished)
        associator.advance(moment * SLICE_SECONDS)
        found += associator.forgotten
    associator.flush()
    whole = {item.key: item for item in tracklets}
    return [
        replace(identity, members=tuple(whole[member.key] for member in identity.members))
        for identity in joined([*found, *associator.identities()])
    ]


def _states(
    tracklets: Sequence[CameraTracklet], delays: Mapping[str, float], growing_seconds: float
) -> dict[int, list[tuple[CameraTracklet, bool]]]:
    """What comes in each moment, and whether it will not grow any more."""
    states: dict[int, list[tuple[CameraTracklet, bool]]] = {}
    for item in tracklets:
        times, late = item.tracklet.times, delays.get(item.camera, 0.0)
        until = np.arange(times[0] + growing_seconds, times[-1], growing_seconds).tolist() if growing_seconds else []
        for time in until:
            states.setdefault(_moment(time + late), []).append((as_of(item, time), False))
        states.setdefault(_moment(float(times[-1]) + late), []).append((item, True))
    return states


def _moment(time: float) -> int:
    return int(np.ceil(time / SLICE_SECONDS))


def as_of(item: CameraTracklet, time: float) -> CameraTracklet:
    """A tracklet with those of its boxes, one or more, and views that it had by then."""
    whole = item.tracklet
    boxes = max(1, int(np.searchsorted(whole.times, time, side="right")))
    views = np.flatnonzero(whole.exemplar_times <= time)
    part = replace(
        whole,
        frames=whole.frames[:boxes],
        times=whole.times[:boxes],
        boxes=whole.boxes[:boxes],
        scores=whole.scores[:boxes],
        exemplars=whole.exemplars[views] if whole.exemplars is not None and len(views) else None,
        exemplar_frames=whole.exemplar_frames[views],
        exemplar_times=whole.exemplar_times[views],
        exemplar_boxes=whole.exemplar_boxes[views],
        exemplar_crops=tuple(whole.exemplar_crops[view] for view in views.tolist()),
        sure=None if whole.sure is None else whole.sure[:boxes],
        refinds=tuple(each for each in whole.refinds if each.time <= time),
    )
    return CameraTracklet(item.camera, part)
