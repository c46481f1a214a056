"""Labelled person crops, still encoded, as every dataset is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[np.uint8]
Part = Literal["train", "query", "gallery"]
Labelled = tuple[str, bytes, int, int]
"""Name, encoded bytes, identity and camera of one image."""

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}

JUNK = -1
"""Identity of crops that count neither as right nor as wrong."""

DISTRACTOR = 0
"""Identity of crops that show nobody who is asked for."""


class DatasetError(ValueError):
    """A data folder cannot be used; the message is one line that names the cause and the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class ReidImages:
    """Encoded person crops with their labels.

    Attributes:
        names: File names, length n.
        encoded: The files' bytes (JPEG, PNG, …), length n.
        identities: Person numbers, `(n,)` int64; −1 is junk, 0 a distractor.
        cameras: Camera numbers, `(n,)` int64.
    """

    names: list[str]
    encoded: list[bytes]
    identities: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, rows: Sequence[Labelled]) -> ReidImages:
        """Images from one (name, bytes, identity, camera) each."""
        names, encoded, identities, cameras = ([row[column] for row in rows] for column in range(4))
        return cls(names, encoded, np.array(identities, np.int64), np.array(cameras, np.int64))  # type: ignore[arg-type]

    def subset(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_] | slice | Sequence[int]) -> ReidImages:
        """Some of the images, in the order of `rows`: indices, a mask `(n,)` or a slice; nothing is copied."""
        index = np.arange(len(self))[rows]
        return ReidImages(
            [self.names[row] for row in index],
            [self.encoded[row] for row in index],
            self.identities[index],
            self.cameras[index],
        )

    def crops(self) -> Iterator[ImageArray]:
        """Each image in turn as BGR at its own size, `(h, w, 3)`.

        Raises:
            DatasetError: If an image does not decode; the message names it.
        """
        for name, data in zip(self.names, self.encoded, strict=True):
            yield decode_image(name, data)

    def decode(self, height: int, width: int) -> ImageArray:
        """All images as RGB of one size, `(n, height, width, 3)`.

        Raises:
            DatasetError: If an image does not decode; the message names it.
        """
        images = np.empty((len(self), height, width, 3), np.uint8)
        for row, crop in enumerate(self.crops()):
            # Averaging when shrinking keeps thin stripes from aliasing into another pattern.
            shrinking = crop.shape[0] > height or crop.shape[1] > width
            method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
            images[row] = cv2.cvtColor(cv2.resize(crop, (width, height), interpolation=method), cv2.COLOR_BGR2RGB)
        return images


def decode_image(name: str, data: bytes) -> ImageArray:
    """One encoded image as BGR, `(h, w, 3)`.

    Raises:
        DatasetError: If it does not decode; the message begins with `name`.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise DatasetError(f"{name}: this image does not decode; remove it or replace it")
    return image  # type: ignore[return-value]


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        DatasetError: If it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; unpack the dataset again") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def image_files(folder: Path) -> list[Path]:
    """The image files directly in a folder, by name; hidden files are none.

    Raises:
        DatasetError: If the folder cannot be listed.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from None
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
