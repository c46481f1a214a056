"""What all pictures of a camera have in common, taken out of the features before cameras are compared.

White balance, exposure, height and background shift the features of everybody a camera sees in the same direction, so
that two strangers seen by one camera are nearer to each other than one person seen by two. The mean over the people of
a camera is that shift, as far as there are enough of them; nobody has to calibrate anything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reid_model.features import Features, FloatArray

IntArray = npt.NDArray[np.intp]

EPS = 1e-6


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
    weight = 1.0 / np.bincount(owners)[owners]
    count = int(cameras.max()) + 1
    seen = np.bincount(cameras, weight, count)
    strength = (seen / np.maximum(seen + people, EPS))[:, None]
    salient = weight[:, None] * exemplars.saliency
    pooled = _sums(weight[:, None] * exemplars.global_, cameras, count) / np.maximum(seen, EPS)[:, None]
    local = _sums(np.einsum("mp,mpd->md", salient, exemplars.local), cameras, count)
    local /= np.maximum(_sums(salient.sum(axis=1, keepdims=True), cameras, count), EPS)
    return Features(
        _unit(exemplars.global_ - (strength * pooled)[cameras], exemplars.global_),
        _unit(exemplars.local - (strength * local)[cameras][:, None], exemplars.local),
        exemplars.saliency,
        exemplars.mass,
    )


def _sums(values: npt.NDArray[np.floating], cameras: IntArray, count: int) -> npt.NDArray[np.float64]:
    """Sums of rows `(m, D)` by camera, `(count, D)`."""
    result = np.zeros((count, values.shape[1]))
    np.add.at(result, cameras, values)
    return result


def _unit(values: npt.NDArray[np.float64], otherwise: FloatArray) -> FloatArray:
    """Vectors of unit length; what is left with none keeps the one it had."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(np.where(length > EPS, values / np.maximum(length, EPS), otherwise), np.float32)
