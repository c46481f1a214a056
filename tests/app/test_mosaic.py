from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from app.annotate import identity_colour
from app.config import CameraConfig
from app.mosaic import HEADER, TILE, Part, write_mosaic
from app.sources import open_source
from app.video import VideoWriter
from trackers.evaluation import Rows


def rows(*pairs: tuple[int, int]) -> Rows:
    frames, ids = (np.array(each, np.int64) for each in zip(*pairs, strict=True))
    return Rows(frames, ids, np.zeros((len(ids), 4)), np.ones(len(ids)), np.full(len(ids), -1.0))


def part(folder: Path, name: str, value: int, frames: int, seen: Rows) -> Part:
    path = folder / f"{name}.mp4"
    with VideoWriter(path, 320, 180, Fraction(10)) as writer:
        for number in range(frames):
            writer.write(np.full((180, 320, 3), value, np.uint8), number / 10)
    return Part(name, path, seen)


def test_cameras_side_by_side_with_who_is_in_sight(tmp_path: Path) -> None:
    parts = [
        part(tmp_path, "left", 200, 6, rows((1, 7), (2, 7))),
        part(tmp_path, "middle", 120, 6, rows((1, 7), (2, 9))),
        part(tmp_path, "right", 60, 3, rows((3, 9))),
    ]
    told: list[tuple[int, int | None]] = []
    write_mosaic(parts, tmp_path / "mosaic.mp4", lambda done, expected: told.append((done, expected)))
    frames = list(open_source(CameraConfig(name="mosaic", source=str(tmp_path / "mosaic.mp4"))))
    assert [done for done, _ in told] == [1, 2, 3, 4, 5, 6]
    assert len(frames) == 6
    width, height = TILE
    for frame in frames:
        image = frame.image
        assert image.shape == (2 * height, 2 * width, 3)
        centres = [image[height // 2 + y * height, width // 2 + x * width].mean() for x, y in ((0, 0), (1, 0), (0, 1))]
        # The third recording is over after three frames: its place is dark.
        np.testing.assert_allclose(centres, [200, 120, 60 if frame.index < 3 else 30], atol=6)
    colours = [frame.image[height + HEADER + 10, width + 23][::-1].astype(int) for frame in frames[:2]]
    assert np.abs(colours[0] - identity_colour(7)).max() < 40, "the first in the list is person 7, in their colour"
    second = frames[1].image[height + HEADER + 32, width + 23][::-1].astype(int)
    assert np.abs(second - identity_colour(9)).max() < 40
