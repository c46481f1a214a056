"""What people look like close to: one picture per person, painted once."""

from __future__ import annotations

import numpy as np

from app.simulation import atlas
from app.simulation.canvas import Bytes, Canvas, around, band, bump, tone
from app.simulation.faces import paint_hair, paint_head, paint_skin
from app.simulation.garments import paint_bottom, paint_top
from app.simulation.outfit import Outfit
from app.simulation.wardrobe import Appearance, Hat


def textures(outfit: Outfit) -> Bytes:
    """Everybody's texture, (people, h, w, 3) sRGB."""
    pictures = np.full((len(outfit.people), *atlas.SIZE, 3), 128, np.uint8)
    for number, person in enumerate(outfit.people):
        hem, leg_hem, tail_hem = (float(each[number, 0]) for each in (outfit.hem, outfit.leg_hem, outfit.tail_hem))
        picture = pictures[number]
        paint_bottom(person, hem, leg_hem, tail_hem, picture)
        paint_top(person, hem, tail_hem, picture)
        paint_head(person, picture)
        paint_skin(person, picture)
        paint_hair(person, picture)
        _hat(person, picture)
        _shoe(person, picture)
        _things(person, picture)
    return pictures


def _hat(person: Appearance, picture: Bytes) -> None:
    random = np.random.default_rng([person.seed, 31])
    colour = person.shirt if person.hat is Hat.hood else person.accent
    hat = Canvas(atlas.HAT, colour)
    hat.noise(random, 0.03, 0.03, 0.03)
    hat.noise(random, 0.15, 0.2, 0.06)
    if person.hat is Hat.beanie:
        hat.darken(np.clip(np.sin(hat.u * 2 * np.pi * 26), 0, 1) + 0 * hat.v, 0.18)
        hat.darken(bump(hat.v, 0.72, 0.015) + 0 * hat.u, 0.3)
    elif person.hat is Hat.cap:
        hat.darken(np.clip(1 - np.abs(np.sin(hat.u * 2 * np.pi * 3)) * 14, 0, 1) + 0 * hat.v, 0.25)
        hat.paint(
            band(around(hat.u, 0.5), -1, 0.07, 0.02) * band(hat.v, 0.6, 0.85, 0.03),
            tone(colour, 0.6, (250, 250, 250), 0.4),
        )
    elif person.hat is Hat.hat:
        hat.paint(band(hat.v, 0.8, 0.97, 0.02) + 0 * hat.u, tone(colour, 0.5))
    hat.darken(band(hat.v, 0.93, 2, 0.1) + 0 * hat.u, 0.25)
    hat.finish(picture)
    brim = Canvas(atlas.BRIM, tone(colour, 0.85))
    brim.noise(random, 0.1, 0.3, 0.04)
    brim.finish(picture)


def _shoe(person: Appearance, picture: Bytes) -> None:
    random = np.random.default_rng([person.seed, 32])
    shoe = Canvas(atlas.SHOE, person.shoes)
    shoe.noise(random, 0.1, 0.1, 0.05)
    sole, top = around(shoe.u, 0.0), around(shoe.u, 0.5)
    sporty = person.seed % 3 != 0
    shoe.paint(band(sole, -1, 0.17, 0.012) + 0 * shoe.v, (214, 212, 206) if sporty else tone(person.shoes, 0.5))
    shoe.darken(bump(sole, 0.175, 0.01) + 0 * shoe.v, 0.3)
    shoe.darken(band(sole, -1, 0.11, 0.02) + 0 * shoe.v, 0.45)
    if sporty:
        laces = band((shoe.v * 30) % 1.0, 0, 0.5, 0.2) * band(top, -1, 0.10, 0.02) * band(shoe.v, 0.42, 0.62, 0.03)
        shoe.paint(0.85 * laces, (230, 228, 224))
        stripe = band(np.abs(shoe.v - 0.5 - 1.2 * (top - 0.22)), -1, 0.03, 0.02) * band(top, 0.14, 0.30, 0.02)
        shoe.paint(0.7 * stripe, person.accent)
    shoe.darken(band(shoe.v, -1, 0.36, 0.1) * band(top, -1, 0.2, 0.1), 0.45)
    shoe.finish(picture)


def _things(person: Appearance, picture: Bytes) -> None:
    """Bag, umbrella, push-chair, and what is dark metal."""
    random = np.random.default_rng([person.seed, 33])
    bag = Canvas(atlas.BAG, person.bag_colour)
    bag.noise(random, 0.02, 0.03, 0.03)
    bag.noise(random, 0.2, 0.2, 0.06)
    # Backs of bags lie at both ends of the region; around, the corners are worn darker.
    for place in (0.0, 0.5):
        away = around(bag.u, place)
        frame = band(away, -1, 0.10, 0.008) * band(bag.v, 0.55, 0.83, 0.015)
        bag.darken(frame - band(away, -1, 0.092, 0.008) * band(bag.v, 0.57, 0.81, 0.015), 0.35)
        bag.darken(bump(bag.v, 0.36, 0.012) * band(away, -1, 0.12, 0.01), 0.45)
        bag.paint(0.8 * band(away, -1, 0.028, 0.006) * band(bag.v, 0.44, 0.5, 0.01), tone(person.accent, 0.9))
    bag.darken(bump(around(bag.u, 0.25), 0, 0.06) + bump(around(bag.u, 0.75), 0, 0.06) + 0 * bag.v, 0.15)
    bag.darken(band(bag.v, 0.86, 2, 0.1) + 0 * bag.u, 0.25)
    bag.finish(picture)
    umbrella = Canvas(atlas.UMBRELLA, person.accent if person.seed % 2 else person.bag_colour)
    rib = np.abs(((umbrella.u * 8) % 1.0) - 0.5)
    umbrella.darken(bump(rib, 0.5, 0.03) + 0 * umbrella.v, 0.3)
    umbrella.darken(bump(rib, 0.0, 0.2) + 0 * umbrella.v, 0.10)
    if person.seed % 3 == 0:
        umbrella.paint(band(umbrella.v, 0.72, 0.84, 0.02) + 0 * umbrella.u, (224, 222, 216))
    umbrella.finish(picture)
    chair = Canvas(atlas.PUSH_CHAIR, tone(person.bag_colour, 0.9))
    chair.noise(random, 0.15, 0.15, 0.07)
    chair.paint(band(chair.v, 0.47, 0.53, 0.01) + 0 * chair.u, tone(person.accent, 0.8))
    chair.darken(bump(chair.v, 0.25, 0.015) + bump(chair.v, 0.75, 0.015) + 0 * chair.u, 0.3)
    chair.finish(picture)
    dark = Canvas(atlas.DARK, (44, 44, 47))
    dark.noise(random, 0.2, 0.2, 0.08)
    dark.finish(picture)
