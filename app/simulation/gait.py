"""How bodies stand and walk: from speed and phase of the stride to the turn of every bone.

Feet are placed first, because feet that slide are what the eye notices: on the ground they go back exactly as fast as
the body goes forward. Legs follow by inverse kinematics, the rest by the joint angles of gait analysis (Perry and
Burnfield, Gait Analysis, 2nd edition): pelvis and chest turn against each other, arms against legs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.simulation.motion import Motion
from app.simulation.skeleton import ARMS, GRIP, LEGS, Bone, Skeleton, stride_length
from app.simulation.wardrobe import Appearance, Bag, Hands

Floats = npt.NDArray[np.float64]

STANCE = 0.62
"""Share of the stride a foot is on the ground."""

AHEAD = 0.26
"""How far before the hip a heel strikes, over the stride."""

FOOT_PITCH = np.radians([22, 2, 0, 0, -10, -24, -54, -48, -22, 2, 18, 22])
FOOT_PHASE = np.array([0, 0.07, 0.12, 0.34, 0.42, 0.5, 0.62, 0.7, 0.8, 0.88, 0.96, 1.0])
"""Turn of the foot, toes up, from its heel's strike to the next."""

HEEL, BALL = np.array([-0.036, -0.046]), np.array([0.078, -0.046])
"""What a foot turns about on the ground, seen from the ankle: x, z over the height."""


@dataclass(frozen=True, slots=True)
class Posed:
    """n people's bones at one moment.

    Attributes:
        rotation: (n, bones, 3, 3) from rest to the world.
        position: (n, bones, 3) where each bone begins, metres in the world.
    """

    rotation: Floats
    position: Floats


def about_x(angle: Floats) -> Floats:
    """Rotations (…, 3, 3) that lift the left side."""
    return _about(angle, 1, 2)


def about_y(angle: Floats) -> Floats:
    """Rotations (…, 3, 3) that lean forwards."""
    return _about(angle, 2, 0)


def about_z(angle: Floats) -> Floats:
    """Rotations (…, 3, 3) that turn to the left."""
    return _about(angle, 0, 1)


def _about(angle: Floats, first: int, second: int) -> Floats:
    angle = np.asarray(angle, np.float64)
    turn = np.zeros((*angle.shape, 3, 3))
    turn[..., 3 - first - second, 3 - first - second] = 1.0
    turn[..., first, first] = turn[..., second, second] = np.cos(angle)
    turn[..., second, first] = np.sin(angle)
    turn[..., first, second] = -turn[..., second, first]
    return turn


def _smooth(value: Floats) -> Floats:
    value = np.clip(value, 0.0, 1.0)
    return value * value * (3.0 - 2.0 * value)


class Gait:
    """Poses people as they stand and walk.

    Args:
        people: All people, by number.
        bones: Their skeletons.
    """

    def __init__(self, people: Sequence[Appearance], bones: Skeleton) -> None:
        self._bones = bones
        self._slump = np.array([each.slump for each in people], np.float64)
        self._toe_out = np.array([each.toe_out for each in people], np.float64)
        self._bow = np.array([0.42 if each.hands is Hands.phone else 0.06 for each in people], np.float64)
        self._left_holds = np.array([each.left for each in people], bool)
        # The weight of who stands rests on one leg, more or less: −1 all on the right, 1 all on the left.
        self._lean = np.array([((each.seed * 37) % 101) / 50.0 - 1.0 for each in people], np.float64)
        self._arms = np.array([[_arm(each, left) for left in (True, False)] for each in people], np.float64)
        self._arms = self._arms.reshape(len(people), 2, 5)

    def pose(self, motion: Motion) -> Posed:
        """The bones of the people of a moment, in the order of `motion`."""
        rows = motion.person
        stride = _Stride.of(motion, self._bones.height[rows], self._lean[rows])
        rotation = np.empty((len(rows), len(Bone), 3, 3))
        position = np.empty((len(rows), len(Bone), 3))
        rotation[:, Bone.ground] = np.eye(3)
        position[:, Bone.ground] = 0.0
        rest = self._bones.rest[rows]
        ankles, pitch, toes = stride.feet(rest)
        self._trunk(rows, stride, motion.gaze, rest, ankles, rotation, position)
        for side in range(2):
            out = (1 - 2 * side) * self._toe_out[rows]
            _leg(LEGS[side], rest, ankles[:, side], pitch[:, side], toes[:, side], out, rotation, position)
            self._arm_of(side, rows, stride, rest, rotation, position)
        holds = np.where(self._left_holds[rows], Bone.left_hand, Bone.right_hand)
        each = np.arange(len(rows))
        grip = rotation[each, holds, :, 2] * (GRIP * self._bones.height[rows, None])
        rotation[:, Bone.held] = np.eye(3)
        position[:, Bone.held] = position[each, holds] - grip
        turn = about_z(motion.heading)
        position = position @ turn.swapaxes(1, 2)
        position[..., :2] += motion.position[:, None]
        return Posed(turn[:, None] @ rotation, position)

    def _trunk(
        self,
        rows: npt.NDArray[np.int32],
        stride: _Stride,
        gaze: Floats,
        rest: Floats,
        ankles: Floats,
        rotation: Floats,
        position: Floats,
    ) -> None:
        """Pelvis to head."""
        turn, walks = 2 * np.pi * stride.phase, stride.walks
        lean, slump = self._lean[rows], self._slump[rows]
        yaw = -0.085 * stride.vigour * np.cos(turn) + 0.05 * (1 - walks) * lean
        roll = 0.045 * stride.vigour * np.sin(turn) + 0.045 * (1 - walks) * lean
        rotation[:, Bone.pelvis] = about_z(yaw) @ about_x(roll) @ about_y(0.03 + 0.02 * walks)
        sway = (0.016 * walks * np.sin(turn) + 0.022 * (1 - walks) * lean) * stride.height / 1.72
        hips = rest[:, [Bone.left_thigh, Bone.right_thigh]] - rest[:, None, Bone.pelvis]
        position[:, Bone.pelvis, 0] = 0.0
        position[:, Bone.pelvis, 1] = sway
        position[:, Bone.pelvis, 2] = stride.pelvis(rest, hips, rotation[:, Bone.pelvis], sway, ankles)

        back = 0.095 * stride.vigour * np.cos(turn) + 0.12 * gaze
        forward = 0.035 * walks + 0.5 * slump
        rotation[:, Bone.spine] = about_z(0.5 * (yaw + back)) @ about_x(0.2 * roll) @ about_y(forward)
        rotation[:, Bone.chest] = about_z(back) @ about_x(-0.35 * roll) @ about_y(forward + slump)
        rotation[:, Bone.neck] = about_z(0.45 * gaze) @ about_y(forward + 1.6 * slump + 0.3 * self._bow[rows] + 0.06)
        rotation[:, Bone.head] = about_z(gaze) @ about_y(self._bow[rows])
        for bone, parent in zip((1, 2, 3, 4), (0, 1, 2, 3), strict=True):
            _hang(Bone(bone), Bone(parent), rest, rotation, position)

    def _arm_of(
        self,
        side: int,
        rows: npt.NDArray[np.int32],
        stride: _Stride,
        rest: Floats,
        rotation: Floats,
        position: Floats,
    ) -> None:
        upper, fore, hand = ARMS[side]
        sign = 1 - 2 * side
        flex, abduct, twist, elbow, gain = self._arms[rows, side].T
        swing = -sign * np.cos(2 * np.pi * stride.phase) * gain * stride.vigour
        flex = flex + 0.38 * swing - 0.03
        elbow = elbow + 0.22 * (swing + gain * stride.vigour) * 0.8
        rotation[:, upper] = rotation[:, Bone.chest] @ about_x(sign * abduct) @ about_y(-flex) @ about_z(-sign * twist)
        rotation[:, fore] = rotation[:, upper] @ about_y(-elbow)
        rotation[:, hand] = rotation[:, fore] @ about_y(np.full(len(rows), -0.12))
        for bone, parent in ((upper, Bone.chest), (fore, upper), (hand, fore)):
            _hang(bone, parent, rest, rotation, position)


def _arm(person: Appearance, left: bool) -> tuple[float, float, float, float, float]:
    """Flexion and abduction of a shoulder, twist of the arm inwards, flexion of the elbow, share of the swing."""
    holds = person.left is left
    wide = 0.1 + 0.35 * max(person.build - 1.0, 0.0)
    if person.push_chair:
        return 0.2, 0.12, 0.12, 0.95, 0.02
    if holds and person.umbrella:
        return 0.42, 0.16, 0.3, 1.95, 0.04
    if holds and person.bag is Bag.hand:
        return 0.0, wide + 0.04, 0.2, 0.12, 0.35 * person.swing
    if person.hands is Hands.phone and (holds != (person.bag is Bag.hand)):
        return 0.5, 0.12, 0.45, 1.75, 0.05
    if person.hands is Hands.pockets:
        return -0.42, 0.26, 0.45, 0.95, 0.06
    return 0.02, wide, 0.3, 0.2, person.swing


def _hang(bone: Bone, parent: Bone, rest: Floats, rotation: Floats, position: Floats) -> None:
    """Puts a bone where its parent's turn takes it."""
    offset = rest[:, bone] - rest[:, parent]
    position[:, bone] = position[:, parent] + np.einsum("nij,nj->ni", rotation[:, parent], offset)


def _leg(
    leg: tuple[Bone, Bone, Bone, Bone],
    rest: Floats,
    ankle: Floats,
    pitch: Floats,
    toe_pitch: Floats,
    out: Floats,
    rotation: Floats,
    position: Floats,
) -> None:
    """Bends a leg so that its ankle is where it should be, or as near as it reaches."""
    thigh, shin, foot, toes = leg
    _hang(thigh, Bone.pelvis, rest, rotation, position)
    upper = rest[:, thigh, 2] - rest[:, shin, 2]
    lower = rest[:, shin, 2] - rest[:, foot, 2]
    reach = ankle - position[:, thigh]
    length = np.clip(np.linalg.norm(reach, axis=1), 0.6 * (upper + lower), 0.9985 * (upper + lower))
    forward = np.arcsin(reach[:, 0] / np.linalg.norm(reach, axis=1))
    sideways = np.arctan2(reach[:, 1], -reach[:, 2])
    hip = np.arccos(np.clip((upper**2 + length**2 - lower**2) / (2 * upper * length), -1, 1))
    knee = np.arccos(np.clip((length**2 - upper**2 - lower**2) / (2 * upper * lower), -1, 1))
    plane = about_x(sideways)
    rotation[:, thigh] = plane @ about_y(-(forward + hip)) @ about_z(0.4 * out)
    rotation[:, shin] = plane @ about_y(-(forward + hip - knee)) @ about_z(0.7 * out)
    rotation[:, foot] = about_z(out) @ about_y(-pitch)
    rotation[:, toes] = about_z(out) @ about_y(-toe_pitch)
    for bone, parent in ((shin, thigh), (foot, shin), (toes, foot)):
        _hang(bone, parent, rest, rotation, position)


@dataclass(frozen=True, slots=True)
class _Stride:
    """Where n people are in their strides.

    Attributes:
        phase: (n,) of the stride.
        length: (n,) of the stride in metres.
        height: (n,) of the people in metres.
        walks: (n,) 0 for who stands to 1 for who walks.
        vigour: (n,) amplitude of what swings, about 1 at 1.3 m/s.
        lean: (n,) to which leg who stands leans, −1 to 1.
    """

    phase: Floats
    length: Floats
    height: Floats
    walks: Floats
    vigour: Floats
    lean: Floats

    @classmethod
    def of(cls, motion: Motion, height: Floats, lean: Floats) -> _Stride:
        length = stride_length(motion.speed, height)
        walks = _smooth(motion.speed / 0.35)
        return cls(motion.phase, length, height, walks, walks * length / (0.82 * height), lean)

    def feet(self, rest: Floats) -> tuple[Floats, Floats, Floats]:
        """Ankles (n, 2, 3), turns of feet and of toes (n, 2), toes up."""
        phase = np.stack([self.phase, self.phase + 0.5], axis=1) % 1.0
        x, z, pitch, toes = self._foot(phase)
        walks = self.walks[:, None]
        sides = np.array([1.0, -1.0])
        stand = 0.03 * sides * self.lean[:, None] * self.height[:, None] - 0.01 * self.height[:, None]
        ankles = np.empty((*phase.shape, 3))
        ankles[..., 0] = walks * x + (1 - walks) * stand
        ankles[..., 1] = sides * self.height[:, None] * (0.036 * walks + 0.055 * (1 - walks))
        ankles[..., 2] = walks * z + (1 - walks) * rest[:, None, Bone.left_foot, 2]
        return ankles, walks * pitch, walks * toes

    def _foot(self, phase: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Ankles' x and z, turn of feet and toes (n, 2) at a phase of the foot's own."""
        on = np.minimum(phase, STANCE)
        x, z = self._on_ground(on)
        last_x, last_z = self._on_ground(np.full_like(phase, STANCE))
        next_x, next_z = self._on_ground(np.zeros_like(phase))
        share = np.clip((phase - STANCE) / (1 - STANCE), 0.0, 1.0)
        lift = 0.022 * self.height[:, None] * np.sin(np.pi * share)
        x = np.where(phase > STANCE, last_x + (next_x - last_x) * _smooth(share), x)
        z = np.where(phase > STANCE, last_z + (next_z - last_z) * _smooth(share) + lift, z)
        pitch = self._pitch(phase)
        bent = np.where(pitch < 0, _smooth((phase - STANCE) / 0.1), 1.0)
        return x, z, pitch, pitch * bent

    def _pitch(self, phase: Floats) -> Floats:
        turn = np.interp(phase, FOOT_PHASE, FOOT_PITCH)
        return turn * np.clip(self.length / (0.8 * self.height), 0.35, 1.15)[:, None]

    def _on_ground(self, phase: Floats) -> tuple[Floats, Floats]:
        """Ankles' x and z (n, 2) of feet that turn about heel or ball, which stay where they are."""
        pitch, height = self._pitch(phase), self.height[:, None]
        pivot = np.where(pitch[..., None] > 0, HEEL, BALL)
        cos, sin = np.cos(pitch), np.sin(pitch)
        to_ankle = -pivot
        x = pivot[..., 0] + cos * to_ankle[..., 0] - sin * to_ankle[..., 1]
        z = sin * to_ankle[..., 0] + cos * to_ankle[..., 1]
        flat = self.length[:, None] * (AHEAD - phase)
        return flat + height * x, height * z

    def pelvis(self, rest: Floats, hips: Floats, turned: Floats, sway: Floats, ankles: Floats) -> Floats:
        """Height of the pelvis (n,): as high as the legs allow at a heel's strike, higher between, lower at no time."""
        reach = 0.998 * (rest[:, Bone.left_thigh, 2] - rest[:, Bone.left_foot, 2])
        drop = rest[:, Bone.pelvis, 2] - rest[:, Bone.left_thigh, 2]
        strike_x, strike_z = self._on_ground(np.zeros((len(sway), 2)))
        ahead = strike_x[:, 0] - 0.006 * self.height
        low = strike_z[:, 0] + np.sqrt(np.maximum(reach**2 - ahead**2, (0.7 * reach) ** 2)) + drop
        high = np.minimum(low + 0.034 * self.length, reach + rest[:, Bone.left_foot, 2] + drop)
        walking = low + (high - low) * (0.5 - 0.5 * np.cos(4 * np.pi * (self.phase - 0.04)))
        # Standing, the straighter leg carries: the pelvis is no higher than it allows.
        at = np.einsum("nij,nkj->nki", turned, hips) + np.stack([0 * sway, sway], 1)[:, None] @ np.eye(2, 3)
        flat = np.sum((ankles[..., :2] - at[..., :2]) ** 2, axis=-1)
        standing = np.min(ankles[..., 2] - at[..., 2] + np.sqrt(np.maximum((0.998 * reach[:, None]) ** 2 - flat, 0)), 1)
        height: Floats = self.walks * walking + (1 - self.walks) * standing
        return height
