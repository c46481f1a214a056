"""Surfaces woven over rings: the one way all parts of people and of what they carry are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.simulation.meshes import Template
from app.simulation.skeleton import Bone

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SLOTS = 5
"""How many bones can move a vertex."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a person's texture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True, slots=True)
class Part:
    """A surface over rings, of all people at once.

    Attributes:
        region: Its place in the texture: around the rings to the right, from the first to the last downwards.
        rest: (people, rings, segments + 1, 3) metres at rest; the last of a ring lies on the first where it closes.
        bones: What moves it.
        weights: (people, rings, segments + 1, bones) how much, adding up to 1; axes of length 1 are stretched.
        shown: (people,) whether a person has it.
        own: See `Template`.
        two_sided: See `Template`.
        gloss: See `Template`.
        mirrored: Whether the texture runs the other way around.
        rows: (rings,) where rings lie in the region, 0 to 1; evenly when left out.
    """

    region: Region
    rest: Floats
    bones: tuple[Bone, ...]
    weights: Floats
    shown: Bools
    own: bool = True
    two_sided: bool = False
    gloss: float = 0.0
    mirrored: bool = False
    rows: Floats | None = None


@dataclass(frozen=True, slots=True)
class Woven:
    """All parts as one mesh.

    Attributes:
        template: The triangles.
        rest: (people, v, 3) float32 metres at rest.
        bones: (v, 5) int32.
        weights: (people, v, 5) float32.
        shown: (people, t).
        weld: (v,) int32 the first vertex at the same place, whose normal all there share.
    """

    template: Template
    rest: npt.NDArray[np.float32]
    bones: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    shown: Bools
    weld: npt.NDArray[np.int32]


def smooth(value: npt.ArrayLike) -> Floats:
    """From 0 at 0 to 1 at 1, level at both ends and beyond."""
    value = np.clip(np.asarray(value, np.float64), 0.0, 1.0)
    eased: Floats = value * value * (3.0 - 2.0 * value)
    return eased


def loft(centre: Floats, first: Floats, second: Floats, segments: int, power: npt.ArrayLike = 2.0) -> Floats:
    """Points on rings.

    Seen from outside, segments go to the right where rings go down, if `first` × `second` points against the way the
    rings follow each other.

    Args:
        centre: (people, rings, 3) of the rings.
        first: (people, rings, 3) half axis at the start.
        second: (people, rings, 3) half axis a quarter further.
        segments: How many pieces a ring has.
        power: Of the superellipse: 2 round, more ever squarer.

    Returns:
        (people, rings, segments + 1, 3).
    """
    turn = np.linspace(0.0, 2 * np.pi, segments + 1)
    shape = 2.0 / np.asarray(power, np.float64)[..., None]
    cos, sin = np.cos(turn), np.sin(turn)
    cos, sin = np.sign(cos) * np.abs(cos) ** shape, np.sign(sin) * np.abs(sin) ** shape
    cos, sin = (np.broadcast_to(each, (*centre.shape[:2], segments + 1))[..., None] for each in (cos, sin))
    ring: Floats = centre[:, :, None] + cos * first[:, :, None] + sin * second[:, :, None]
    ring[:, :, -1] = ring[:, :, 0]
    return ring


def upright(x: Floats, y: Floats, z: Floats, side: Floats, front: Floats, back: Floats, segments: int) -> Floats:
    """Points on level rings from above down: behind, right, front, left.

    Args:
        x: (people, rings) of the middle.
        y: (people, rings) of the middle.
        z: (people, rings).
        side: (people, rings) half width.
        front: (people, rings) from the middle forwards.
        back: (people, rings) from the middle backwards.
        segments: How many pieces a ring has.

    Returns:
        (people, rings, segments + 1, 3).
    """
    x, y, z, side, front, back = np.broadcast_arrays(x, y, z, side, front, back)
    zero = np.zeros_like(x)
    ring = loft(
        np.stack([x, y, z], -1), np.stack([zero - 1, zero, zero], -1), np.stack([zero, -side, zero], -1), segments, 2.25
    )
    ahead = ring[..., 0] - x[..., None]
    ring[..., 0] = x[..., None] + ahead * np.where(ahead > 0, front[..., None], back[..., None])
    return ring


def chain(at: Floats, joints: Sequence[tuple[float, float]]) -> Floats:
    """Weights of a chain of bones along rings that go down.

    Args:
        at: (people, rings) where the rings are.
        joints: Between a bone and the next: where, and how far around it both move the surface.

    Returns:
        (people, rings, 1, bones), one bone more than joints.
    """
    left = np.ones_like(at)
    weights = []
    for joint, soft in joints:
        passed = smooth((joint + soft - at) / (2 * soft))
        weights.append(left * (1 - passed))
        left = left * passed
    return np.stack([*weights, left], axis=-1)[:, :, None]


def weave(parts: Sequence[Part], size: tuple[int, int]) -> Woven:
    """Joins parts to one mesh.

    Args:
        parts: Of the same people; at most five bones each.
        size: Height and width of a texture in pixels.
    """
    grids = [part.rest.shape[1:3] for part in parts]
    counts = [rings * columns for rings, columns in grids]
    starts = np.cumsum([0, *counts])
    faces = [_faces(*grid) + start for grid, start in zip(grids, starts, strict=False)]
    each = np.repeat(np.arange(len(parts)), [len(face) for face in faces])
    people = len(parts[0].rest)
    rest = np.concatenate(
        [part.rest.reshape(people, count, 3) for part, count in zip(parts, counts, strict=True)], axis=1
    ).astype(np.float32)
    bones = np.concatenate([_slots(part, count) for part, count in zip(parts, counts, strict=True)])
    weights = np.concatenate([_weights(part, people) for part in parts], axis=1).astype(np.float32)
    template = Template(
        triangles=np.concatenate(faces).astype(np.int32),
        uv=np.concatenate([_uv(part, size) for part in parts]).astype(np.float32),
        own=np.array([part.own for part in parts])[each],
        two_sided=np.array([part.two_sided for part in parts])[each],
        gloss=np.array([part.gloss for part in parts], np.float32)[each],
    )
    shown = np.stack([part.shown for part in parts], axis=1)[:, each]
    weld = np.concatenate([_weld(part) + start for part, start in zip(parts, starts, strict=False)]).astype(np.int32)
    return Woven(template, rest, bones, weights, shown, weld)


def _faces(rings: int, columns: int) -> npt.NDArray[np.int64]:
    """(t, 3) vertices of a grid's triangles, counter-clockwise seen from outside."""
    corner = (np.arange(rings - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, below, across = corner + 1, corner + columns, corner + columns + 1
    return np.stack([corner, below, right, right, below, across], axis=1).reshape(-1, 3)


def _uv(part: Part, size: tuple[int, int]) -> Floats:
    """(v, 2), half a pixel inside the region."""
    rings, columns = part.rest.shape[1:3]
    across, down = np.linspace(0, 1, columns), np.linspace(0, 1, rings) if part.rows is None else part.rows
    if part.mirrored:
        across = across[::-1]
    region = part.region
    u = (region.left + 0.75 + across * (region.width - 1.5)) / size[1]
    v = (region.top + 0.75 + down * (region.height - 1.5)) / size[0]
    return np.stack([np.tile(u, rings), np.repeat(v, columns)], axis=1)


def _slots(part: Part, count: int) -> npt.NDArray[np.int32]:
    bones = (*part.bones, *[part.bones[0]] * (SLOTS - len(part.bones)))
    return np.tile(np.array(bones, np.int32), (count, 1))


def _weights(part: Part, people: int) -> Floats:
    full = np.zeros((people, *part.rest.shape[1:3], SLOTS))
    full[..., : len(part.bones)] = part.weights
    return full.reshape(people, full.shape[1] * full.shape[2], SLOTS)


def _weld(part: Part) -> npt.NDArray[np.int64]:
    """Within a part: the seam's two sides are one, and so are all vertices of a ring that is a point."""
    rings, columns = part.rest.shape[1:3]
    first = np.arange(rings * columns).reshape(rings, columns)
    if np.array_equal(part.rest[:, :, 0], part.rest[:, :, -1]):
        first[:, -1] = first[:, 0]
    for ring in (0, -1):
        if np.allclose(part.rest[:, ring], part.rest[:, ring, :1], atol=1e-6):
            first[ring] = first[ring, 0]
    return first.ravel()
