"""The parts of clothes that are not the torso: sleeves, trousers, skirts, collars, hoods."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.body import ANKLE, ELBOW, HIP, KNEE, SHOULDER, TRUNK_JOINTS, on_thighs, with_thighs
from app.simulation.lofts import Part, chain, smooth, upright
from app.simulation.outfit import SLEEVE_CAP, TAIL_TOP, Outfit, column, seat_top
from app.simulation.profiles import Build
from app.simulation.skeleton import ARMS, LEGS, Bone
from app.simulation.wardrobe import Hat, Top


def sleeves(build: Build, outfit: Outfit) -> list[Part]:
    """Both sleeves, from inside the shoulder to their hem."""
    parts = []
    cap = np.array(SLEEVE_CAP)
    down = np.array([0.2, 0.38, 0.48, 0.56, 0.7, 0.85, 0.95, 1.0])
    level = np.concatenate([np.tile(cap, (len(outfit.sleeve), 1)), cap[-1] + (outfit.sleeve - cap[-1]) * down], axis=1)
    steps = np.concatenate([np.linspace(0.0, 0.13, len(cap)), 0.13 + 0.87 * down])
    across, along = build.arm(level)
    loose = 0.0285 * build.height * (1.0 - 0.25 * steps) * smooth(outfit.ease / 0.02) * smooth((0.82 - level) / 0.04)
    long = smooth((0.6 - outfit.sleeve) / 0.05)
    ease = outfit.ease * 0.65 * np.interp(level, [0.79, 0.815, 0.823], [1.0, 0.6, 0.0])
    # A cuff holds a long sleeve in, a short one stands off the arm.
    ease = ease * (1 - 0.5 * long * smooth((steps - 0.9) / 0.1)) + (1 - long) * 0.010 * smooth((steps - 0.3) / 0.7)
    across = np.maximum(across, long * loose * 0.9) + ease
    along = np.maximum(along, long * loose) + ease
    for side, bones in enumerate(ARMS):
        x, y = build.bones.rest[:, bones[0], 0, None], build.bones.rest[:, bones[0], 1, None]
        inwards = 1 - np.interp(level, [0.775, 0.807, 0.823], [0.0, 0.045, 0.15])
        ring = upright(x, y * inwards, build.arm_level(level), across, along, along, 10)
        weights = chain(level, (SHOULDER, ELBOW))
        everybody = np.ones(len(ring), bool)
        bones_here = (Bone.chest, bones[0], bones[1])
        parts.append(
            Part(
                atlas.SLEEVE,
                ring,
                bones_here,
                weights,
                everybody,
                two_sided=True,
                mirrored=side == 1,
                rows=steps,
            )
        )
    return parts


def trousers(build: Build, outfit: Outfit) -> list[Part]:
    """The seat and both legs."""
    steps = np.array([0.0, 0.2, 0.45, 0.7, 0.88, 1.0])
    level = seat_top(outfit.hem) + (0.455 - seat_top(outfit.hem)) * steps
    side, front, back = build.trunk(level)
    closing = np.array([1, 1, 1, 1, 0.9, 0.02])
    side, front, back = ((each + 0.002) * closing for each in (side, front, back))
    ring = upright(-0.005 * build.height, np.zeros(1), build.level(level), side, front, back, 18)
    weights = with_thighs(build, ring, chain(level, TRUNK_JOINTS[1:]), on_thighs(level))
    bones = (Bone.spine, Bone.pelvis, Bone.left_thigh, Bone.right_thigh)
    parts = [Part(atlas.PELVIS, ring, bones, weights, np.ones(len(ring), bool))]
    steps = np.array([0.0, 0.07, 0.16, 0.27, 0.36, 0.42, 0.46, 0.51, 0.59, 0.70, 0.82, 0.93, 1.0])
    level = 0.525 + (outfit.leg_hem - 0.525) * steps
    side, front, back = build.leg(level)
    width = 0.043 * build.height + (outfit.leg_width - 0.043) * build.height * steps
    ease = outfit.leg_ease + 0.002
    # Where thighs begin they lie inside the seat.
    inside = 1 - 0.26 * smooth((level - 0.490) / 0.035)
    side, front, back = (
        np.maximum(each + ease, width * share) * inside for each, share in ((side, 0.9), (front, 1.0), (back, 1.0))
    )
    for leg, bones_of in enumerate(LEGS):
        x, y = build.bones.rest[:, bones_of[0], 0, None], build.bones.rest[:, bones_of[0], 1, None]
        apart = (1 - 2 * leg) * np.maximum(side - np.abs(y), 0)
        ring = upright(x, y + 0.7 * apart, build.level(level), side, front, back, 12)
        weights = chain(level, (HIP, KNEE, (ANKLE[0] - 0.012, ANKLE[1])))
        bones_here = (Bone.pelvis, bones_of[0], bones_of[1], bones_of[2])
        everybody = np.ones(len(ring), bool)
        parts.append(
            Part(
                atlas.TROUSER_LEG,
                ring,
                bones_here,
                weights,
                everybody,
                two_sided=True,
                mirrored=leg == 1,
                rows=steps,
            )
        )
    return parts


def tail(build: Build, outfit: Outfit) -> Part:
    """A skirt, or what hangs of a dress or coat below the waist."""
    steps = np.array([0.0, 0.08, 0.18, 0.3, 0.43, 0.57, 0.72, 0.87, 1.0])
    level = TAIL_TOP + (outfit.tail_hem - TAIL_TOP) * steps
    side, front, back = build.trunk(np.maximum(level, 0.505))
    coat = column(each.top is Top.coat for each in outfit.people) > 0
    ease = np.where(coat, outfit.ease - 0.004, 0.005)
    grown = outfit.flare * build.height * smooth((0.56 - level) / 0.36) * 1.6
    knees = 0.018 * build.height * smooth((0.51 - level) / 0.2)
    # Legs reach further out than the hips above them.
    leg_side, leg_front, leg_back = build.leg(np.minimum(level, 0.50))
    stand = outfit.leg_ease + 0.006
    low = smooth((0.55 - level) / 0.05)
    side = np.maximum(side, low * (0.052 * build.height + leg_side + stand))
    front, back = np.maximum(front, low * (leg_front + stand)), np.maximum(back, low * (leg_back + stand))
    shape = (side + ease + grown, front + ease + grown + knees, back + ease + grown + 0.5 * knees)
    ring = upright(-0.005 * build.height, np.zeros(1), build.level(level), *shape, 18)
    weights = chain(level, ((0.605, 0.05),))
    weights = with_thighs(build, ring, weights, on_thighs(level))
    bones = (Bone.spine, Bone.pelvis, Bone.left_thigh, Bone.right_thigh)
    return Part(atlas.TAIL, ring, bones, weights, outfit.tail, two_sided=True, rows=steps)


def collar(build: Build, outfit: Outfit) -> Part:
    """A collar that stands around the neck, or a knitted one."""
    high = {Top.jacket: 0.020, Top.coat: 0.022, Top.shirt: 0.012, Top.hoodie: 0.010, Top.sweater: 0.008}
    rise = column(high.get(each.top, 0.003) for each in outfit.people)
    level = 0.850 + rise * np.array([1.0, 0.5, 0.0, 0.0]) + np.array([0, 0, 0, -0.012])
    size = np.array([0.0350, 0.0365, 0.0385, 0.044]) * build.height + 0.4 * outfit.ease
    size = size * (1 - 0.1 * build.bones.woman[:, None])
    x = np.array([-0.008, -0.008, -0.009, -0.010]) * build.height
    z = build.level(level)
    ring = upright(x, np.zeros(1), z, size, 0.95 * size, 1.0 * size, 14)
    # It stands higher behind than before.
    ring[..., 2] -= 0.16 * np.maximum(ring[..., 0] - x[..., None], 0) * np.array([1, 1, 1, 1])[:, None]
    weights = chain(level, ((0.868, 0.014),))
    shown = np.ones(len(ring), bool)
    return Part(atlas.COLLAR, ring, (Bone.neck, Bone.chest), weights, shown, two_sided=True)


def hood(build: Build, outfit: Outfit) -> Part:
    """A hood that lies on the back."""
    steps = np.array([0.0, 0.12, 0.35, 0.65, 0.88, 1.0])
    level = 0.866 - 0.062 * steps
    size = np.array([0.25, 0.72, 1.0, 0.95, 0.6, 0.02])
    x = (-0.046 - 0.012 * np.sin(np.pi * steps)) * build.height
    wide, deep = 0.058 * size * build.height, 0.030 * size * build.height
    ring = upright(x, np.zeros(1), build.level(level), wide, 0.8 * deep, deep, 10)
    worn = [each.top is Top.hoodie and each.hat is not Hat.hood for each in outfit.people]
    return Part(atlas.COLLAR, ring, (Bone.chest,), np.ones((1, 1, 1, 1)), np.array(worn, bool))
