"""How people move: for each frame, who is there, where, and at what point of their stride."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Motion:
    """The n people who are in the world at one moment.

    Attributes:
        person: (n,) int32 their numbers from 0, increasing; one number is one person for the whole simulation.
        position: (n, 2) on the ground, metres.
        heading: (n,) direction their body faces, radians.
        speed: (n,) metres a second, 0 for who stands.
        phase: (n,) of the stride, in [0, 1): 0 is the left heel's strike, 0.5 the right heel's; it stands still when
            they do.
        gaze: (n,) where the head turns to, radians to the left of the heading, within ±1.2.
    """

    person: npt.NDArray[np.int32]
    position: Floats
    heading: Floats
    speed: Floats
    phase: Floats
    gaze: Floats
