"""Bones of people: which there are, how long they are, and how far a stride takes them.

A person's own frame: x forwards, y to the left, z up, the origin on the ground below the hips. At rest all bones have
the axes of that frame, legs and arms hang straight down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from app.simulation.wardrobe import Appearance, Sex

Floats = npt.NDArray[np.float64]


class Bone(IntEnum):
    """What parts of a body turn as one. `held` hangs upright from a hand, `ground` follows the person on the ground."""

    pelvis = 0
    spine = 1
    chest = 2
    neck = 3
    head = 4
    left_upper_arm = 5
    left_forearm = 6
    left_hand = 7
    right_upper_arm = 8
    right_forearm = 9
    right_hand = 10
    left_thigh = 11
    left_shin = 12
    left_foot = 13
    left_toes = 14
    right_thigh = 15
    right_shin = 16
    right_foot = 17
    right_toes = 18
    held = 19
    ground = 20


ARMS = (
    (Bone.left_upper_arm, Bone.left_forearm, Bone.left_hand),
    (Bone.right_upper_arm, Bone.right_forearm, Bone.right_hand),
)
LEGS = (
    (Bone.left_thigh, Bone.left_shin, Bone.left_foot, Bone.left_toes),
    (Bone.right_thigh, Bone.right_shin, Bone.right_foot, Bone.right_toes),
)

GRIP = 0.052
"""Distance from the wrist to what a hand holds, over the height."""


def stride_length(speed: npt.ArrayLike, height: npt.ArrayLike) -> Floats:
    """How far a person comes in one stride, which is two steps.

    A step's length over its rate, the walk ratio, stays the same at all speeds: about 0.0065 metres per step a minute
    in adults (Sekiya and Nagasaki, Gait & Posture 7, 1998), and less in smaller people. So a phase that advances by
    speed over this length walks without its feet sliding.

    Args:
        speed: Metres a second, 0 or more; any shape.
        height: Of the person in metres; of a shape that goes with `speed`.

    Returns:
        Metres, never 0: at least a quarter and at most 1.05 of the height.
    """
    speed, height = np.asarray(speed, np.float64), np.asarray(height, np.float64)
    length: Floats = 2.0 * np.sqrt(0.39 * np.maximum(speed, 0.0) * height / 1.72)
    return np.clip(length, 0.25 * height, 1.05 * height)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The bones of all people at rest.

    Attributes:
        height: (people,) metres.
        girth: (people,) width of the body over that of a mean adult of the height.
        child: (people,) 0 for an adult's proportions, 1 for those of a child of 1.15 m.
        woman: (people,) 0 or 1.
        rest: (people, bones, 3) where each bone begins, metres in the person's own frame.
    """

    height: Floats
    girth: Floats
    child: Floats
    woman: Floats
    rest: Floats


def skeleton(people: Sequence[Appearance]) -> Skeleton:
    """The bones of people, by the segments of Drillis and Contini (1966), children with larger heads, shorter legs."""
    height = np.array([each.height for each in people], np.float64)
    woman = np.array([each.sex is Sex.woman for each in people], np.float64)
    child = np.clip((1.5 - height) / 0.35, 0.0, 1.0)
    girth = np.array([each.build for each in people], np.float64)
    shoulder = 0.104 - 0.010 * woman * (1 - child) + 0.02 * (girth - 1.0)
    leg = 0.512 - 0.025 * child
    chin = -0.028 * child  # a child's larger head begins lower

    rest = np.zeros((len(people), len(Bone), 3))

    def place(bone: Bone, x: npt.ArrayLike, y: npt.ArrayLike, z: npt.ArrayLike) -> None:
        for axis, value in enumerate((x, y, z)):
            rest[:, bone, axis] = np.asarray(value) * height

    place(Bone.pelvis, 0.0, 0.0, leg + 0.02)
    place(Bone.spine, 0.0, 0.0, 0.605 + 0.5 * chin)
    place(Bone.chest, 0.0, 0.0, 0.685 + chin)
    place(Bone.neck, -0.014, 0.0, 0.828 + chin)
    place(Bone.head, -0.004, 0.0, 0.876 + chin)
    for side, arm in zip((1, -1), ARMS, strict=True):
        for bone, z in zip(arm, (0.812, 0.637, 0.492), strict=True):
            place(bone, -0.008, side * shoulder, z + chin)
    for side, (thigh, shin, foot, toes) in zip((1, -1), LEGS, strict=True):
        place(thigh, 0.0, side * 0.051, leg)
        place(shin, 0.0, side * 0.051, 0.545 * leg + 0.02)
        place(foot, 0.0, side * 0.051, 0.046)
        place(toes, 0.078, side * 0.051, 0.014)
    left = np.array([each.left for each in people], bool)
    hands = rest[:, [Bone.left_hand, Bone.right_hand]]
    rest[:, Bone.held] = np.where(left[:, None], hands[:, 0], hands[:, 1]) - [0.0, 0.0, GRIP] * height[:, None]
    return Skeleton(height, girth, child, woman, rest)
