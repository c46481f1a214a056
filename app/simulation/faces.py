"""How faces, hair and bare skin are painted."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.canvas import Bytes, Canvas, Floats, around, band, bump, tone
from app.simulation.lofts import Region
from app.simulation.wardrobe import Appearance, Hair, Hat, Sex


def paint_head(person: Appearance, picture: Bytes) -> None:
    """Face, and the scalp under the hair."""
    random = np.random.default_rng([person.seed, 21])
    canvas = Canvas(atlas.HEAD, person.skin)
    level = 1.0 - 0.136 * canvas.v
    canvas.noise(random, 0.05, 0.05, 0.02)
    canvas.noise(random, 0.25, 0.25, 0.025)
    x, front = canvas.u - 0.5, around(canvas.u, 0.5)
    flush = bump(np.abs(x), 0.085, 0.03) * bump(level, 0.912, 0.012)
    canvas.paint(0.25 * flush, tone(person.skin, 0.95, (190, 80, 70), 0.35))
    _eyes(canvas, x, level, person)
    _nose_and_mouth(canvas, x, level, person)
    _beard(canvas, x, level, person)
    canvas.darken(band(level, 0.0, 0.876, 0.014) + 0 * x, 0.35)
    canvas.darken(bump(front, 0.27, 0.06) * band(level, 0.86, 0.94, 0.02), 0.16)
    if person.hair is not Hair.bald:
        edge = np.interp(front, [0, 0.09, 0.14, 0.20, 0.24, 0.5], [0.966, 0.962, 0.952, 0.926, 0.91, 0.89])
        scalp = np.clip((level - edge) / 0.006 + 0.5, 0, 1).astype(np.float32)
        canvas.paint(scalp, tone(person.hair_colour, 0.75))
        canvas.darken(np.clip(1 - np.abs(level - edge + 0.006) / 0.008, 0, 1).astype(np.float32), 0.25)
    elif person.seed % 2:
        ring = band(front, 0.22, 1, 0.05) * band(level, 0.89, 0.945, 0.012)
        canvas.paint(0.6 * ring, tone(person.hair_colour, 0.9))
    if person.hat is not Hat.none:
        canvas.darken(band(level, 0.936, 1.0, 0.02) + 0 * x, 0.4)
    canvas.finish(picture)


def _eyes(canvas: Canvas, x: Floats, level: Floats, person: Appearance) -> None:
    y = level - 0.9325
    for side in (-1, 1):
        across = (x - 0.066 * side) / 0.030
        canvas.darken(np.exp(-0.5 * (across**2 + ((y - 0.003) / 0.0085) ** 2)), 0.26)
        white = band(across**2 + (y / 0.0042) ** 2, -1, 1.0, 0.35)
        canvas.paint(0.85 * white, (222, 216, 210))
        iris = band((across / 0.42) ** 2 + (y / 0.0042) ** 2, -1, 1.0, 0.4)
        canvas.paint(iris, (46, 32, 26) if person.seed % 3 else (72, 92, 110))
        lash = bump(y - 0.0042 + 0.0022 * across**2, 0.0, 0.0012) * band(across, -1.15, 1.15, 0.2)
        canvas.paint(0.85 * lash, tone(person.hair_colour, 0.4))
        brow = bump(y - 0.0125 + 0.002 * (across - 0.3 * side) ** 2, 0.0, 0.0019) * band(across, -1.2, 1.25, 0.25)
        canvas.paint(0.8 * brow, tone(person.hair_colour, 0.62, person.skin, 0.15))


def _nose_and_mouth(canvas: Canvas, x: Floats, level: Floats, person: Appearance) -> None:
    canvas.darken(bump(np.abs(x), 0.031, 0.011) * band(level, 0.904, 0.936, 0.012), 0.15)
    canvas.darken(bump(x, 0.0, 0.012) * band(level, 0.909, 0.94, 0.01), -0.08)
    canvas.darken(bump(np.abs(x), 0.014, 0.007) * bump(level, 0.9035, 0.0020), 0.5)
    canvas.darken(bump(x, 0.0, 0.03) * bump(level, 0.9005, 0.0022), 0.2)
    lips = band((x / 0.050) ** 2 + ((level - 0.8915) / 0.0052) ** 2, -1, 1, 0.4)
    red = 0.6 if person.sex is Sex.woman and person.seed % 2 else 0.35
    canvas.paint(0.75 * lips, tone(person.skin, 0.82, (160, 50, 54), red))
    canvas.darken(bump(level, 0.8918, 0.0011) * band(np.abs(x), -1, 0.046, 0.012), 0.45)
    canvas.darken(bump(x, 0.0, 0.035) * bump(level, 0.884, 0.0022), 0.16)


def _beard(canvas: Canvas, x: Floats, level: Floats, person: Appearance) -> None:
    if person.sex is Sex.woman or person.height < 1.55:
        return
    share = (0.0, 0.0, 0.18, 0.3, 0.8)[person.seed % 5]
    jaw = band(level - 0.30 * np.clip(np.abs(x) - 0.08, 0, 1), 0.8, 0.902, 0.008) * band(np.abs(x), -1, 0.23, 0.04)
    mouth = band((x / 0.056) ** 2 + ((level - 0.8915) / 0.0065) ** 2, -1, 1, 0.4)
    canvas.paint(share * jaw * (1 - 0.9 * mouth), tone(person.hair_colour, 0.9))


def paint_skin(person: Appearance, picture: Bytes) -> None:
    """Neck, arms, hands, legs, ears."""
    random = np.random.default_rng([person.seed, 22])
    neck = _skin(person, atlas.NECK, random)
    neck.darken(band(neck.v, -1, 0.5, 0.5), 0.34)
    neck.darken(bump(np.abs(neck.u - 0.5), 0.10, 0.03) * band(neck.v, 0.3, 1, 0.2), 0.12)
    if person.hair is not Hair.bald:
        nape = band(around(neck.u, 0.0), -1, 0.17, 0.06) * band(neck.v, -1, 0.32, 0.1)
        neck.paint(0.8 * nape, tone(person.hair_colour, 0.7))
    neck.finish(picture)
    arm = _skin(person, atlas.BARE_ARM, random)
    arm.darken(bump(around(arm.u, 0.25), 0, 0.12) * band(arm.v, -1, 0.7, 0.4), 0.22)
    arm.darken(band(arm.v, -1, 0.3, 0.25), 0.28)
    arm.finish(picture)
    leg = _skin(person, atlas.BARE_LEG, random)
    leg.darken(bump(around(leg.u, 0.25), 0, 0.12), 0.18)
    leg.darken(band(leg.v, -1, 0.30, 0.16), 0.35)
    leg.darken(bump(around(leg.u, 0.5), 0.06, 0.02) * bump(leg.v, 0.30, 0.05), 0.12)
    sock = 0.88 - 0.12 * (person.seed % 3)
    if person.seed % 4:
        leg.paint(band(leg.v, sock, 2, 0.015) + 0 * leg.u, (226, 226, 222) if person.seed % 3 else (40, 40, 44))
    leg.finish(picture)
    hand = _skin(person, atlas.HAND, random)
    hand.darken(np.clip(np.sin(hand.u * 2 * np.pi * 8), 0, 1) ** 2 * band(hand.v, 0.55, 1, 0.15), 0.28)
    hand.darken(bump(around(hand.u, 0.25), 0, 0.15) + 0 * hand.v, 0.14)
    hand.finish(picture)
    _skin(person, atlas.SKIN, random).finish(picture)


def _skin(person: Appearance, region: Region, random: np.random.Generator) -> Canvas:
    canvas = Canvas(region, tone(person.skin, 0.97))
    canvas.noise(random, 0.2, 0.1, 0.03)
    return canvas


def paint_hair(person: Appearance, picture: Bytes) -> None:
    """Hair in strands."""
    random = np.random.default_rng([person.seed, 23])
    canvas = Canvas(atlas.HAIR, person.hair_colour)
    canvas.noise(random, 0.03, 0.5, 0.13)
    canvas.noise(random, 0.012, 0.2, 0.07)
    canvas.noise(random, 0.2, 0.2, 0.05)
    canvas.darken(bump(canvas.v, 0.42, 0.12) + 0 * canvas.u, -0.14)
    canvas.darken(band(canvas.v, 0.86, 2, 0.25) + 0 * canvas.u, 0.28)
    if person.hair in (Hair.bob, Hair.long):
        parting = 0.5 + (0.05 if person.left else -0.05)
        canvas.darken(bump(around(canvas.u, parting), 0, 0.014) * band(canvas.v, -1, 0.5, 0.1), 0.35)
    canvas.finish(picture)
