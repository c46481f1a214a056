"""People's looks in words."""

from __future__ import annotations

from app.simulation.wardrobe import SHIRTS, TROUSERS, Appearance, Bag, Bottom, Hair, Hat, Pattern, Top

GROWN = 1.48
"""Metres below which somebody is called a child; the wardrobe has few adults below it."""

_SHIRT_NAMES = {colour: name for name, colour in SHIRTS.items()}
_TROUSER_NAMES = {colour: name for name, colour in TROUSERS.items()}
_PATTERNS = {
    Pattern.plain: "",
    Pattern.stripes: "striped",
    Pattern.check: "checked",
    Pattern.dots: "dotted",
    Pattern.chest: "printed",
    Pattern.block: "two-coloured",
}
_BOTTOMS = {
    Bottom.straight: "trousers",
    Bottom.skinny: "slim trousers",
    Bottom.wide: "wide trousers",
    Bottom.shorts: "shorts",
    Bottom.skirt: "skirt",
}
_BAGS = {Bag.backpack: "backpack", Bag.shoulder: "shoulder bag", Bag.hand: "handbag"}


def in_words(appearance: Appearance) -> str:
    """One line, such as `woman, 1.68 m, striped red hoodie, denim trousers, long hair, backpack`."""
    colour = _SHIRT_NAMES.get(appearance.shirt, "coloured")
    top = "T-shirt" if appearance.top is Top.tshirt else appearance.top.value
    below = "leggings" if appearance.top is Top.dress else _BOTTOMS[appearance.bottom]
    hair = "bald" if appearance.hair is Hair.bald else f"{appearance.hair.value} hair"
    if appearance.hair in (Hair.ponytail, Hair.bun, Hair.bob):
        hair = appearance.hair.value
    extras = {
        "" if appearance.hat is Hat.none else appearance.hat.value: True,
        _BAGS.get(appearance.bag, ""): True,
        "umbrella": appearance.umbrella,
        "push-chair": appearance.push_chair,
    }
    return ", ".join(
        [
            "child" if appearance.height < GROWN else appearance.sex.value,
            f"{appearance.height:.2f} m",
            " ".join(word for word in (_PATTERNS[appearance.pattern], colour, top) if word),
            f"{_TROUSER_NAMES.get(appearance.trousers, 'coloured')} {below}",
            hair,
            *(word for word, there in extras.items() if word and there),
        ]
    )
