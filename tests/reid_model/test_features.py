from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reid_model.features import Features
from tests.reid_model.builders import random_features


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("global_", lambda v: v.astype(np.float64), "global_: expected a float32 array of 2 dimensions"),
        ("local", lambda v: v[0], "local: expected a float32 array of 3 dimensions"),
        ("mass", lambda v: v[:-1], "mass: expected"),
        ("saliency", lambda v: v[:, :-1], "saliency: expected"),
        ("global_", lambda v: v * 2, "global_: expected unit vectors"),
        ("local", lambda v: v * 0.5, "local: expected unit vectors"),
        ("saliency", lambda v: v * 2, "saliency: expected rows that sum to 1"),
        ("saliency", lambda v: -v, "saliency: expected no negative weight"),
        ("mass", lambda v: v + 1, "mass: expected"),
        ("mass", lambda v: v * np.nan, "mass: expected finite values"),
    ],
)
def test_what_is_not_as_described_is_refused(name: str, change: object, message: str) -> None:
    features = random_features(3)
    changed = change(getattr(features, name))  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(features, **{name: changed})


def test_selection_keeps_rows_together() -> None:
    features = random_features(5)
    for index in (slice(1, 4), [3, 1], np.array([True, False, True, False, False]), []):
        part = features[index]  # type: ignore[index]
        expected = (
            np.arange(5)[index if len(index) else slice(0)] if not isinstance(index, slice) else np.arange(5)[index]
        )
        assert len(part) == len(expected)
        np.testing.assert_array_equal(part.mass, features.mass[expected])
        np.testing.assert_array_equal(part.local, features.local[expected])


def test_one_position_is_refused_because_it_would_lose_a_dimension() -> None:
    with pytest.raises(TypeError, match="use \\[i : i \\+ 1\\]"):
        random_features(2)[0]  # type: ignore[index]


def test_concatenation_is_in_order_and_refuses_other_dimensions() -> None:
    first, second = random_features(2, seed=1), random_features(3, seed=2)
    joined = Features.concatenate([first, second, Features.empty(16, 6, 8)])
    np.testing.assert_array_equal(joined.mass, np.concatenate([first.mass, second.mass]))
    with pytest.raises(ValueError, match="expected one \\(D, P, d\\)"):
        Features.concatenate([first, random_features(2, cells=7)])
    with pytest.raises(ValueError, match="at least one"):
        Features.concatenate([])
