"""A user's own crops: folders of people, or files named as Market-1501 names them."""

from __future__ import annotations

import re
from pathlib import Path

from reid_model.datasets.images import DatasetError, Labelled, Part, ReidImages, image_files, read_bytes
from reid_model.datasets.market1501 import MARKET_FOLDERS

CAMERA_TOKEN = re.compile(r"(?<![A-Za-z0-9])c(?:am)?(\d{1,4})(?=s\d|[^A-Za-z0-9]|$)", re.IGNORECASE)
"""The camera in a file's name, such as `c3` in 0002_c3s1_000451.jpg or `cam12` in left-cam12.png."""

FLAT_NAME = re.compile(r"(-?\d+)_c(\d{1,4})(?:s\d+)?_.*")
"""Identity and camera of a file without a folder of its own; Market-1501's and DukeMTMC-reID's names fit."""

UNNAMED_CAMERA: dict[Part, int] = {"train": 1001, "query": 1002, "gallery": 1003}
"""Camera of images whose names tell none: queries and gallery count as taken by different cameras."""

PARTS: tuple[Part, ...] = ("train", "query", "gallery")


def read_folder(folder: Path, part: Part) -> ReidImages:
    """One part of a folder: `PART/<identity>/<anything>.jpg`, or `PART/0002_c1s1_000451_03.jpg`.

    The part's folder may also have Market-1501's name (`bounding_box_train`, `bounding_box_test`). Folders of
    identities are numbered from 1 in the order of their names over all parts; identities in file names keep their
    number, with −1 as junk and 0 as distractor.

    Raises:
        DatasetError: If the part's folder is missing or holds no image in either layout, or mixes them.
    """
    directory = _directory(folder, part)
    if directory is None:
        raise DatasetError(f"{folder}: no {part}/ here; make it, with a folder of images for each person")
    people = _people(directory)
    flat = image_files(directory)
    if people and flat:
        raise DatasetError(f"{directory}: folders of people beside images such as {flat[0].name}; use one or the other")
    rows = _read_people(folder, directory, part) if people else [_flat_row(path) for path in flat]
    if not rows:
        raise DatasetError(f"{directory}: no images here; expected {part}/<identity>/<anything>.jpg")
    return ReidImages.of(rows)


def _directory(folder: Path, part: Part) -> Path | None:
    return next((folder / name for name in (part, MARKET_FOLDERS[part]) if (folder / name).is_dir()), None)


def _people(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))


def _read_people(folder: Path, directory: Path, part: Part) -> list[Labelled]:
    everyone = {name for each in PARTS if (place := _directory(folder, each)) for name in _people(place)}
    numbers = {name: number for number, name in enumerate(sorted(everyone), 1)}
    return [
        (f"{person}/{path.name}", read_bytes(path), numbers[person], _camera(path, part))
        for person in _people(directory)
        for path in image_files(directory / person)
    ]


def _camera(path: Path, part: Part) -> int:
    match = CAMERA_TOKEN.search(path.stem)
    return int(match[1]) if match else UNNAMED_CAMERA[part]


def _flat_row(path: Path) -> Labelled:
    match = FLAT_NAME.fullmatch(path.name)
    if not match:
        raise DatasetError(
            f"{path}: expected a name like 0002_c1s1_000451_03.jpg; rename it or put it into a folder of its person"
        )
    return path.name, read_bytes(path), int(match[1]), int(match[2])
