from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model.features import Features
from reid_model.matching import METHODS, Method, chunked, distances, pair_distances, reference
from tests.reid_model.builders import random_features, unit

TOLERANCE = 2e-6


@given(
    method=st.sampled_from(METHODS),
    queries=st.integers(0, 5),
    gallery=st.integers(0, 7),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    block=st.sampled_from([1, 50, 1 << 20]),
    seed=st.integers(0, 1000),
)
def test_blocked_form_equals_the_definition(
    method: Method, queries: int, gallery: int, cells: tuple[int, int], block: int, seed: int
) -> None:
    x, y = random_features(queries, cells[0], seed), random_features(gallery, cells[1], seed + 1)
    before = chunked.BLOCK, chunked.QUERY_CELLS
    chunked.BLOCK, chunked.QUERY_CELLS = block, min(block, 512)
    try:
        fast = distances(x, y, method)
    finally:
        chunked.BLOCK, chunked.QUERY_CELLS = before
    np.testing.assert_allclose(fast, reference.distances(x, y, method), atol=TOLERANCE)
    assert fast.dtype == np.float32
    assert fast.shape == (queries, gallery)


@given(method=st.sampled_from(METHODS), pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=12))
def test_chosen_pairs_equal_the_full_matrix(method: Method, pairs: list[tuple[int, int]]) -> None:
    x, y = random_features(4, 5, 1), random_features(5, 7, 2)
    rows, columns = [p[0] for p in pairs], [p[1] for p in pairs]
    np.testing.assert_allclose(
        pair_distances(x, y, rows, columns, method), distances(x, y, method)[rows, columns], atol=TOLERANCE
    )


@given(method=st.sampled_from(METHODS), seed=st.integers(0, 1000))
def test_distance_to_itself_is_zero_and_the_smallest(method: Method, seed: int) -> None:
    x = random_features(5, seed=seed)
    matrix = distances(x, x, method)
    if method != "gated":  # a gated query cell may have lost its own counterpart
        np.testing.assert_allclose(np.diag(matrix), 0, atol=TOLERANCE)
    assert (matrix >= -TOLERANCE).all()
    assert (matrix <= 2 + TOLERANCE).all()


def test_a_cell_without_saliency_does_not_count() -> None:
    x, y = random_features(1, seed=3), random_features(4, seed=4)
    saliency = x.saliency.copy()
    saliency[0, 0] = 0
    saliency /= saliency.sum()
    masked = dataclasses.replace(x, saliency=saliency)
    other = masked.local.copy()
    other[0, 0] = unit(np.random.default_rng(9), 8)
    np.testing.assert_allclose(
        distances(masked, y, "local"), distances(dataclasses.replace(masked, local=other), y, "local"), atol=TOLERANCE
    )


def test_the_place_of_a_cell_does_not_matter() -> None:
    """Adaptive spatial matching: a person shifted inside the crop still matches."""
    x, y = random_features(2, seed=5), random_features(3, seed=6)
    order = np.random.default_rng(0).permutation(y.cells)
    moved = Features(y.global_, y.local[:, order], y.saliency[:, order], y.mass)
    for method in METHODS:
        np.testing.assert_allclose(distances(x, moved, method), distances(x, y, method), atol=TOLERANCE)


def test_gating_keeps_an_occluders_cell_from_being_matched() -> None:
    x = random_features(1, cells=4, seed=7)
    y = random_features(1, cells=4, seed=8)
    local, saliency = y.local.copy(), np.full((1, 4), 1 / 3, np.float32)
    local[0, 0], saliency[0, 0] = x.local[0, 0], 0
    occluded = dataclasses.replace(y, local=local, saliency=saliency)
    weights = np.array([[1, 0, 0, 0]], np.float32)
    query = dataclasses.replace(x, saliency=weights)
    assert distances(query, occluded, "local")[0, 0] < TOLERANCE
    assert distances(query, occluded, "gated")[0, 0] > distances(query, occluded, "gasm")[0, 0] + 0.05


def test_symmetric_is_symmetric_and_the_papers_form_is_not() -> None:
    x, y = random_features(3, seed=10), random_features(3, seed=11)
    np.testing.assert_allclose(distances(x, y, "symmetric"), distances(y, x, "symmetric").T, atol=TOLERANCE)
    assert np.abs(distances(x, y, "local") - distances(y, x, "local").T).max() > 1e-3


def test_unknown_method_and_foreign_features_are_refused() -> None:
    x = random_features(2)
    with pytest.raises(ValueError, match="expected one of global, local"):
        distances(x, x, "euclid")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="features of one model"):
        distances(x, random_features(2, pooled=12))
