"""Masks as run lengths, in the compressed text of the COCO data format, so that COCO's tools read them too.

A mask is read column by column from the left, each from the top. The counts are lengths of runs, background and person
in turn, beginning with background (possibly 0). From the fourth count on the difference to the count two before is
kept. Each number is written in groups of five bits, the lowest first: 48 + the bits, + 32 if more groups follow; the
highest bit of the last group is the sign.
Format: https://github.com/cocodataset/cocoapi (common/maskApi.h). A tool that wants COCO's object gives the text as
`counts` and the picture's height and width as `size`.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

BITS = 5
MORE = 1 << BITS
FIRST = 48


def encode_masks(rows: npt.NDArray[np.int16], count: int) -> tuple[list[str], Ints]:
    """Masks of everybody in a picture at once.

    Args:
        rows: (h, w) number of the person whom a pixel shows, from 0, −1 for none: `Picture.visible`.
        count: Number of people; numbers are below it.

    Returns:
        Text of each mask, length `count`, empty for a person without a pixel; and their pixels, (count,).
    """
    person, starts, ends = _runs(rows)
    order = np.argsort(person, kind="stable")
    person, starts, ends = person[order], starts[order], ends[order]
    lengths = np.stack([starts, ends - starts], axis=1)
    # The background before a run reaches back to the same person's run before it, or to the first pixel.
    lengths[1:, 0] -= np.where(person[1:] == person[:-1], ends[:-1], 0)
    pixels = np.bincount(person, lengths[:, 1], minlength=count).astype(np.int64)
    runs = np.bincount(person, minlength=count)
    return _text(lengths.ravel(), 2 * runs), pixels


def _runs(rows: npt.NDArray[np.int16]) -> tuple[Ints, Ints, Ints]:
    """Person, first pixel and pixel after the last of each run of somebody's pixels, in order of pixels."""
    flat = np.asarray(cv2.transpose(rows)).ravel()
    edges = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]])
    person = flat[edges[:-1]].astype(np.int64)
    shown = person >= 0
    return person[shown], edges[:-1][shown], edges[1:][shown]


def _text(counts: Ints, per_mask: Ints) -> list[str]:
    """The text of several masks' counts, one after another; `per_mask` tells how many are whose."""
    if not len(counts):
        return [""] * len(per_mask)
    position = np.arange(len(counts)) - np.repeat(np.cumsum(per_mask) - per_mask, per_mask)
    values = counts.copy()
    values[2:] -= np.where(position[2:] > 2, counts[:-2], 0)
    # A number needs as many groups as hold it with its sign.
    magnitude = np.where(values < 0, -values - 1, values)
    groups = np.maximum(1, -(-(np.frexp(magnitude.astype(np.float64))[1] + 1) // BITS)).astype(np.int64)
    place = np.arange(groups.max())
    written = place < groups[:, None]
    characters = FIRST + ((values[:, None] >> (BITS * place)) & (MORE - 1)) + MORE * (place < groups[:, None] - 1)
    text = characters[written].astype(np.uint8).tobytes().decode("ascii")
    ends = np.concatenate([[0], np.cumsum(groups)])[np.concatenate([[0], np.cumsum(per_mask)])].tolist()
    return [text[start:end] for start, end in pairwise(ends)]


def decode_mask(text: str, height: int, width: int) -> npt.NDArray[np.bool_]:
    """A mask from its text.

    Args:
        text: What `encode_masks` or COCO's tools wrote; empty is nobody.
        height: Of the picture.
        width: Of the picture.

    Returns:
        (height, width), true where the person is.

    Raises:
        ValueError: If the text is no mask of this size.
    """
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - FIRST
    if len(codes) and (codes.min() < 0 or codes.max() >= 2 * MORE or codes[-1] >= MORE):
        raise ValueError(f"not a mask's run lengths: {text[:40]!r}")
    last = codes < MORE
    number: Ints = np.cumsum(last) - last
    first = np.flatnonzero(np.concatenate([[True], last[:-1]])) if len(codes) else np.zeros(0, np.int64)
    place = np.arange(len(codes)) - first[number]
    values = np.zeros(len(first), np.int64)
    np.add.at(values, number, (codes & (MORE - 1)) << (BITS * place))
    negative = (codes[last] & (MORE >> 1)) > 0
    values[negative] -= 1 << (BITS * (place[last][negative] + 1))
    # Differences to the count two before make two sums, of every other count; the first count is in neither.
    counts = values.copy()
    counts[1::2], counts[2::2] = np.cumsum(values[1::2]), np.cumsum(values[2::2])
    if len(counts) and (counts.min() < 0 or counts.sum() > height * width):
        raise ValueError(f"not a mask of {width}×{height} pixels: {text[:40]!r}")
    flat = np.zeros(height * width, bool)
    shown = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    flat[: len(shown)] = shown
    return flat.reshape(width, height).T
