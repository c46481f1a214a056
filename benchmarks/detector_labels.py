"""Pictures with person boxes on disk, in ultralytics' layout: `images/NAME.jpg` beside `labels/NAME.txt`.

A label line is `class x y w h`: the centre and size of a box as shares of the picture. Class 0 is a person; class 1 is
a place that counts neither way: somebody hardly visible, too small, or something the labeller was not sure of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.files import write_bytes, write_text

Image = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float64]

PERSON, UNSURE = 0, 1
QUALITY = 95


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of one picture.

    Attributes:
        people: (n, 4) left, top, right, bottom in pixels.
        unsure: (m, 4) places that count neither way.
    """

    people: Boxes
    unsure: Boxes


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled picture on disk."""

    image: Path
    labels: Path

    def read(self) -> tuple[Image, Labels]:
        """The picture, BGR (h, w, 3), and its labels in its pixels."""
        picture = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"{self.image}: not a picture; make the data again")
        image = np.asarray(picture, np.uint8)
        return image, read_labels(self.labels, image.shape[1], image.shape[0])


def read_labels(path: Path, width: int, height: int) -> Labels:
    """Labels of a picture of that size."""
    text = path.read_text(encoding="utf-8").split()
    rows = np.array(text, np.float64).reshape(-1, 5)
    centre, half = rows[:, 1:3], rows[:, 3:5] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1) * [width, height, width, height]
    return Labels(boxes[rows[:, 0] == PERSON], boxes[rows[:, 0] == UNSURE])


def write_labels(path: Path, labels: Labels, width: int, height: int) -> None:
    """Writes labels of a picture of that size; boxes are cut at its borders, and those outside it are left out."""
    lines = []
    for kind, boxes in ((PERSON, labels.people), (UNSURE, labels.unsure)):
        cut = np.clip(boxes, 0, [width, height, width, height]) / [width, height, width, height]
        cut = cut[(cut[:, 2:] > cut[:, :2]).all(axis=1)]
        centre, size = (cut[:, :2] + cut[:, 2:]) / 2, cut[:, 2:] - cut[:, :2]
        lines += [f"{kind} {x:.6f} {y:.6f} {w:.6f} {h:.6f}" for (x, y), (w, h) in zip(centre, size, strict=True)]
    write_text(path, "\n".join(lines) + "\n" if lines else "")


def write_example(folder: Path, name: str, image: Image, labels: Labels, largest: int | None = None) -> None:
    """Writes one picture and its labels.

    Args:
        folder: Where `images` and `labels` are, or will be.
        name: Of the files.
        image: BGR, (h, w, 3).
        labels: In its pixels.
        largest: Longer side, in pixels, to which a larger picture is reduced.
    """
    height, width = image.shape[:2]
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_labels(folder / "labels" / f"{name}.txt", labels, width, height)
    if largest is not None and max(width, height) > largest:
        scale = largest / max(width, height)
        size = (round(width * scale), round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"{folder}: a picture of shape {image.shape} cannot be written as JPEG")
    write_bytes(folder / "images" / f"{name}.jpg", encoded.tobytes())


def examples(folder: Path, labels: str = "labels") -> list[Example]:
    """All labelled pictures of a folder, by name; a picture without a label file is left out."""
    found = [(image, folder / labels / f"{image.stem}.txt") for image in sorted((folder / "images").glob("*.jpg"))]
    return [Example(image, label) for image, label in found if label.is_file()]


def groups(folder: Path) -> Iterator[Path]:
    """The folders below one that hold pictures, by name."""
    return (path for path in sorted(folder.glob("*")) if (path / "images").is_dir())
