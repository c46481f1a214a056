"""The parts of bodies: head, neck, arms, hands, legs."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.lofts import Floats, Part, Region, chain, loft, smooth, upright
from app.simulation.outfit import NECK_LEVEL, Outfit
from app.simulation.profiles import Build
from app.simulation.skeleton import ARMS, LEGS, Bone

HIP, KNEE, ANKLE = (0.512, 0.055), (0.299, 0.028), (0.046, 0.016)
"""Level of a joint and how far around it the surface follows both bones."""
SHOULDER, ELBOW, WRIST = (0.806, 0.030), (0.637, 0.022), (0.492, 0.010)
TRUNK_JOINTS = ((0.690, 0.05), (0.605, 0.05))
"""Between chest and spine, and between spine and pelvis."""

NOSE = {6: 0.4, 5: 1.0, 4: 0.5}
"""How far a nose stands out on which of the head's rings, counted from below, a share of its length."""


def head(build: Build) -> Part:
    """Head and face."""
    level = np.array([1.0, 0.996, 0.987, 0.975, 0.96, 0.945, 0.932, 0.92, 0.908, 0.896, 0.884, 0.874, 0.867, 0.864])
    side, front, back = build.head(level)
    ring = upright(build.head_x, np.zeros(1), build.level(level), side, front, back, 20)
    for place, share in NOSE.items():
        # The nose is one vertex wide, and the cheeks beside it fall back a little.
        row = len(level) - 1 - place
        ring[:, row, 10, 0] += 0.011 * share * build.height[:, 0]
    weights = np.ones((1, 1, 1, 1))
    everybody = np.ones(len(ring), bool)
    return Part(atlas.HEAD, ring, (Bone.head,), weights, everybody, gloss=0.08, rows=(1.0 - level) / 0.136)


def ears(build: Build) -> list[Part]:
    """Both ears."""
    level = np.array([0.936, 0.928, 0.911, 0.902])
    parts = []
    for sign in (1, -1):
        size = np.array([0.0003, 0.0115, 0.009, 0.0003]) * build.height
        side, _, _ = build.head(level)
        x, y = build.head_x - 0.004 * build.height, sign * (side + 0.001 * build.height)
        ring = upright(x, y, build.level(level), 0.55 * size, size, size, 5)
        parts.append(_plain(atlas.SKIN, ring, Bone.head))
    return parts


def neck(build: Build) -> Part:
    """Neck, from inside the head to inside the collar."""
    level = np.array([0.892, 0.876, 0.862, 0.85, 0.838, 0.822])
    size = np.array([0.030, 0.030, 0.0305, 0.032, 0.037, 0.046]) * build.height
    size = size * (1 + 0.5 * (build.bones.girth[:, None] - 1)) * (1 - 0.13 * build.bones.woman[:, None])
    x = np.array([0.004, 0.0, -0.004, -0.008, -0.010, -0.010]) * build.height
    at = np.broadcast_to(level, size.shape)
    ring = upright(x, np.zeros(1), build.level(level), size, 0.98 * size, 1.02 * size, 14)
    weights = chain(at, ((0.880, 0.014), (0.842, 0.016)))
    bones = (Bone.head, Bone.neck, Bone.chest)
    return Part(atlas.NECK, ring, bones, weights, np.ones(len(ring), bool), gloss=0.08)


def torso(build: Build, outfit: Outfit) -> Part:
    """The top, without sleeves, from the neck to its hem."""
    steps = np.array([0.0, 0.03, 0.06, 0.09, 0.12, 0.17, 0.24, 0.33, 0.43, 0.54, 0.66, 0.79, 0.93, 1.0])
    level = NECK_LEVEL + (outfit.hem - NECK_LEVEL) * steps
    side, front, back = build.trunk(level)
    # Cloth hangs from the chest: below it, it follows the body in only as far as it is cut to.
    chest_side, chest_front, chest_back = build.trunk(np.full_like(outfit.hem, 0.735))
    below = smooth((0.735 - level) / 0.1) * outfit.drape
    side = np.maximum(side, below * 0.955 * chest_side)
    front, back = np.maximum(front, below * 0.94 * chest_front), np.maximum(back, below * 0.93 * chest_back)
    # At the hem there are the thighs, in their trousers.
    leg_side, leg_front, leg_back = build.leg(np.minimum(level, 0.50))
    low = smooth((0.545 - level) / 0.03)
    side = np.maximum(side, low * (0.052 * build.height + leg_side + outfit.leg_ease))
    front = np.maximum(front, low * (leg_front + outfit.leg_ease + 0.003 + 0.005 * build.height))
    back = np.maximum(back, low * (leg_back + outfit.leg_ease + 0.004))
    ease = outfit.ease * np.interp(level, [0.80, 0.845], [1.0, 0.35])
    hem = 1 + 0.25 * smooth((steps - 0.93) / 0.07)
    ring = upright(-0.005 * build.height, np.zeros(1), build.level(level), side + ease, front + ease, back + ease, 18)
    ring[..., :2] *= np.broadcast_to(hem, level.shape)[:, :, None, None] ** 0.12
    bones = (Bone.chest, Bone.spine, Bone.pelvis, Bone.left_thigh, Bone.right_thigh)
    weights = with_thighs(build, ring, chain(level, TRUNK_JOINTS), on_thighs(level))
    everybody = np.ones(len(ring), bool)
    return Part(atlas.TORSO, ring, bones, weights, everybody, two_sided=True, rows=steps)


def on_thighs(level: Floats) -> Floats:
    """Share of the thighs in what moves clothes at a level: as much as the trousers below them."""
    return smooth((HIP[0] + HIP[1] - level) / (2 * HIP[1]))


def with_thighs(build: Build, ring: Floats, weights: Floats, share: Floats) -> Floats:
    """Gives a share of the weights of the last bone to both thighs, each on its own side.

    Args:
        build: The people.
        ring: (people, rings, segments + 1, 3) the surface.
        weights: (people, rings, 1, bones) of a chain of bones that ends at the pelvis.
        share: (people, rings) 0 to 1.

    Returns:
        (people, rings, segments + 1, bones + 2).
    """
    left = smooth(0.5 + 0.5 * ring[..., 1] / (0.06 * build.height[..., None]))
    share = share[..., None]
    chained = np.broadcast_to(weights, (*ring.shape[:3], weights.shape[-1]))
    pelvis = chained[..., -1]
    last = np.stack([pelvis * (1 - share), pelvis * share * left, pelvis * share * (1 - left)], axis=-1)
    return np.concatenate([chained[..., :-1], last], axis=-1)


def arms(build: Build, outfit: Outfit) -> list[Part]:
    """Bare forearms, as far as sleeves do not cover them, and hands."""
    parts = []
    for side, bones in enumerate(ARMS):
        level = np.array([0.74, 0.71, 0.68, 0.655, 0.637, 0.61, 0.58, 0.55, 0.52, 0.498, 0.486])
        across, along = build.arm(level)
        ring = _limb(build, side, build.arm_level(level), across, along, along, 8, bones[0])
        weights = chain(np.broadcast_to(level, across.shape), (ELBOW, WRIST))
        shown = outfit.bare_arms
        parts.append(Part(atlas.BARE_ARM, ring, bones, weights, shown, gloss=0.06, mirrored=side == 1))
        parts += _hand(build, side)
    return parts


def _hand(build: Build, side: int) -> list[Part]:
    bone, sign = ARMS[side][2], 1 - 2 * side
    level = np.array([0.5, 0.484, 0.463, 0.443, 0.422, 0.406, 0.401])
    across = np.array([0.011, 0.0127, 0.0135, 0.0130, 0.0118, 0.0080, 0.0003]) * build.height
    along = np.array([0.013, 0.0165, 0.0225, 0.0235, 0.0205, 0.0125, 0.0003]) * build.height
    smaller = 1 - 0.1 * build.bones.woman[:, None]
    ring = _limb(build, side, build.arm_level(level), across * smaller, along * smaller, along * smaller, 8, bone)
    # Fingers curl towards the thigh.
    curl = np.clip((0.455 - level) / 0.05, 0, 1) ** 2
    ring[..., 1] -= sign * (0.017 * curl * build.height)[..., None]
    fingers = _plain(atlas.HAND, ring, bone, mirrored=side == 1)
    level = np.array([0.482, 0.470, 0.447, 0.438])
    size = np.array([0.0003, 0.0085, 0.0075, 0.0003]) * build.height
    ring = _limb(build, side, build.arm_level(level), size, size, size, 5, bone)
    ring[..., 0] += (np.array([0.012, 0.017, 0.025, 0.027]) * build.height)[..., None]
    ring[..., 1] -= sign * (np.array([0.0, 0.003, 0.008, 0.009]) * build.height)[..., None]
    return [fingers, _plain(atlas.SKIN, ring, bone)]


def legs(build: Build, outfit: Outfit) -> list[Part]:
    """Bare legs, as far as nothing covers them, and shoes."""
    parts = []
    for side, bones in enumerate(LEGS):
        level = np.array([0.42, 0.38, 0.345, 0.315, 0.299, 0.28, 0.25, 0.215, 0.18, 0.14, 0.1, 0.065, 0.04])
        wide, front, back = build.leg(level)
        ring = _limb(build, side, build.level(level), wide, front, back, 10, bones[0])
        weights = chain(np.broadcast_to(level, wide.shape), (KNEE, ANKLE))
        shown = outfit.bare_legs
        parts.append(Part(atlas.BARE_LEG, ring, bones[:3], weights, shown, gloss=0.05, mirrored=side == 1))
        parts.append(_shoe(build, side))
    return parts


def _shoe(build: Build, side: int) -> Part:
    """A shoe, its rings from the heel to the toe, its texture from the sole over the right, the instep and the left."""
    _, _, foot, toes = LEGS[side]
    along = np.array([-0.0465, -0.0445, -0.032, -0.010, 0.014, 0.036, 0.062, 0.086, 0.104, 0.113, 0.1135])
    wide = np.array([0.0003, 0.0165, 0.0215, 0.0225, 0.0225, 0.0240, 0.0270, 0.0265, 0.0215, 0.0115, 0.0003])
    top = np.array([0.03, 0.045, 0.064, 0.066, 0.060, 0.048, 0.038, 0.032, 0.026, 0.019, 0.012])
    low = np.array([0.0295, 0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.002, 0.0115])
    height = build.height
    people, rings = len(height), len(along)
    middle = np.zeros((people, rings, 3))
    middle[..., 0] = along * height
    middle[..., 1] = build.bones.rest[:, foot, 1, None]
    middle[..., 2] = 0.5 * (top + low) * height
    down, right = np.zeros_like(middle), np.zeros_like(middle)
    down[..., 2] = -0.5 * (top - low) * height
    right[..., 1] = -wide * height * (1 - 0.06 * build.bones.woman[:, None])
    ring = loft(middle, down, right, 8, 2.6)
    bent = smooth((along - 0.058) / 0.04)
    weights = np.stack([1 - bent, bent], axis=-1)[None, :, None]
    return Part(atlas.SHOE, ring, (foot, toes), weights, np.ones(people, bool), gloss=0.15, mirrored=side == 1)


def _limb(
    build: Build, side: int, z: Floats, across: Floats, front: Floats, back: Floats, segments: int, bone: Bone
) -> Floats:
    """Rings around the line a limb hangs along."""
    x, y = build.bones.rest[:, bone, 0, None], build.bones.rest[:, bone, 1, None]
    return upright(x, y, z, across, front, back, segments)


def _plain(region: Region, ring: Floats, bone: Bone, mirrored: bool = False) -> Part:
    """Bare skin that moves with one bone."""
    return Part(region, ring, (bone,), np.ones((1, 1, 1, 1)), np.ones(len(ring), bool), gloss=0.06, mirrored=mirrored)
