"""How thick bodies are where: radii along trunk, limbs and head, by build, sex and age.

Heights in these tables are levels: shares of an adult's height, 0.512 the hip, 0.812 the shoulder. `Build.level` says
how high a level is on a person, whose legs may be shorter or head larger. Radii are shares of the height as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.simulation.lofts import Floats
from app.simulation.skeleton import Bone, Skeleton

TRUNK = np.array(
    [
        # level, half width, front, back
        (0.450, 0.088, 0.044, 0.048),
        (0.480, 0.096, 0.056, 0.064),
        (0.505, 0.0995, 0.058, 0.070),
        (0.525, 0.0985, 0.059, 0.069),
        (0.550, 0.094, 0.058, 0.061),
        (0.580, 0.088, 0.058, 0.052),
        (0.610, 0.084, 0.058, 0.049),
        (0.640, 0.085, 0.060, 0.052),
        (0.670, 0.089, 0.062, 0.057),
        (0.700, 0.094, 0.065, 0.062),
        (0.730, 0.098, 0.067, 0.066),
        (0.755, 0.101, 0.064, 0.068),
        (0.780, 0.103, 0.057, 0.066),
        (0.800, 0.106, 0.048, 0.060),
        (0.812, 0.104, 0.042, 0.055),
        (0.822, 0.094, 0.038, 0.051),
        (0.832, 0.074, 0.035, 0.047),
        (0.842, 0.053, 0.033, 0.043),
        (0.852, 0.037, 0.031, 0.038),
    ]
).T

LEG = np.array(
    [
        # level, half width, front, back
        (0.020, 0.0190, 0.0200, 0.0220),
        (0.060, 0.0195, 0.0205, 0.0225),
        (0.100, 0.0210, 0.0215, 0.0240),
        (0.140, 0.0250, 0.0235, 0.0295),
        (0.180, 0.0290, 0.0255, 0.0350),
        (0.220, 0.0300, 0.0265, 0.0360),
        (0.260, 0.0295, 0.0285, 0.0320),
        (0.299, 0.0310, 0.0335, 0.0300),
        (0.340, 0.0345, 0.0375, 0.0335),
        (0.380, 0.0385, 0.0410, 0.0390),
        (0.420, 0.0425, 0.0450, 0.0440),
        (0.460, 0.0465, 0.0480, 0.0500),
        (0.490, 0.0480, 0.0490, 0.0540),
        (0.530, 0.0470, 0.0480, 0.0530),
    ]
).T

ARM = np.array(
    [
        # level, across, along the way one looks
        (0.480, 0.0150, 0.0170),
        (0.492, 0.0150, 0.0172),
        (0.520, 0.0180, 0.0195),
        (0.560, 0.0225, 0.0240),
        (0.600, 0.0245, 0.0260),
        (0.637, 0.0235, 0.0250),
        (0.670, 0.0245, 0.0270),
        (0.710, 0.0270, 0.0295),
        (0.750, 0.0295, 0.0320),
        (0.780, 0.0310, 0.0350),
        (0.796, 0.0300, 0.0340),
        (0.807, 0.0265, 0.0300),
        (0.815, 0.0205, 0.0235),
        (0.820, 0.0120, 0.0145),
        (0.823, 0.0003, 0.0003),
    ]
).T

HEAD = np.array(
    [
        # level, half width, front, back, all around a middle that lies a little before the neck's
        (0.864, 0.0010, 0.0010, 0.0010),
        (0.867, 0.0240, 0.0380, 0.0200),
        (0.874, 0.0310, 0.0480, 0.0270),
        (0.884, 0.0365, 0.0510, 0.0350),
        (0.896, 0.0400, 0.0520, 0.0440),
        (0.908, 0.0420, 0.0530, 0.0510),
        (0.920, 0.0430, 0.0530, 0.0560),
        (0.932, 0.0438, 0.0520, 0.0585),
        (0.945, 0.0440, 0.0530, 0.0595),
        (0.960, 0.0425, 0.0505, 0.0585),
        (0.975, 0.0375, 0.0440, 0.0525),
        (0.987, 0.0290, 0.0340, 0.0420),
        (0.996, 0.0170, 0.0200, 0.0260),
        (1.000, 0.0010, 0.0010, 0.0010),
    ]
).T

HEAD_X = 0.012
"""How far the middle of the head lies before the axis of the body, a share of the height."""


@dataclass(frozen=True, slots=True)
class Build:
    """Measures of all people's bodies, without clothes.

    Attributes:
        bones: Their skeletons.
    """

    bones: Skeleton

    @property
    def height(self) -> Floats:
        """(people, 1) metres."""
        return self.bones.height[:, None]

    def level(self, level: npt.ArrayLike) -> Floats:
        """Height above the ground (people, rings) of levels (rings,) or (people, rings) of trunk, legs and head."""
        marks = (Bone.left_toes, Bone.left_foot, Bone.left_shin, Bone.left_thigh, Bone.pelvis, Bone.spine, Bone.chest)
        bones = [*marks, Bone.left_upper_arm, Bone.neck, Bone.head]
        at = self.bones.rest[:, bones, 2]
        at = np.column_stack([0 * at[:, 0], at, self.bones.height])
        return _between(level, [0.0, 0.014, 0.046, 0.299, 0.512, 0.532, 0.605, 0.685, 0.812, 0.828, 0.876, 1.0], at)

    def arm_level(self, level: npt.ArrayLike) -> Floats:
        """The same for levels of hanging arms."""
        wrist, elbow, shoulder = self.bones.rest[:, [Bone.left_hand, Bone.left_forearm, Bone.left_upper_arm], 2].T
        height = self.bones.height
        at = np.column_stack([wrist - 0.11 * height, wrist, elbow, shoulder, shoulder + 0.04 * height])
        return _between(level, [0.382, 0.492, 0.637, 0.812, 0.852], at)

    def trunk(self, level: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Half width, front and back (people, rings) in metres."""
        level = np.asarray(level, np.float64)
        woman, girth = (self.bones.woman * (1 - self.bones.child))[:, None], self.bones.girth[:, None]
        side, front, back = (np.interp(level, TRUNK[0], row) for row in TRUNK[1:])
        # Necks do not grow as fast as bellies.
        soft = np.interp(level, [0.80, 0.84], [1.0, 0.25])
        shoulders = np.interp(level, [0.62, 0.70, 0.80, 0.85], [0.0, 0.6, 1.0, 0.6])
        waist, hips = _bump(level, 0.615, 0.045), _bump(level, 0.515, 0.05)
        bust, belly = _bump(level, 0.728, 0.022), _bump(level, 0.60, 0.06)
        side = side * (1 + woman * (0.06 * hips - 0.09 * waist - 0.10 * shoulders))
        front = front * (1 - woman * (0.06 * waist + 0.05 * shoulders)) + 0.014 * woman * bust
        back = back * (1 - woman * (0.04 * waist + 0.08 * shoulders)) + 0.004 * woman * hips
        wide, deep = 1 + (girth - 1) * soft, 1 + 1.15 * (girth - 1) * soft
        front = front * deep + 0.09 * np.maximum(girth - 1, 0) * belly
        return self.height * side * wide, self.height * front, self.height * back * deep

    def leg(self, level: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Half width, front and back (people, rings) in metres."""
        level = np.asarray(level, np.float64)
        upper = np.interp(level, [0.25, 0.45], [0.55, 1.0])
        thick = 1 + (self.bones.girth[:, None] - 1) * upper
        thick = thick * (1 + 0.04 * self.bones.woman[:, None] * np.interp(level, [0.3, 0.45], [0.0, 1.0]))
        side, front, back = (self.height * np.interp(level, LEG[0], row) * thick for row in LEG[1:])
        return side, front, back

    def arm(self, level: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Half width and half depth (people, rings) in metres."""
        level = np.asarray(level, np.float64)
        adult = 1 - self.bones.child
        thick = (1 + 0.9 * (self.bones.girth - 1) - 0.12 * self.bones.woman * adult)[:, None]
        across, along = (self.height * np.interp(level, ARM[0], row) * thick for row in ARM[1:])
        return across, along

    def head(self, level: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Half width, front and back (people, rings) in metres."""
        level = np.asarray(level, np.float64)
        large = self.height * (1 + 0.24 * self.bones.child[:, None])
        full = 1 + 0.25 * (self.bones.girth[:, None] - 1) * np.interp(level, [0.89, 0.94], [1.0, 0.2])
        side, front, back = (large * np.interp(level, HEAD[0], row) for row in HEAD[1:])
        return side * full, front, back

    @property
    def head_x(self) -> Floats:
        """(people, 1) middle of the head before the axis of the body, metres."""
        return HEAD_X * self.height


def _bump(level: Floats, middle: float, width: float) -> Floats:
    bump: Floats = np.exp(-0.5 * ((level - middle) / width) ** 2)
    return bump


def _between(level: npt.ArrayLike, marks: list[float], at: Floats) -> Floats:
    """Heights of levels, straight between the marks of each person."""
    level = np.atleast_2d(np.asarray(level, np.float64))
    level = np.broadcast_to(level, (len(at), level.shape[1]))
    place = np.clip(np.searchsorted(marks, level, side="right") - 1, 0, len(marks) - 2)
    low, high = np.asarray(marks)[place], np.asarray(marks)[place + 1]
    share = (level - low) / (high - low)
    below, above = np.take_along_axis(at, place, 1), np.take_along_axis(at, place + 1, 1)
    height: Floats = below + share * (above - below)
    return height
