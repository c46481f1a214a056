from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.simulation.masks import decode_mask, encode_masks

pictures = arrays(
    np.int16, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(-1, 3), fill=st.just(-1)
)


def plain_text(mask: npt.NDArray[np.bool_]) -> str:
    """One number at a time, as the format is described."""
    counts, current, length = [], False, 0
    for pixel in mask.T.ravel().tolist():
        if pixel != current:
            counts.append(length)
            current, length = pixel, 0
        length += 1
    counts += [length] if current else []
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            group, value = value & 31, value >> 5
            last = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if last else 32))
            if last:
                break
    return text if mask.any() else ""


@given(pictures, st.integers(1, 30))
def test_text_is_the_format_s_and_comes_back(rows: npt.NDArray[np.int16], enlarged: int) -> None:
    # Enlarged, runs are so long that their counts take several groups.
    rows = rows.repeat(enlarged, axis=0)
    texts, pixels = encode_masks(rows, 5)
    for person, text in enumerate(texts):
        assert text == plain_text(rows == person)
        assert pixels[person] == (rows == person).sum()
        np.testing.assert_array_equal(decode_mask(text, *rows.shape), rows == person)


def test_nobody() -> None:
    texts, pixels = encode_masks(np.full((4, 6), -1, np.int16), 2)
    assert texts == ["", ""]
    assert pixels.tolist() == [0, 0]
    assert encode_masks(np.full((4, 6), -1, np.int16), 0)[0] == []
    assert not decode_mask("", 4, 6).any()


def test_a_known_mask() -> None:
    # A column of 2 below 1 of background, then 3 of background and 1: counts 1, 2, 3, 1, the last as 1 − 2.
    mask = np.zeros((4, 3), bool)
    mask[1:3, 0] = mask[2, 1] = True
    assert encode_masks(np.where(mask, 0, -1).astype(np.int16), 1)[0] == ["123O"]


@pytest.mark.parametrize("text", ["é", "!", "1P", "99999999", "0o", "1O"])
def test_what_is_no_mask_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a mask"):
        decode_mask(text, 3, 3)


def test_a_crowd_stays_small() -> None:
    rows = np.full((720, 1280), -1, np.int16)
    random = np.random.default_rng(0)
    y, x = np.mgrid[:720, :1280]
    for person in range(30):
        left, top = random.integers(20, 1200), random.integers(80, 640)
        rows[((x - left) / 25) ** 2 + ((y - top) / 75) ** 2 < 1] = person
    assert sum(map(len, encode_masks(rows, 30)[0])) < 30 * 160
