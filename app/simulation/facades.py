"""Pictures of whole walls: house fronts around a plaza, walls of corridors and halls."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from app.simulation.materials import clouds
from app.simulation.meshes import Bytes, Floats

SHARPNESS = 64
"""Pixels a metre, unless a wall is so large that it would have more than `MOST` along a side."""

MOST = 4096

GROUND_STOREY = 3.6
STOREY = 3.1
BAY = 3.2

FRONTS = ((188, 170, 146), (176, 120, 92), (196, 192, 182), (158, 150, 142), (206, 190, 150), (150, 96, 80))
SIGNS = ((122, 48, 46), (48, 74, 100), (52, 84, 64), (60, 58, 62), (166, 142, 86), (92, 76, 70), (206, 204, 196))


Paint = Sequence[float] | npt.NDArray[np.floating]
"""Red, green and blue, 0 to 255."""


class Canvas:
    """A wall that is painted in metres: s from its left end, z above the ground."""

    def __init__(self, length: float, height: float, colour: Sequence[int], random: np.random.Generator) -> None:
        self.length, self.height, self.random = length, height, random
        self._scale = min(SHARPNESS, MOST / max(length, height))
        shape = max(2, round(height * self._scale)), max(2, round(length * self._scale))
        self._paint: Floats = np.empty((*shape, 3), np.float32)
        self._paint[:] = colour

    def fill(self, left: float, low: float, right: float, high: float, colour: Paint) -> None:
        """Fills a rectangle."""
        self._part(left, low, right, high)[:] = colour

    def shade(self, left: float, low: float, right: float, high: float, factor: float) -> None:
        """Darkens or lightens a rectangle."""
        self._part(left, low, right, high)[:] *= factor

    def fade(self, left: float, low: float, right: float, high: float, upper: Floats, lower: Floats) -> None:
        """Fills a rectangle from one colour at its top to another at its bottom."""
        part = self._part(left, low, right, high)
        share = np.linspace(0, 1, part.shape[0], dtype=np.float32)[:, None, None]
        part[:] = upper * (1 - share) + lower * share

    def weather(self, blotches: float, grain: float) -> None:
        """Adds blotches, grain and streaks below the top, in grey levels."""
        height, width = self._paint.shape[:2]
        small = (max(2, height // 4), max(2, width // 4))
        smooth = cv2.resize(clouds(small, max(2.0, self.length / 2), self.random), (width, height))
        rain = cv2.resize(self.random.standard_normal((1, max(2, width // 6))).astype(np.float32), (width, 1))
        down = np.exp(-np.linspace(0, self.height, height, dtype=np.float32) / 1.5)[:, None]
        tint = blotches * smooth + grain * self.random.standard_normal((height, width)) + 0.8 * blotches * rain * down
        self._paint += tint[..., None].astype(np.float32)

    def picture(self) -> Bytes:
        """The wall, (h, w, 3) sRGB."""
        return np.clip(np.rint(self._paint), 0, 255).astype(np.uint8)

    def _part(self, left: float, low: float, right: float, high: float) -> Floats:
        height, width = self._paint.shape[:2]
        columns = [int(np.clip(round(each * self._scale), 0, width)) for each in (left, right)]
        rows = [int(np.clip(round(height - each * self._scale), 0, height)) for each in (high, low)]
        return self._paint[rows[0] : rows[1], columns[0] : columns[1]]


def house_front(length: float, height: float, random: np.random.Generator) -> Bytes:
    """Houses side by side: shops below, windows above."""
    canvas = Canvas(length, height, FRONTS[0], random)
    houses = max(1, round(length / 12))
    edges = np.linspace(0, length, houses + 1)
    colours = random.permutation(len(FRONTS))
    for house in range(houses):
        left, right = float(edges[house]), float(edges[house + 1])
        canvas.fill(left, 0, right, height, FRONTS[colours[house % len(FRONTS)]])
        if random.random() < 0.5:
            _courses(canvas, left, right)
    canvas.weather(5, 4)
    for left, right in pairwise(edges):
        bays = max(1, round((right - left) / BAY))
        stops = np.linspace(left, right, bays + 1)
        style = random.integers(2)
        for first, last in pairwise(stops):
            _shop(canvas, float(first), float(last))
            for low in np.arange(GROUND_STOREY, height - 1.5, STOREY):
                _window(canvas, float(first), float(last), float(low), int(style))
        canvas.fill(left, GROUND_STOREY - 0.12, right, GROUND_STOREY + 0.06, (150, 146, 138))
        canvas.shade(left, GROUND_STOREY - 0.22, right, GROUND_STOREY - 0.12, 0.6)
    canvas.fill(0, height - 0.35, length, height, (140, 136, 128))
    canvas.shade(0, height - 0.5, length, height - 0.35, 0.65)
    return canvas.picture()


def inner_wall(
    length: float, height: float, doors: Sequence[tuple[float, float]], random: np.random.Generator
) -> Bytes:
    """A painted wall with a skirting board, closed doors and notices where it has no openings.

    Args:
        length: Metres.
        height: Metres.
        doors: Start and end of the openings, metres from its left end.
        random: What differs from wall to wall.
    """
    upper = ((214, 210, 200), (202, 206, 206), (216, 206, 186))[random.integers(3)]
    lower = ((150, 160, 164), (176, 160, 140), (140, 150, 134), upper)[random.integers(4)]
    canvas = Canvas(length, height, upper, random)
    canvas.fill(0, 0, length, 1.1, lower)
    canvas.fill(0, 1.1, length, 1.16, (120, 116, 108))
    canvas.weather(3, 2.5)
    canvas.fill(0, 0, length, 0.12, (74, 72, 70))
    for place in np.arange(2.0, length - 2.0, 3.5) + random.uniform(-0.6, 0.6):
        free = all(place + 1.2 < start or place - 1.2 > end for start, end in doors)
        if free and random.random() < 0.35:
            _closed_door(canvas, float(place))
        elif free and random.random() < 0.45:
            _notices(canvas, float(place))
    return canvas.picture()


def _courses(canvas: Canvas, left: float, right: float) -> None:
    """Rows of bricks."""
    for low in np.arange(0, canvas.height, 0.15):
        canvas.shade(left, float(low), right, float(low) + 0.03, 0.85)


def _shop(canvas: Canvas, left: float, right: float) -> None:
    random = canvas.random
    frame = np.array(SIGNS[random.integers(len(SIGNS))], np.float32)
    canvas.fill(left + 0.2, 0, right - 0.2, 3.35, frame * 0.55)
    canvas.fill(left + 0.2, 2.75, right - 0.2, 3.3, frame)
    # Something like lettering.
    ink = (235.0, 232.0, 225.0) if frame.mean() < 150 else (40.0, 40.0, 44.0)
    place = left + 0.2 + random.uniform(0.3, 0.7)
    for _ in range(int(random.integers(4, 9))):
        wide = random.uniform(0.08, 0.2)
        if place + wide < right - 0.5:
            canvas.fill(place, 2.9, place + wide, 2.9 + random.uniform(0.16, 0.28), ink)
        place += wide + 0.06
    panes = int(random.integers(2, 4))
    stops = np.linspace(left + 0.3, right - 0.3, panes + 1)
    glow = random.uniform(0.5, 1.3)
    for first, last in pairwise(stops):
        _pane(canvas, float(first) + 0.03, 0.35, float(last) - 0.03, 2.65, glow)


def _pane(canvas: Canvas, left: float, low: float, right: float, high: float, glow: float) -> None:
    """Glass: dim goods on shelves behind it, the sky in its upper part."""
    random = canvas.random
    canvas.fade(left, low, right, high, np.array([88, 94, 98], np.float32), np.array([44, 42, 40], np.float32) * glow)
    for shelf in np.arange(low + 0.1, high - 0.7, 0.55):
        place = left + 0.08
        while place < right - 0.2:
            wide, tall = random.uniform(0.1, 0.4), random.uniform(0.12, 0.4)
            colour = (random.uniform(30, 100) + random.uniform(-18, 18, 3)) * glow
            canvas.fill(place, float(shelf), min(place + wide, right - 0.05), float(shelf) + tall, colour)
            place += wide + random.uniform(0.03, 0.25)
    canvas.shade(left, low, right, high, 0.8)


def _window(canvas: Canvas, left: float, right: float, low: float, style: int) -> None:
    random = canvas.random
    middle, half = (left + right) / 2, (0.55, 0.8)[style]
    sill, head = low + 0.95, low + (2.5, 2.35)[style]
    canvas.fill(middle - half - 0.12, sill - 0.1, middle + half + 0.12, head + 0.12, (206, 202, 192))
    canvas.shade(middle - half - 0.15, sill - 0.2, middle + half + 0.15, sill - 0.1, 0.7)
    canvas.fill(middle - half, sill, middle + half, head, (222, 220, 214))
    sky = np.array([120, 132, 142], np.float32) * random.uniform(0.5, 1.1)
    dark = np.array([40, 44, 48], np.float32)
    for side in (-1, 1):
        first, last = sorted((middle + side * 0.04, middle + side * (half - 0.06)))
        canvas.fade(first, sill + 0.07, last, head - 0.07, sky, dark)
        if random.random() < 0.5:
            cloth = np.array([190, 184, 172], np.float32) * random.uniform(0.5, 0.9)
            canvas.fill(first, head - random.uniform(0.3, 1.2), last, head - 0.07, cloth)
    canvas.shade(middle - half, head - 0.1, middle + half, head, 0.6)


def _closed_door(canvas: Canvas, middle: float) -> None:
    colour = np.array([(134, 104, 74), (96, 110, 118), (150, 148, 140)][canvas.random.integers(3)], np.float32)
    canvas.fill(middle - 0.56, 0, middle + 0.56, 2.16, colour * 0.6)
    canvas.fill(middle - 0.48, 0.01, middle + 0.48, 2.08, colour)
    canvas.fill(middle + 0.34, 1.0, middle + 0.44, 1.05, (60, 60, 60))
    canvas.fill(middle - 0.12, 1.5, middle + 0.12, 1.62, (232, 230, 226))


def _notices(canvas: Canvas, middle: float) -> None:
    random = canvas.random
    canvas.fill(middle - 0.62, 1.28, middle + 0.62, 2.02, (90, 72, 54))
    canvas.fill(middle - 0.58, 1.32, middle + 0.58, 1.98, (176, 148, 110))
    for place in np.arange(middle - 0.52, middle + 0.3, 0.26):
        low = random.uniform(1.38, 1.55)
        colour = np.array([236, 234, 228]) * random.uniform(0.75, 1.0)
        canvas.fill(float(place), low, float(place) + 0.2, low + 0.29, colour)
