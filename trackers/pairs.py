"""Pairs of boxes that have something to do with each other, as a list.

However many people are in a picture, each stands near the same few: of all pairs of boxes only a few for each person
touch. They are found by sorting and listed, so that a crowd four times as large costs about four times as much, not
sixteen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.motion import Array

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """k of the pairs of n things with m others, each once, by row and then by column: a matrix of which few are filled.

    Attributes:
        rows: Of the n, shape `(k,)`.
        columns: Of the m, shape `(k,)`.
        values: What is known of each pair, shape `(k,)`.
    """

    rows: Indices
    columns: Indices
    values: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Mask | Indices) -> Pairs:
        return Pairs(self.rows[which], self.columns[which], self.values[which])

    @classmethod
    def of(cls, values: Array, which: Mask) -> Pairs:
        """The pairs of a matrix `(n, m)` where `which`, `(n, m)`, is true."""
        rows, columns = np.nonzero(which)
        return cls(rows, columns, values[rows, columns])

    def greatest(self, count: int) -> Array:
        """The greatest value of each row, 0 where there is none above, shape `(count,)`."""
        found = np.zeros(count)
        np.maximum.at(found, self.rows, self.values)
        return found


def touching(first: Array, second: Array) -> Pairs:
    """Pairs of boxes `(n, 4)` and `(m, 4)`, x1, y1, x2, y2, that share an area, with the area in square pixels."""
    across, along = _level(first[:, ::2], second[:, ::2]), _level(first[:, 1::2], second[:, 1::2])
    order, start, count = min(across, along, key=lambda found: int(found[2].sum()))
    rows = np.repeat(np.arange(len(first)), count)
    columns = order[np.arange(len(rows)) + np.repeat(start - np.cumsum(count) + count, count)]
    mine, theirs = first[rows], second[columns]
    size = np.minimum(mine[:, 2:], theirs[:, 2:])
    size -= np.maximum(mine[:, :2], theirs[:, :2])
    np.maximum(size, 0, out=size)
    shared = size[:, 0] * size[:, 1]
    some = np.flatnonzero(shared > 0)
    some = some[np.argsort(rows[some] * len(second) + columns[some])]
    return Pairs(rows[some], columns[some], shared[some])


def _level(first: Array, second: Array) -> tuple[Indices, Indices, Indices]:
    """Which spans `(m, 2)` can meet each of the spans `(n, 2)`, all low and high.

    Returns:
        An order of the second spans, shape `(m,)`, and for each of the first the place in it where those that can meet
        it start, and how many they are, both of shape `(n,)`. No span outside meets it.
    """
    order = np.argsort(second[:, 0], kind="stable")
    low, high = second[order].T
    end = np.searchsorted(low, first[:, 1], side="left")
    # Before the first that reaches as far as this span begins, none does.
    start = np.searchsorted(np.maximum.accumulate(high), first[:, 0], side="right")
    return order, start, np.maximum(end - start, 0)
