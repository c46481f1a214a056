"""Several annotated videos side by side in one, with a panel that says who is where."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.annotate import identity_colour
from app.config import CameraConfig
from app.sources import open_source
from app.video import VideoWriter
from trackers.evaluation import Rows

Image = npt.NDArray[np.uint8]

TILE = (640, 360)
"""Width and height of a camera's picture in the mosaic, pixels."""

PAPER, INK, FAINT = (32, 30, 28), (235, 235, 235), (150, 150, 150)
FONT = cv2.FONT_HERSHEY_SIMPLEX
LINE = 22
COLUMN = 152
HEADER = 56


@dataclass(frozen=True, slots=True)
class Part:
    """One camera of a mosaic.

    Attributes:
        name: Of the camera.
        video: Its annotated video.
        rows: The boxes drawn in it; frames from 1, ids are identities.
    """

    name: str
    video: Path
    rows: Rows


def write_mosaic(parts: Sequence[Part], path: Path, progress: Callable[[int, int | None], None]) -> None:
    """Writes a video of several videos, frame by frame, in a grid; the panel after the last names who is in sight.

    A video that ends before the others stays dark from then on.

    Args:
        parts: Recordings of equal frame rates that start together.
        path: The .mp4 file.
        progress: Called with the frames done and expected.

    Raises:
        InputError: If a video cannot be read, or the file not be written.
    """
    sources = [open_source(CameraConfig(name=part.name, source=str(part.video))) for part in parts]
    columns = math.ceil(math.sqrt(len(parts) + 1))
    lines = -(-(len(parts) + 1) // columns)
    rate = Fraction(sources[0].rate)
    with VideoWriter(path, columns * TILE[0], lines * TILE[1], rate) as writer:
        for number, frames in enumerate(zip_longest(*sources)):
            sheet: Image = np.full((lines * TILE[1], columns * TILE[0], 3), PAPER, np.uint8)
            for place, frame in enumerate(frames):
                if frame is not None:
                    _tile(sheet, place, columns)[:] = _fitted(frame.image)
                    _name(_tile(sheet, place, columns), parts[place].name)
            _panel(_tile(sheet, len(parts), columns), _in_sight(parts, number + 1), number / float(rate))
            writer.write(sheet, number / float(rate))
            progress(number + 1, sources[0].frame_count)


def _tile(sheet: Image, place: int, columns: int) -> Image:
    row, column = divmod(place, columns)
    width, height = TILE
    return sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]


def _fitted(image: Image) -> Image:
    """The image in the size of a tile, its shape kept."""
    scale = min(TILE[0] / image.shape[1], TILE[1] / image.shape[0])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    left, top = (TILE[0] - width) // 2, (TILE[1] - height) // 2
    tile: Image = np.full((TILE[1], TILE[0], 3), PAPER, np.uint8)
    tile[top : top + height, left : left + width] = small
    return tile


def _name(tile: Image, name: str) -> None:
    (width, height), _ = cv2.getTextSize(name, FONT, 0.55, 1)
    cv2.rectangle(tile, (0, 0), (width + 16, height + 14), PAPER, -1)
    cv2.putText(tile, name, (8, height + 7), FONT, 0.55, INK, 1, cv2.LINE_AA)


def _in_sight(parts: Sequence[Part], frame: int) -> dict[int, list[str]]:
    """Who is drawn in that frame, by number, with the cameras that show them."""
    where: dict[int, list[str]] = {}
    for part in parts:
        first, last = np.searchsorted(part.rows.frames, [frame, frame + 1])
        for identity in part.rows.ids[first:last].tolist():
            where.setdefault(identity, []).append(part.name)
    return dict(sorted(where.items()))


def _panel(tile: Image, people: dict[int, list[str]], time: float) -> None:
    """Who is in sight: colour, number and cameras, those in several cameras bright."""
    several = sum(len(cameras) > 1 for cameras in people.values())
    cv2.putText(tile, f"{time:5.1f} s   {len(people)} people in sight", (16, 24), FONT, 0.55, INK, 1, cv2.LINE_AA)
    cv2.putText(tile, f"{several} of them in several cameras", (16, 45), FONT, 0.45, FAINT, 1, cv2.LINE_AA)
    room = (TILE[1] - HEADER - 8) // LINE
    for place, (identity, cameras) in enumerate(list(people.items())[: room * (TILE[0] // COLUMN)]):
        x, y = 16 + place // room * COLUMN, HEADER + place % room * LINE
        cv2.rectangle(tile, (x, y + 3), (x + 14, y + 17), identity_colour(identity)[::-1], -1)
        ink = INK if len(cameras) > 1 else FAINT
        text = f"{identity}  {' '.join(cameras)}"
        cv2.putText(tile, text, (x + 21, y + 15), FONT, 0.42, ink, 1, cv2.LINE_AA)
