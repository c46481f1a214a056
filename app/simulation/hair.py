"""Hair, and what is worn over it."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.lofts import Floats, Part, smooth, upright
from app.simulation.outfit import column
from app.simulation.profiles import Build
from app.simulation.skeleton import Bone
from app.simulation.wardrobe import Appearance, Hair, Hat

SEGMENTS = 20
CROWN = 1.0

# Level of an edge at angles from the face: brow, temple, before the ear, behind it, nape.
AROUND = np.array([0.0, 0.45, 0.8, 1.1, 1.35, 1.7, 2.1, np.pi])
HAIR_EDGE = {
    Hair.bald: (0.99,) * 8,
    Hair.short: (0.970, 0.966, 0.957, 0.930, 0.914, 0.918, 0.894, 0.884),
    Hair.bob: (0.971, 0.967, 0.957, 0.905, 0.876, 0.868, 0.862, 0.858),
    Hair.long: (0.971, 0.967, 0.957, 0.885, 0.832, 0.808, 0.796, 0.786),
    Hair.ponytail: (0.970, 0.966, 0.957, 0.932, 0.918, 0.922, 0.900, 0.888),
    Hair.bun: (0.970, 0.966, 0.957, 0.932, 0.918, 0.922, 0.902, 0.892),
}
HAIR_DEPTH = {
    Hair.bald: 0.0,
    Hair.short: 0.0095,
    Hair.bob: 0.013,
    Hair.long: 0.012,
    Hair.ponytail: 0.006,
    Hair.bun: 0.006,
}
HAT_EDGE = {
    Hat.none: (0.99,) * 8,
    Hat.cap: (0.959, 0.958, 0.952, 0.944, 0.938, 0.936, 0.934, 0.930),
    Hat.beanie: (0.957, 0.955, 0.946, 0.932, 0.922, 0.918, 0.914, 0.908),
    Hat.hat: (0.960, 0.960, 0.956, 0.952, 0.950, 0.948, 0.946, 0.944),
    Hat.hood: (0.972, 0.966, 0.950, 0.885, 0.862, 0.842, 0.832, 0.826),
}
HAT_DEPTH = {Hat.none: 0.0, Hat.cap: 0.013, Hat.beanie: 0.016, Hat.hat: 0.014, Hat.hood: 0.021}


def hair(build: Build, people: tuple[Appearance, ...]) -> list[Part]:
    """Hair on the head, and a bun or ponytail behind it."""
    edges = _edges([HAIR_EDGE[each.hair] for each in people])
    depth = column(HAIR_DEPTH[each.hair] for each in people) * build.height
    cover = np.array([each.hat in (Hat.none, Hat.cap, Hat.beanie, Hat.hat) for each in people], bool)
    some = np.array([each.hair is not Hair.bald for each in people], bool)
    taper = column(0.35 if each.hair in (Hair.bob, Hair.long) else 0.75 for each in people)
    under_hat = column(each.hat is not Hat.none for each in people) > 0
    shell = _shell(build, edges, np.where(under_hat, 0.6 * depth, depth), taper, fall=True)
    weights = np.stack([smooth((shell[..., 2] / build.height[..., None] - 0.80) / 0.07)] * 2, axis=-1)
    weights[..., 1] = 1 - weights[..., 0]
    bones = (Bone.head, Bone.chest)
    parts = [Part(atlas.HAIR, shell, bones, weights, some & cover, two_sided=True, gloss=0.18)]
    parts.append(_bun(build, people))
    parts.append(_ponytail(build, people))
    return parts


def hats(build: Build, people: tuple[Appearance, ...]) -> list[Part]:
    """Caps, beanies, hats and hoods, and their brims."""
    edges = _edges([HAT_EDGE[each.hat] for each in people])
    depth = column(HAT_DEPTH[each.hat] for each in people) * build.height
    shell = _shell(build, edges, depth, np.full_like(depth, 0.25), fall=False)
    hood = column(each.hat is Hat.hood for each in people)[:, None] > 0
    weights = np.stack([smooth((shell[..., 2] / build.height[..., None] - 0.82) / 0.05)] * 2, axis=-1)
    weights[..., 0] = np.where(hood, weights[..., 0], 1.0)
    weights[..., 1] = 1 - weights[..., 0]
    worn = np.array([each.hat is not Hat.none for each in people], bool)
    parts = [Part(atlas.HAT, shell, (Bone.head, Bone.chest), weights, worn, two_sided=True)]
    parts.append(_brim(build, people, shell))
    return parts


def _edges(rows: list[tuple[float, ...]]) -> Floats:
    """(people, segments + 1) level of the edge."""
    turn = np.linspace(0, 2 * np.pi, SEGMENTS + 1)
    from_face = np.abs(turn - np.pi)
    return np.array([np.interp(from_face, AROUND, row) for row in rows]).reshape(-1, SEGMENTS + 1)


def _shell(build: Build, edges: Floats, depth: Floats, taper: Floats, fall: bool) -> Floats:
    """Rings from the crown to an edge, around the head and below it."""
    steps = np.array([0.0, 0.04, 0.13, 0.27, 0.45, 0.64, 0.82, 0.95, 1.0])
    people, columns = edges.shape
    level = CROWN + (edges[:, None] - CROWN) * (steps**1.1)[:, None]
    flat = level.reshape(people, len(steps) * columns)
    # Below the ears it does not go in with the jaw but hangs.
    side, front, back = build.head(np.maximum(flat, 0.925 if fall else 0.915))
    thin = np.where(np.repeat(steps, columns) < 0.97, 1.0 - taper * np.repeat(steps, columns), 0.05)
    thick = depth * thin
    on_top = thick * smooth((flat - 0.95) / 0.05)
    side, front, back = side + thick, front + thick, back + thick
    hang = smooth((0.89 - flat) / 0.08) * build.height
    side, back = side - 0.004 * hang, back + 0.004 * hang
    turn = np.tile(np.linspace(0, 2 * np.pi, columns), len(steps))
    ahead = -np.cos(turn)
    x = build.head_x + ahead * np.where(ahead > 0, front, back)
    y = -np.sin(turn) * side
    tip = np.repeat(np.where(steps == 0, 0.0, 1.0), columns)
    x = build.head_x + (x - build.head_x) * tip - 0.006 * build.height * (1 - tip)
    z = build.level(flat) + on_top
    ring = np.stack([x, y * tip, z], axis=-1).reshape(people, len(steps), columns, 3)
    ring[:, :, -1] = ring[:, :, 0]
    ring[:, 0] = ring[:, 0, :1]
    return ring


def _bun(build: Build, people: tuple[Appearance, ...]) -> Part:
    size = np.array([0.01, 0.6, 0.95, 1.0, 0.75, 0.4, 0.01]) * 0.026 * build.height
    level = 0.972 - 0.048 * np.array([0, 0.08, 0.3, 0.5, 0.8, 0.94, 1.0])
    ring = upright(build.head_x - 0.070 * build.height, np.zeros(1), build.level(level), size, size, size, 10)
    worn = [each.hair is Hair.bun and each.hat in (Hat.none, Hat.cap) for each in people]
    return Part(atlas.HAIR, ring, (Bone.head,), np.ones((1, 1, 1, 1)), np.array(worn, bool), gloss=0.18)


def _ponytail(build: Build, people: tuple[Appearance, ...]) -> Part:
    steps = np.array([0.0, 0.06, 0.18, 0.35, 0.55, 0.75, 0.92, 1.0])
    size = np.array([0.01, 0.5, 0.75, 0.95, 1.0, 0.85, 0.5, 0.02]) * 0.019 * build.height
    level = 0.962 - 0.13 * steps
    x = build.head_x - (0.060 + 0.024 * np.sin(np.pi * np.minimum(1.5 * steps, 1.0) * 0.5)) * build.height
    ring = upright(x, np.zeros(1), build.level(level), size, 0.8 * size, size, 8)
    weights = np.stack([smooth((level - 0.80) / 0.10)] * 2, axis=-1)[None, :, None]
    weights[..., 1] = 1 - weights[..., 0]
    worn = [each.hair is Hair.ponytail and each.hat is not Hat.hood for each in people]
    return Part(atlas.HAIR, ring, (Bone.head, Bone.chest), weights, np.array(worn, bool), gloss=0.18)


def _brim(build: Build, people: tuple[Appearance, ...], shell: Floats) -> Part:
    """A flat ring from a hat's edge outwards: before the face, or all around."""
    turn = np.linspace(0, 2 * np.pi, SEGMENTS + 1)
    from_face = np.abs(turn - np.pi)
    peak = 0.052 * np.clip(1 - (from_face / 1.15) ** 2, 0, 1) ** 0.6
    around = np.full_like(turn, 0.040)
    wide = np.array([peak if each.hat is Hat.cap else around for each in people]).reshape(-1, SEGMENTS + 1)
    wide = wide * build.height
    edge = shell[:, -1]
    middle = np.stack([build.head_x, 0 * build.head_x, 0 * build.head_x], -1)
    out = (edge - middle) * [1.0, 1.0, 0.0]
    out = out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-9)
    cap = column(each.hat is Hat.cap for each in people) > 0
    drop = np.where(cap, 0.22 * wide, 0.12 * wide)
    rings = [edge - 0.003 * out]
    for share in (0.5, 1.0):
        ring = edge + share * wide[..., None] * out
        ring[..., 2] -= share**2 * drop
        rings.append(ring)
    worn = [each.hat in (Hat.cap, Hat.hat) for each in people]
    grid = np.stack(rings, axis=1)
    return Part(atlas.BRIM, grid, (Bone.head,), np.ones((1, 1, 1, 1)), np.array(worn, bool), two_sided=True)
