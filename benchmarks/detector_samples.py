"""Training samples for the bundled detector: windows of labelled pictures, people of all sizes, colours and sharpness.

A whole street at the network's input shows few people large enough to learn from and much ground. So a sample is a
window around a person chosen at random, scaled so that this person gets a height chosen at random: small networks
learn more from a second of work on such windows than on whole frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.detector_labels import Boxes, Image, Labels, examples, groups

GREY = 114
"""What surrounds a picture that does not fill the input, as ultralytics pads."""

SIZES = ((320, 320), (416, 256), (256, 416), (352, 288), (288, 352))
"""Widths and heights of samples in pixels; one for each batch."""

HEIGHTS = (16.0, 330.0)
"""Range of the chosen person's height in the sample, in pixels; its logarithm is uniform."""

ENLARGED = 2.0
ASPECT = 0.15
"""Largest change of a person's width against their height, as a share."""

LEAST_HEIGHT = 9.0
"""Height in the sample, in pixels, below which a person counts neither way."""

LEAST_SHARE = 0.45
"""Share of a person's box inside the sample below which they count neither way."""

ANYWHERE = 0.12
"""Share of windows put anywhere, mostly on things that are no people."""

TILED = 0.25
"""Share of samples put together from four smaller windows of different pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture in memory at its size and at half of it, and its labels in pixels of its size."""

    levels: tuple[Image, Image]
    labels: Labels


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training sample.

    Attributes:
        image: BGR, (h, w, 3), values 0 to 255.
        labels: In its pixels.
    """

    image: Image
    labels: Labels


class Pool:
    """All training pictures in memory, a list for each group of like pictures.

    Args:
        folder: Holds the groups.
        simulated: Share of samples from groups whose name begins with `simulated`, where there are any.

    Raises:
        ValueError: If there are no pictures.
    """

    def __init__(self, folder: Path, simulated: float) -> None:
        names = [path.name for path in groups(folder)]
        self.groups = [[_load(*example.read()) for example in examples(folder / name)] for name in names]
        if not any(self.groups):
            raise ValueError(f"{folder}: no training pictures; make them with benchmarks.detector_data")
        people = np.array([sum(len(picture.labels.people) for picture in group) for group in self.groups], np.float64)
        drawn = np.array([name.startswith("simulated") for name in names])
        # The root: a long video of one street teaches less than its number of people says.
        weights = np.sqrt(np.maximum(people, 1)) * [len(group) > 0 for group in self.groups]
        for kind, share in ((drawn, simulated), (~drawn, 1 - simulated)):
            if weights[kind].sum() > 0:
                weights[kind] *= share / weights[kind].sum()
        self.weights = weights / weights.sum()
        self.names = names

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups)

    def pick(self, random: np.random.Generator) -> Picture:
        """A picture: first its group, then any of the group."""
        group = self.groups[int(random.choice(len(self.groups), p=self.weights))]
        return group[int(random.integers(len(group)))]


def _load(image: Image, labels: Labels) -> Picture:
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return Picture((image, np.asarray(half, np.uint8)), labels)


def make_sample(pool: Pool, random: np.random.Generator, width: int, height: int) -> Sample:
    """A sample of that size, augmented."""
    if random.random() < TILED:
        sample = _four(pool, random, width, height)
    else:
        sample = window(pool.pick(random), random, width, height)
    if random.random() < 0.5:
        sample = _mirrored(sample)
    return Sample(_recoloured(_degraded(sample.image, random), random), sample.labels)


def window(picture: Picture, random: np.random.Generator, width: int, height: int) -> Sample:
    """A window of a picture, scaled, of that size in pixels; grey where the picture ends."""
    full, people = picture.levels[0], picture.labels.people
    rows, columns = full.shape[:2]
    smallest = min(width / columns, height / rows) * 0.8
    tall = people[people[:, 3] - people[:, 1] >= LEAST_HEIGHT]
    if len(tall) == 0 or random.random() < ANYWHERE:
        scale = float(np.exp(random.uniform(np.log(smallest), np.log(max(1.0, 1.01 * smallest)))))
        focus = random.uniform(0, [columns, rows])
    else:
        left, top, right, bottom = tall[int(random.integers(len(tall)))]
        wanted = np.exp(random.uniform(*np.log(HEIGHTS)))
        scale = float(np.clip(wanted / (bottom - top), smallest, max(ENLARGED, smallest)))
        focus = np.array([left + right, top + bottom]) / 2
    stretch = np.exp(random.uniform(-ASPECT, ASPECT) * np.array([0.5, -0.5]))
    scales = np.minimum(scale * stretch, max(ENLARGED, smallest) * 1.2)
    corner = _corner(focus * scales, np.array([columns, rows]) * scales, np.array([width, height]), random)
    return Sample(
        _cut(picture, scales, corner, (width, height), random), _moved(picture.labels, scales, corner, (width, height))
    )


def _corner(
    focus: npt.NDArray[np.float64],
    whole: npt.NDArray[np.float64],
    size: npt.NDArray[np.int_],
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Where the window's left upper corner lies in the scaled picture: the focus inside, little beyond the picture."""
    corner = focus - random.uniform(0.15, 0.85, 2) * size
    room = whole - size
    inside = np.clip(corner, 0, np.maximum(room, 0))
    return np.where(room > 0, inside, random.uniform(0, 1, 2) * room)


def _cut(
    picture: Picture,
    scales: npt.NDArray[np.float64],
    corner: npt.NDArray[np.float64],
    size: tuple[int, int],
    random: np.random.Generator,
) -> Image:
    # Half of the strongly reduced samples are taken from the full picture, as rough as a detector's input is.
    level = int(scales.max() <= 0.5 and random.random() < 0.5)
    source = picture.levels[level]
    scales = scales * picture.levels[0].shape[1] / source.shape[1]
    matrix = np.array([[scales[0], 0, -corner[0]], [0, scales[1], -corner[1]]], np.float64)
    # Pixel centres: a scaling maps (0.5, 0.5), not (0, 0), onto a multiple of itself.
    matrix[:, 2] += 0.5 * scales - 0.5
    return np.asarray(
        cv2.warpAffine(
            source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY,) * 3
        ),
        np.uint8,
    )


def _moved(
    labels: Labels, scales: npt.NDArray[np.float64], corner: npt.NDArray[np.float64], size: tuple[int, int]
) -> Labels:
    """Labels of the window; who is mostly outside, or too small there, counts neither way."""
    people = labels.people * np.tile(scales, 2) - np.tile(corner, 2)
    unsure = labels.unsure * np.tile(scales, 2) - np.tile(corner, 2)
    limits = np.array([*size, *size], np.float64)
    cut, hidden = np.clip(people, 0, limits), np.clip(unsure, 0, limits)
    share = _areas(cut) / np.maximum(_areas(people), 1e-9)
    counts = (share >= LEAST_SHARE) & (cut[:, 3] - cut[:, 1] >= LEAST_HEIGHT)
    rest = np.concatenate([cut[~counts], hidden])
    return Labels(cut[counts], rest[_areas(rest) > 0])


def _areas(boxes: Boxes) -> Boxes:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(size[:, 0] * size[:, 1])


def _four(pool: Pool, random: np.random.Generator, width: int, height: int) -> Sample:
    """Four windows around a point chosen at random."""
    across, down = (round(side * random.uniform(0.3, 0.7)) for side in (width, height))
    image = np.empty((height, width, 3), np.uint8)
    people, unsure = [], []
    for top, bottom in ((0, down), (down, height)):
        for left, right in ((0, across), (across, width)):
            part = window(pool.pick(random), random, right - left, bottom - top)
            image[top:bottom, left:right] = part.image
            shift = np.array([left, top, left, top], np.float64)
            people.append(part.labels.people + shift)
            unsure.append(part.labels.unsure + shift)
    return Sample(image, Labels(np.concatenate(people), np.concatenate(unsure)))


def _mirrored(sample: Sample) -> Sample:
    width = sample.image.shape[1]

    def mirror(boxes: Boxes) -> Boxes:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)

    labels = Labels(mirror(sample.labels.people), mirror(sample.labels.unsure))
    return Sample(np.ascontiguousarray(sample.image[:, ::-1]), labels)


def _degraded(image: Image, random: np.random.Generator) -> Image:
    """Blur, noise and compression, each in some pictures."""
    if random.random() < 0.15:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.6)), np.uint8)
    if random.random() < 0.15:
        noise = random.normal(0, random.uniform(2, 14), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.2:
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))])[1]
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return image


def _recoloured(image: Image, random: np.random.Generator) -> Image:
    """Another hue, saturation, brightness, contrast and white balance; sometimes grey."""
    values = np.arange(256, dtype=np.float64)
    gamma, contrast, shift = np.exp(random.normal(0, 0.2)), random.uniform(0.75, 1.35), random.normal(0, 12)
    balance = np.exp(random.normal(0, 0.06, 3))
    curve = 255 * (values / 255) ** gamma
    table = np.clip((contrast * (curve - 110) + 110 + shift)[:, None] * balance, 0, 255).astype(np.uint8)
    image = np.asarray(cv2.LUT(image, table.reshape(1, 256, 3)), np.uint8)
    if random.random() < 0.06:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if random.random() < 0.6:
        hue = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        turned = ((np.arange(256) + random.normal(0, 5)) % 180).astype(np.uint8)
        richer = np.clip(values * random.uniform(0.4, 1.5), 0, 255).astype(np.uint8)
        tables = np.stack([turned, richer, values.astype(np.uint8)], axis=1)
        image = np.asarray(cv2.cvtColor(cv2.LUT(hue, tables.reshape(1, 256, 3)), cv2.COLOR_HSV2BGR), np.uint8)
    return image
