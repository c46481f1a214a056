"""The reproducible test of occlusion: people and scenery of Penn-Fudan pasted over crops.

Only for evaluation: nothing here is used in training, so that no network has met these occluders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from reid_model.datasets import DatasetError, ImageArray
from reid_model.datasets.images import decode_image, image_files, read_bytes

Side = Literal["left", "right", "below"]
SIDES: tuple[Side, ...] = ("left", "right", "below")

SHARES = (0.35, 0.65)
"""How far a cover reaches over a crop: range of its share of the width (from a side) or height (from below)."""

LAYOUTS = (("images", "masks", ""), ("PNGImages", "PedMasks", "_mask"))
"""Folders of photographs and masks, and what a mask's name has more than its photograph's."""

SMALLEST_PERSON = 96
"""Height in pixels below which a person of a photograph is too coarse to be pasted."""

NARROWEST_SCENE = 32
"""Width in pixels that a part of a photograph without people must have."""

SCENE_MARGIN = 8
"""Pixels kept between a scene and the people's masks, which end a little inside bags and shoes."""

UNLABELLED = {
    "FudanPed": "2 6 8 11 14 16 17 21 22 25 29 33 34 37 40 41 42 43 44 45 46 47 48 49 54 55 63 65",
    "PennPed": "1 2 3 4 6 7 8 9 10 12 15 16 19 23 26 28 29 30 33 35 39 48 50 54 56 58 60 61 "
    "62 63 64 65 66 67 76 77 80 85 92 94",
}
"""Photographs that show people without a mask, as they were looked through: they give no scenery."""

_NO_SCENERY = {f"{place}{number:>05}" for place, numbers in UNLABELLED.items() for number in numbers.split()}

FloatArray = npt.NDArray[np.float32]
Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A person cut out of a photograph.

    Attributes:
        image: BGR, `(h, w, 3)`.
        mask: 1 on the person, 0 elsewhere, `(h, w)` float32.
    """

    image: ImageArray
    mask: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Covered:
    """A crop with something in front of it.

    Attributes:
        image: BGR of the crop's size, `(h, w, 3)`.
        share: How far the cover reaches over the crop: of its width from a side, of its height from below, 0 to 1.
        area: Covered share of the pixels: `share` for scenery, less for a person, who does not fill their box.
        person: Whether a person covers it; otherwise a patch of scenery.
        side: Where the cover comes from.
    """

    image: ImageArray
    share: float
    area: float
    person: bool
    side: Side


class Occluders:
    """People and scenery that can cover crops.

    Args:
        folder: Penn-Fudan: `images/` and `masks/`, or `PNGImages/` and `PedMasks/` as released. A mask's values number
            the people.

    Raises:
        DatasetError: If the folder has neither layout, a mask is missing or does not fit, or there is nobody in it.
    """

    def __init__(self, folder: Path) -> None:
        self.people: list[Cutout] = []
        self.scenes: list[ImageArray] = []
        for name, photograph, mask in _photographs(folder):
            self.people += _people(photograph, mask)
            if name not in _NO_SCENERY:
                self.scenes += _scenes(photograph, mask)
        if not self.people or not self.scenes:
            raise DatasetError(f"{folder}: no people or no scenery in these photographs; name the Penn-Fudan folder")

    def occlude(self, images: Sequence[ImageArray], seed: int, rows: Sequence[int] | None = None) -> list[ImageArray]:
        """Covers each crop over 35 to 65 % of it, half of them with a person and half with a patch of scenery.

        Args:
            images: BGR crops, `(h, w, 3)` uint8 each; they are not changed.
            seed: 0 or more; the same seed covers alike.
            rows: Number of each crop in its dataset, from 0; its place in `images` when left out. A crop's cover
                depends on the seed and this number alone, not on the batch.

        Returns:
            The covered crops, of the same sizes.

        Raises:
            DatasetError: If the seed is negative.
        """
        numbers = range(len(images)) if rows is None else rows
        return [self.cover(image, seed, int(row)).image for image, row in zip(images, numbers, strict=True)]

    def cover(self, image: ImageArray, seed: int, row: int) -> Covered:
        """Covers one crop; see `occlude`."""
        if seed < 0:
            raise DatasetError(f"seed {seed}: expected a whole number from 0; give another")
        # One of rows 0 and 1, one of rows 2 and 3, … is covered by a person, so that it is half of any set.
        turn = int(np.random.default_rng([seed, row // 2, 1]).integers(2))
        random = np.random.default_rng([seed, row])
        side = SIDES[random.integers(len(SIDES))]
        target = float(random.uniform(*SHARES))
        if (row + turn) % 2:
            return _cover_with_person(image, self.people[random.integers(len(self.people))], side, target, random)
        return _cover_with_scene(image, self.scenes[random.integers(len(self.scenes))], side, target, random)


def _photographs(folder: Path) -> Iterator[tuple[str, ImageArray, npt.NDArray[np.uint8]]]:
    """Name, photograph and mask of each."""
    layout = next((each for each in LAYOUTS if (folder / each[0]).is_dir() and (folder / each[1]).is_dir()), None)
    if layout is None:
        raise DatasetError(
            f"{folder}: no images/ with masks/ and no PNGImages/ with PedMasks/ here; name the Penn-Fudan folder"
        )
    for path in image_files(folder / layout[0]):
        photograph = decode_image(str(path), read_bytes(path))
        place = folder / layout[1] / f"{path.stem}{layout[2]}.png"
        mask = cv2.imdecode(np.frombuffer(read_bytes(place), np.uint8), cv2.IMREAD_UNCHANGED)
        if mask is None or mask.shape != photograph.shape[:2]:
            raise DatasetError(f"{place}: not a mask of the size of its photograph; copy it again")
        yield path.stem, photograph, mask.astype(np.uint8)


def _people(photograph: ImageArray, mask: npt.NDArray[np.uint8]) -> list[Cutout]:
    found = []
    for number in np.unique(mask[mask > 0]):
        rows, columns = (np.flatnonzero((mask == number).any(axis=axis)) for axis in (1, 0))
        inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if len(rows) >= SMALLEST_PERSON:
            found.append(Cutout(photograph[inside].copy(), (mask[inside] == number).astype(np.float32)))
    return found


def _scenes(photograph: ImageArray, mask: npt.NDArray[np.uint8]) -> list[ImageArray]:
    """The columns of a photograph that show no person, as one picture each stretch."""
    people = np.convolve(mask.any(axis=0), np.ones(2 * SCENE_MARGIN + 1), "same") > 0
    free = np.concatenate([[False], ~people, [False]])
    starts, ends = np.flatnonzero(np.diff(free.astype(np.int8))).reshape(-1, 2).T
    return [
        photograph[:, start:end].copy()
        for start, end in zip(starts, ends, strict=True)
        if end - start >= NARROWEST_SCENE
    ]


def _depth(target: float, length: int) -> int:
    """The whole number of pixels nearest to a share of a length, inside the range where it has one."""
    low, high = np.ceil(SHARES[0] * length), np.floor(SHARES[1] * length)
    return int(np.clip(round(target * length), low, max(low, high)))


def _cover_with_scene(
    image: ImageArray, scene: ImageArray, side: Side, target: float, random: np.random.Generator
) -> Covered:
    """A patch over the whole of a side, or over the whole width from below."""
    height, width = image.shape[:2]
    length = height if side == "below" else width
    depth = _depth(target, length)
    box = {
        "left": np.s_[:, :depth],
        "right": np.s_[:, width - depth :],
        "below": np.s_[height - depth :, :],
    }[side]
    covered = image.copy()
    rows, columns = covered[box].shape[:2]
    covered[box] = _patch(scene, rows, columns, random)
    return Covered(covered, depth / length, depth / length, False, side)


def _patch(scene: ImageArray, rows: int, columns: int, random: np.random.Generator) -> ImageArray:
    """A part of a scene of the given shape's aspect, brought to that shape."""
    height, width = scene.shape[:2]
    zoom = min(height / rows, width / columns) * random.uniform(0.6, 1.0)
    tall, wide = max(1, int(rows * zoom)), max(1, int(columns * zoom))
    top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
    return _resized(scene[top : top + tall, left : left + wide], rows, columns)


def _cover_with_person(
    image: ImageArray, person: Cutout, side: Side, target: float, random: np.random.Generator
) -> Covered:
    """A person who has come in from a side, or up from below, as far as the wanted share.

    From a side comes somebody about as tall as the crop, from below somebody about as wide: people as near to the
    camera as the one they cover. Somebody too slender to reach so far is taken larger.
    """
    height, width = image.shape[:2]
    tall, wide = person.mask.shape
    if random.integers(2):
        person = Cutout(person.image[:, ::-1], person.mask[:, ::-1])
    below = side == "below"
    length, reach = (height, tall) if below else (width, wide)
    depth = _depth(target, length)
    fitting = width / wide if below else height / tall
    zoom = max(random.uniform(0.9, 1.15) * fitting, depth / reach)
    rows, columns = max(1, round(tall * zoom)), max(1, round(wide * zoom))
    scaled, mask = _resized(person.image, rows, columns), _resized(person.mask, rows, columns)
    # Across the way they came: from a side the head is near the top, from below they are near the middle.
    drift = random.uniform(-0.1, 0.1)
    if below:
        top, left = height - depth, round((width - columns) / 2 + drift * width)
    else:
        top, left = round(drift * height), depth - columns if side == "left" else width - depth
    covered, alpha = _pasted(image, scaled, mask, top, left)
    return Covered(covered, depth / length, float((alpha >= 0.5).mean()), True, side)


def _pasted(
    image: ImageArray, person: ImageArray, mask: FloatArray, top: int, left: int
) -> tuple[ImageArray, FloatArray]:
    """The image with what of the person falls into it, and how much of each pixel that covers, `(h, w)`."""
    height, width = image.shape[:2]
    rows, columns = mask.shape
    down, right = max(top, 0), max(left, 0)
    part = np.s_[down - top : min(rows, height - top), right - left : min(columns, width - left)]
    place = np.s_[down : min(top + rows, height), right : min(left + columns, width)]
    alpha = np.zeros((height, width), np.float32)
    alpha[place] = mask[part]
    result = image.astype(np.float32)
    result[place] += alpha[place][..., None] * (person[part].astype(np.float32) - result[place])
    return np.rint(result).astype(np.uint8), alpha


def _resized(image: npt.NDArray[Pixel], rows: int, columns: int) -> npt.NDArray[Pixel]:
    rows, columns = max(rows, 1), max(columns, 1)
    shrinking = rows < image.shape[0] or columns < image.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (columns, rows), interpolation=method)  # type: ignore[return-value]
