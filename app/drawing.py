"""Drawing on large light pictures: text that fits, colours that say how alike, curves that let through."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Point = tuple[int, int]
Colour = tuple[int, int, int]

FONT = cv2.FONT_HERSHEY_SIMPLEX
INK, FAINT, GREY, WHITE = (32, 32, 32), (105, 105, 105), (214, 214, 214), (255, 255, 255)
UNLIKE, MIDDLE, ALIKE = (0, 80, 213), (70, 195, 240), (105, 140, 0)
"""BGR; vermilion, yellow and green-blue stay apart for the colour-blind too."""

CHIP = 10
"""Radius of a number's disc in pixels."""

FRACTION_BITS = 4
"""Curves are drawn to a sixteenth of a pixel; whole pixels would make them wobble."""

SHORTEST, LONGEST = 384, 576
"""Heights that crops are drawn at: wide ones low, upright ones high."""

NARROWEST, WIDEST, UPRIGHT = 1 / 3, 1.5, 0.75
"""Width over height: what is beyond the first two is drawn as those; what is below the last is drawn high."""


def canvas(height: int, width: int) -> Image:
    """A white picture."""
    return np.full((height, width, 3), 255, np.uint8)


def panel_size(crop: Image) -> tuple[int, int]:
    """Width and height at which a crop is drawn."""
    aspect = min(max(crop.shape[1] / crop.shape[0], NARROWEST), WIDEST)
    height = LONGEST if aspect <= UPRIGHT else SHORTEST
    return round(height * aspect), height


def enlarge(crop: Image, size: tuple[int, int]) -> Image:
    """A crop at another width and height."""
    shrinking = crop.shape[1] > size[0] or crop.shape[0] > size[1]
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC), np.uint8)


def paste(picture: Image, panel: Image, at: Point) -> None:
    """Copies a panel into a picture, its left upper corner at a point."""
    x, y = at
    picture[y : y + panel.shape[0], x : x + panel.shape[1]] = panel


def text_width(text: str, scale: float, weight: int = 1) -> int:
    """Width of a line in pixels."""
    return int(cv2.getTextSize(_plain(text), FONT, scale, weight)[0][0])


def write(
    picture: Image, text: str, at: Point, scale: float = 0.5, ink: Colour = INK, *, room: int = 0, weight: int = 1
) -> None:
    """Prints a line with its baseline at a point; what does not fit into `room` pixels is cut with dots."""
    if room and text_width(text, scale, weight) > room:
        while text and text_width(text + "...", scale, weight) > room:
            text = text[:-1]
        text += "..."
    cv2.putText(picture, _plain(text), at, FONT, scale, ink, weight, cv2.LINE_AA)


def write_right(picture: Image, text: str, at: Point, scale: float = 0.5, ink: Colour = INK) -> None:
    """Prints a line that ends at a point."""
    write(picture, text, (at[0] - text_width(text, scale), at[1]), scale, ink)


def _plain(text: str) -> str:
    # The font has no other letters.
    return text.encode("ascii", "replace").decode()


def likeness_colour(share: float) -> Colour:
    """From unlike at 0 over the middle to alike at 1."""
    share = min(max(share, 0.0), 1.0) * 2
    low, high = (UNLIKE, MIDDLE) if share < 1 else (MIDDLE, ALIKE)
    part = share % 1 if share < 2 else 1.0
    blue, green, red = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return blue, green, red


def colour_bar(width: int, height: int) -> Image:
    """All colours from unlike to alike."""
    row = np.array([likeness_colour(x / max(width - 1, 1)) for x in range(width)], np.uint8)
    return np.repeat(row[None], height, axis=0)


def curve(picture: Image, start: Point, end: Point, colour: Colour, width: int, opacity: float) -> None:
    """Draws a level S between two points; what is under it shows through."""
    share = np.linspace(0, 1, 48)[:, None]
    first, last = np.array(start, np.float64), np.array(end, np.float64)
    reach = np.array([abs(last[0] - first[0]) / 2, 0])
    points = (
        (1 - share) ** 3 * first
        + 3 * (1 - share) ** 2 * share * (first + reach)
        + 3 * (1 - share) * share**2 * (last - reach)
        + share**3 * last
    )
    layer = picture.copy()
    fine = np.round(points * (1 << FRACTION_BITS)).astype(np.int32)
    cv2.polylines(layer, [fine], False, colour, width, cv2.LINE_AA, FRACTION_BITS)
    cv2.addWeighted(layer, opacity, picture, 1 - opacity, 0, picture)


def chip(picture: Image, number: int, centre: Point, colour: Colour) -> None:
    """A number on a disc."""
    cv2.circle(picture, centre, CHIP, WHITE, -1, cv2.LINE_AA)
    cv2.circle(picture, centre, CHIP - 1, colour, -1, cv2.LINE_AA)
    text = str(number)
    scale = 0.4
    light = colour[0] * 0.114 + colour[1] * 0.587 + colour[2] * 0.299 > 150
    (width, height), _ = cv2.getTextSize(text, FONT, scale, 1)
    at = (centre[0] - width // 2, centre[1] + height // 2)
    cv2.putText(picture, text, at, FONT, scale, INK if light else WHITE, 1, cv2.LINE_AA)
