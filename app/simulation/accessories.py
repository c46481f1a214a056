"""What people carry, hold over themselves and push."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.lofts import Bools, Floats, Part, Region, loft
from app.simulation.outfit import Outfit, column
from app.simulation.profiles import Build
from app.simulation.skeleton import Bone
from app.simulation.wardrobe import Bag

UMBRELLA_RADIUS = 0.52
"""Metres."""

_RIGID = np.ones((1, 1, 1, 1))


def bags(build: Build, outfit: Outfit) -> list[Part]:
    """A backpack, a shoulder bag and a shopping bag."""
    people = outfit.people
    sign = column(1.0 if each.left else -1.0 for each in people)
    kinds = {kind: np.array([each.bag is kind for each in people], bool) for kind in Bag}
    return [
        _backpack(build, outfit, kinds[Bag.backpack]),
        _shoulder_bag(build, outfit, sign, kinds[Bag.shoulder]),
        *_hand_bag(build, outfit, sign, kinds[Bag.hand]),
    ]


def _backpack(build: Build, outfit: Outfit, worn: Bools) -> Part:
    level = np.array([0.818, 0.815, 0.795, 0.75, 0.70, 0.65, 0.622, 0.612, 0.61])
    size = np.array([0.02, 0.6, 0.92, 1.0, 1.0, 1.0, 0.92, 0.7, 0.02])
    full = np.array([0.02, 0.45, 0.75, 0.9, 1.0, 1.05, 1.0, 0.7, 0.02])
    large = column(0.9 + 0.12 * (each.seed % 4) for each in outfit.people)
    _, _, back = build.trunk(np.full_like(level, 0.73)[None].repeat(len(large), 0))
    deep = 0.037 * build.height * large
    x = -(back + outfit.ease + 0.75 * deep)
    wide = 0.078 * build.height * (0.7 + 0.3 * large)
    ring = _box(x, np.zeros(1), build.level(level), wide * size, deep * full, 16)
    return Part(atlas.BAG, ring, (Bone.chest,), _RIGID, worn)


def _shoulder_bag(build: Build, outfit: Outfit, sign: Floats, worn: Bools) -> Part:
    level = np.array([0.575, 0.574, 0.565, 0.53, 0.49, 0.462, 0.455, 0.454])
    size = np.array([0.02, 0.9, 0.97, 1.0, 1.0, 0.96, 0.88, 0.02])
    side, _, _ = build.trunk(np.full((1, 1), 0.525).repeat(len(sign), 0))
    thick = 0.026 * build.height
    y = sign * (side + outfit.ease + 0.9 * thick)
    full = np.array([0.02, 0.6, 0.8, 1.0, 1.1, 1.1, 0.9, 0.02])
    ring = _box(-0.02 * build.height, y, build.level(level), thick * full, 0.078 * build.height * size, 16)
    return Part(atlas.BAG, ring, (Bone.pelvis,), _RIGID, worn)


def _hand_bag(build: Build, outfit: Outfit, sign: Floats, worn: Bools) -> list[Part]:
    grip = build.bones.rest[:, Bone.held][:, None]
    drop = np.array([0.10, 0.10, 0.12, 0.2, 0.3, 0.385, 0.40, 0.40])
    size = np.array([0.02, 0.97, 0.98, 1.0, 1.02, 1.0, 0.95, 0.02])
    large = column(0.72 + 0.14 * (each.seed % 3) for each in outfit.people)
    z = grip[..., 2] - drop * large
    y = grip[..., 1] + sign * 0.01
    ring = _box(grip[..., 0], y, z, 0.055 * size * large, 0.16 * size * large, 16)
    parts = [Part(atlas.BAG, ring, (Bone.held,), _RIGID, worn)]
    # Two handles as one narrow loop from the bag's rim over the hand.
    turn = np.linspace(0, np.pi, 9)
    x = grip[..., 0] + 0.075 * np.cos(turn)
    z = grip[..., 2] - 0.11 * large + (0.11 * large + 0.012) * np.sin(turn) ** 0.7
    line = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    parts.append(_tube(atlas.DARK, line, 0.007, (Bone.held,), worn, True))
    return parts


def umbrella(build: Build, outfit: Outfit) -> list[Part]:
    """An open umbrella: its canopy and its shaft."""
    worn = np.array([each.umbrella for each in outfit.people], bool)
    grip = build.bones.rest[:, Bone.held]
    steps = np.array([0.0, 0.12, 0.4, 0.7, 0.9, 1.0])
    radius = UMBRELLA_RADIUS * np.sin(steps * 1.25) / np.sin(1.25)
    turn = np.linspace(0, 2 * np.pi, 17)
    # Between two ribs cloth hangs a little inwards.
    ribs = 1 - 0.05 * (np.arange(17) % 2) * steps[:, None]
    top = (0.84 - 0.28 * (build.bones.height - 1.4))[:, None, None]
    canopy = np.empty((len(grip), len(steps), 17, 3))
    canopy[..., 0] = grip[:, None, None, 0] - np.cos(turn) * ribs * radius[:, None] - 0.06
    canopy[..., 1] = grip[:, None, None, 1] * 0.75 - np.sin(turn) * ribs * radius[:, None]
    canopy[..., 2] = grip[:, None, None, 2] + top - 0.26 * (1 - np.cos(steps * 1.25))[:, None] / (1 - np.cos(1.25))
    canopy[:, :, -1] = canopy[:, :, 0]
    parts = [
        Part(atlas.UMBRELLA, canopy, (Bone.held,), _RIGID, worn, own=False, two_sided=True, gloss=0.12, rows=steps)
    ]
    share = np.linspace(0, 1, 4)[:, None]
    foot, head = grip - [0.0, 0.0, 0.09], canopy[:, 0, 0] + [0.0, 0.0, 0.05]
    line = foot[:, None] + (head - foot)[:, None] * share
    parts.append(_tube(atlas.DARK, line, 0.008, (Bone.held,), worn, False))
    return parts


def push_chair(build: Build, outfit: Outfit, handle: Floats) -> list[Part]:
    """A push-chair: seat, hood, frame and wheels.

    Args:
        build: The people.
        outfit: What they wear.
        handle: (people, 2) x and z of the hands that push it, metres in the person's own frame.
    """
    worn = np.array([each.push_chair for each in outfit.people], bool)
    x, z = handle[:, :1], handle[:, 1:]
    parts = [_seat(x, worn), _hood(x, worn)]
    for sign in (1, -1):
        side = 0.21 * sign + 0 * x
        bar = _line(x, side, z, ((0.0, 1.0), (0.30, 0.72), (0.62, 0.36), (0.86, 0.13)))
        leg = _line(x, side, z, ((0.52, 0.48), (0.36, 0.28), (0.22, 0.13)))
        parts += [_tube(atlas.DARK, line, 0.013, (Bone.ground,), worn, False) for line in (bar, leg)]
        parts += [_wheel(x + 0.22, side * 1.1, 0.13, worn), _wheel(x + 0.86, side * 1.02, 0.10, worn)]
    grip = np.stack(np.broadcast_arrays(x, np.array([-0.24, 0.0, 0.24]), z), axis=-1)
    parts.append(_tube(atlas.DARK, grip, 0.016, (Bone.ground,), worn, False, sideways=True))
    return parts


def _line(x: Floats, y: Floats, z: Floats, points: tuple[tuple[float, float], ...]) -> Floats:
    """Points (people, points, 3) so far before a handle, and at such a share of its height."""
    along, up = np.array(points).T
    return np.stack(np.broadcast_arrays(x + along, y, z * up), axis=-1)


def _seat(x: Floats, worn: Bools) -> Part:
    z = np.array([0.66, 0.655, 0.6, 0.5, 0.4, 0.31, 0.27, 0.265])
    size = np.array([0.02, 0.9, 0.97, 1.0, 1.0, 0.97, 0.85, 0.02])
    middle = x + np.array([0.46, 0.46, 0.47, 0.51, 0.57, 0.62, 0.64, 0.64])
    deep = np.array([0.10, 0.11, 0.12, 0.17, 0.23, 0.25, 0.24, 0.2]) * size
    ring = _box(middle, np.zeros(1), z[None] + 0 * x, 0.19 * size[None] + 0 * x, deep[None] + 0 * x, 16)
    return Part(atlas.PUSH_CHAIR, ring, (Bone.ground,), _RIGID, worn, own=False)


def _hood(x: Floats, worn: Bools) -> Part:
    """A half shell over the back of the seat."""
    turn = np.linspace(0.0, 1.9, 7)
    across = np.linspace(0, np.pi, 9)
    grid = np.empty((len(x), 7, 9, 3))
    grid[..., 0] = x[..., None] + 0.56 - 0.27 * np.cos(turn)[:, None] * (0.75 + 0.25 * np.sin(across))
    grid[..., 1] = 0.215 * -np.cos(across)
    grid[..., 2] = 0.60 + 0.33 * np.sin(turn)[:, None] * np.sin(across) ** 0.5
    return Part(atlas.PUSH_CHAIR, grid, (Bone.ground,), _RIGID, worn, own=False, two_sided=True)


def _wheel(x: Floats, y: Floats, radius: float, worn: Bools) -> Part:
    """Rings along y, to the right."""
    out = np.array([0.02, 0.9, 1.0, 1.0, 0.9, 0.02])
    along = np.array([0.022, 0.022, 0.014, -0.014, -0.022, -0.022])
    people = len(x)
    middle = np.zeros((people, 6, 3))
    middle[..., 0], middle[..., 1], middle[..., 2] = x, y + along, radius
    first, second = np.zeros_like(middle), np.zeros_like(middle)
    first[..., 2] = radius * out
    second[..., 0] = radius * out
    ring = loft(middle, first, second, 14)
    return Part(atlas.DARK, ring, (Bone.ground,), _RIGID, worn, own=False)


def _box(x: Floats, y: Floats, z: Floats, wide: Floats, deep: Floats, segments: int) -> Floats:
    """Upright rings with blunt corners, from above down."""
    x, y, z, wide, deep = np.broadcast_arrays(x, y, z, wide, deep)
    zero = np.zeros_like(x)
    centre = np.stack([x, y, z], -1)
    return loft(centre, np.stack([-deep, zero, zero], -1), np.stack([zero, -wide, zero], -1), segments, 5.0)


def _tube(
    region: Region, line: Floats, radius: float, bones: tuple[Bone, ...], worn: Bools, own: bool, sideways: bool = False
) -> Part:
    """A thin tube along a line (people, points, 3) that lies about in one plane, open at its ends."""
    along = np.gradient(line, axis=1)
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    across = np.array([0.0, 0.0, 1.0]) if sideways else np.array([0.0, 1.0, 0.0])
    other = np.cross(across, along)
    other = other / np.maximum(np.linalg.norm(other, axis=-1, keepdims=True), 1e-9)
    ring = loft(line, radius * np.broadcast_to(across, line.shape), radius * other, 5)
    return Part(region, ring, bones, _RIGID, worn, own=own, gloss=0.3)
