"""Every kind of dataset under one name: `KIND:DIR`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_model.datasets.folder import read_folder
from reid_model.datasets.images import DatasetError, Part, ReidImages
from reid_model.datasets.market1501 import read_market1501
from reid_model.datasets.mot import read_mot
from reid_model.datasets.msmt17 import read_msmt17
from reid_model.datasets.occluded import read_occluded_reid, read_partial_reid, read_pku

ALL: tuple[Part, ...] = ("train", "query", "gallery")
TEST: tuple[Part, ...] = ("query", "gallery")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a dataset is laid out and read.

    Attributes:
        name: What stands before the colon in `KIND:DIR`.
        layout: What DIR must hold.
        parts: The parts it has.
        note: Where it comes from and what its licence allows.
        read: Reads a part of the folder.
    """

    name: str
    layout: str
    parts: tuple[Part, ...]
    note: str
    read: Callable[[Path, Part], ReidImages]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "market1501",
            "`bounding_box_train/`, `query/`, `bounding_box_test/` with `0002_c1s1_000451_03.jpg`; "
            "or `train.tar`, `query.tar`, `gallery.tar`",
            ALL,
            "Zheng et al., ICCV 2015; research only, not to be passed on",
            read_market1501,
        ),
        Kind(
            "msmt17",
            "`list_train.txt`, `list_val.txt`, `list_query.txt`, `list_gallery.txt`; "
            "`train/`, `test/` (first release) or `mask_train_v2/`, `mask_test_v2/` (second)",
            ALL,
            "Wei et al., CVPR 2018; from its authors on signing their agreement, research only",
            read_msmt17,
        ),
        Kind(
            "occluded-reid",
            "`occluded_body_images/`, `whole_body_images/` with `001/001_01.tif` or `001_01.jpg`",
            TEST,
            "Zhuo et al., ICME 2018; github.com/tinajia2012, non-commercial",
            read_occluded_reid,
        ),
        Kind(
            "partial-reid",
            "`partial_body_images/` (queries), `whole_body_images/` with `001_001.jpg`; "
            "`occluded_body_images/` is not used",
            TEST,
            "Zheng et al., ICCV 2015; from its authors, research only",
            read_partial_reid,
        ),
        Kind(
            "pku",
            "`001_01_1.png`: person, camera (1 is query, 2 gallery), orientation",
            TEST,
            "Ma et al., 2016; github.com/charliememory/PKU-Reid-Dataset, CC BY-NC-SA 4.0",
            read_pku,
        ),
        Kind(
            "folder",
            "`train/`, `query/`, `gallery/` with `<identity>/<anything>.jpg`, or with `0002_c1s1_000451_03.jpg`; "
            "`c3` or `cam3` in a name is the camera",
            ALL,
            "your own",
            read_folder,
        ),
        Kind(
            "mot",
            "`gt/gt.txt`, `seqinfo.ini`, `video.mp4` or `img1/`; or a folder of such folders",
            ALL,
            "motchallenge.net, CC BY-NC-SA 3.0; or your own",
            read_mot,
        ),
    )
}


def read_dataset(spec: str, part: Part) -> ReidImages:
    """One part of the dataset that `KIND:DIR` names.

    Images are not decoded here: `ReidImages.crops` and `ReidImages.decode` say which one does not decode.

    Args:
        spec: `KIND:DIR`, such as `market1501:data/market1501`; the kinds are those of `KINDS`.
        part: `train`, `query` or `gallery`.

    Raises:
        DatasetError: If the kind is unknown, the folder is missing or of another layout, the kind has no such part,
            or a person to be trained on has a single image.
    """
    name, colon, place = spec.partition(":")
    kind = KINDS.get(name)
    if kind is None or not colon or not place:
        raise DatasetError(f"{spec}: expected KIND:DIR with a kind of {', '.join(KINDS)}; give it as market1501:DIR")
    if part not in kind.parts:
        raise DatasetError(f"{spec}: {name} has no {part} part; take another kind, such as market1501:DIR")
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; name the folder of a {name} dataset")
    try:
        images = kind.read(folder, part)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror or error}); check its permissions") from None
    if part == "train":
        _check_pairs(images, folder)
    return images


def read_datasets(specs: Sequence[str], part: Part) -> ReidImages:
    """One part of several datasets as one: no person and no camera of one is one of another.

    Names are those of the files, with the dataset's place in `specs` and a slash before them where there are several:
    `0/0002_c1s1_000451_03.jpg`. Junk and distractors stay what they are.

    Args:
        specs: `KIND:DIR` each, one or more.
        part: `train`, `query` or `gallery`.

    Raises:
        DatasetError: As `read_dataset` does.
    """
    parts = [read_dataset(spec, part) for spec in specs]
    if len(parts) == 1:
        return parts[0]
    people = np.cumsum([0, *(int(images.identities.max(initial=0)) for images in parts)])
    cameras = np.cumsum([0, *(int(images.cameras.max(initial=0)) + 1 for images in parts)])
    return ReidImages(
        [f"{number}/{name}" for number, images in enumerate(parts) for name in images.names],
        [data for images in parts for data in images.encoded],
        np.concatenate(
            [
                np.where(each.identities > 0, each.identities + shift, each.identities)
                for each, shift in zip(parts, people[:-1], strict=True)
            ]
        ),
        np.concatenate([each.cameras + shift for each, shift in zip(parts, cameras[:-1], strict=True)]),
    )


def _check_pairs(images: ReidImages, folder: Path) -> None:
    """Learning to tell people apart needs two images of each, and two people."""
    people, counts = np.unique(images.identities[images.identities > 0], return_counts=True)
    if len(people) < 2:
        raise DatasetError(f"{folder}: the train part shows {len(people)} people; training needs two or more")
    if (counts < 2).any():
        alone = people[counts < 2]
        name = images.names[int(np.flatnonzero(images.identities == alone[0])[0])]
        more = f", like {len(alone) - 1} more" if len(alone) > 1 else ""
        raise DatasetError(
            f"{folder}: {name} is the only image of its person{more}; training needs two or more: add some or remove it"
        )


def kinds_table() -> str:
    """The kinds as a Markdown table, as docs/reid.md shows them."""
    lines = ["| kind | layout of DIR | parts | from, licence |", "|---|---|---|---|"]
    lines += [f"| `{kind.name}` | {kind.layout} | {', '.join(kind.parts)} | {kind.note} |" for kind in KINDS.values()]
    return "\n".join(lines)
