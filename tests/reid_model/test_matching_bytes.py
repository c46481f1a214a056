"""Matching in 8 bits: every way to it gives what whole numbers give, and that is near what float32 gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model.features import FloatArray
from reid_model.matching import METHODS, Method, distances_of, int8
from reid_model.matching.int8 import CellQueries, cell_similarities, row_products
from reid_model.matching.parts import in_parts
from reid_model.matching.quantise import ZERO, Quantised, to_bytes, to_floats
from reid_model.matching.vnni import kernels
from tests.reid_model.builders import random_features

WAYS = [int8.product_way, int8.float_way, *([int8.compiled_way] if kernels() is not None else [])]
SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
ROUNDING = 2e-6


def exact_similarities(queries: CellQueries, gallery: Quantised) -> FloatArray:
    """The definition on whole numbers."""
    scores = np.einsum("qpd,gcd->qgpc", queries.cells.astype(np.int64), gallery.cells.astype(np.int64) - ZERO)
    best = scores.max(axis=3).astype(np.float64)
    return np.asarray((best * queries.weights[:, None]).sum(axis=2) * gallery.scale, np.float32)


@given(way=st.sampled_from(WAYS), shape=SHAPES, counts=st.tuples(st.integers(1, 4), st.integers(1, 9)))
def test_every_way_equals_the_definition_on_whole_numbers(
    way: int8.Way, shape: tuple[int, int, int], counts: tuple[int, int]
) -> None:
    p, p2, d = shape
    queries = CellQueries.of(random_features(counts[0], p, 1, local=d))
    gallery = Quantised.of(random_features(counts[1], p2, 2, local=d))
    expected = exact_similarities(queries, gallery)
    np.testing.assert_allclose(way(queries, gallery, None, None), expected, atol=ROUNDING)
    chosen = np.random.default_rng(0).integers(0, counts[1], 5)
    np.testing.assert_allclose(way(queries, gallery, chosen, 2), expected[:, chosen], atol=ROUNDING)


@given(way=st.sampled_from(WAYS), low=st.booleans())
def test_values_at_both_ends_of_a_byte_do_not_overflow(way: int8.Way, low: bool) -> None:
    features = random_features(2, 48, 3, local=2048)
    queries = CellQueries.of(features)
    cells = np.full((3, 48, 2048), 1 if low else 255, np.uint8)
    gallery = Quantised(cells, np.ones(3, np.float32))
    expected = exact_similarities(queries, gallery)
    np.testing.assert_allclose(way(queries, gallery, None, None), expected, rtol=1e-5)


@given(methods=st.lists(st.sampled_from(METHODS), min_size=1), seed=st.integers(0, 100))
def test_all_methods_in_bytes_are_near_those_in_float32(methods: list[Method], seed: int) -> None:
    x, y = random_features(12, 9, seed, local=32), random_features(5, 7, seed + 1, local=32)
    exact, fast = distances_of(x, y, methods), distances_of(x, y, methods, precision="int8")
    for method in methods:
        np.testing.assert_allclose(fast[method], exact[method], atol=0.02)


def test_bytes_are_what_was_measured() -> None:
    x, y = random_features(3, 48, 1, local=128), random_features(60, 48, 2, local=128)
    exact, fast = (distances_of(x, y, ("local",), precision=name)["local"] for name in ("fp32", "int8"))
    assert 0 < np.abs(fast - exact).max() < 2e-3


@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 50))
def test_a_byte_is_half_a_step_off_at_most(count: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    values[0] = 0
    stored, scale = to_bytes(values, 8)
    assert stored.shape[1] % 8 == 0
    assert (stored[:, width:] == ZERO).all()
    back = to_floats(stored, scale)[:, :width]
    assert (np.abs(back - values) <= scale[:, None] * 0.501).all()
    assert (back[0] == 0).all()


@given(st.integers(1, 40), st.sampled_from([64, 128, 512]), st.booleans())
def test_products_of_rows(rows: int, width: int, chosen: bool) -> None:
    random = np.random.default_rng(rows)
    stored, scale = to_bytes(random.standard_normal((rows, width)).astype(np.float32))
    vector = random.standard_normal(width).astype(np.float32)
    positions = random.integers(0, rows, 7) if chosen else None
    found = row_products(vector, stored, scale, positions)
    exact = to_floats(stored, scale) @ vector
    expected = exact if positions is None else exact[positions]
    # The vector comes to bytes as well: half a step of each of its values.
    limit = np.abs(vector).max() / 127 / 2 * np.abs(to_floats(stored, scale)).sum(axis=1).max()
    assert np.abs(found - expected).max() <= limit + 1e-4


@pytest.mark.parametrize("positions", [np.array([3]), np.array([-1]), np.array([0], np.int32)])
def test_positions_outside_the_gallery_are_refused(positions: np.ndarray) -> None:
    queries, gallery = CellQueries.of(random_features(1)), Quantised.of(random_features(3))
    with pytest.raises(ValueError, match="positions: expected"):
        cell_similarities(queries, gallery, positions)


def test_foreign_cells_are_refused_and_nothing_gives_nothing() -> None:
    queries = CellQueries.of(random_features(2))
    with pytest.raises(ValueError, match="cells of one model"):
        cell_similarities(queries, Quantised.of(random_features(3, local=20)))
    assert cell_similarities(queries, Quantised.of(random_features(0))).shape == (2, 0)
    assert int8.fastest() in WAYS


@given(st.integers(0, 200), st.integers(1, 60), st.integers(1, 3))
def test_parts_are_the_whole_once(count: int, least: int, threads: int) -> None:
    seen = np.zeros(count, int)

    def work(first: int, last: int) -> None:
        seen[first:last] += 1

    in_parts(work, count, least, threads)
    assert (seen == 1).all()
