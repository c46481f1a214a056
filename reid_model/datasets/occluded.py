"""Small test sets without a training part: Occluded-REID, Partial-REID and PKU-Reid.

The first two have no cameras: queries count as taken by camera 1 and the gallery by camera 2, so that every gallery
image of the person is a right answer.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_model.datasets.images import DatasetError, Part, ReidImages, image_files, read_bytes

PKU_NAME = re.compile(r"(\d+)_0*([12])_(\d+)\.(?:png|jpg)")
"""Identity, camera and orientation."""

_CAMERAS: dict[Part, int] = {"query": 1, "gallery": 2}


def read_occluded_reid(folder: Path, part: Part) -> ReidImages:
    """Occluded-REID (Zhuo et al., ICME 2018): 200 people, five occluded and five whole images each.

    Raises:
        DatasetError: If a folder is missing or holds no image of a numbered person.
    """
    return _read_bodies(folder, part, "occluded_body_images")


def read_partial_reid(folder: Path, part: Part) -> ReidImages:
    """Partial-REID (Zheng et al., ICCV 2015): 60 people; queries are the images cut to the visible part of the body.

    Raises:
        DatasetError: If a folder is missing or holds no image of a numbered person.
    """
    return _read_bodies(folder, part, "partial_body_images")


def _read_bodies(folder: Path, part: Part, queries: str) -> ReidImages:
    directory = folder / (queries if part == "query" else "whole_body_images")
    if not directory.is_dir():
        raise DatasetError(f"{folder}: no {directory.name}/ here; name the folder that holds it")
    # Copies of these sets go round with a folder for each person and without.
    files = [
        path for place in [directory, *sorted(directory.iterdir())] if place.is_dir() for path in image_files(place)
    ]
    rows = [
        (path.name, read_bytes(path), int(match[1]), _CAMERAS[part])
        for path in files
        if (match := re.match(r"(\d+)_\d+", path.name))
    ]
    if not rows:
        raise DatasetError(f"{directory}: no image is named like 001/001_01.tif or 001_001.jpg")
    return ReidImages.of(rows)


def read_pku(folder: Path, part: Part) -> ReidImages:
    """PKU-Reid (Ma et al., 2016): 114 people from eight sides by two cameras; camera 1 asks, camera 2 is the gallery.

    All 114 people are tested; the authors' random halves for training and testing are not published with the images.

    Raises:
        DatasetError: If the folder holds no image of the camera.
    """
    camera = _CAMERAS[part]
    matches = [(path, PKU_NAME.fullmatch(path.name)) for path in image_files(folder)]
    rows = [
        (path.name, read_bytes(path), int(match[1]), camera)
        for path, match in matches
        if match and int(match[2]) == camera
    ]
    if not rows:
        raise DatasetError(f"{folder}: no image of camera {camera} is named like 001_0{camera}_1.png")
    return ReidImages.of(rows)
