"""Which views of a tracklet become sightings: those that show most of the person, and each something new."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reid_model.features import Features

MOST_SIGHTINGS = 5
"""Most sightings of one tracklet."""

ALIKE = 0.02
"""Pooled distance, [0, 2], below which two views of a tracklet are one picture twice: the later adds nothing."""

FLOOR = 1e-3
"""Mass that counts for a view without any: it comes last, and still counts where there is no better."""


def choose_views(features: Features, most: int = MOST_SIGHTINGS) -> npt.NDArray[np.intp]:
    """The views worth storing, `(k,)`, in their own order; 1 to `most` of n ≥ 1.

    The view with most mass comes first; then, one by one, the view whose mass times distance to the nearest chosen
    one is largest. Views like a chosen one are left out.

    Args:
        features: The n views of one tracklet.
        most: Most views chosen.
    """
    mass = np.maximum(features.mass.astype(np.float64), FLOOR)
    apart = 1 - features.global_ @ features.global_.T
    chosen = [int(mass.argmax())]
    while len(chosen) < min(most, len(features)):
        nearest = apart[chosen].min(axis=0)
        gain = np.where(nearest >= ALIKE, mass * nearest, 0)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        chosen.append(best)
    return np.sort(np.asarray(chosen, np.intp))
