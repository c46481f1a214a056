"""Folders of images: in which order, and how many a second."""

from __future__ import annotations

import configparser
import re
from fractions import Fraction
from pathlib import Path

from app.decoding import DEFAULT_RATE
from app.errors import InputError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


def images_in(folder: Path) -> list[Path]:
    """The .jpg and .png images of a folder, in the natural order of their names.

    Raises:
        InputError: If the folder cannot be read.
    """
    try:
        return sorted((f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES), key=natural)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from None


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name.lower())]


def sequence_rate(folder: Path) -> Fraction:
    """Images a second: `frameRate` of a `seqinfo.ini` in the folder or beside it, else 25.

    Raises:
        InputError: If the file is there and does not say.
    """
    for file in (folder / "seqinfo.ini", folder.resolve().parent / "seqinfo.ini"):
        if not file.is_file():
            continue
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(file.read_text(encoding="utf-8-sig"))
            rate = Fraction(parser.get("Sequence", "frameRate"))
        except (configparser.NoOptionError, configparser.NoSectionError):
            continue
        except (configparser.Error, ValueError, OSError) as error:
            raise InputError(f"{file}: cannot be read ({str(error).splitlines()[0]}); correct or remove it") from None
        if rate <= 0:
            raise InputError(f"{file}: frameRate = {rate}; it must be above 0")
        return rate
    return DEFAULT_RATE
