from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from reid_model.features import Features, FloatArray
from reid_model.matching import METHODS, Method, distances, distances_of, dsr, maxsim, pair_distances, reference
from reid_model.matching.maxima import greatest
from reid_model.matching.methods import RIDGE, Precision
from tests.reid_model.builders import random_features, unit

TOLERANCE = 2e-6
BF16_TOLERANCE = 2**-7


@contextmanager
def small_blocks(scores: int, crops: int, few: int = 0) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maxsim, "BLOCK", scores)
        patch.setattr(maxsim, "QUERIES", crops)
        patch.setattr(maxsim, "FEW", few)
        patch.setattr(dsr, "BLOCK", scores)
        patch.setattr(dsr, "PAIR_BLOCK", scores)
        yield


@given(
    method=st.sampled_from(METHODS),
    queries=st.integers(0, 5),
    gallery=st.integers(0, 7),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    block=st.tuples(st.sampled_from([1, 150, 1 << 20]), st.sampled_from([1, 3, 64]), st.sampled_from([0, 8])),
    seed=st.integers(0, 1000),
)
def test_blocked_form_equals_the_definition(
    method: Method, queries: int, gallery: int, cells: tuple[int, int], block: tuple[int, int, int], seed: int
) -> None:
    x, y = random_features(queries, cells[0], seed), random_features(gallery, cells[1], seed + 1)
    with small_blocks(*block):
        fast = distances(x, y, method)
    np.testing.assert_allclose(fast, reference.distances(x, y, method), atol=TOLERANCE)
    assert fast.dtype == np.float32
    assert fast.shape == (queries, gallery)


@given(
    methods=st.lists(st.sampled_from(METHODS), max_size=6),
    precision=st.sampled_from(["fp32", "bf16"]),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 1000),
)
def test_methods_together_equal_each_alone(
    methods: list[Method], precision: Precision, cells: tuple[int, int], seed: int
) -> None:
    x, y = random_features(5, cells[0], seed), random_features(7, cells[1], seed + 1)
    with small_blocks(200, 3):
        together = distances_of(x, y, methods, precision=precision)
    assert set(together) == set(methods)
    for method, distance in together.items():
        limit = TOLERANCE
        if precision == "bf16":
            limit = BF16_TOLERANCE if method == "local" else BF16_TOLERANCE / 2
        np.testing.assert_allclose(distance, reference.distances(x, y, method), atol=limit)


def test_bf16_is_near_at_the_default_shape() -> None:
    x, y = random_features(70, 48, 1, local=128), random_features(90, 48, 2, local=128)
    near = x.local[:, ::-1] + y.local[:70] * 0.3  # cosines up to 1, where the steps of bf16 are widest
    y.local[:70] = near / np.linalg.norm(near, axis=2, keepdims=True)
    exact, fast = distances_of(x, y), distances_of(x, y, precision="bf16")
    for method in METHODS:
        difference = fast[method] - exact[method]
        assert np.abs(difference).max() < 1e-3
        assert np.sqrt(np.square(difference).mean()) < 2e-4
    assert (fast["gasm"] != exact["gasm"]).any()  # it is bf16 that was measured


@given(
    values=npst.arrays(
        np.float32, npst.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.floats(-2, 2, width=16)
    ),
    dim=st.integers(0, 2),
)
def test_greatest_in_half_precision_at_any_sign(values: FloatArray, dim: int) -> None:
    scores = torch.from_numpy(values).bfloat16()
    assert torch.equal(greatest(scores, dim).float() + 0, scores.float().amax(dim) + 0)


def test_progress_reaches_the_number_of_queries() -> None:
    seen: list[tuple[int, int]] = []
    with small_blocks(200, 2):
        distances_of(random_features(5), random_features(3), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    seen.clear()
    with small_blocks(2 * 8 * 8, 2):
        distances_of(
            random_features(5), random_features(3), ("dsr",), progress=lambda done, of: seen.append((done, of))
        )
    assert seen == [(2, 3), (3, 3)]


def test_reconstruction_error_is_0_for_what_the_gallery_has_and_1_for_what_it_has_not() -> None:
    basis = np.eye(8, dtype=np.float32)
    x = random_features(1, 2, local=8)
    x.local[0] = basis[:2]
    same, other = random_features(1, 3, local=8), random_features(1, 3, local=8)
    same.local[0], other.local[0] = basis[:3], basis[3:6]
    assert dsr.residuals(x, same)[0, 0] == pytest.approx((RIDGE / (1 + RIDGE)) ** 2, abs=1e-6)
    assert dsr.residuals(x, other)[0, 0] == pytest.approx(1, abs=1e-6)


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
        # A cell that reconstructs itself alone has weight 1, so that the ridge costs at most λ.
        np.testing.assert_allclose(np.diag(matrix), 0, atol=RIDGE / 2 if method == "dsr" else TOLERANCE)
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
    with pytest.raises(ValueError, match="expected one of fp32, bf16"):
        distances_of(x, x, precision="fp64")  # type: ignore[arg-type]
