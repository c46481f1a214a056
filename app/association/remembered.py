"""Distances of pairs that were compared before, for as long as neither of the two has changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray

IntArray = npt.NDArray[np.intp]

BITS = 31
"""Bits of a state's number: two of them make the key of a pair."""

MOST_STATES = 1 << BITS
"""So many states can be told apart."""


class Remembered:
    """The distances of the pairs that the latest look back compared.

    Each state of a tracklet has a number that no other state has had, so that what was remembered of an earlier one is
    never found again, and is forgotten with the next look back.
    """

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._keys = np.zeros(0, np.int64)
        self._values = np.zeros(0, np.float32)

    def distances(
        self, states: IntArray, others: IntArray, measure: Callable[[IntArray], FloatArray], *, keep: bool
    ) -> FloatArray:
        """The distance of each pair, which has no direction: measured where it is not remembered, once for each pair.

        Args:
            states: Number of the state of one side of each pair, `(k,)`, from 0, less than `MOST_STATES`.
            others: Of the other side.
            measure: Measures the pairs at some positions, `(j,)`.
            keep: Whether these pairs, and no others, are remembered from now on.

        Returns:
            Distances, `(k,)`.
        """
        low, high = np.minimum(states, others).astype(np.int64), np.maximum(states, others).astype(np.int64)
        keys, first, back = np.unique((low << BITS) | high, return_index=True, return_inverse=True)
        values = np.empty(len(keys), np.float32)
        known = np.isin(keys, self._keys, assume_unique=True)
        values[known] = self._values[np.searchsorted(self._keys, keys[known])]
        if not known.all():
            values[~known] = measure(first[~known])
        if keep:
            self._keys, self._values = keys, values
        return np.asarray(values[back], np.float32)
