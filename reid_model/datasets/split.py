"""Which people of a training part are kept out of training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def held_out(identities: npt.NDArray[np.int64], every: int = 15, count: int = 50) -> npt.NDArray[np.bool_]:
    """Which images belong to the identities kept out of training, for thresholds and calibration, `(n,)`.

    A fixed list: every `every`-th identity in number order, `count` of them (50 of Market-1501's 751).
    """
    chosen = np.unique(identities[identities > 0])[every // 2 :: every][:count]
    return np.isin(identities, chosen)
