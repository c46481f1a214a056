"""Re-identification datasets on disk, read into labelled, still encoded images."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[np.uint8]
Part = Literal["train", "query", "gallery"]

MARKET_NAME = re.compile(r"(-?\d+)_c(\d)s(\d)_(\d+)_\d+(?:\.jpg)+")
"""Identity, camera, sequence and frame; some files of the original carry their ending twice."""

MARKET_FOLDERS: dict[Part, str] = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


class DatasetError(ValueError):
    """A data folder cannot be used; the message is one line that names the cause and the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class ReidImages:
    """Encoded person crops with their labels.

    Attributes:
        names: File names, length n.
        encoded: JPEG or PNG bytes, length n.
        identities: Person numbers, `(n,)` int64; −1 is junk, 0 a distractor.
        cameras: Camera numbers, `(n,)` int64.
    """

    names: list[str]
    encoded: list[bytes]
    identities: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def decode(self, height: int, width: int) -> ImageArray:
        """All images as RGB of one size, `(n, height, width, 3)`.

        Raises:
            DatasetError: If an image does not decode; the message names it.
        """
        images = np.empty((len(self), height, width, 3), np.uint8)
        for row, (name, data) in enumerate(zip(self.names, self.encoded, strict=True)):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise DatasetError(f"{name}: this image does not decode; remove it or replace it")
            images[row] = cv2.cvtColor(
                cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB
            )
        return images


def read_market1501(folder: Path, part: Part) -> ReidImages:
    """One part of Market-1501, from its original folders or from `train.tar`, `query.tar` and `gallery.tar`.

    Raises:
        DatasetError: If neither is there, or it holds no image named as Market-1501 names them.
    """
    directory, archive = folder / MARKET_FOLDERS[part], folder / f"{part}.tar"
    if directory.is_dir():
        files = [
            (path.name, path.read_bytes()) for path in sorted(directory.iterdir()) if MARKET_NAME.fullmatch(path.name)
        ]
    elif archive.is_file():
        with tarfile.open(archive) as tar:
            members = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda member: member.name)
            named = [(Path(m.name).name, m) for m in members if MARKET_NAME.fullmatch(Path(m.name).name)]
            files = [(name, tar.extractfile(m).read()) for name, m in named]  # type: ignore[union-attr]
    else:
        raise DatasetError(
            f"{folder}: no {MARKET_FOLDERS[part]}/ and no {archive.name} here; name a Market-1501 folder"
        )
    if not files:
        raise DatasetError(f"{folder}: no image of the {part} part is named like 0002_c1s1_000451_03.jpg")
    labels = [MARKET_NAME.fullmatch(name) for name, _ in files]
    return ReidImages(
        [name for name, _ in files],
        [data for _, data in files],
        np.array([int(match[1]) for match in labels if match], np.int64),
        np.array([int(match[2]) for match in labels if match], np.int64),
    )


def held_out(identities: npt.NDArray[np.int64], every: int = 15, count: int = 50) -> npt.NDArray[np.bool_]:
    """Which images belong to the identities kept out of training, for thresholds and calibration, `(n,)`.

    A fixed list: every `every`-th identity in number order, `count` of them (50 of Market-1501's 751).
    """
    chosen = np.unique(identities[identities > 0])[every // 2 :: every][:count]
    return np.isin(identities, chosen)
