"""Market-1501: 1,501 people in front of a supermarket, six cameras (Zheng et al., ICCV 2015)."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from reid_model.datasets.images import DatasetError, Part, ReidImages, read_bytes

MARKET_NAME = re.compile(r"(-?\d+)_c(\d)s(\d)_(\d+)_\d+(?:\.jpg)+")
"""Identity, camera, sequence and frame; some files of the original carry their ending twice."""

MARKET_FOLDERS: dict[Part, str] = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


def read_market1501(folder: Path, part: Part) -> ReidImages:
    """One part of Market-1501, from its original folders or from `train.tar`, `query.tar` and `gallery.tar`.

    Junk keeps identity −1 and distractors identity 0, as the files are named.

    Raises:
        DatasetError: If neither is there, or it holds no image named as Market-1501 names them.
    """
    directory, archive = folder / MARKET_FOLDERS[part], folder / f"{part}.tar"
    if directory.is_dir():
        names = sorted(path.name for path in directory.iterdir())
        files = [(name, read_bytes(directory / name)) for name in names if MARKET_NAME.fullmatch(name)]
    elif archive.is_file():
        files = _read_archive(archive)
    else:
        raise DatasetError(
            f"{folder}: no {MARKET_FOLDERS[part]}/ and no {archive.name} here; name a Market-1501 folder"
        )
    if not files:
        raise DatasetError(f"{folder}: no image of the {part} part is named like 0002_c1s1_000451_03.jpg")
    labels = [(match, data) for name, data in files if (match := MARKET_NAME.fullmatch(name))]
    return ReidImages.of([(match[0], data, int(match[1]), int(match[2])) for match, data in labels])


def _read_archive(archive: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of the archive's images, by name."""
    try:
        with tarfile.open(archive) as tar:
            members = [(Path(member.name).name, member) for member in tar.getmembers() if member.isfile()]
            named = sorted((pair for pair in members if MARKET_NAME.fullmatch(pair[0])), key=lambda pair: pair[1].name)
            return [(name, tar.extractfile(member).read()) for name, member in named]  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError):
        raise DatasetError(f"{archive}: not a whole archive; copy it again") from None
    except OSError as error:
        raise DatasetError(f"{archive}: cannot be read ({error.strerror}); copy it again") from None
