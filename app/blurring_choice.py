"""Who is to be made unrecognisable. Quick to import: the command line asks with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.errors import InputError


class Blur(StrEnum):
    """Who is made unrecognisable."""

    others = "others"
    all = "all"


@dataclass(frozen=True, slots=True)
class Blurring:
    """What a user asks for.

    Attributes:
        keep: Identities that stay clear; empty where everybody is blurred.
    """

    keep: frozenset[int] = frozenset()


def chosen_blurring(blur: Blur | None, keep: Sequence[str]) -> Blurring | None:
    """What `--blur` and `--keep` ask for; None for nobody.

    Args:
        blur: Who is blurred.
        keep: Identities, or several with commas between them.

    Raises:
        InputError: If the two do not go together, or an identity is no number.
    """
    words = [word.strip() for text in keep for word in text.split(",")]
    wrong = next((word for word in words if not (word.isascii() and word.isdigit() and len(word) < 10)), None)
    if wrong is not None:
        raise InputError(f"--keep {wrong}: an identity is a number, as in identities.json; give --keep 3 --keep 7")
    if words and blur is not Blur.others:
        raise InputError("--keep: names who stays clear where others are blurred; give --blur others with it")
    if blur is Blur.others and not words:
        raise InputError("--blur others: nobody is named who stays clear; give --keep ID, or --blur all")
    return None if blur is None else Blurring(frozenset(map(int, words)))
