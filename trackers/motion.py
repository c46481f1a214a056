"""Where people are and where they will be: one Kalman filter over all tracks at once.

Centre x, centre y, width and height of a box are four independent coordinates, each with a velocity, so that every
covariance is a 2×2 block and the whole filter is elementwise arithmetic on `(n, 4)` arrays. The velocity is an
Ornstein-Uhlenbeck process: it wanders around zero with a given spread and forgets itself over a given time (Singer,
"Estimating Optimal Tracking Filter Performance for Manned Maneuvering Targets", 1970, one order lower). It is solved
exactly in continuous time: two predictions of 0.1 s are one of 0.2 s, at any frame rate, and a person who is not
seen slows down instead of flying out of the picture. All noise is in units of box height, because a person near the
camera moves more pixels than one far away.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from trackers.config import TrackerConfig

Array = npt.NDArray[np.float64]
Affine = npt.NDArray[np.float64]
"""A map `(2, 3)` of points x, y in pixels: the matrix in the first two columns, the shift in the last."""


def to_centre(boxes: Array) -> Array:
    """Corner boxes to centre boxes: `(n, 4)` x1, y1, x2, y2 → centre x, centre y, width, height."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def to_corners(centres: Array) -> Array:
    """Centre boxes to corner boxes, `(n, 4)`; sides below one pixel become one pixel."""
    half = np.maximum(centres[:, 2:], 1.0) / 2
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


def checked(by: Affine) -> Affine:
    """The map, if a camera's motion can be one.

    Raises:
        ValueError: If it is not 2×3, not finite, or turns the picture over.
    """
    by = np.asarray(by, np.float64)
    if by.shape != (2, 3) or not np.isfinite(by).all() or np.linalg.det(by[:, :2]) <= 0:
        raise ValueError(f"moved: expected a finite map (2, 3) that does not mirror, given {by.tolist()}")
    return by


def moved_centres(centres: Array, by: Affine) -> Array:
    """Centre boxes `(n, 4)` carried along by a map: upright as before, their sides by the map's scale."""
    scale = np.sqrt(np.linalg.det(by[:, :2]))
    return np.concatenate([centres[:, :2] @ by[:, :2].T + by[:, 2], scale * centres[:, 2:]], axis=1)


@dataclass(slots=True)
class Motion:
    """The state of n filters.

    Attributes:
        position: Centre x, centre y, width and height in pixels, shape `(n, 4)`.
        velocity: Their change in pixels per second, shape `(n, 4)`.
        pp: Variance of the position, shape `(n, 4)`.
        pv: Covariance of position and velocity, shape `(n, 4)`.
        vv: Variance of the velocity, shape `(n, 4)`.
        scale: Height in pixels at the last observation, shape `(n, 1)`: the unit of the noise.
    """

    position: Array
    velocity: Array
    pp: Array
    pv: Array
    vv: Array
    scale: Array

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Motion:
        return Motion(*(getattr(self, field.name)[index] for field in fields(self)))

    def __setitem__(self, index: npt.NDArray[np.intp], value: Motion) -> None:
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(value, field.name)

    def joined(self, other: Motion) -> Motion:
        """These filters followed by others."""
        return Motion(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def moved(self, by: Affine) -> Motion:
        """These filters in a picture that the camera's motion has shifted, turned and zoomed.

        Turning mixes x and y. What the filters then know of both together is let go, since they know no such thing:
        the variance along each axis is right, and every 2×2 block stays a covariance, being a sum of such.

        Args:
            by: Map from the pixels of the picture before to those of this one, a similarity or nearly one.

        Raises:
            ValueError: If it is no such map.
        """
        by = checked(by)
        turn, scale = by[:, :2], np.sqrt(np.linalg.det(by[:, :2]))

        def spread(variance: Array) -> Array:
            return np.concatenate([variance[:, :2] @ (turn**2).T, scale**2 * variance[:, 2:]], axis=1)

        return Motion(
            moved_centres(self.position, by),
            np.concatenate([self.velocity[:, :2] @ turn.T, scale * self.velocity[:, 2:]], axis=1),
            spread(self.pp),
            spread(self.pv),
            spread(self.vv),
            scale * self.scale,
        )

    @property
    def boxes(self) -> Array:
        """The estimated boxes, x1, y1, x2, y2 in pixels, shape `(n, 4)`."""
        return to_corners(self.position)


class MotionModel:
    """Starts, predicts and corrects filters.

    Args:
        config: Spread and memory of the velocities, and the noise of the boxes.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._spread = np.array([config.speed_spread] * 2 + [config.growth_spread] * 2)
        self._memory = np.array([config.speed_memory] * 2 + [config.growth_memory] * 2)
        self._jitter = np.array([config.jitter] * 4)
        self._noise = np.array([config.box_noise] * 4)
        self._doubt = config.score_noise

    def _variance(self, scale: Array, scores: Array) -> Array:
        doubt = 1 + self._doubt * (1 - scores[:, None])
        return (self._noise * scale * doubt) ** 2

    def start(self, boxes: Array, scores: Array) -> Motion:
        """New filters from boxes `(n, 4)` x1, y1, x2, y2 with scores `(n,)` in [0, 1]; their velocity is unknown."""
        position = to_centre(boxes)
        scale = position[:, 3:4].copy()
        spread = np.broadcast_to((self._spread * scale) ** 2, position.shape).copy()
        return Motion(
            position,
            np.zeros_like(position),
            self._variance(scale, scores),
            np.zeros_like(position),
            spread,
            scale,
        )

    def predict(self, motion: Motion, dt: float) -> Motion:
        """The filters `dt` seconds later, `dt` > 0."""
        decay = np.exp(-dt / self._memory)
        lost = -np.expm1(-dt / self._memory)
        step = self._memory * lost
        drive = (self._spread * motion.scale) ** 2
        wander = self._memory**2 * (2 * dt / self._memory - 2 * lost - lost**2)
        return Motion(
            motion.position + step * motion.velocity,
            decay * motion.velocity,
            motion.pp
            + 2 * step * motion.pv
            + step**2 * motion.vv
            + drive * wander
            + (self._jitter * motion.scale) ** 2 * dt,
            decay * (motion.pv + step * motion.vv) + drive * self._memory * lost**2,
            decay**2 * motion.vv + drive * (1 - decay**2),
            motion.scale,
        )

    def correct(self, motion: Motion, boxes: Array, scores: Array) -> Motion:
        """The filters after their boxes `(n, 4)` x1, y1, x2, y2 were seen with scores `(n,)` in [0, 1]."""
        seen = to_centre(boxes)
        total = motion.pp + self._variance(motion.scale, scores)
        surprise = seen - motion.position
        gain, gain_v = motion.pp / total, motion.pv / total
        position = motion.position + gain * surprise
        return Motion(
            position,
            motion.velocity + gain_v * surprise,
            (1 - gain) * motion.pp,
            (1 - gain) * motion.pv,
            motion.vv - gain_v * motion.pv,
            np.maximum(position[:, 3:4], 1.0),
        )

    def spread(self, motion: Motion) -> Array:
        """Standard deviation in pixels of where the next trusted box is expected, shape `(n, 4)`."""
        return np.sqrt(motion.pp + (self._noise * motion.scale) ** 2)


class Steady:
    """The boxes given out: between those seen and those of the motion model, and inside the picture.

    A motion model knows of no picture, and a detector's boxes end with it. So boxes given out end where boxes have been
    seen to end. That is where the picture ends, whatever it shows: a camera that moves does not move it.

    Args:
        share: Weight of the motion model, [0, 1].
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._first, self._last = np.full(2, np.inf), np.full(2, -np.inf)

    def __call__(self, expected: Array, seen: Array) -> Array:
        """Boxes `(k, 4)` from the motion model's and those seen, both `(k, 4)`."""
        self._first = np.minimum(self._first, seen[:, :2].min(axis=0, initial=np.inf))
        self._last = np.maximum(self._last, seen[:, 2:].max(axis=0, initial=-np.inf))
        steady = self._share * expected + (1 - self._share) * seen
        return np.concatenate([np.maximum(steady[:, :2], self._first), np.minimum(steady[:, 2:], self._last)], axis=1)
