"""The people as surfaces: made once, then posed for every frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from app.simulation import atlas
from app.simulation.accessories import bags, push_chair, umbrella
from app.simulation.body import arms, ears, head, legs, neck, torso
from app.simulation.clothes import collar, hood, sleeves, tail, trousers
from app.simulation.gait import Gait, Posed
from app.simulation.hair import hair, hats
from app.simulation.lofts import weave
from app.simulation.meshes import Bodies
from app.simulation.motion import Motion
from app.simulation.outfit import outfit
from app.simulation.profiles import Build
from app.simulation.skeleton import Bone, skeleton
from app.simulation.textures import textures
from app.simulation.wardrobe import Appearance

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

JOINTS = (
    Bone.head,
    *(Bone.left_upper_arm, Bone.right_upper_arm),
    *(Bone.left_forearm, Bone.right_forearm),
    *(Bone.left_hand, Bone.right_hand),
    *(Bone.left_thigh, Bone.right_thigh),
    *(Bone.left_shin, Bone.right_shin),
    *(Bone.left_foot, Bone.right_foot),
)
"""Bones that begin at the joints that are told, in the order of `Bodies.joints`."""

FACE = np.array([0.030, 0.0, 0.048])
"""From the head's joint to the point between the eyes, nose and ears that stands for the head, over the height."""


class Figures:
    """Everybody's surface.

    Args:
        people: Their looks, by number.

    Attributes:
        template: Triangles all people have in common.
        shown: (people, t) which of them each has.
        textures: (people, h, w, 3) uint8 sRGB.
    """

    def __init__(self, people: Sequence[Appearance]) -> None:
        people = tuple(people)
        self._bones = skeleton(people)
        self._gait = Gait(people, self._bones)
        build, worn = Build(self._bones), outfit(people)
        parts = [head(build), *ears(build), neck(build), torso(build, worn), *arms(build, worn), *legs(build, worn)]
        parts += [*sleeves(build, worn), *trousers(build, worn), tail(build, worn), collar(build, worn)]
        parts += [hood(build, worn), *hair(build, people), *hats(build, people), *bags(build, worn)]
        parts += [*umbrella(build, worn), *push_chair(build, worn, self._handles())]
        self._woven = weave(parts, atlas.SIZE)
        self.template = self._woven.template
        self.shown: Bools = self._woven.shown
        self.textures = textures(worn)

    def pose(self, motion: Motion) -> Bodies:
        """The people of a moment, in the order of `motion`."""
        posed = self._gait.pose(motion)
        rows = np.ascontiguousarray(motion.person, np.int32)
        origin = self._bones.rest[rows]
        shift = posed.position - np.einsum("nbij,nbj->nbi", posed.rotation, origin)
        vertices = _skin(
            self._woven.rest,
            self._woven.bones,
            self._woven.weights,
            rows,
            posed.rotation.astype(np.float32),
            shift.astype(np.float32),
        )
        normals = _normals(vertices, self.template.triangles, self.shown, self._woven.weld, rows)
        return Bodies(rows, vertices, normals, self._joints(posed, rows))

    def _joints(self, posed: Posed, rows: Ints) -> Floats:
        joints = posed.position[:, list(JOINTS)]
        face = FACE * self._bones.height[rows, None]
        joints[:, 0] += np.einsum("nij,nj->ni", posed.rotation[:, Bone.head], face)
        return joints.astype(np.float32)

    def _handles(self) -> npt.NDArray[np.float64]:
        """Mean x and z (people, 2) of both hands over a stride, in people's own frame."""
        count = len(self._bones.height)
        zero = np.zeros(count)
        hands = []
        for phase in (0.0, 0.125, 0.25, 0.375):
            everybody = np.arange(count, dtype=np.int32)
            motion = Motion(everybody, np.zeros((count, 2)), zero, zero + 1.1, zero + phase, zero)
            posed = self._gait.pose(motion)
            for bone in (Bone.left_hand, Bone.right_hand):
                palm = posed.rotation[:, bone, :, 2] * (0.05 * self._bones.height[:, None])
                hands.append(posed.position[:, bone] - palm)
        mean: npt.NDArray[np.float64] = np.mean(hands, axis=0)
        return mean[:, [0, 2]]


@njit(cache=True)
def _skin(rest: Floats, bones: Ints, weights: Floats, rows: Ints, rotation: Floats, shift: Floats) -> Floats:
    """Vertices (n, v, 3): each moved by its bones, as its weights say."""
    count = rest.shape[1]
    moved = np.empty((len(rows), count, 3), np.float32)
    for i in range(len(rows)):
        person = rows[i]
        for v in range(count):
            x, y, z = rest[person, v, 0], rest[person, v, 1], rest[person, v, 2]
            for axis in range(3):
                total = np.float32(0.0)
                for k in range(bones.shape[1]):
                    weight = weights[person, v, k]
                    if weight > 0.0:
                        bone = bones[v, k]
                        turn = rotation[i, bone, axis]
                        total += weight * (turn[0] * x + turn[1] * y + turn[2] * z + shift[i, bone, axis])
                moved[i, v, axis] = total
    return moved


@njit(cache=True)
def _normals(vertices: Floats, triangles: Ints, shown: Bools, weld: Ints, rows: Ints) -> Floats:
    """Unit normals (n, v, 3): means of the triangles around, by area."""
    normals = np.zeros_like(vertices)
    for i in range(len(rows)):
        points, sums = vertices[i], normals[i]
        for t in range(len(triangles)):
            if not shown[rows[i], t]:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
            vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
            x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            for corner in (weld[a], weld[b], weld[c]):
                sums[corner, 0] += x
                sums[corner, 1] += y
                sums[corner, 2] += z
        for v in range(len(weld)):
            x, y, z = sums[weld[v], 0], sums[weld[v], 1], sums[weld[v], 2]
            length = np.sqrt(x * x + y * y + z * z)
            # The first of welded vertices comes first: once divided it is of length 1 and stays so.
            if length > 1e-12:
                sums[v, 0], sums[v, 1], sums[v, 2] = x / length, y / length, z / length
            else:
                sums[v, 0], sums[v, 1], sums[v, 2] = 0.0, 0.0, 1.0
    return normals
