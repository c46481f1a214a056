"""The names of the matching methods and what they have in common."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray

Method = Literal["global", "local", "gasm", "gated", "symmetric"]
METHODS: tuple[Method, ...] = get_args(Method)

GATE = 0.5
"""A gallery cell below this share of the uniform weight counts as background or occluder in `gated` matching."""


def salient_cells(saliency: FloatArray) -> npt.NDArray[np.bool_]:
    """Which cells gated matching keeps, shape `(n, P)`.

    The heaviest cell of a crop always stays, because its weight is never below uniform.
    """
    return np.asarray(saliency * saliency.shape[1] >= GATE, np.bool_)
