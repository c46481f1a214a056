"""Who the people are and what they wear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from app.errors import InputError

Colour = tuple[int, int, int]
Choice = TypeVar("Choice")

SHIRTS: dict[str, Colour] = {
    "black": (37, 37, 40),
    "charcoal": (52, 54, 58),
    "navy": (42, 47, 63),
    "dark grey": (70, 72, 76),
    "grey": (90, 92, 96),
    "olive": (63, 63, 53),
    "brown": (67, 58, 51),
    "off-white": (146, 144, 138),
}
"""All colours of what is worn above the waist, sRGB."""
SHIRT_SHARES = (0.27, 0.16, 0.17, 0.12, 0.1, 0.07, 0.06, 0.05)

TROUSERS: dict[str, Colour] = {
    "black": (36, 36, 39),
    "charcoal": (50, 51, 55),
    "dark denim": (46, 52, 67),
    "denim": (62, 71, 89),
    "khaki": (94, 87, 75),
}
"""All colours of what is worn below the waist, sRGB."""
TROUSER_SHARES = (0.32, 0.2, 0.24, 0.15, 0.09)
"""How common colours are: most people in a street wear dark ones that are close to each other."""

SKINS: tuple[Colour, ...] = (
    (236, 196, 170),
    (222, 174, 142),
    (198, 146, 112),
    (158, 108, 78),
    (112, 74, 54),
    (78, 52, 40),
)
SKIN_SHARES = (0.28, 0.34, 0.2, 0.09, 0.05, 0.04)
HAIRS: tuple[Colour, ...] = (
    (30, 26, 24),
    (52, 38, 29),
    (134, 131, 126),
    (74, 54, 40),
    (112, 86, 60),
    (160, 134, 98),
    (98, 60, 42),
)
"""Colours of hair; the first three go with any skin."""
GREY = HAIRS[2]
HAIR_SHARES = (0.45, 0.31, 0.06, 0.12, 0.03, 0.01, 0.02)
"""How common they are; among the first three, too, where only those come into question."""
SHOES: dict[Colour, float] = {
    (34, 33, 34): 0.52,
    (70, 52, 40): 0.16,
    (58, 60, 64): 0.14,
    (46, 50, 64): 0.08,
    (196, 195, 191): 0.1,
}
BAGS: dict[Colour, float] = {
    (36, 36, 39): 0.56,
    (74, 56, 43): 0.18,
    (46, 50, 64): 0.12,
    (66, 67, 58): 0.08,
    (92, 92, 92): 0.06,
}
"""Colours of shoes and bags, and how common they are."""
ACCENTS: tuple[Colour, ...] = (
    (150, 148, 142),
    (38, 38, 42),
    (108, 109, 112),
    (62, 70, 92),
    (84, 58, 56),
    (76, 77, 66),
)

SHARING = 0.25
"""Share of the people whose shirt and trousers both have the colours of another's."""


class Sex(StrEnum):
    """Whose proportions a body has."""

    woman = "woman"
    man = "man"


class Hair(StrEnum):
    """How hair is worn."""

    bald = "bald"
    short = "short"
    bob = "bob"
    long = "long"
    ponytail = "ponytail"
    bun = "bun"


class Hat(StrEnum):
    """What is worn on the head."""

    none = "none"
    cap = "cap"
    beanie = "beanie"
    hat = "hat"
    hood = "hood"


class Top(StrEnum):
    """What is worn above the waist, outermost."""

    tshirt = "tshirt"
    shirt = "shirt"
    sweater = "sweater"
    hoodie = "hoodie"
    jacket = "jacket"
    coat = "coat"
    dress = "dress"


class Bottom(StrEnum):
    """What is worn below the waist; under a dress they are leggings."""

    straight = "straight"
    skinny = "skinny"
    wide = "wide"
    shorts = "shorts"
    skirt = "skirt"


class Pattern(StrEnum):
    """What is woven into or printed on the top."""

    plain = "plain"
    stripes = "stripes"
    check = "check"
    dots = "dots"
    chest = "chest"
    block = "block"


class Bag(StrEnum):
    """What is carried."""

    none = "none"
    backpack = "backpack"
    shoulder = "shoulder"
    hand = "hand"


class Hands(StrEnum):
    """What hands do that have nothing to carry."""

    free = "free"
    pockets = "pockets"
    phone = "phone"


BAG_SHARES = {Bag.none: 0.5, Bag.backpack: 0.26, Bag.shoulder: 0.13, Bag.hand: 0.11}
"""How often bags of each kind are carried."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """One person's looks. Colours are sRGB, 0 to 255.

    Attributes:
        height: Metres, hair and shoes not counted.
        build: Girth: 0.84 slim to 1.3 heavy, 1 the mean.
        sex: Whose proportions the body has.
        skin: Its colour.
        hair: How it is worn.
        hair_colour: Its colour.
        hat: What is on the head.
        top: What is worn above the waist.
        bottom: What is worn below it.
        shirt: Colour of the top, one of `SHIRTS`.
        trousers: Colour of the bottom, one of `TROUSERS`.
        accent: Colour of the pattern, the hat and the shirt under an open jacket.
        pattern: Of the top.
        shoes: Their colour.
        bag: What is carried.
        bag_colour: Its colour.
        hands: What they do when they carry nothing.
        left: Whether bag, umbrella and phone are on the left side.
        umbrella: Whether an open one is held.
        push_chair: Whether one is pushed.
        slump: How far the upper back leans forward, radians, −0.03 to 0.12.
        toe_out: How far the feet turn outwards, radians.
        swing: Of the arms, over the mean.
        radius: Of the ground they need, metres.
        pace: The speed they like, metres a second.
        seed: Of the noise in their textures.
    """

    height: float
    build: float
    sex: Sex
    skin: Colour
    hair: Hair
    hair_colour: Colour
    hat: Hat
    top: Top
    bottom: Bottom
    shirt: Colour
    trousers: Colour
    accent: Colour
    pattern: Pattern
    shoes: Colour
    bag: Bag
    bag_colour: Colour
    hands: Hands
    left: bool
    umbrella: bool
    push_chair: bool
    slump: float
    toe_out: float
    swing: float
    radius: float
    pace: float
    seed: int


def wardrobe(people: int, seed: int) -> tuple[Appearance, ...]:
    """Dresses a crowd.

    Of up to 45 people one in four shares both colours of clothes with another, and nobody else does. More people than
    that have to share more: there are 40 pairs of colours, and they are then worn equally often.

    Args:
        people: How many, 0 or more.
        seed: 0 or more; the same seed dresses alike.

    Returns:
        Their looks; the number of a person is the place in the tuple.

    Raises:
        InputError: If either is negative.
    """
    if people < 0:
        raise InputError(f"people is {people}: expected 0 or more; give another")
    if seed < 0:
        raise InputError(f"seed is {seed}: expected a whole number from 0; give another")
    colours = _colours(people, np.random.default_rng([seed, 1]))
    return tuple(
        _dress(np.random.default_rng([seed, 2, number]), *colours[number], seed=seed * 100_003 + number)
        for number in range(people)
    )


def _colours(people: int, random: np.random.Generator) -> list[tuple[Colour, Colour]]:
    """Colours of top and bottom for each person."""
    pairs = [(shirt, trousers) for shirt in SHIRTS.values() for trousers in TROUSERS.values()]
    shares = np.outer(SHIRT_SHARES, TROUSER_SHARES).ravel()
    # Common pairs come early, so that they are worn rather than rare ones, and by two before rare ones are.
    order = random.choice(len(pairs), len(pairs), replace=False, p=shares / shares.sum())
    twins = 2 * round(people * SHARING / 2)
    if people - twins // 2 <= len(pairs):
        worn = np.concatenate([np.repeat(order[: twins // 2], 2), order[twins // 2 : people - twins // 2]])
    else:
        worn = np.resize(order, people)
    return [pairs[index] for index in random.permutation(worn)]


def _pick(random: np.random.Generator, shares: Mapping[Choice, float]) -> Choice:
    """One of the keys, each as likely as its share says."""
    edges = np.cumsum(list(shares.values()))
    return list(shares)[min(int(np.searchsorted(edges, random.random() * edges[-1], "right")), len(shares) - 1)]


def _any(random: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    return colours[int(random.integers(len(colours)))]


def _dress(random: np.random.Generator, shirt: Colour, trousers: Colour, seed: int) -> Appearance:
    """Everything but the colours of the clothes, which are shared out over all people."""
    sex = _pick(random, {Sex.woman: 0.5, Sex.man: 0.5})
    woman, child = sex is Sex.woman, random.random() < 0.07
    mean, spread = (1.32, 0.1) if child else (1.655, 0.06) if woman else (1.785, 0.065)
    height = float(np.clip(random.normal(mean, spread), 1.12, 1.98))
    top = _top(random, woman, child)
    bottom = _bottom(random, woman, top)
    hair, hat = _head(random, woman, child, top)
    pattern = _pattern(random, top)
    bag = Bag.none if child and random.random() < 0.7 else _pick(random, BAG_SHARES)
    umbrella = not child and bag is not Bag.hand and random.random() < 0.04
    push_chair = not child and not umbrella and bag is not Bag.hand and random.random() < 0.05
    build = float(np.clip(random.normal(1.0, 0.09), 0.84, 1.3))
    hands = _pick(random, {Hands.free: 0.72, Hands.pockets: 0.16, Hands.phone: 0.12})
    skin = _pick(random, dict(zip(SKINS, SKIN_SHARES, strict=True)))
    hairs = dict(zip(HAIRS, HAIR_SHARES if skin in SKINS[:2] else HAIR_SHARES[:3], strict=False))
    if child:
        hairs[GREY] = 0.0
    return Appearance(
        height=height,
        build=build,
        sex=sex,
        skin=skin,
        hair=hair,
        hair_colour=_pick(random, hairs),
        hat=hat,
        top=top,
        bottom=bottom,
        shirt=shirt,
        trousers=trousers,
        accent=_any(random, [colour for colour in ACCENTS if _differ(colour, shirt)]),
        pattern=pattern,
        shoes=_pick(random, SHOES),
        bag=bag,
        bag_colour=_pick(random, BAGS),
        hands=Hands.free if push_chair else hands,
        left=bool(random.random() < 0.5),
        umbrella=umbrella,
        push_chair=push_chair,
        slump=float(random.uniform(-0.03, 0.12)),
        toe_out=float(random.uniform(0.02, 0.2)),
        swing=float(random.uniform(0.6, 1.4)),
        radius=0.55 if push_chair else float(np.clip(0.22 + 0.12 * (build - 0.84), 0.22, 0.3)),
        pace=float(np.clip(random.normal(1.3, 0.16) * (0.85 if push_chair or child else 1.0), 0.9, 1.6)),
        seed=seed,
    )


def _differ(one: Colour, other: Colour) -> bool:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 60


def _top(random: np.random.Generator, woman: bool, child: bool) -> Top:
    shares = {Top.tshirt: 0.15, Top.shirt: 0.1, Top.sweater: 0.18, Top.hoodie: 0.17, Top.jacket: 0.29, Top.coat: 0.11}
    if child:
        shares |= {Top.coat: 0.0, Top.hoodie: 0.28}
    return _pick(random, shares | ({Top.dress: 0.05} if woman else {}))


def _bottom(random: np.random.Generator, woman: bool, top: Top) -> Bottom:
    if top is Top.dress:
        return Bottom.skinny
    warm = 0.15 if top is Top.tshirt else 0.0
    shares = {Bottom.straight: 0.6, Bottom.skinny: 0.22, Bottom.wide: 0.1, Bottom.shorts: warm}
    if not woman:
        return _pick(random, shares)
    return _pick(random, shares | {Bottom.skirt: 0.0 if top is Top.coat else 0.1, Bottom.skinny: 0.36})


def _head(random: np.random.Generator, woman: bool, child: bool, top: Top) -> tuple[Hair, Hat]:
    if woman:
        hair = _pick(random, {Hair.short: 0.1, Hair.bob: 0.25, Hair.long: 0.3, Hair.ponytail: 0.2, Hair.bun: 0.15})
    else:
        hair = _pick(random, {Hair.short: 0.85, Hair.bald: 0.0 if child else 0.12, Hair.bob: 0.05})
    hood = 0.25 if top is Top.hoodie else 0.0
    hat = _pick(
        random, {Hat.none: 0.88, Hat.cap: 0.05, Hat.beanie: 0.05, Hat.hat: 0.0 if child else 0.01, Hat.hood: hood}
    )
    return hair, hat


def _pattern(random: np.random.Generator, top: Top) -> Pattern:
    if top in (Top.coat, Top.jacket):
        return _pick(random, {Pattern.plain: 0.9, Pattern.block: 0.1})
    shares = {Pattern.plain: 0.78, Pattern.stripes: 0.06, Pattern.check: 0.04, Pattern.block: 0.04, Pattern.dots: 0.02}
    if top in (Top.shirt, Top.dress):
        return _pick(random, shares | {Pattern.check: 0.12, Pattern.dots: 0.05})
    return _pick(random, shares | {Pattern.chest: 0.09})
