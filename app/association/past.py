"""Where identities were, as far as it is forgotten: the span of each one's forgotten tracklets in each camera."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]


class Past:
    """From when to when each identity has tracklets in a camera that can no longer be compared.

    Whom a forgotten tracklet shows at once with another in one camera, nobody can tell any more. So whatever was in
    that camera within the span may not come to the identity, lest a person be twice in one picture.
    """

    def __init__(self) -> None:
        """Has forgotten nothing yet."""
        self._spans: dict[int, dict[int, tuple[float, float]]] = {}

    def add(self, number: int, camera: int, first: float, last: float) -> None:
        """Widens the span of an identity in a camera, given by its number, so that it holds these times."""
        spans = self._spans.setdefault(number, {})
        before = spans.get(camera, (first, last))
        spans[camera] = min(before[0], first), max(before[1], last)

    def join(self, number: int, other: int) -> None:
        """Gives what one identity has to another as well."""
        for camera, (first, last) in self._spans.get(number, {}).items():
            self.add(other, camera, first, last)

    def drop(self, number: int) -> None:
        """Takes out an identity, which has no tracklets left to which anything could come."""
        self._spans.pop(number, None)

    def bars(self, numbers: IntArray, camera: IntArray, first: Times, last: Times) -> BoolArray:
        """Which tracklets may not come to which identities.

        Args:
            numbers: k identities.
            camera: Number of the camera of each of n tracklets.
            first: First time of each.
            last: Last time.

        Returns:
            `(n, k)`.
        """
        begins, ends = self._of(numbers, camera)
        return np.asarray((first[:, None] <= ends[:, camera].T) & (last[:, None] >= begins[:, camera].T))

    def apart(self, numbers: IntArray) -> BoolArray:
        """Which identities may not be one: their forgotten tracklets may be at once in a camera; `(k, k)`."""
        begins, ends = self._of(numbers, ())
        meets = (begins[:, None] <= ends) & (begins <= ends[:, None])
        return np.asarray(meets.any(axis=2) & ~np.eye(len(numbers), dtype=np.bool_))

    def _of(self, numbers: IntArray, camera: IntArray | Collection[int]) -> tuple[Times, Times]:
        """Spans of identities in cameras, `(k, C)` each; endless the wrong way round where nothing is forgotten."""
        found = [self._spans.get(int(number), {}) for number in numbers]
        count = 1 + max([-1, *camera, *(each for spans in found for each in spans)])
        begins, ends = np.full((len(found), count), np.inf), np.full((len(found), count), -np.inf)
        for i, spans in enumerate(found):
            for each, span in spans.items():
                begins[i, each], ends[i, each] = span
        return begins, ends
