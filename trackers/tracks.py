"""The tracks that are alive, as arrays with a row per track."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from trackers.gates import Mask
from trackers.motion import Array, Motion


@dataclass(slots=True)
class Tracks:
    """n living tracks.

    Attributes:
        keys: The tracker's own name for the track, ≥ 1, shape `(n,)`, ascending by age.
        numbers: The number it is shown under, ≥ 1; 0 while it is a candidate not yet confirmed, shape `(n,)`.
        motion: Where they are.
        boxes: The last boxes seen, steadied, x1, y1, x2, y2 in pixels, shape `(n, 4)`.
        born: Clock in seconds at the first box, shape `(n,)`.
        seen: Clock at the last box, shape `(n,)`.
        learned: Clock at which a view was last offered to the exemplars, −inf before, shape `(n,)`.
        hits: Boxes seen, shape `(n,)`.
        firm: Whether one of them had a score that starts a track at once, shape `(n,)`.
    """

    keys: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    motion: Motion
    boxes: Array
    born: Array
    seen: Array
    learned: Array
    hits: npt.NDArray[np.int64]
    firm: Mask

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def confirmed(self) -> Mask:
        """Whether each track is a person rather than a candidate, shape `(n,)`."""
        return self.numbers > 0

    @classmethod
    def start(cls, first_key: int, motion: Motion, boxes: Array, firm: Mask, clock: float) -> Tracks:
        """New candidates, named from `first_key`, with one box `(n, 4)` each."""
        count = len(boxes)
        return cls(
            keys=np.arange(first_key, first_key + count, dtype=np.int64),
            numbers=np.zeros(count, np.int64),
            motion=motion,
            boxes=boxes,
            born=np.full(count, clock),
            seen=np.full(count, clock),
            learned=np.full(count, -np.inf),
            hits=np.ones(count, np.int64),
            firm=firm,
        )

    def kept(self, mask: Mask) -> Tracks:
        """The tracks chosen by a mask."""
        return Tracks(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def joined(self, other: Tracks) -> Tracks:
        """These tracks followed by others."""
        values: dict[str, Any] = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            values[field.name] = mine.joined(theirs) if field.name == "motion" else np.concatenate([mine, theirs])
        return Tracks(**values)
