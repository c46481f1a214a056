"""MSMT17: 4,101 people, fifteen cameras indoors and outdoors (Wei et al., CVPR 2018), in both releases."""

from __future__ import annotations

from pathlib import Path

from reid_model.datasets.images import DatasetError, Labelled, Part, ReidImages, read_bytes

LISTS: dict[Part, tuple[str, ...]] = {
    # The authors train on both lists for the figures they publish.
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}

FOLDERS = {"train": ("train", "mask_train_v2"), "test": ("test", "mask_test_v2")}
"""Folder of the images in the first release and in the second, whose faces are blurred."""


def read_msmt17(folder: Path, part: Part) -> ReidImages:
    """One part of MSMT17: the images that its lists name.

    A list's row is `0000/0000_000_01_0303morning_0008_0.jpg 0`: path and identity; the name's third field is the
    camera. Identities are counted from 1 here, since 0 means a distractor elsewhere.

    Raises:
        DatasetError: If a list, the folder of images or an image is missing, or a row is not as described.
    """
    choices = FOLDERS["train" if part == "train" else "test"]
    images = next((folder / name for name in choices if (folder / name).is_dir()), None)
    if images is None:
        raise DatasetError(f"{folder}: no {choices[0]}/ and no {choices[1]}/ here; name an MSMT17 folder")
    rows = [row for name in LISTS[part] for row in _read_list(folder / name, images)]
    if not rows:
        raise DatasetError(f"{folder / LISTS[part][0]}: names no image; unpack MSMT17 again")
    return ReidImages.of(rows)


def _read_list(path: Path, images: Path) -> list[Labelled]:
    lines = read_bytes(path).decode("utf-8-sig", "replace").splitlines()
    return [_row(line.strip(), f"{path}:{number}", images) for number, line in enumerate(lines, 1) if line.strip()]


def _row(line: str, place: str, images: Path) -> Labelled:
    name, _, label = line.rpartition(" ")
    fields = Path(name).stem.split("_")
    if len(fields) < 3 or not (label.isdecimal() and fields[2].isdecimal()):
        raise DatasetError(f"{place}: expected a row like 0000/0000_000_01_0303morning_0008_0.jpg 0, given {line!r}")
    return Path(name).name, read_bytes(images / name), int(label) + 1, int(fields[2])
