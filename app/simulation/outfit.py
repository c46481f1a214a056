"""The cut of clothes: how far they stand off, and where they end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.simulation.lofts import Floats
from app.simulation.wardrobe import Appearance, Bottom, Top

Bools = npt.NDArray[np.bool_]

NECK_LEVEL = 0.852
"""Where tops begin."""

TAIL_TOP = 0.60
"""Level at which skirts, and coats' tails, begin, under the top."""

SLEEVE_CAP = (0.823, 0.820, 0.815, 0.807, 0.796, 0.780)
"""Levels of the rings with which sleeves begin on the shoulder."""

EASE = {
    Top.tshirt: 0.009,
    Top.shirt: 0.011,
    Top.sweater: 0.015,
    Top.hoodie: 0.022,
    Top.jacket: 0.024,
    Top.coat: 0.028,
    Top.dress: 0.006,
}
"""How far tops stand off the body, metres."""

HEM = {
    Top.tshirt: 0.505,
    Top.shirt: 0.495,
    Top.sweater: 0.505,
    Top.hoodie: 0.500,
    Top.jacket: 0.492,
    Top.coat: 0.52,
    Top.dress: 0.55,
}
"""Level at which tops end."""

DRAPE = {
    Top.tshirt: 0.75,
    Top.shirt: 0.7,
    Top.sweater: 0.75,
    Top.hoodie: 0.9,
    Top.jacket: 0.85,
    Top.coat: 0.75,
    Top.dress: 0.1,
}
"""How straight tops fall from the chest, 0 to 1, rather than follow the waist."""

LEG_EASE = {Bottom.straight: 0.01, Bottom.skinny: 0.003, Bottom.wide: 0.014, Bottom.shorts: 0.014, Bottom.skirt: 0.004}
"""How far trousers stand off the thigh, metres."""

LEG_HEM = {Bottom.straight: 0.026, Bottom.skinny: 0.05, Bottom.wide: 0.022, Bottom.shorts: 0.31, Bottom.skirt: 0.40}
"""Level at which trousers end."""

LEG_WIDTH = {Bottom.straight: 0.032, Bottom.skinny: 0.022, Bottom.wide: 0.047, Bottom.shorts: 0.05, Bottom.skirt: 0.05}
"""Half width of trousers at the hem, a share of the height."""


@dataclass(frozen=True, slots=True)
class Outfit:
    """The cut of all people's clothes.

    Attributes:
        people: Who wears them.
        ease: (people, 1) metres the top stands off.
        hem: (people, 1) level of its hem.
        drape: (people, 1) how straight it falls.
        sleeve: (people, 1) level of the sleeves' hem.
        leg_ease: (people, 1) metres the trousers stand off.
        leg_hem: (people, 1) level of their hem.
        leg_width: (people, 1) half width there, a share of the height.
        tail_hem: (people, 1) level at which skirt, dress or coat ends.
        flare: (people, 1) how far that stands off more at its hem, a share of the height.
        tail: (people,) whether there is any.
        bare_legs: (people,) whether shins are bare.
        bare_arms: (people,) whether forearms are.
    """

    people: tuple[Appearance, ...]
    ease: Floats
    hem: Floats
    drape: Floats
    sleeve: Floats
    leg_ease: Floats
    leg_hem: Floats
    leg_width: Floats
    tail_hem: Floats
    flare: Floats
    tail: Bools
    bare_legs: Bools
    bare_arms: Bools


def column(values: Iterable[float]) -> Floats:
    """One value per person as (people, 1)."""
    return np.array([*values], np.float64).reshape(-1, 1)


def outfit(people: Sequence[Appearance]) -> Outfit:
    """The cut of what people wear."""

    def flags(values: list[bool]) -> Bools:
        return np.array(values, bool)

    return Outfit(
        people=tuple(people),
        ease=column(EASE[each.top] for each in people),
        hem=column(HEM[each.top] + _tucked(each) for each in people),
        drape=column(DRAPE[each.top] for each in people),
        sleeve=column(_sleeve(each) for each in people),
        leg_ease=column(LEG_EASE[each.bottom] for each in people),
        leg_hem=column(LEG_HEM[each.bottom] for each in people),
        leg_width=column(LEG_WIDTH[each.bottom] for each in people),
        tail_hem=column(_tail_hem(each) for each in people),
        flare=column(_flare(each) for each in people),
        tail=flags([each.top in (Top.coat, Top.dress) or each.bottom is Bottom.skirt for each in people]),
        bare_legs=flags([each.bottom in (Bottom.shorts, Bottom.skirt) for each in people]),
        bare_arms=flags([short_sleeves(each) for each in people]),
    )


def short_sleeves(person: Appearance) -> bool:
    """Whether somebody's forearms are bare."""
    return person.top is Top.tshirt or (person.top in (Top.dress, Top.shirt) and person.seed % 3 == 0)


def seat_top(hem: Floats) -> Floats:
    """Level at which trousers begin: at the waist, or where the top has begun to hide them."""
    top: Floats = np.minimum(hem + 0.035, 0.605)
    return top


def _sleeve(person: Appearance) -> float:
    return 0.69 + 0.006 * (person.seed % 5) if short_sleeves(person) else 0.488


def _tucked(person: Appearance) -> float:
    """Tops over a skirt end at the waist, and other light ones now and then."""
    light = person.top in (Top.tshirt, Top.shirt)
    return 0.075 if person.bottom is Bottom.skirt or (light and person.seed % 4 == 0) else 0.0


def _tail_hem(person: Appearance) -> float:
    long = person.seed % 3 == 0
    if person.top is Top.coat:
        return 0.27 if long else 0.36
    return 0.17 if long else 0.31


def _flare(person: Appearance) -> float:
    if person.top is Top.coat:
        return 0.012
    return (0.008, 0.022, 0.035)[person.seed % 3]
