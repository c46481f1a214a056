"""Walking boxes and invented features for the tests of the trackers."""

from __future__ import annotations

import numpy as np
import supervision as sv

from reid_model.features import Features


def unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


class Wardrobe:
    """People of random looks: each has a prototype, and a crop shows it with some noise.

    `uniform` is how much all of them have in common: people in uniform, or a network that hardly tells them apart.
    """

    def __init__(self, people, seed=0, cells=6, noise=0.15, uniform=0.0):
        self._rng = np.random.default_rng(seed)
        self._global = unit(self._rng.normal(size=(people, 32)) + uniform * self._rng.normal(size=32))
        self._local = unit(self._rng.normal(size=(people, cells, 16)) + uniform * self._rng.normal(size=16))
        self._noise = noise

    def crops(self, who, mass=0.5):
        """Features of one crop of each person in `who`."""
        who = np.asarray(who, dtype=int)
        count, cells = len(who), self._local.shape[1]

        def shake(values):
            scale = self._noise / np.sqrt(values.shape[-1])
            return unit(values + scale * self._rng.normal(size=values.shape))

        return Features(
            shake(self._global[who]),
            shake(self._local[who]),
            np.full((count, cells), 1 / cells, np.float32),
            np.broadcast_to(np.float32(mass), (count,)).copy(),
        )


def boxes_at(x, y=200.0, width=40.0, height=100.0):
    """Boxes x1, y1, x2, y2 centred at `x`, `y`."""
    x, y = np.broadcast_arrays(np.asarray(x, float), y)
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1).reshape(-1, 4)


def detections(boxes, scores=0.9):
    """Detections of boxes that may be broken: supervision refuses those at first, but not when they come later."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    found = sv.Detections(
        xyxy=np.zeros_like(boxes),
        confidence=np.broadcast_to(np.float32(scores), (len(boxes),)).copy(),
        class_id=np.zeros(len(boxes), int),
    )
    found.xyxy[:] = boxes
    return found


def step(tracker, boxes, time, frame, scores=0.9):
    tracker.observe(detections(boxes, scores), time, frame)
    return tracker.update()


def follow(tracker, paths, fps, seconds, present=lambda person, time: True, wardrobe=None, mass=0.5):
    """Walks people along paths; returns {person: [(time, id), …]} as shown online."""
    shown = {person: [] for person in range(len(paths))}
    for frame in range(round(seconds * fps)):
        time = frame / fps
        there = [person for person in range(len(paths)) if present(person, time)]
        boxes = np.concatenate([np.zeros((0, 4)), *(paths[person](time) for person in there)])
        rows = tracker.observe(detections(boxes), time, frame)
        features = wardrobe.crops(np.array(there, int)[rows], mass) if wardrobe and len(rows) else None
        found = tracker.update(features)
        for box, number in zip(found.xyxy, found.tracker_id, strict=True):
            person = there[int(np.abs(boxes - box).sum(axis=1).argmin())]
            shown[person].append((time, int(number)))
    return shown


def numbers(shown):
    return {person: sorted({number for _, number in seen}) for person, seen in shown.items()}
