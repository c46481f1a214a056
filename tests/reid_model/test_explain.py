from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid_model.checkpoint import DEFAULT_WEIGHTS, load_weights
from reid_model.embedder import Embedder
from reid_model.explain import look, match_cells
from reid_model.matching import pair_distances
from reid_model.network import Gasm, GasmConfig
from tests.reid_model.builders import random_features


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12), st.integers(0, 100))
def test_the_parts_of_cells_sum_to_the_local_distance(count, cells, gallery_cells, seed):
    query, gallery = random_features(count, cells, seed), random_features(count, gallery_cells, seed + 1)
    rows = np.arange(count)
    matches = match_cells(query, gallery)
    local = pair_distances(query, gallery, rows, rows, "local")
    np.testing.assert_allclose(matches.parts.sum(axis=1), local, atol=1e-6)
    np.testing.assert_allclose(matches.support.sum(axis=1), 1 - local, atol=1e-6)
    # Half of the paper's distance is made up of these parts, the other half of the pooled features.
    both = (matches.parts.sum(axis=1) + pair_distances(query, gallery, rows, rows, "global")) / 2
    np.testing.assert_allclose(both, pair_distances(query, gallery, rows, rows, "gasm"), atol=1e-6)


def test_each_query_cell_finds_the_gallery_cell_most_like_it() -> None:
    query, gallery = random_features(3, 7, 0), random_features(3, 5, 1)
    matches = match_cells(query, gallery)
    for i in range(3):
        for cell in range(7):
            cosines = gallery.local[i] @ query.local[i, cell]
            assert matches.found[i, cell] == cosines.argmax()
            assert matches.similarities[i, cell] == pytest.approx(cosines.max(), abs=1e-6)
            assert matches.parts[i, cell] >= 0


def test_a_crop_matches_itself_cell_by_cell_at_no_distance() -> None:
    features = random_features(4, 9)
    matches = match_cells(features, features)
    np.testing.assert_array_equal(matches.found, np.tile(np.arange(9), (4, 1)))
    np.testing.assert_allclose(matches.parts, 0, atol=1e-6)


def test_crops_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="given 3 and 2"):
        match_cells(random_features(3), random_features(2))
    with pytest.raises(ValueError, match="cells of 8 and 9 dimensions"):
        match_cells(random_features(3), random_features(3, local=9))


def crops() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = ((128, 64), (300, 90), (40, 100), (1, 1))
    return [
        cv2.blur(random.integers(0, 255, (*shape, 3)).astype(np.uint8), (3, 3)).reshape(*shape, 3) for shape in shapes
    ]


def test_what_is_explained_is_what_the_embedder_gives() -> None:
    network, _ = load_weights(DEFAULT_WEIGHTS)
    maps, features = look(network, crops())
    expected = Embedder().embed(crops())
    for name in ("global_", "local", "saliency", "mass"):
        np.testing.assert_allclose(getattr(features, name), getattr(expected, name), atol=1e-4)
    for seen, saliency, mass in zip(maps, expected.saliency, expected.mass, strict=True):
        np.testing.assert_allclose(seen.cells.ravel(), saliency, atol=1e-4)
        assert seen.saliency.mean() == pytest.approx(seen.mass, abs=1e-5)
        assert seen.mass == pytest.approx(float(mass), abs=1e-4)
        np.testing.assert_allclose(seen.saliency, (seen.mask + seen.pose) / 2, atol=1e-6)


@pytest.mark.parametrize("fusion", ["mean", "product"])
@pytest.mark.parametrize(("cells", "grid"), [((6, 2), (6, 2)), (None, (4, 2))])
def test_maps_have_the_shape_of_the_network(cells, grid, fusion) -> None:
    torch.manual_seed(0)
    network = Gasm(GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=cells, fusion=fusion)).eval()
    torch.nn.init.constant_(network.pose_layer.bias, 3.0)
    maps, features = look(network, crops())
    for seen in maps:
        assert seen.cells.shape == grid
        assert seen.cells.sum() == pytest.approx(1, abs=1e-5)
        assert seen.mask.shape == seen.pose.shape == seen.saliency.shape
        # Thirteen sure joints overlap everywhere: their sum must not exceed 1.
        assert seen.pose.max() <= 1
    assert features.cells == grid[0] * grid[1]
