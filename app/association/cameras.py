"""What all pictures of a camera have in common, taken out of the features before cameras are compared.

White balance, exposure, height and background shift the features of everybody a camera sees in the same direction, so
that two strangers seen by one camera are nearer to each other than one person seen by two. The mean over the people of
a camera is that shift, as far as there are enough of them; nobody has to calibrate anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reid_model.features import Features, FloatArray

IntArray = npt.NDArray[np.intp]

EPS = 1e-6


class Shifts(NamedTuple):
    """What is taken from the features of each of C cameras: from pooled vectors `(C, D)`, from cells `(C, d)`."""

    pooled: npt.NDArray[np.float64]
    local: npt.NDArray[np.float64]


class Said(NamedTuple):
    """What one tracklet says of its camera: means over its exemplars of pooled vectors `(D,)`, and sums over cells.

    Cells `(d,)` count by saliency, `salient` is what they count in all.
    """

    pooled: npt.NDArray[np.float64]
    local: npt.NDArray[np.float64]
    salient: float

    @classmethod
    def by(cls, exemplars: Features) -> Said:
        """What a tracklet of these exemplars, one or more, says."""
        local = np.einsum("mp,mpd->d", exemplars.saliency, exemplars.local) / len(exemplars)
        return cls(
            exemplars.global_.mean(axis=0, dtype=np.float64), local, float(exemplars.saliency.sum(axis=1).mean())
        )

    @classmethod
    def nothing(cls, pooled: int, local: int) -> Said:
        """What nobody says."""
        return cls(np.zeros(pooled), np.zeros(local), 0.0)


class CameraLooks:
    """What the people of each camera have in common: a running mean to which people are added as they come."""

    def __init__(self, pooled: int, local: int, most: float = np.inf) -> None:
        """Nothing is known of any camera yet.

        Args:
            pooled: Dimensions of pooled vectors, D.
            local: Dimensions of cells, d.
            most: People a mean counts at most: older ones fade as new ones come, since light changes over a day.
        """
        self._most = most
        self.seen = np.zeros(0)
        self._pooled = np.zeros((0, pooled))
        self._local = np.zeros((0, local))
        self._salient = np.zeros((0, 1))

    def add(self, exemplars: Features, cameras: IntArray, owners: IntArray) -> None:
        """Counts more people.

        Args:
            exemplars: Of all of them, m crops.
            cameras: Number of each exemplar's camera, from 0, `(m,)`.
            owners: Number of each exemplar's tracklet, from 0, `(m,)`: everybody counts the same, however many
                exemplars they have.
        """
        self.room(int(cameras.max()) + 1)
        count = len(self.seen)
        weight = 1.0 / np.bincount(owners)[owners]
        salient = weight[:, None] * exemplars.saliency
        self.seen += np.bincount(cameras, weight, count)
        self._pooled += _sums(weight[:, None] * exemplars.global_, cameras, count)
        self._local += _sums(np.einsum("mp,mpd->md", salient, exemplars.local), cameras, count)
        self._salient += _sums(salient.sum(axis=1, keepdims=True), cameras, count)
        self._fade()

    def room(self, cameras: int) -> None:
        """Makes room for camera numbers below this."""
        missing = max(0, cameras - len(self.seen))
        if missing:
            grown = ((0, missing), (0, 0))
            self.seen = np.pad(self.seen, (0, missing))
            self._pooled, self._local = np.pad(self._pooled, grown), np.pad(self._local, grown)
            self._salient = np.pad(self._salient, grown)

    def hear(self, camera: int, said: Said, before: Said | None = None) -> None:
        """Counts what one tracklet says of its camera.

        Args:
            camera: Its number.
            said: What the tracklet says now.
            before: What it said before, which counts no more; None where it is new.
        """
        self.room(camera + 1)
        # What was said before many others has faded a little since; the difference of the two is small anyway.
        old = before or Said.nothing(len(said.pooled), len(said.local))
        self._pooled[camera] += said.pooled - old.pooled
        self._local[camera] += said.local - old.local
        self._salient[camera] += said.salient - old.salient
        if before is None:
            self.seen[camera] += 1
            self._fade()

    def _fade(self) -> None:
        fading = np.minimum(self._most / np.maximum(self.seen, EPS), 1.0)
        self.seen *= fading
        for sums in (self._pooled, self._local, self._salient):
            sums *= fading[:, None]

    def shifts(self, people: float) -> Shifts:
        """The share n / (n + `people`) of the mean over a camera's n people."""
        strength = (self.seen / np.maximum(self.seen + people, EPS))[:, None] if np.isfinite(people) else 0.0
        pooled = strength * self._pooled / np.maximum(self.seen, EPS)[:, None]
        return Shifts(pooled, strength * self._local / np.maximum(self._salient, EPS))


def camera_neutral(exemplars: Features, cameras: IntArray, owners: IntArray, people: float) -> Features:
    """Features of exemplars without what their camera adds to all of them.

    Of a camera that saw n people, the share n / (n + `people`) of their mean is taken away: of one or two people the
    mean says more about them than about the camera. Everybody counts the same, however many exemplars they have, and
    cells count by their saliency, as in matching.

    Args:
        exemplars: Of all tracklets, m of them.
        cameras: Number of each exemplar's camera, from 0, `(m,)`.
        owners: Number of each exemplar's tracklet, from 0, `(m,)`.
        people: How many people of a camera weigh as much as no knowledge of it; infinite leaves the features alone.

    Returns:
        Features of the same shapes, of unit length again; saliency and mass as they were.
    """
    if not len(exemplars) or not np.isfinite(people):
        return exemplars
    looks = CameraLooks(exemplars.global_.shape[1], exemplars.local.shape[2])
    looks.add(exemplars, cameras, owners)
    return without(exemplars, cameras, looks.shifts(people))


def without(exemplars: Features, cameras: IntArray, shifts: Shifts) -> Features:
    """Features of m exemplars, seen by `cameras` `(m,)`, without their cameras' shifts."""
    return Features(
        shifted(exemplars.global_, shifts.pooled[cameras]),
        shifted(exemplars.local, shifts.local[cameras][:, None]),
        exemplars.saliency,
        exemplars.mass,
    )


def shifted(values: FloatArray, shift: npt.NDArray[np.floating]) -> FloatArray:
    """Vectors `(…, D)` less their shift, of unit length again; what is left with none keeps the one it had."""
    moved = np.asarray(values - shift, np.float32)
    length = np.sqrt(np.einsum("...d,...d->...", moved, moved))
    lost = length <= EPS
    moved /= np.maximum(length, EPS)[..., None]
    if lost.any():
        moved[lost] = values[lost]
    return moved


def _sums(values: npt.NDArray[np.floating], cameras: IntArray, count: int) -> npt.NDArray[np.float64]:
    """Sums of rows `(m, D)` by camera, `(count, D)`."""
    result = np.zeros((count, values.shape[1]))
    np.add.at(result, cameras, values)
    return result
