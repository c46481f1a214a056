"""How clothes are painted: folds, patterns, seams, and the shadow bodies cast on themselves."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.canvas import Bytes, Canvas, Floats, around, band, bump, tone
from app.simulation.outfit import EASE, NECK_LEVEL, SLEEVE_CAP, TAIL_TOP, seat_top, short_sleeves
from app.simulation.wardrobe import Appearance, Bag, Bottom, Colour, Pattern, Top

Random = np.random.Generator

TORSO_AROUND, SLEEVE_AROUND = 1.02, 0.42
"""Metres around a torso and a sleeve, so that patterns are of one size on both."""

OPEN = (Top.jacket, Top.coat)


def paint_top(person: Appearance, hem: float, tail_hem: float, picture: Bytes) -> None:
    """Torso, sleeves, collar, and the tail of a coat or dress.

    Args:
        person: Who wears it.
        hem: Level of the torso's hem.
        tail_hem: Level of the tail's hem.
        picture: The texture, (H, W, 3).
    """
    random = np.random.default_rng([person.seed, 11])
    torso = Canvas(atlas.TORSO, person.shirt)
    level = NECK_LEVEL + (hem - NECK_LEVEL) * torso.v
    _pattern(torso, person, torso.u * TORSO_AROUND, level * person.height, level, sleeve=False)
    _cloth(torso, random, person)
    _torso_folds(torso, level, random)
    _front(torso, level, person, hem)
    _straps(torso, level, person)
    _torso_shadows(torso, level)
    torso.finish(picture)
    _sleeve(person, random, picture)
    collar = Canvas(atlas.COLLAR, _collar_colour(person))
    _cloth(collar, random, person)
    collar.darken(band(collar.v, 0.6, 1.1, 0.3), 0.25)
    collar.finish(picture)
    if person.top in (Top.coat, Top.dress):
        tail = Canvas(atlas.TAIL, person.shirt)
        level = TAIL_TOP + (tail_hem - TAIL_TOP) * tail.v
        _pattern(tail, person, tail.u * TORSO_AROUND, level * person.height, level, sleeve=False)
        _cloth(tail, random, person)
        _tail_folds(tail, random)
        if person.top is Top.coat:
            _opening(tail, person, 0.016 + 0.02 * tail.v)
        tail.finish(picture)


def paint_bottom(person: Appearance, hem: float, leg_hem: float, tail_hem: float, picture: Bytes) -> None:
    """Trousers or a skirt.

    Args:
        person: Who wears it.
        hem: Level of the top's hem, which shades what is below.
        leg_hem: Level of the trousers' hem.
        tail_hem: Level of the skirt's hem.
        picture: The texture, (H, W, 3).
    """
    random = np.random.default_rng([person.seed, 12])
    seat = Canvas(atlas.PELVIS, person.trousers)
    top = float(seat_top(np.array(hem)))
    level = top + (0.455 - top) * seat.v
    seat.noise(random, 0.1, 0.12, 0.05)
    seat.darken(band(level, 0.4, 0.47, 0.03), 0.45)
    seat.paint(band(level, 0.578, 0.596, 0.004), tone(person.shoes, 0.6))
    _under_hem(seat, level, hem)
    seat.darken(bump(around(seat.u, 0.0), 0.0, 0.012) * band(level, 0.4, 0.57, 0.01), 0.3)
    seat.finish(picture)
    _trouser_leg(person, hem, leg_hem, tail_hem, random, picture)
    if person.bottom is Bottom.skirt and person.top not in (Top.coat, Top.dress):
        skirt = Canvas(atlas.TAIL, person.trousers)
        skirt.noise(random, 0.02, 0.02, 0.02)
        _tail_folds(skirt, random)
        _under_hem(skirt, TAIL_TOP + (tail_hem - TAIL_TOP) * skirt.v, hem)
        skirt.finish(picture)


def _collar_colour(person: Appearance) -> Colour:
    if person.top in (Top.tshirt, Top.sweater, Top.dress):
        return tone(person.shirt, 0.88)
    return tone(person.shirt, 1.06 if person.top is Top.shirt else 0.92)


def _cloth(canvas: Canvas, random: Random, person: Appearance) -> None:
    """The grain of the fabric: knitted ones are coarser."""
    knitted = person.top in (Top.sweater, Top.hoodie)
    canvas.noise(random, 0.012, 0.012, 0.035 if knitted else 0.022)
    canvas.noise(random, 0.3, 0.25, 0.035)


def _pattern(canvas: Canvas, person: Appearance, x: Floats, y: Floats, level: Floats, sleeve: bool) -> None:
    """Woven or printed patterns; x and y in metres along the cloth."""
    kind, variant = person.pattern, person.seed % 4
    # What is woven in is seldom far from the colour of the cloth.
    accent = tone(person.shirt, 1.0, person.accent, 0.5)
    full = np.zeros_like(canvas.shade)
    if kind is Pattern.stripes:
        period, part = (0.11, 0.07, 0.16, 0.09)[variant], (0.5, 0.4, 0.35, 0.5)[variant]
        canvas.paint(band((y / period) % 1.0, 0.0, part, 0.12) + full, accent)
    elif kind is Pattern.check:
        period = (0.09, 0.12, 0.07, 0.1)[variant]
        across, down = band((x / period) % 1.0, 0.0, 0.45, 0.08), band((y / period) % 1.0, 0.0, 0.45, 0.08)
        canvas.paint(0.35 * (across + down), accent)
    elif kind is Pattern.dots:
        period = (0.07, 0.09, 0.06, 0.1)[variant]
        odd = np.floor(y / period) % 2
        across, down = (x / period + 0.5 * odd) % 1.0 - 0.5, (y / period) % 1.0 - 0.5
        canvas.paint(band(np.hypot(across, down), -1.0, 0.26, 0.12), accent)
    elif kind is Pattern.block:
        _block(canvas, level, accent, variant, sleeve)
    elif kind is Pattern.chest and not sleeve:
        _print(canvas, level, person)


def _block(canvas: Canvas, level: Floats, accent: Colour, variant: int, sleeve: bool) -> None:
    """A part of the garment in another colour: yoke, sleeves, a band over the chest, or the lower half."""
    full = np.zeros_like(canvas.shade)
    if variant == 0 and not sleeve:
        canvas.paint(band(level, 0.735, 1.0, 0.004) + full, accent)
    elif variant == 1 and sleeve:
        canvas.paint(full + 1.0, accent)
    elif variant == 2:
        canvas.paint(band(level, 0.68, 0.735, 0.004) + full, accent)
    elif variant == 3 and not sleeve:
        canvas.paint(band(level, 0.0, 0.64, 0.004) + full, accent)


def _print(canvas: Canvas, level: Floats, person: Appearance) -> None:
    """A print on the chest: a disc, a panel, or lines of what could be letters."""
    random = np.random.default_rng([person.seed, 13])
    x = (canvas.u - 0.5) * TORSO_AROUND
    y = (level - 0.725) * person.height
    kind = person.seed % 3
    if kind == 0:
        ring = np.hypot(x, y)
        canvas.paint(band(ring, -1, 0.10, 0.008), person.accent)
        canvas.paint(band(ring, -1, 0.055, 0.008), person.shirt)
    elif kind == 1:
        canvas.paint(band(x, -0.12, 0.12, 0.006) * band(y, -0.13, 0.08, 0.006), person.accent)
        blotches = canvas.clouds(random, 0.06, 0.08)
        inside = band(x, -0.10, 0.10, 0.006) * band(y, -0.11, 0.06, 0.006)
        canvas.paint(inside * band(blotches, 0.3, 9, 0.2), tone(person.shirt, 0.8, (200, 90, 60), 0.3))
    else:
        letters = random.random(12) > 0.3
        column = np.clip(((x + 0.14) / 0.28 * 12).astype(int), 0, 11)
        solid = letters[column] * band((x / 0.0233) % 1.0, 0.0, 0.75, 0.1) * band(x, -0.14, 0.14, 0.004)
        canvas.paint((solid * band(y, -0.02, 0.045, 0.004)).astype(np.float32), person.accent)


def _torso_folds(canvas: Canvas, level: Floats, random: Random) -> None:
    """Cloth that hangs falls in long folds, it is pushed up at the waist, and pulled from the armpits."""
    hanging = canvas.clouds(random, 0.07, 0.5) * band(level, 0.3, 0.74, 0.12)
    pushed = canvas.clouds(random, 0.16, 0.055) * bump(level, 0.575, 0.05)
    pulled = np.zeros_like(canvas.shade)
    for side, sign in ((0.25, 1), (0.75, -1)):
        for face in (1, -1):
            slope = (canvas.u - side) * sign * face * 1.6 + (level - 0.77) * 5.2
            pulled += np.sin(slope * 26 + side) * bump(around(canvas.u, side), 0.09, 0.05) * bump(level, 0.745, 0.04)
    canvas.shade *= 1 + np.float32(0.075) * hanging + np.float32(0.075) * pushed + np.float32(0.06) * pulled


def _tail_folds(canvas: Canvas, random: Random) -> None:
    folds = canvas.clouds(random, 0.055, 0.9)
    canvas.shade *= 1 + np.float32(0.12) * folds * np.clip(canvas.v * 1.6, 0.15, 1)
    canvas.noise(random, 0.2, 0.3, 0.03)
    canvas.darken(band(canvas.v, 0.965, 1.1, 0.02), 0.22)
    canvas.darken(bump(around(canvas.u, 0.25), 0, 0.04) + bump(around(canvas.u, 0.75), 0, 0.04), 0.12)


def _torso_shadows(canvas: Canvas, level: Floats) -> None:
    sides = bump(around(canvas.u, 0.25), 0, 0.055) + bump(around(canvas.u, 0.75), 0, 0.055)
    canvas.darken(sides * band(level, 0.52, 0.80, 0.10), 0.36)
    canvas.darken(band(level, 0.838, 1.0, 0.02), 0.28)
    canvas.darken(band(level, 0.3, 0.56, 0.16), 0.08)
    canvas.darken(band(canvas.v, 0.975, 1.1, 0.015), 0.28)
    # The chest catches light, the hollow of the back does not.
    canvas.darken(bump(around(canvas.u, 0.5), 0, 0.12) * bump(level, 0.755, 0.03), -0.06)
    canvas.darken(bump(around(canvas.u, 0.0), 0, 0.03) * bump(level, 0.66, 0.07), 0.10)


def _front(canvas: Canvas, level: Floats, person: Appearance, hem: float) -> None:
    """Neckline, buttons, zip, pockets, ribs."""
    top, middle = person.top, around(canvas.u, 0.5)
    if top in (Top.tshirt, Top.dress):
        depth = 0.016 + 0.008 * (person.seed % 3)
        canvas.paint(band(level - (NECK_LEVEL - depth) - 6.0 * middle**2, 0, 1, 0.004), person.skin)
    if top in (Top.sweater, Top.hoodie, Top.jacket):
        ribs = 0.5 + 0.5 * np.sign(np.sin(canvas.u * 520))
        canvas.darken(band(level, hem, hem + 0.022, 0.004) * (0.5 + 0.5 * ribs), 0.22)
    if top is Top.hoodie:
        pocket = band(middle, -1, 0.12, 0.004) * band(level, 0.525, 0.60, 0.004)
        inside = band(middle, -1, 0.113, 0.004) * band(level, 0.528, 0.596, 0.004)
        canvas.darken(pocket - inside, 0.35)
        strings = bump(middle, 0.022, 0.0028) * band(level, 0.755, 0.83, 0.004)
        canvas.paint(0.9 * strings, (228, 226, 220))
    if top is Top.shirt:
        canvas.darken(band(middle, 0.012, 0.0165, 0.003), 0.22)
        buttons = band(
            np.hypot(middle * TORSO_AROUND, ((level * person.height / 0.085) % 1 - 0.5) * 0.085), -1, 0.008, 0.004
        )
        canvas.paint(0.7 * buttons, tone(person.shirt, 0.5, (240, 240, 240), 0.4))
        left = around(canvas.u, 0.61)
        frame = band(left, -1, 0.042, 0.003) * band(level, 0.705, 0.765, 0.003)
        canvas.darken(frame - band(left, -1, 0.037, 0.003) * band(level, 0.708, 0.761, 0.003), 0.2)
    if top in OPEN:
        _opening(canvas, person, np.clip((0.845 - level) * 0.065, 0, 0.02))
        for side in (0.36, 0.64):
            line = band(around(canvas.u, side), -1, 0.004, 0.004) * band(level, 0.555, 0.615, 0.004)
            canvas.darken(line, 0.45)


def _opening(canvas: Canvas, person: Appearance, width: Floats) -> None:
    """The front of a jacket or coat: closed by a zip, or open over a shirt."""
    middle = around(canvas.u, 0.5)
    if person.seed % 5 < 3:
        gap = 0.04 + 1.8 * width
        canvas.paint(np.clip((gap - middle) / 0.004 + 0.5, 0, 1), tone(person.accent, 0.9))
        canvas.darken(bump(middle - gap, 0.0, 0.008), 0.35)
    else:
        canvas.darken(bump(middle, 0.0, 0.004) + 0 * canvas.shade, 0.5)
        canvas.darken(bump(middle, 0.018, 0.005) + 0 * canvas.shade, 0.10)


def _straps(canvas: Canvas, level: Floats, person: Appearance) -> None:
    """What holds a bag lies flat on the torso."""
    straps = np.zeros_like(canvas.shade)
    if person.bag is Bag.backpack:
        away = 0.088 + 0.30 * np.clip(0.735 - level, 0, 1)
        straps = band(np.abs(around(canvas.u, 0.5) - away), -1, 0.021, 0.006) * band(level, 0.65, 0.86, 0.01)
        straps = np.maximum(
            straps, band(np.abs(around(canvas.u, 0.0) - 0.09), -1, 0.021, 0.006) * band(level, 0.79, 1, 0.01)
        )
    elif person.bag is Bag.shoulder:
        # From the other shoulder to the hip the bag hangs on, before the chest and behind the back alike.
        side = 1.0 if person.left else -1.0
        across = -np.sin(2 * np.pi * canvas.u) * side
        height = 0.69 - 0.165 * across
        straps = band(np.abs(level - height), -1, 0.0125, 0.004)
    canvas.paint(straps, tone(person.bag_colour, 0.8))
    canvas.darken(np.clip(straps * (1 - straps) * 4, 0, 1), 0.3)


def _sleeve(person: Appearance, random: Random, picture: Bytes) -> None:
    short = short_sleeves(person)
    canvas = Canvas(atlas.SLEEVE, person.shirt)
    level = np.interp(canvas.v, [0.0, 0.13, 1.0], [SLEEVE_CAP[0], SLEEVE_CAP[-1], 0.69 if short else 0.488]).astype(
        np.float32
    )
    _pattern(canvas, person, canvas.u * SLEEVE_AROUND, level * person.height, level, sleeve=True)
    _cloth(canvas, random, person)
    loose = min(EASE[person.top] / 0.02, 1.3)
    elbow = canvas.clouds(random, 0.35, 0.045) * (bump(level, 0.637, 0.045) + 0.5 * bump(level, 0.52, 0.03))
    hanging = canvas.clouds(random, 0.2, 0.12)
    canvas.shade *= 1 + np.float32(0.08 * loose) * elbow + np.float32(0.05) * hanging
    canvas.darken(bump(around(canvas.u, 0.25), 0, 0.13) * band(level, 0.4, 0.80, 0.08), 0.32)
    canvas.darken(band(canvas.v, 0.965, 1.1, 0.015), 0.25)
    canvas.darken(bump(around(canvas.u, 0.75), 0, 0.012) * band(level, 0.80, 0.83, 0.004), 0.15)
    if not short and person.top in (Top.sweater, Top.hoodie, Top.jacket):
        canvas.darken(band(level, 0.488, 0.512, 0.004), 0.16)
    canvas.finish(picture)


def _trouser_leg(
    person: Appearance, hem: float, leg_hem: float, tail_hem: float, random: Random, picture: Bytes
) -> None:
    canvas = Canvas(atlas.TROUSER_LEG, person.trousers)
    level = 0.525 + (leg_hem - 0.525) * canvas.v
    denim = person.trousers[2] > person.trousers[0] + 15
    canvas.noise(random, 0.012, 0.012, 0.04 if denim else 0.02)
    canvas.noise(random, 0.3, 0.2, 0.03)
    front, back = around(canvas.u, 0.5), around(canvas.u, 0.0)
    if denim and person.seed % 2:
        worn = bump(front, 0, 0.09) * (bump(level, 0.41, 0.05) + 0.7 * bump(level, 0.30, 0.03))
        canvas.paint(0.45 * worn, tone(person.trousers, 1.7))
    knee = canvas.clouds(random, 0.3, 0.03) * (bump(level, 0.295, 0.04) + 0.8 * bump(level, 0.06, 0.035))
    groin = canvas.clouds(random, 0.25, 0.035) * bump(level, 0.48, 0.03)
    long = canvas.clouds(random, 0.1, 0.4)
    loose = 0.6 if person.bottom is Bottom.skinny else 1.0
    canvas.shade *= 1 + np.float32(loose) * (0.09 * knee + 0.08 * groin + 0.05 * long)
    if person.seed % 4 == 1 and not denim:
        canvas.darken(bump(front, 0.0, 0.012) * band(level, 0.03, 0.45, 0.05), -0.12)
    canvas.darken(bump(around(canvas.u, 0.75), 0, 0.006) * band(level, 0.0, 0.5, 0.02), 0.25)
    inner = bump(around(canvas.u, 0.25), 0, 0.12)
    canvas.darken(inner * np.interp(level, [0.05, 0.30, 0.47], [0.12, 0.22, 0.5]).astype(np.float32), 1.0)
    canvas.darken(bump(back, 0, 0.1) * bump(level, 0.285, 0.02), 0.18)
    canvas.darken(bump(back, 0, 0.15) * bump(level, 0.462, 0.008), 0.25)
    canvas.darken(band(canvas.v, 0.975, 1.1, 0.012), 0.22)
    skirted = person.bottom is Bottom.skirt or person.top in (Top.coat, Top.dress)
    _under_hem(canvas, level, tail_hem if skirted else hem)
    canvas.finish(picture)


def _under_hem(canvas: Canvas, level: Floats, hem: float) -> None:
    """The shadow below the hem of what hangs over it."""
    canvas.darken(np.clip(1 - (hem - level) / 0.035, 0, 1).astype(np.float32) + 0 * canvas.shade, 0.42)
