"""Pictures that somebody sends: their kind and size are read from the first bytes, before anything is decoded."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import numpy.typing as npt

from app.errors import InputError

Image = npt.NDArray[np.uint8]

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"

SIZES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
"""JPEG's markers of segments that hold the picture's size."""

LEAST_SIDE = 8
"""Pixels of the shorter side below which nobody can be seen."""


def read_upload(data: bytes, name: str, megapixels: float) -> Image:
    """Decodes a JPEG or PNG picture, BGR, `(h, w, 3)`.

    Args:
        data: What was sent.
        name: What it is called, for messages.
        megapixels: Most that it may have.

    Raises:
        InputError: If it is neither JPEG nor PNG, does not decode, or is too large or too small.
    """
    size = _png_size(data) if data.startswith(PNG) else _jpeg_size(data) if data.startswith(JPEG) else None
    if size is None:
        raise InputError(f"{name}: is neither a JPEG nor a PNG picture; send one of these")
    width, height = size
    if width * height > megapixels * 1e6:
        raise InputError(f"{name}: has {width} x {height} pixels, over {megapixels:g} megapixels; send a smaller one")
    if min(width, height) < LEAST_SIDE:
        raise InputError(f"{name}: has {width} x {height} pixels, too few to see somebody; send a larger one")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None or {image.shape[0], image.shape[1]} != {width, height}:
        raise InputError(f"{name}: does not decode; send it anew")
    return np.asarray(image, np.uint8)


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker in SIZES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        if marker in (0xD8, 0x01) or 0xD0 <= marker <= 0xD7:  # without content
            place += 2
            continue
        place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
    return None
